CREATE TABLE `Policyholder` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `FirstName` varchar(60) NOT NULL,
  `LastName` varchar(60) NOT NULL,
  `Phone` varchar(32) NOT NULL,
  `Email` varchar(120) NOT NULL UNIQUE,
  `Address` varchar(200),
  `City` varchar(60),
  `PostalCode` varchar(12)
) AUTO_INCREMENT = 100;
CREATE INDEX `PolicyholderPhone` ON `Policyholder` (`Phone`);
CREATE TABLE `Product` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `Name` varchar(80) NOT NULL UNIQUE,
  `LineOfBusiness` varchar(40) NOT NULL,
  `Summary` varchar(300)
) AUTO_INCREMENT = 100;
CREATE TABLE `Policy` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `PolicyNumber` varchar(20) NOT NULL UNIQUE,
  `PolicyholderId` bigint NOT NULL,
  `ProductId` bigint NOT NULL,
  `Status` varchar(20) NOT NULL,
  `StartDate` date NOT NULL,
  `EndDate` date NOT NULL,
  `Premium` decimal(10,2) NOT NULL,
  `Deductible` decimal(10,2),
  CONSTRAINT `PolicyHolderKey` FOREIGN KEY (`PolicyholderId`) REFERENCES `Policyholder` (`Id`),
  CONSTRAINT `PolicyProductKey` FOREIGN KEY (`ProductId`) REFERENCES `Product` (`Id`)
) AUTO_INCREMENT = 100;
CREATE INDEX `PolicyHolderIdx` ON `Policy` (`PolicyholderId`);
CREATE INDEX `PolicyProductIdx` ON `Policy` (`ProductId`);
CREATE TABLE `Adjuster` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `Name` varchar(80) NOT NULL,
  `Phone` varchar(32) NOT NULL,
  `Email` varchar(120) NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX `AdjusterName` ON `Adjuster` (`Name`);
CREATE TABLE `Claim` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `ClaimNumber` varchar(20) NOT NULL UNIQUE,
  `PolicyId` bigint NOT NULL,
  `AdjusterId` bigint,
  `LossDate` date NOT NULL,
  `ReportedAt` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `Status` enum('reported', 'in_review', 'approved', 'rejected', 'paid') NOT NULL,
  `Description` text,
  `AmountClaimed` decimal(12,2),
  `AmountPaid` decimal(12,2),
  CONSTRAINT `ClaimPolicyKey` FOREIGN KEY (`PolicyId`) REFERENCES `Policy` (`Id`),
  CONSTRAINT `ClaimAdjusterKey` FOREIGN KEY (`AdjusterId`) REFERENCES `Adjuster` (`Id`)
) AUTO_INCREMENT = 100;
CREATE INDEX `ClaimPolicyIdx` ON `Claim` (`PolicyId`);
CREATE INDEX `ClaimAdjusterIdx` ON `Claim` (`AdjusterId`);
CREATE TABLE `ClaimDocument` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `ClaimNumber` varchar(20) NOT NULL,
  `Kind` varchar(40) NOT NULL,
  `ReceivedOn` date,
  `Status` varchar(20) NOT NULL,
  CONSTRAINT `DocumentClaimKey` FOREIGN KEY (`ClaimNumber`) REFERENCES `Claim` (`ClaimNumber`)
) AUTO_INCREMENT = 100;
CREATE INDEX `DocumentClaimIdx` ON `ClaimDocument` (`ClaimNumber`);
CREATE TABLE `PremiumPayment` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `PolicyNumber` varchar(20) NOT NULL,
  `DueDate` date NOT NULL,
  `PaidOn` date,
  `Amount` decimal(10,2) NOT NULL,
  `Status` varchar(20) NOT NULL,
  CONSTRAINT `PaymentPolicyKey` FOREIGN KEY (`PolicyNumber`) REFERENCES `Policy` (`PolicyNumber`)
) AUTO_INCREMENT = 100;
CREATE INDEX `PaymentPolicyIdx` ON `PremiumPayment` (`PolicyNumber`);
CREATE TABLE `LossReport` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `PolicyNumber` varchar(20) NOT NULL,
  `CallerName` varchar(80) NOT NULL,
  `CallerPhone` varchar(32) NOT NULL,
  `OccurredOn` date NOT NULL,
  `WhatHappened` text NOT NULL,
  `Injuries` boolean NOT NULL DEFAULT false,
  `CreatedAt` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX `LossReportPolicy` ON `LossReport` (`PolicyNumber`);
CREATE TABLE `RoadsideRequest` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `PolicyNumber` varchar(20) NOT NULL,
  `CallerPhone` varchar(32) NOT NULL,
  `Location` varchar(200) NOT NULL,
  `VehicleDescription` varchar(120),
  `Status` varchar(20) NOT NULL DEFAULT 'requested',
  `EtaMinutes` int,
  `RequestedAt` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX `RoadsidePhone` ON `RoadsideRequest` (`CallerPhone`);
CREATE TABLE `Quote` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `QuoteNumber` varchar(20) NOT NULL UNIQUE,
  `Phone` varchar(32) NOT NULL,
  `ProductId` bigint NOT NULL,
  `MonthlyPremium` decimal(10,2) NOT NULL,
  `ValidUntil` date NOT NULL,
  `Status` varchar(20) NOT NULL,
  CONSTRAINT `QuoteProductKey` FOREIGN KEY (`ProductId`) REFERENCES `Product` (`Id`)
) AUTO_INCREMENT = 100;
CREATE INDEX `QuotePhone` ON `Quote` (`Phone`);
CREATE TABLE `Beneficiary` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `PolicyId` bigint NOT NULL,
  `FullName` varchar(80) NOT NULL,
  `Relation` varchar(30),
  `SharePercent` int NOT NULL,
  CONSTRAINT `BeneficiaryPolicyKey` FOREIGN KEY (`PolicyId`) REFERENCES `Policy` (`Id`)
) AUTO_INCREMENT = 100;
CREATE INDEX `BeneficiaryPolicyIdx` ON `Beneficiary` (`PolicyId`);
CREATE TABLE `Branch` (
  `Id` bigint AUTO_INCREMENT PRIMARY KEY,
  `City` varchar(60) NOT NULL,
  `Address` varchar(200) NOT NULL,
  `OpeningHours` varchar(100),
  `Phone` varchar(32)
) AUTO_INCREMENT = 100;
CREATE INDEX `BranchCity` ON `Branch` (`City`);
INSERT INTO `Policyholder` VALUES (1, 'Anna', 'Vos', '+12065550142', 'anna@example.com', '1 Elm Street', 'Seattle', '98101');
INSERT INTO `Product` VALUES (1, 'Car Complete', 'motor', 'liability and collision');
INSERT INTO `Policy` VALUES (1, 'PL-1', 1, 1, 'active', '2027-01-01', '2027-12-31', 480.00, 250.00);
INSERT INTO `Adjuster` VALUES (1, 'Kim Lee', '+12065550120', 'kim@example.com');
INSERT INTO `Claim` (`Id`, `ClaimNumber`, `PolicyId`, `AdjusterId`, `LossDate`, `Status`, `Description`) VALUES (1, 'CL-1', 1, 1, '2027-03-02', 'in_review', 'rear-end collision');
INSERT INTO `ClaimDocument` VALUES (1, 'CL-1', 'police report', '2027-03-05', 'accepted');
INSERT INTO `PremiumPayment` VALUES (1, 'PL-1', '2027-04-01', NULL, 40.00, 'due');
INSERT INTO `LossReport` (`Id`, `PolicyNumber`, `CallerName`, `CallerPhone`, `OccurredOn`, `WhatHappened`) VALUES (1, 'PL-1', 'Anna Vos', '+12065550142', '2027-03-02', 'hit from behind');
INSERT INTO `RoadsideRequest` (`Id`, `PolicyNumber`, `CallerPhone`, `Location`) VALUES (1, 'PL-1', '+12065550142', 'I-5 exit 166');
INSERT INTO `Quote` VALUES (1, 'Q-1', '+12065550142', 1, 42.00, '2027-06-01', 'open');
INSERT INTO `Beneficiary` VALUES (1, 1, 'Ben Dahl', 'spouse', 100);
INSERT INTO `Branch` VALUES (1, 'Seattle', '500 Pine Street', '9-17', '+12065550111');
