CREATE TABLE clients (
  client_id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(80) NOT NULL,
  phone varchar(32),
  email varchar(120) UNIQUE,
  hair_type varchar(40),
  loyalty_points int NOT NULL DEFAULT 0
) AUTO_INCREMENT = 100;
CREATE INDEX clients_phone ON clients (phone);
CREATE TABLE stylists (
  stylist_id int PRIMARY KEY,
  stylist_name varchar(80) NOT NULL UNIQUE,
  works_from time,
  works_until time,
  day_off varchar(12)
);
CREATE TABLE treatments (
  treatment_id int PRIMARY KEY,
  treatment_name varchar(60) NOT NULL UNIQUE,
  price decimal(8,2) NOT NULL,
  minutes int NOT NULL
);
CREATE TABLE bookings (
  booking_id bigint AUTO_INCREMENT PRIMARY KEY,
  booking_code varchar(36) NOT NULL UNIQUE,
  client_name varchar(80) NOT NULL,
  client_phone varchar(32) NOT NULL,
  stylist_id int,
  treatment_id int NOT NULL,
  begins_at datetime NOT NULL,
  status varchar(16) NOT NULL DEFAULT 'booked',
  comments varchar(300),
  CONSTRAINT booking_stylist FOREIGN KEY (stylist_id) REFERENCES stylists (stylist_id),
  CONSTRAINT booking_treatment FOREIGN KEY (treatment_id) REFERENCES treatments (treatment_id)
) AUTO_INCREMENT = 100;
CREATE INDEX bookings_phone ON bookings (client_phone);
CREATE TABLE gift_vouchers (
  voucher_code varchar(16) PRIMARY KEY,
  amount_left decimal(8,2) NOT NULL,
  valid_until date NOT NULL
);
CREATE TABLE reviews (
  review_id bigint AUTO_INCREMENT PRIMARY KEY,
  reviewer varchar(80) NOT NULL,
  stars int NOT NULL,
  review_text text,
  written_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
