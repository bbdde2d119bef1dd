CREATE TABLE patients (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  first_name varchar(60) NOT NULL,
  last_name varchar(60) NOT NULL,
  date_of_birth date,
  phone varchar(32),
  email varchar(120) UNIQUE,
  address varchar(200),
  insurance_number varchar(30) UNIQUE,
  preferred_language varchar(20),
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX patients_phone ON patients (phone);
CREATE INDEX patients_name ON patients (last_name, first_name);
CREATE TABLE doctors (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  full_name varchar(80) NOT NULL,
  specialty varchar(60),
  phone varchar(32),
  room varchar(10)
) AUTO_INCREMENT = 100;
CREATE INDEX doctors_name ON doctors (full_name);
CREATE INDEX doctors_specialty ON doctors (specialty);
CREATE TABLE appointments (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  reference varchar(40) NOT NULL UNIQUE,
  patient_id bigint NOT NULL,
  doctor_id bigint,
  phone varchar(32) NOT NULL,
  starts_at datetime NOT NULL,
  duration_minutes int NOT NULL DEFAULT 20,
  status varchar(20) NOT NULL DEFAULT 'scheduled',
  reason varchar(200),
  notes text,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT appointment_patient FOREIGN KEY (patient_id) REFERENCES patients (id),
  CONSTRAINT appointment_doctor FOREIGN KEY (doctor_id) REFERENCES doctors (id)
) AUTO_INCREMENT = 100;
CREATE INDEX appointments_phone ON appointments (phone);
CREATE INDEX appointments_patient ON appointments (patient_id);
CREATE INDEX appointments_doctor ON appointments (doctor_id);
CREATE TABLE prescriptions (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  rx_number varchar(20) NOT NULL UNIQUE,
  patient_id bigint NOT NULL,
  doctor_id bigint,
  medication varchar(100) NOT NULL,
  dosage varchar(60),
  refills_left int NOT NULL DEFAULT 0,
  status varchar(20) NOT NULL DEFAULT 'active',
  expires_on date,
  CONSTRAINT prescription_patient FOREIGN KEY (patient_id) REFERENCES patients (id),
  CONSTRAINT prescription_doctor FOREIGN KEY (doctor_id) REFERENCES doctors (id)
) AUTO_INCREMENT = 100;
CREATE INDEX prescriptions_patient ON prescriptions (patient_id);
CREATE TABLE lab_results (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  order_number varchar(20) NOT NULL UNIQUE,
  patient_id bigint NOT NULL,
  test_name varchar(80) NOT NULL,
  collected_on date,
  status varchar(20) NOT NULL,
  ready_on date,
  result_text text,
  CONSTRAINT lab_patient FOREIGN KEY (patient_id) REFERENCES patients (id)
) AUTO_INCREMENT = 100;
CREATE INDEX lab_results_patient ON lab_results (patient_id);
CREATE TABLE invoices (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  invoice_number varchar(20) NOT NULL UNIQUE,
  patient_id bigint NOT NULL,
  issued_on date NOT NULL,
  total decimal(10,2) NOT NULL,
  balance_due decimal(10,2) NOT NULL,
  due_date date,
  status varchar(20) NOT NULL,
  CONSTRAINT invoice_patient FOREIGN KEY (patient_id) REFERENCES patients (id)
) AUTO_INCREMENT = 100;
CREATE INDEX invoices_patient ON invoices (patient_id);
CREATE TABLE callback_requests (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  caller_name varchar(80) NOT NULL,
  phone varchar(32) NOT NULL,
  topic varchar(80),
  message text,
  preferred_time varchar(60),
  status varchar(20) NOT NULL DEFAULT 'open',
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX callbacks_phone ON callback_requests (phone);
CREATE TABLE waiting_list (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  patient_name varchar(80) NOT NULL,
  phone varchar(32) NOT NULL,
  doctor_id bigint,
  requested_on date,
  note varchar(200),
  CONSTRAINT waiting_doctor FOREIGN KEY (doctor_id) REFERENCES doctors (id)
) AUTO_INCREMENT = 100;
CREATE INDEX waiting_list_phone ON waiting_list (phone);
CREATE TABLE audit_log (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  actor varchar(60) NOT NULL,
  action varchar(60) NOT NULL,
  at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
INSERT INTO patients (id, first_name, last_name, date_of_birth, phone, email, address, insurance_number, preferred_language) VALUES
  (1, 'Anna', 'Vos', '1980-02-03', '+12065550142', 'anna@example.com', '1 Elm Street', 'INS-100', 'en');
INSERT INTO doctors VALUES (1, 'Dr. Maria Lopez', 'cardiology', '+12065550100', 'A1');
INSERT INTO appointments (id, reference, patient_id, doctor_id, phone, starts_at, status, reason) VALUES
  (1, 'AP-1001', 1, 1, '+12065550142', '2027-05-01 15:00:00', 'confirmed', 'check-up');
INSERT INTO prescriptions VALUES (1, 'RX-1', 1, 1, 'amoxicillin', '500 mg', 2, 'active', '2027-12-31');
INSERT INTO lab_results VALUES (1, 'LAB-1', 1, 'blood count', '2027-04-01', 'ready', '2027-04-03', 'normal');
INSERT INTO invoices VALUES (1, 'INV-1', 1, '2027-04-01', 120.00, 20.00, '2027-05-01', 'open');
INSERT INTO callback_requests (id, caller_name, phone, topic) VALUES (1, 'Ben Dahl', '+12065550199', 'billing');
INSERT INTO waiting_list VALUES (1, 'Ben Dahl', '+12065550199', 1, '2027-04-01', NULL);
