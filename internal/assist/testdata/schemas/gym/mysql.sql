CREATE TABLE `GymMembers` (
  `MemberID` int PRIMARY KEY,
  `MemberCode` varchar(12) NOT NULL UNIQUE,
  `GivenName` varchar(60) NOT NULL,
  `FamilyName` varchar(60) NOT NULL,
  `MobileNumber` varchar(32),
  `Email` varchar(120) UNIQUE,
  `PlanName` varchar(40) NOT NULL,
  `PlanEnds` date,
  `VisitsRemaining` int,
  `Frozen` boolean NOT NULL DEFAULT false
);
CREATE INDEX gym_mobile ON `GymMembers` (`MobileNumber`);
CREATE TABLE `Trainers` (
  `TrainerID` int PRIMARY KEY,
  `TrainerName` varchar(80) NOT NULL UNIQUE,
  `Specialty` varchar(60),
  `HourlyRate` decimal(8,2),
  `Phone` varchar(32)
);
CREATE TABLE `Classes` (
  `ClassID` int PRIMARY KEY,
  `ClassName` varchar(60) NOT NULL,
  `TrainerID` int NOT NULL,
  `StudioRoom` varchar(20),
  `StartsAt` datetime NOT NULL,
  `DurationMin` int NOT NULL,
  `SpotsOpen` int NOT NULL,
  CONSTRAINT class_trainer FOREIGN KEY (`TrainerID`) REFERENCES `Trainers` (`TrainerID`)
);
CREATE INDEX class_name ON `Classes` (`ClassName`);
CREATE TABLE `ClassSignups` (
  `SignupID` bigint AUTO_INCREMENT PRIMARY KEY,
  `SignupRef` varchar(36) NOT NULL UNIQUE,
  `ClassID` int NOT NULL,
  `AttendeeName` varchar(80) NOT NULL,
  `AttendeePhone` varchar(32) NOT NULL,
  `Status` varchar(16) NOT NULL DEFAULT 'booked',
  CONSTRAINT signup_class FOREIGN KEY (`ClassID`) REFERENCES `Classes` (`ClassID`)
) AUTO_INCREMENT = 100;
CREATE INDEX signup_phone ON `ClassSignups` (`AttendeePhone`);
CREATE TABLE `Lockers` (
  `LockerNo` varchar(8) PRIMARY KEY,
  `Zone` varchar(20),
  `RentedUntil` date,
  `MemberID` int,
  CONSTRAINT locker_member FOREIGN KEY (`MemberID`) REFERENCES `GymMembers` (`MemberID`)
);
CREATE TABLE `EquipmentFaults` (
  `FaultID` bigint AUTO_INCREMENT PRIMARY KEY,
  `Machine` varchar(60) NOT NULL,
  `ReportedBy` varchar(80),
  `Details` text NOT NULL,
  `ReportedAt` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `Fixed` boolean NOT NULL DEFAULT false
) AUTO_INCREMENT = 100;
CREATE TABLE `Dues` (
  `DueID` bigint AUTO_INCREMENT PRIMARY KEY,
  `ReceiptNo` varchar(16) UNIQUE,
  `MemberID` int NOT NULL,
  `Amount` decimal(8,2) NOT NULL,
  `PayBy` date NOT NULL,
  `PaidOn` date,
  CONSTRAINT due_member FOREIGN KEY (`MemberID`) REFERENCES `GymMembers` (`MemberID`)
) AUTO_INCREMENT = 100;
CREATE INDEX dues_member ON `Dues` (`MemberID`);
