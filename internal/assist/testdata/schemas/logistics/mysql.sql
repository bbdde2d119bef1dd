CREATE TABLE `customerAccounts` (
  `accountId` bigint AUTO_INCREMENT PRIMARY KEY,
  `accountNo` varchar(20) NOT NULL UNIQUE,
  `companyName` varchar(120) NOT NULL,
  `contactName` varchar(80),
  `contactPhone` varchar(32),
  `contactEmail` varchar(120),
  `billingAddress` varchar(200),
  `creditLimit` decimal(12,2)
) AUTO_INCREMENT = 100;
CREATE INDEX `accountPhone` ON `customerAccounts` (`contactPhone`);
CREATE INDEX `accountCompany` ON `customerAccounts` (`companyName`);
CREATE TABLE `depots` (
  `depotId` bigint AUTO_INCREMENT PRIMARY KEY,
  `depotName` varchar(80) NOT NULL,
  `city` varchar(60) NOT NULL,
  `phone` varchar(32),
  `openingHours` varchar(120)
) AUTO_INCREMENT = 100;
CREATE INDEX `depotCity` ON `depots` (`city`);
CREATE TABLE `drivers` (
  `driverId` bigint AUTO_INCREMENT PRIMARY KEY,
  `fullName` varchar(80) NOT NULL,
  `mobile` varchar(32),
  `depotId` bigint,
  CONSTRAINT `driverDepot` FOREIGN KEY (`depotId`) REFERENCES `depots` (`depotId`)
) AUTO_INCREMENT = 100;
CREATE TABLE `shipments` (
  `shipmentId` bigint AUTO_INCREMENT PRIMARY KEY,
  `trackingNumber` varchar(30) NOT NULL UNIQUE,
  `accountId` bigint NOT NULL,
  `consigneeName` varchar(80) NOT NULL,
  `consigneePhone` varchar(32),
  `deliveryAddress` varchar(200) NOT NULL,
  `deliveryInstructions` varchar(300),
  `estimatedDelivery` date,
  `deliveredAt` datetime,
  `signedBy` varchar(80),
  `currentStatus` varchar(30) NOT NULL,
  `lastScanLocation` varchar(80),
  `weightKg` decimal(8,3),
  `depotId` bigint,
  CONSTRAINT `shipmentAccount` FOREIGN KEY (`accountId`) REFERENCES `customerAccounts` (`accountId`),
  CONSTRAINT `shipmentDepot` FOREIGN KEY (`depotId`) REFERENCES `depots` (`depotId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `shipmentPhone` ON `shipments` (`consigneePhone`);
CREATE INDEX `shipmentByAccount` ON `shipments` (`accountId`);
CREATE TABLE `pickups` (
  `pickupId` bigint AUTO_INCREMENT PRIMARY KEY,
  `pickupRef` varchar(20) NOT NULL UNIQUE,
  `accountId` bigint NOT NULL,
  `pickupDate` date NOT NULL,
  `timeWindow` varchar(40),
  `address` varchar(200) NOT NULL,
  `status` varchar(20) NOT NULL DEFAULT 'requested',
  `driverId` bigint,
  `parcelCount` int NOT NULL DEFAULT 1,
  CONSTRAINT `pickupAccount` FOREIGN KEY (`accountId`) REFERENCES `customerAccounts` (`accountId`),
  CONSTRAINT `pickupDriver` FOREIGN KEY (`driverId`) REFERENCES `drivers` (`driverId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `pickupByAccount` ON `pickups` (`accountId`);
CREATE TABLE `damageClaims` (
  `claimId` bigint AUTO_INCREMENT PRIMARY KEY,
  `claimNo` varchar(36) NOT NULL UNIQUE,
  `trackingNumber` varchar(30) NOT NULL,
  `reportedBy` varchar(80) NOT NULL,
  `phone` varchar(32) NOT NULL,
  `description` text,
  `amountClaimed` decimal(10,2),
  `status` varchar(20) NOT NULL DEFAULT 'open',
  `reportedAt` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX `claimPhone` ON `damageClaims` (`phone`);
CREATE TABLE `freightInvoices` (
  `invoiceId` bigint AUTO_INCREMENT PRIMARY KEY,
  `invoiceNo` varchar(20) NOT NULL UNIQUE,
  `accountId` bigint NOT NULL,
  `issuedOn` date NOT NULL,
  `dueOn` date NOT NULL,
  `amount` decimal(12,2) NOT NULL,
  `paid` boolean NOT NULL DEFAULT false,
  CONSTRAINT `invoiceAccount` FOREIGN KEY (`accountId`) REFERENCES `customerAccounts` (`accountId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `invoiceByAccount` ON `freightInvoices` (`accountId`);
CREATE TABLE `deliveryAttempts` (
  `attemptId` bigint AUTO_INCREMENT PRIMARY KEY,
  `shipmentId` bigint NOT NULL,
  `attemptedAt` datetime NOT NULL,
  `outcome` varchar(60) NOT NULL,
  `note` varchar(200),
  CONSTRAINT `attemptShipment` FOREIGN KEY (`shipmentId`) REFERENCES `shipments` (`shipmentId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `attemptByShipment` ON `deliveryAttempts` (`shipmentId`);
INSERT INTO `customerAccounts` VALUES (1, 'AC-1', 'Vos Ltd', 'Anna Vos', '+12065550142', 'anna@example.com', '1 Elm Street', 5000.00);
INSERT INTO `depots` VALUES (1, 'North depot', 'Seattle', '+12065550100', '8 to 18');
INSERT INTO `shipments` (`shipmentId`, `trackingNumber`, `accountId`, `consigneeName`, `consigneePhone`, `deliveryAddress`, `estimatedDelivery`, `currentStatus`, `depotId`) VALUES
  (1, 'TR-1', 1, 'Ben Dahl', '+12065550199', '2 Oak Street', '2027-05-03', 'in transit', 1);
INSERT INTO `pickups` (`pickupId`, `pickupRef`, `accountId`, `pickupDate`, `address`) VALUES (1, 'PU-1', 1, '2027-05-01', '1 Elm Street');
INSERT INTO `damageClaims` (`claimId`, `claimNo`, `trackingNumber`, `reportedBy`, `phone`) VALUES (1, 'DC-1', 'TR-1', 'Anna Vos', '+12065550142');
INSERT INTO `freightInvoices` VALUES (1, 'FI-1', 1, '2027-04-01', '2027-05-01', 99.00, false);
