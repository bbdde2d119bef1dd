CREATE TABLE guest (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  first_name varchar(60) NOT NULL,
  surname varchar(60) NOT NULL,
  email varchar(120) UNIQUE,
  mobile varchar(32),
  loyalty_no varchar(20) UNIQUE,
  country varchar(60),
  vip boolean NOT NULL DEFAULT false,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX guest_mobile ON guest (mobile);
CREATE TABLE room_type (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(60) NOT NULL UNIQUE,
  bed_count int NOT NULL,
  nightly_rate decimal(10,2) NOT NULL,
  max_occupancy int NOT NULL,
  description text
) AUTO_INCREMENT = 100;
CREATE TABLE room (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  room_no varchar(10) NOT NULL UNIQUE,
  floor int NOT NULL,
  room_type_id bigint NOT NULL,
  housekeeping_status varchar(20) NOT NULL DEFAULT 'clean',
  smoking boolean NOT NULL DEFAULT false,
  CONSTRAINT room_kind FOREIGN KEY (room_type_id) REFERENCES room_type (id)
) AUTO_INCREMENT = 100;
CREATE TABLE reservation (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  confirmation_code varchar(20) NOT NULL UNIQUE,
  guest_id bigint NOT NULL,
  room_id bigint,
  check_in date NOT NULL,
  check_out date NOT NULL,
  adults int NOT NULL DEFAULT 1,
  status varchar(20) NOT NULL DEFAULT 'booked',
  special_requests text,
  contact_phone varchar(32),
  total_price decimal(10,2) NOT NULL,
  deposit_paid decimal(10,2) NOT NULL DEFAULT 0,
  CONSTRAINT reservation_guest FOREIGN KEY (guest_id) REFERENCES guest (id),
  CONSTRAINT reservation_room FOREIGN KEY (room_id) REFERENCES room (id)
) AUTO_INCREMENT = 100;
CREATE INDEX reservation_phone ON reservation (contact_phone);
CREATE INDEX reservation_by_guest ON reservation (guest_id);
CREATE TABLE housekeeping_task (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  room_id bigint NOT NULL,
  task varchar(120) NOT NULL,
  requested_by varchar(80),
  requested_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  done boolean NOT NULL DEFAULT false,
  CONSTRAINT task_room FOREIGN KEY (room_id) REFERENCES room (id)
) AUTO_INCREMENT = 100;
CREATE INDEX task_by_room ON housekeeping_task (room_id);
CREATE TABLE therapist (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(80) NOT NULL,
  speciality varchar(60)
) AUTO_INCREMENT = 100;
CREATE TABLE spa_booking (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  booking_ref varchar(20) NOT NULL UNIQUE,
  guest_name varchar(80) NOT NULL,
  phone varchar(32) NOT NULL,
  treatment varchar(60) NOT NULL,
  starts_at datetime NOT NULL,
  therapist_id bigint,
  status varchar(20) NOT NULL DEFAULT 'booked',
  CONSTRAINT spa_therapist FOREIGN KEY (therapist_id) REFERENCES therapist (id)
) AUTO_INCREMENT = 100;
CREATE INDEX spa_phone ON spa_booking (phone);
CREATE TABLE folio_charge (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  reservation_id bigint NOT NULL,
  description varchar(120) NOT NULL,
  amount decimal(10,2) NOT NULL,
  charged_on date NOT NULL,
  CONSTRAINT charge_reservation FOREIGN KEY (reservation_id) REFERENCES reservation (id)
) AUTO_INCREMENT = 100;
CREATE INDEX charge_by_reservation ON folio_charge (reservation_id);
CREATE TABLE lost_item (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  ticket_no varchar(20) NOT NULL UNIQUE,
  description varchar(200) NOT NULL,
  found_on date,
  location varchar(80),
  claimed boolean NOT NULL DEFAULT false,
  contact_phone varchar(32)
) AUTO_INCREMENT = 100;
CREATE INDEX lost_phone ON lost_item (contact_phone);
CREATE TABLE shuttle_run (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  flight_no varchar(12) NOT NULL,
  departs_at datetime NOT NULL,
  pickup_point varchar(80) NOT NULL,
  seats_left int NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX shuttle_flight ON shuttle_run (flight_no);
INSERT INTO guest (id, first_name, surname, email, mobile, loyalty_no) VALUES (1, 'Anna', 'Vos', 'anna@example.com', '+12065550142', 'LOY-1');
INSERT INTO room_type VALUES (1, 'Double', 1, 120.00, 2, 'with a view');
INSERT INTO room (id, room_no, floor, room_type_id) VALUES (1, '101', 1, 1);
INSERT INTO reservation (id, confirmation_code, guest_id, room_id, check_in, check_out, contact_phone, total_price) VALUES
  (1, 'HT-1', 1, 1, '2027-05-01', '2027-05-03', '+12065550142', 240.00);
INSERT INTO spa_booking (id, booking_ref, guest_name, phone, treatment, starts_at) VALUES (1, 'SPA-1', 'Anna Vos', '+12065550142', 'massage', '2027-05-02 10:00:00');
INSERT INTO folio_charge VALUES (1, 1, 'minibar', 12.00, '2027-05-01');
INSERT INTO lost_item (id, ticket_no, description, found_on, location) VALUES (1, 'LF-1', 'umbrella', '2027-05-01', 'lobby');
INSERT INTO shuttle_run VALUES (1, 'KL601', '2027-05-01 09:00:00', 'Terminal 1', 4);
