CREATE TABLE customers (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name text NOT NULL,
  email varchar(120) UNIQUE,
  phone varchar(40),
  city text,
  ssn text,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  KEY customers_phone_idx (phone)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE doctors (
  id int PRIMARY KEY,
  name text NOT NULL,
  room varchar(10)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE appointments (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  reference varchar(20) NOT NULL UNIQUE,
  customer_id bigint NOT NULL,
  doctor_id int,
  substitute_id int,
  phone varchar(40),
  email varchar(120),
  starts_at datetime NOT NULL,
  day date NOT NULL,
  slot time,
  booked_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  status enum('booked', 'cancelled', 'done') NOT NULL DEFAULT 'booked',
  paid tinyint(1) NOT NULL DEFAULT 0,
  price decimal(8,2),
  weight float,
  token char(36) CHARACTER SET ascii,
  seats smallint NOT NULL DEFAULT 1,
  scan blob,
  note text,
  country char(2) CHARACTER SET latin1,
  CONSTRAINT appointments_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id),
  CONSTRAINT appointments_doctor_id_fkey FOREIGN KEY (doctor_id) REFERENCES doctors (id),
  CONSTRAINT appointments_substitute FOREIGN KEY (substitute_id) REFERENCES doctors (id),
  KEY appointments_phone_idx (phone),
  KEY appointments_email_idx (email),
  KEY appointments_customer_starts_idx (customer_id, starts_at),
  KEY appointments_day_slot_idx (day, slot),
  KEY appointments_paid_idx (paid),
  KEY appointments_price_idx (price),
  KEY appointments_weight_idx (weight),
  KEY appointments_token_idx (token),
  KEY appointments_status_idx (status),
  KEY appointments_booked_idx (booked_at),
  KEY appointments_note_prefix_idx (note(10))
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci;
INSERT INTO customers (id, name, email, phone, city, ssn) VALUES
  (1, 'Anna', 'anna@x.com', '+31612345678', 'Delft', '111'),
  (2, 'Bob', 'Bob@X.com', '0687654321', 'Gouda', '222');
INSERT INTO doctors VALUES (1, 'Dr. Vos', 'A1'), (2, 'Dr. Smit', NULL);
SET time_zone = '+00:00';
INSERT INTO appointments (id, reference, customer_id, doctor_id, substitute_id, phone, email, starts_at, day, slot, booked_at, status, paid, price, weight, token, seats, note, country) VALUES
  (1, 'A-1', 1, 1, NULL, '+31612345678', 'anna@x.com', '2026-05-01 15:00', '2026-05-01', '15:00', '2026-04-01 10:00', 'booked', true, 12.50, 1.5, '123e4567-e89b-12d3-a456-426614174000', 1, 'first', 'NL'),
  (2, 'A-2', 1, 2, 1, '0612345678', 'Anna@X.com', '2026-05-02 09:30', '2026-05-02', '09:30', '2026-04-02 10:00', 'cancelled', false, 12.50, 2.5, NULL, 2, NULL, 'NL'),
  (3, 'A-3', 2, NULL, NULL, '06 12345678', 'bob@x.com', '2026-05-03 11:00', '2026-05-03', NULL, '2026-04-03 10:00', 'booked', false, 100, 3.5, NULL, 1, 'third', 'BE'),
  (4, 'B-1', 2, 1, NULL, '+31687654321', 'bob@x.com', '2026-05-01 16:00', '2026-05-01', '16:00', '2026-04-04 10:00', 'done', true, NULL, NULL, NULL, 1, NULL, NULL);
CREATE VIEW upcoming AS SELECT a.id, a.phone, a.starts_at, c.name AS customer_name FROM appointments a JOIN customers c ON c.id = a.customer_id;
CREATE TABLE audit_log (
  at timestamp NOT NULL,
  phone varchar(40),
  entry text NOT NULL,
  KEY audit_log_phone_idx (phone)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci
