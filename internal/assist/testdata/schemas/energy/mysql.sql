CREATE TABLE tariffs (
  tariff_code varchar(12) PRIMARY KEY,
  tariff_name varchar(80) NOT NULL UNIQUE,
  unit_rate decimal(8,4) NOT NULL,
  standing_charge decimal(8,4) NOT NULL,
  green boolean NOT NULL DEFAULT false
);
CREATE TABLE households (
  household_id bigint AUTO_INCREMENT PRIMARY KEY,
  contract_number varchar(20) NOT NULL UNIQUE,
  holder_first_name varchar(60) NOT NULL,
  holder_last_name varchar(60) NOT NULL,
  contact_phone varchar(32),
  contact_email varchar(120),
  supply_address varchar(200) NOT NULL,
  postcode varchar(12),
  tariff_code varchar(12) NOT NULL,
  monthly_instalment decimal(10,2),
  contract_end date,
  paperless boolean NOT NULL DEFAULT false,
  CONSTRAINT household_tariff FOREIGN KEY (tariff_code) REFERENCES tariffs (tariff_code)
) AUTO_INCREMENT = 100;
CREATE INDEX households_phone ON households (contact_phone);
CREATE TABLE meters (
  meter_id bigint AUTO_INCREMENT PRIMARY KEY,
  serial_no varchar(30) NOT NULL UNIQUE,
  household_id bigint NOT NULL,
  meter_kind varchar(20) NOT NULL,
  installed_on date,
  last_reading int,
  last_read_on date,
  CONSTRAINT meter_household FOREIGN KEY (household_id) REFERENCES households (household_id)
) AUTO_INCREMENT = 100;
CREATE INDEX meters_household ON meters (household_id);
CREATE TABLE meter_readings (
  reading_id bigint AUTO_INCREMENT PRIMARY KEY,
  serial_no varchar(30) NOT NULL,
  reading_value int NOT NULL,
  submitted_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  channel varchar(20) NOT NULL DEFAULT 'phone'
) AUTO_INCREMENT = 100;
CREATE INDEX readings_serial ON meter_readings (serial_no);
CREATE TABLE bills (
  bill_id bigint AUTO_INCREMENT PRIMARY KEY,
  bill_number varchar(20) NOT NULL UNIQUE,
  household_id bigint NOT NULL,
  period_from date NOT NULL,
  period_to date NOT NULL,
  kwh_used int NOT NULL,
  amount_due decimal(10,2) NOT NULL,
  due_by date NOT NULL,
  settled boolean NOT NULL DEFAULT false,
  CONSTRAINT bill_household FOREIGN KEY (household_id) REFERENCES households (household_id)
) AUTO_INCREMENT = 100;
CREATE INDEX bills_household ON bills (household_id);
CREATE TABLE outages (
  outage_id bigint AUTO_INCREMENT PRIMARY KEY,
  postcode varchar(12) NOT NULL,
  cause varchar(120),
  began_at datetime NOT NULL,
  expected_restoration datetime,
  crew_dispatched boolean NOT NULL DEFAULT false
) AUTO_INCREMENT = 100;
CREATE INDEX outages_postcode ON outages (postcode);
CREATE TABLE engineers (
  engineer_id bigint AUTO_INCREMENT PRIMARY KEY,
  engineer_name varchar(80) NOT NULL,
  mobile varchar(32)
) AUTO_INCREMENT = 100;
CREATE TABLE service_visits (
  visit_id bigint AUTO_INCREMENT PRIMARY KEY,
  visit_reference varchar(36) NOT NULL UNIQUE,
  household_id bigint NOT NULL,
  engineer_id bigint,
  visit_date date NOT NULL,
  time_slot varchar(20),
  purpose varchar(120),
  status varchar(20) NOT NULL DEFAULT 'scheduled',
  CONSTRAINT visit_household FOREIGN KEY (household_id) REFERENCES households (household_id),
  CONSTRAINT visit_engineer FOREIGN KEY (engineer_id) REFERENCES engineers (engineer_id)
) AUTO_INCREMENT = 100;
CREATE INDEX visits_household ON service_visits (household_id);
CREATE TABLE complaints (
  complaint_id bigint AUTO_INCREMENT PRIMARY KEY,
  case_no varchar(36) NOT NULL UNIQUE,
  complainant varchar(120) NOT NULL,
  phone varchar(32) NOT NULL,
  details text NOT NULL,
  stage varchar(20) NOT NULL DEFAULT 'received',
  reply_by date
) AUTO_INCREMENT = 100;
CREATE INDEX complaints_phone ON complaints (phone);
INSERT INTO tariffs VALUES ('FIX12', 'Fixed 12', 0.2500, 0.4000, true);
INSERT INTO households (household_id, contract_number, holder_first_name, holder_last_name, contact_phone, supply_address, postcode, tariff_code) VALUES
  (1, 'CN-1', 'Anna', 'Vos', '+12065550142', '1 Elm Street', 'AB1 2CD', 'FIX12');
INSERT INTO meters VALUES (1, 'SN-1', 1, 'electricity', '2020-01-01', 12345, '2027-04-01');
INSERT INTO bills VALUES (1, 'BL-1', 1, '2027-03-01', '2027-03-31', 250, 80.00, '2027-04-30', false);
INSERT INTO outages VALUES (1, 'AB1 2CD', 'storm', '2027-05-01 06:00:00', '2027-05-01 12:00:00', true);
INSERT INTO engineers VALUES (1, 'Maria Lopez', '+12065550100');
INSERT INTO service_visits VALUES (1, 'SV-1', 1, 1, '2027-05-04', '8-12', 'new meter', 'scheduled');
INSERT INTO complaints (complaint_id, case_no, complainant, phone, details) VALUES (1, 'CC-1', 'Anna Vos', '+12065550142', 'bill too high');
