CREATE TABLE citizen_requests (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  case_number varchar(36) NOT NULL UNIQUE,
  subject varchar(120) NOT NULL,
  description text NOT NULL,
  reporter_name varchar(80),
  reporter_phone varchar(32) NOT NULL,
  location varchar(120),
  status varchar(20) NOT NULL DEFAULT 'open',
  officer_id int,
  answered_on date
) AUTO_INCREMENT = 100;
CREATE TABLE officers (
  id int PRIMARY KEY,
  full_name varchar(80) NOT NULL,
  department varchar(60),
  direct_line varchar(32)
);
ALTER TABLE citizen_requests ADD CONSTRAINT request_officer FOREIGN KEY (officer_id) REFERENCES officers (id);
CREATE INDEX requests_phone ON citizen_requests (reporter_phone);
CREATE INDEX officers_department ON officers (department);
CREATE TABLE waste_collections (
  id int PRIMARY KEY,
  street varchar(120) NOT NULL,
  collection_day varchar(12) NOT NULL,
  bin_colour varchar(12) NOT NULL,
  next_pickup date
);
CREATE INDEX collections_street ON waste_collections (street);
CREATE TABLE parking_permits (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  permit_number varchar(20) NOT NULL UNIQUE,
  holder varchar(80) NOT NULL,
  plate varchar(16) NOT NULL,
  zone varchar(12) NOT NULL,
  expires_on date NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX permits_plate ON parking_permits (plate);
CREATE TABLE council_tax (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  property_reference varchar(20) NOT NULL UNIQUE,
  band char(1) NOT NULL,
  yearly_amount decimal(10,2) NOT NULL,
  arrears decimal(10,2) NOT NULL DEFAULT 0,
  next_due date
) AUTO_INCREMENT = 100;
CREATE TABLE hall_reservations (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  hall varchar(60) NOT NULL,
  booked_by varchar(80) NOT NULL,
  phone varchar(32) NOT NULL,
  day date NOT NULL,
  from_time time NOT NULL,
  to_time time NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX hall_phone ON hall_reservations (phone);
