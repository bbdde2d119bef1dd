CREATE TABLE ta_traveller (
  traveller_pk bigint AUTO_INCREMENT PRIMARY KEY,
  full_name varchar(120) NOT NULL,
  tel varchar(32),
  mail varchar(120) UNIQUE,
  frequent_flyer_no varchar(20) UNIQUE,
  meal_preference varchar(30)
) AUTO_INCREMENT = 100;
CREATE INDEX ta_traveller_tel ON ta_traveller (tel);
CREATE TABLE ta_destination (
  destination_pk int PRIMARY KEY,
  destination varchar(80) NOT NULL UNIQUE,
  visa_needed boolean NOT NULL DEFAULT false,
  currency char(3),
  best_season varchar(40)
);
CREATE TABLE ta_package (
  package_pk int PRIMARY KEY,
  package_code varchar(12) NOT NULL UNIQUE,
  title varchar(120) NOT NULL,
  destination_pk int NOT NULL,
  nights int NOT NULL,
  price_per_person decimal(10,2) NOT NULL,
  places_left int,
  CONSTRAINT package_destination FOREIGN KEY (destination_pk) REFERENCES ta_destination (destination_pk)
);
CREATE TABLE ta_agent (
  agent_pk int PRIMARY KEY,
  agent_name varchar(80) NOT NULL,
  extension_no varchar(8)
);
CREATE INDEX ta_agent_name ON ta_agent (agent_name);
CREATE TABLE ta_trip (
  trip_pk bigint AUTO_INCREMENT PRIMARY KEY,
  locator varchar(10) NOT NULL UNIQUE,
  traveller_pk bigint NOT NULL,
  package_pk int,
  agent_pk int,
  departs_on date NOT NULL,
  returns_on date,
  state varchar(16) NOT NULL DEFAULT 'confirmed',
  balance_due decimal(10,2) NOT NULL DEFAULT 0,
  CONSTRAINT trip_traveller FOREIGN KEY (traveller_pk) REFERENCES ta_traveller (traveller_pk),
  CONSTRAINT trip_package FOREIGN KEY (package_pk) REFERENCES ta_package (package_pk),
  CONSTRAINT trip_agent FOREIGN KEY (agent_pk) REFERENCES ta_agent (agent_pk)
) AUTO_INCREMENT = 100;
CREATE INDEX ta_trip_traveller ON ta_trip (traveller_pk);
CREATE TABLE ta_flight (
  flight_pk bigint AUTO_INCREMENT PRIMARY KEY,
  flight_number varchar(8) NOT NULL,
  terminal varchar(8),
  gate varchar(8),
  takeoff_at datetime NOT NULL,
  landing_at datetime NOT NULL,
  delay_minutes int NOT NULL DEFAULT 0
) AUTO_INCREMENT = 100;
CREATE INDEX ta_flight_number ON ta_flight (flight_number);
CREATE TABLE ta_enquiry (
  enquiry_pk bigint AUTO_INCREMENT PRIMARY KEY,
  asked_by varchar(120) NOT NULL,
  tel varchar(32) NOT NULL,
  wish text NOT NULL,
  travel_month varchar(16),
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX ta_enquiry_tel ON ta_enquiry (tel);
CREATE TABLE ta_refund (
  refund_pk bigint AUTO_INCREMENT PRIMARY KEY,
  refund_ref varchar(16) NOT NULL UNIQUE,
  trip_pk bigint NOT NULL,
  sum_refunded decimal(10,2) NOT NULL,
  progress varchar(20) NOT NULL DEFAULT 'received',
  expected_by date,
  CONSTRAINT refund_trip FOREIGN KEY (trip_pk) REFERENCES ta_trip (trip_pk)
) AUTO_INCREMENT = 100;
