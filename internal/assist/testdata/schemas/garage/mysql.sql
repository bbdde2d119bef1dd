CREATE TABLE `cust` (
  `custId` bigint AUTO_INCREMENT PRIMARY KEY,
  `custName` varchar(80) NOT NULL,
  `phoneNo` varchar(32) NOT NULL,
  `emailAddr` varchar(120) UNIQUE,
  `addr` varchar(200),
  `city` varchar(60)
) AUTO_INCREMENT = 100;
CREATE INDEX `custPhone` ON `cust` (`phoneNo`);
CREATE INDEX `custNameIdx` ON `cust` (`custName`);
CREATE TABLE `technician` (
  `techId` bigint AUTO_INCREMENT PRIMARY KEY,
  `fullName` varchar(80) NOT NULL,
  `speciality` varchar(60),
  `hourlyRate` decimal(8,2)
) AUTO_INCREMENT = 100;
CREATE INDEX `techName` ON `technician` (`fullName`);
CREATE TABLE `vehicle` (
  `vehId` bigint AUTO_INCREMENT PRIMARY KEY,
  `custId` bigint NOT NULL,
  `licensePlate` varchar(12) NOT NULL UNIQUE,
  `vin` varchar(17) UNIQUE,
  `make` varchar(30) NOT NULL,
  `model` varchar(40) NOT NULL,
  `modelYear` int,
  `mileage` int,
  `nextServiceDue` date,
  CONSTRAINT `vehicleCust` FOREIGN KEY (`custId`) REFERENCES `cust` (`custId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `vehicleCustIdx` ON `vehicle` (`custId`);
CREATE TABLE `workOrder` (
  `woId` bigint AUTO_INCREMENT PRIMARY KEY,
  `woNumber` varchar(12) NOT NULL UNIQUE,
  `vehId` bigint NOT NULL,
  `techId` bigint,
  `openedOn` date NOT NULL,
  `promisedBy` datetime,
  `status` enum('open', 'waiting_for_parts', 'in_progress', 'ready', 'closed') NOT NULL,
  `problemDesc` text,
  `estCost` decimal(10,2),
  `totalCost` decimal(10,2),
  CONSTRAINT `workOrderVehicle` FOREIGN KEY (`vehId`) REFERENCES `vehicle` (`vehId`),
  CONSTRAINT `workOrderTech` FOREIGN KEY (`techId`) REFERENCES `technician` (`techId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `workOrderVehicleIdx` ON `workOrder` (`vehId`);
CREATE INDEX `workOrderTechIdx` ON `workOrder` (`techId`);
CREATE TABLE `serviceAppt` (
  `apptId` bigint AUTO_INCREMENT PRIMARY KEY,
  `custName` varchar(80) NOT NULL,
  `phoneNo` varchar(32) NOT NULL,
  `licensePlate` varchar(12) NOT NULL,
  `serviceType` varchar(60) NOT NULL,
  `dropOffAt` datetime NOT NULL,
  `loanerCar` boolean NOT NULL DEFAULT false,
  `apptStatus` varchar(20) NOT NULL DEFAULT 'booked',
  `remarks` text
) AUTO_INCREMENT = 100;
CREATE INDEX `serviceApptPhone` ON `serviceAppt` (`phoneNo`);
CREATE INDEX `serviceApptPlate` ON `serviceAppt` (`licensePlate`);
CREATE TABLE `part` (
  `partId` bigint AUTO_INCREMENT PRIMARY KEY,
  `partNo` varchar(30) NOT NULL UNIQUE,
  `descr` varchar(120) NOT NULL,
  `qtyOnHand` int NOT NULL,
  `unitPrice` decimal(10,2) NOT NULL,
  `binLocation` varchar(20)
) AUTO_INCREMENT = 100;
CREATE TABLE `partOrder` (
  `partOrderId` bigint AUTO_INCREMENT PRIMARY KEY,
  `poNumber` varchar(20) NOT NULL UNIQUE,
  `partId` bigint NOT NULL,
  `qty` int NOT NULL,
  `etaDate` date,
  `supplierName` varchar(80),
  `orderStatus` varchar(20) NOT NULL,
  CONSTRAINT `partOrderPart` FOREIGN KEY (`partId`) REFERENCES `part` (`partId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `partOrderPartIdx` ON `partOrder` (`partId`);
CREATE INDEX `partOrderSupplier` ON `partOrder` (`supplierName`);
CREATE TABLE `invoiceHdr` (
  `invId` bigint AUTO_INCREMENT PRIMARY KEY,
  `invNo` varchar(20) NOT NULL UNIQUE,
  `woId` bigint NOT NULL,
  `issuedOn` date NOT NULL,
  `amtDue` decimal(10,2) NOT NULL,
  `amtPaid` decimal(10,2) NOT NULL,
  `paidFlag` boolean NOT NULL,
  CONSTRAINT `invoiceWorkOrder` FOREIGN KEY (`woId`) REFERENCES `workOrder` (`woId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `invoiceWorkOrderIdx` ON `invoiceHdr` (`woId`);
CREATE TABLE `towRequest` (
  `towId` bigint AUTO_INCREMENT PRIMARY KEY,
  `callerName` varchar(80) NOT NULL,
  `callerPhone` varchar(32) NOT NULL,
  `pickupLocation` varchar(200) NOT NULL,
  `plate` varchar(12),
  `towStatus` varchar(20) NOT NULL DEFAULT 'new',
  `etaMinutes` int,
  `requestedAt` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX `towPhone` ON `towRequest` (`callerPhone`);
CREATE TABLE `warranty` (
  `warrantyId` bigint AUTO_INCREMENT PRIMARY KEY,
  `vehId` bigint NOT NULL,
  `vin` varchar(17) NOT NULL,
  `coverage` varchar(80) NOT NULL,
  `expiresOn` date NOT NULL,
  CONSTRAINT `warrantyVehicle` FOREIGN KEY (`vehId`) REFERENCES `vehicle` (`vehId`)
) AUTO_INCREMENT = 100;
CREATE INDEX `warrantyVehicleIdx` ON `warranty` (`vehId`);
CREATE INDEX `warrantyVin` ON `warranty` (`vin`);
INSERT INTO `cust` VALUES (1, 'Anna Vos', '+12065550142', 'anna@example.com', '1 Elm Street', 'Seattle');
INSERT INTO `technician` VALUES (1, 'Kim Lee', 'brakes', 95.00);
INSERT INTO `vehicle` VALUES (1, 1, 'ABC123', '1HGCM82633A004352', 'Honda', 'Accord', 2019, 42000, '2027-09-01');
INSERT INTO `workOrder` VALUES (1, 'WO-1', 1, 1, '2027-05-01', '2027-05-02 16:00:00', 'in_progress', 'squeaking brakes', 300.00, NULL);
INSERT INTO `serviceAppt` VALUES (1, 'Anna Vos', '+12065550142', 'ABC123', 'oil change', '2027-05-10 08:00:00', true, 'booked', NULL);
INSERT INTO `part` VALUES (1, 'P-100', 'brake pad', 12, 45.00, 'B7');
INSERT INTO `partOrder` VALUES (1, 'PO-1', 1, 4, '2027-05-05', 'Acme Parts', 'shipped');
INSERT INTO `invoiceHdr` VALUES (1, 'INV-1', 1, '2027-05-02', 310.00, 0.00, false);
INSERT INTO `towRequest` (`towId`, `callerName`, `callerPhone`, `pickupLocation`, `plate`) VALUES (1, 'Anna Vos', '+12065550142', 'I-5 exit 166', 'ABC123');
INSERT INTO `warranty` VALUES (1, 1, '1HGCM82633A004352', 'powertrain', '2029-01-01');
