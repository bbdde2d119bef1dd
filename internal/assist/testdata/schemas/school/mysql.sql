CREATE TABLE teachers (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(80) NOT NULL,
  email varchar(120) NOT NULL UNIQUE,
  subject varchar(60),
  office_hours varchar(80)
) AUTO_INCREMENT = 100;
CREATE INDEX teachers_name ON teachers (name);
CREATE INDEX teachers_subject ON teachers (subject);
CREATE TABLE guardians (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  full_name varchar(80) NOT NULL,
  phone varchar(32) NOT NULL UNIQUE,
  email varchar(120),
  home_address varchar(200)
) AUTO_INCREMENT = 100;
CREATE TABLE classes (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  code varchar(12) NOT NULL UNIQUE,
  title varchar(80) NOT NULL,
  teacher_id bigint NOT NULL,
  room varchar(12),
  weekday varchar(10),
  starts_at time,
  CONSTRAINT class_teacher FOREIGN KEY (teacher_id) REFERENCES teachers (id)
) AUTO_INCREMENT = 100;
CREATE INDEX classes_teacher ON classes (teacher_id);
CREATE TABLE bus_routes (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  route_no varchar(8) NOT NULL UNIQUE,
  driver_name varchar(80),
  first_stop_at time,
  arrives_at time,
  delay_minutes int NOT NULL DEFAULT 0
) AUTO_INCREMENT = 100;
CREATE TABLE students (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  student_no varchar(12) NOT NULL UNIQUE,
  first_name varchar(60) NOT NULL,
  last_name varchar(60) NOT NULL,
  grade_level int NOT NULL,
  homeroom_class_id bigint,
  guardian_id bigint NOT NULL,
  bus_route_id bigint,
  enrolled_on date NOT NULL,
  CONSTRAINT student_homeroom FOREIGN KEY (homeroom_class_id) REFERENCES classes (id),
  CONSTRAINT student_guardian FOREIGN KEY (guardian_id) REFERENCES guardians (id),
  CONSTRAINT student_bus FOREIGN KEY (bus_route_id) REFERENCES bus_routes (id)
) AUTO_INCREMENT = 100;
CREATE INDEX students_guardian ON students (guardian_id);
CREATE INDEX students_homeroom ON students (homeroom_class_id);
CREATE INDEX students_bus ON students (bus_route_id);
CREATE INDEX students_last_name ON students (last_name);
CREATE TABLE absences (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  student_no varchar(12) NOT NULL,
  absent_on date NOT NULL,
  reason varchar(200),
  reported_by varchar(80) NOT NULL,
  excused boolean NOT NULL DEFAULT false,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT absence_student FOREIGN KEY (student_no) REFERENCES students (student_no)
) AUTO_INCREMENT = 100;
CREATE INDEX absences_student ON absences (student_no);
CREATE TABLE grades (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  student_no varchar(12) NOT NULL,
  class_id bigint NOT NULL,
  term varchar(20) NOT NULL,
  mark varchar(4) NOT NULL,
  teacher_comment varchar(300),
  CONSTRAINT grade_student FOREIGN KEY (student_no) REFERENCES students (student_no),
  CONSTRAINT grade_class FOREIGN KEY (class_id) REFERENCES classes (id)
) AUTO_INCREMENT = 100;
CREATE INDEX grades_student ON grades (student_no);
CREATE INDEX grades_class ON grades (class_id);
CREATE TABLE lunch_accounts (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  student_no varchar(12) NOT NULL UNIQUE,
  balance decimal(8,2) NOT NULL,
  last_topped_up date,
  auto_reload boolean NOT NULL DEFAULT false,
  CONSTRAINT lunch_student FOREIGN KEY (student_no) REFERENCES students (student_no)
) AUTO_INCREMENT = 100;
CREATE TABLE events (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  title varchar(120) NOT NULL,
  event_date date NOT NULL,
  starts_at time,
  location varchar(80),
  description text
) AUTO_INCREMENT = 100;
CREATE INDEX events_date ON events (event_date);
CREATE INDEX events_title ON events (title);
CREATE TABLE enrollment_applications (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  application_no varchar(16) NOT NULL UNIQUE,
  child_name varchar(80) NOT NULL,
  guardian_phone varchar(32) NOT NULL,
  grade_applied int NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'received',
  missing_documents varchar(200),
  decision_on date
) AUTO_INCREMENT = 100;
CREATE INDEX applications_phone ON enrollment_applications (guardian_phone);
CREATE TABLE library_loans (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  student_no varchar(12) NOT NULL,
  book_title varchar(120) NOT NULL,
  due_on date NOT NULL,
  returned boolean NOT NULL DEFAULT false,
  CONSTRAINT loan_student FOREIGN KEY (student_no) REFERENCES students (student_no)
) AUTO_INCREMENT = 100;
CREATE INDEX loans_student ON library_loans (student_no);
CREATE TABLE parent_meetings (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  teacher_id bigint NOT NULL,
  guardian_name varchar(80) NOT NULL,
  guardian_phone varchar(32) NOT NULL,
  student_name varchar(80) NOT NULL,
  meets_at datetime NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'requested',
  CONSTRAINT meeting_teacher FOREIGN KEY (teacher_id) REFERENCES teachers (id)
) AUTO_INCREMENT = 100;
CREATE INDEX meetings_phone ON parent_meetings (guardian_phone);
CREATE INDEX meetings_teacher ON parent_meetings (teacher_id);
INSERT INTO teachers VALUES (1, 'Ms. Okafor', 'okafor@example.com', 'chemistry', 'Tue 15-16');
INSERT INTO guardians VALUES (1, 'Anna Vos', '+12065550142', 'anna@example.com', '1 Elm Street');
INSERT INTO classes VALUES (1, 'CHEM-1', 'Chemistry I', 1, 'B12', 'monday', '09:00:00');
INSERT INTO bus_routes VALUES (1, '7', 'Sam Reed', '07:10:00', '08:05:00', 10);
INSERT INTO students VALUES (1, 'S-100', 'Leo', 'Vos', 9, 1, 1, 1, '2024-08-20');
INSERT INTO absences (id, student_no, absent_on, reason, reported_by) VALUES (1, 'S-100', '2027-03-02', 'flu', 'Anna Vos');
INSERT INTO grades VALUES (1, 'S-100', 1, 'spring', 'A', 'good work');
INSERT INTO lunch_accounts VALUES (1, 'S-100', 12.50, '2027-03-01', false);
INSERT INTO events VALUES (1, 'Science fair', '2027-05-10', '10:00:00', 'Gym', 'projects of all grades');
INSERT INTO enrollment_applications VALUES (1, 'AP-1', 'Mia Dahl', '+12065550199', 1, 'in review', 'birth certificate', NULL);
INSERT INTO library_loans VALUES (1, 'S-100', 'Emma', '2027-04-01', false);
INSERT INTO parent_meetings VALUES (1, 1, 'Anna Vos', '+12065550142', 'Leo Vos', '2027-04-12 16:00:00', 'confirmed');
