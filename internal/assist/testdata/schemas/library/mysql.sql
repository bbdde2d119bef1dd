CREATE TABLE branches (
  id int PRIMARY KEY,
  name varchar(80) NOT NULL UNIQUE,
  street varchar(120),
  telephone varchar(32),
  opens_at time,
  closes_at time,
  wheelchair_access boolean NOT NULL DEFAULT true
);
CREATE TABLE members (
  id char(36) PRIMARY KEY,
  card_number varchar(20) NOT NULL UNIQUE,
  full_name varchar(120) NOT NULL,
  email varchar(120),
  telephone varchar(32),
  membership_expires date,
  fines_owed decimal(8,2) NOT NULL DEFAULT 0,
  home_branch_id int,
  CONSTRAINT member_branch FOREIGN KEY (home_branch_id) REFERENCES branches (id)
);
CREATE INDEX members_telephone ON members (telephone);
CREATE INDEX members_email ON members (email);
CREATE TABLE books (
  id char(36) PRIMARY KEY,
  isbn varchar(20) NOT NULL UNIQUE,
  title varchar(200) NOT NULL,
  author varchar(120),
  publication_year int,
  shelf_mark varchar(30),
  copies_available int NOT NULL DEFAULT 0,
  branch_id int,
  CONSTRAINT book_branch FOREIGN KEY (branch_id) REFERENCES branches (id)
);
CREATE INDEX books_title ON books (title);
CREATE INDEX books_author ON books (author);
CREATE TABLE loans (
  id char(36) PRIMARY KEY,
  barcode varchar(20) NOT NULL UNIQUE,
  member_id char(36) NOT NULL,
  book_id char(36) NOT NULL,
  due_date date NOT NULL,
  renewals_left int NOT NULL DEFAULT 2,
  returned_on date,
  CONSTRAINT loan_member FOREIGN KEY (member_id) REFERENCES members (id),
  CONSTRAINT loan_book FOREIGN KEY (book_id) REFERENCES books (id)
);
CREATE INDEX loans_member ON loans (member_id);
CREATE TABLE holds (
  id char(36) PRIMARY KEY,
  hold_number varchar(20) NOT NULL UNIQUE,
  book_id char(36) NOT NULL,
  member_id char(36) NOT NULL,
  queue_position int,
  ready_since date,
  pickup_branch_id int,
  state varchar(20) NOT NULL DEFAULT 'waiting',
  CONSTRAINT hold_book FOREIGN KEY (book_id) REFERENCES books (id),
  CONSTRAINT hold_member FOREIGN KEY (member_id) REFERENCES members (id),
  CONSTRAINT hold_branch FOREIGN KEY (pickup_branch_id) REFERENCES branches (id)
);
CREATE TABLE study_room_bookings (
  id char(36) PRIMARY KEY,
  booked_by varchar(120) NOT NULL,
  telephone varchar(32) NOT NULL,
  room_name varchar(40) NOT NULL,
  starts_at datetime NOT NULL,
  ends_at datetime NOT NULL,
  people int
);
CREATE INDEX bookings_telephone ON study_room_bookings (telephone);
CREATE TABLE events (
  id int PRIMARY KEY,
  name varchar(120) NOT NULL,
  speaker varchar(120),
  begins_at datetime NOT NULL,
  room varchar(40),
  seats_left int,
  entry_fee decimal(8,2)
);
CREATE INDEX events_name ON events (name);
CREATE TABLE purchase_suggestions (
  id char(36) PRIMARY KEY,
  suggested_title varchar(200) NOT NULL,
  suggested_author varchar(120),
  suggested_by varchar(120) NOT NULL,
  comment text,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO branches VALUES (1, 'Central', '1 Main Street', '+12065550100', '09:00', '18:00', true);
INSERT INTO members VALUES ('11111111-1111-4111-8111-111111111111', 'C-1', 'Anna Vos', 'anna@example.com', '+12065550142', '2027-12-31', 1.50, 1);
INSERT INTO books VALUES ('22222222-2222-4222-8222-222222222222', '9780000000001', 'The Sea', 'Ben Dahl', 2001, 'F DAH', 2, 1);
INSERT INTO loans VALUES ('33333333-3333-4333-8333-333333333333', 'B-1', '11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222', '2027-05-01', 2, NULL);
INSERT INTO holds VALUES ('44444444-4444-4444-8444-444444444444', 'H-1', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 1, NULL, 1, 'waiting');
INSERT INTO events VALUES (1, 'Reading evening', 'Ben Dahl', '2027-05-01 19:00:00', 'Hall', 20, 5.00);
