CREATE TABLE guest (
  guest_id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(80) NOT NULL,
  phone varchar(32) NOT NULL UNIQUE,
  email varchar(120),
  vip boolean NOT NULL DEFAULT false,
  dietary_notes varchar(200),
  birthday date,
  loyalty_points int NOT NULL DEFAULT 0
) AUTO_INCREMENT = 100;
CREATE INDEX guest_email ON guest (email);
CREATE INDEX guest_name ON guest (name);
CREATE TABLE dining_table (
  table_id bigint AUTO_INCREMENT PRIMARY KEY,
  label varchar(20) NOT NULL UNIQUE,
  seats int NOT NULL,
  area varchar(30)
) AUTO_INCREMENT = 100;
CREATE INDEX dining_table_area ON dining_table (area);
CREATE TABLE reservation (
  reservation_id bigint AUTO_INCREMENT PRIMARY KEY,
  confirmation_code varchar(40) NOT NULL UNIQUE,
  guest_id bigint,
  table_id bigint,
  guest_name varchar(80) NOT NULL,
  guest_phone varchar(32) NOT NULL,
  party_size int NOT NULL,
  reserved_for datetime NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'booked',
  special_requests varchar(300),
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT reservation_guest FOREIGN KEY (guest_id) REFERENCES guest (guest_id),
  CONSTRAINT reservation_table FOREIGN KEY (table_id) REFERENCES dining_table (table_id)
) AUTO_INCREMENT = 100;
CREATE INDEX reservation_phone ON reservation (guest_phone);
CREATE INDEX reservation_guest_idx ON reservation (guest_id);
CREATE INDEX reservation_table_idx ON reservation (table_id);
CREATE INDEX reservation_for ON reservation (reserved_for);
CREATE TABLE menu_category (
  category_id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(40) NOT NULL UNIQUE
) AUTO_INCREMENT = 100;
CREATE TABLE menu_item (
  item_id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(80) NOT NULL,
  category_id bigint NOT NULL,
  description varchar(300),
  price decimal(8,2) NOT NULL,
  is_vegetarian boolean NOT NULL DEFAULT false,
  is_gluten_free boolean NOT NULL DEFAULT false,
  allergens varchar(120),
  available boolean NOT NULL DEFAULT true,
  CONSTRAINT menu_item_category FOREIGN KEY (category_id) REFERENCES menu_category (category_id)
) AUTO_INCREMENT = 100;
CREATE INDEX menu_item_name ON menu_item (name);
CREATE INDEX menu_item_cat ON menu_item (category_id);
CREATE TABLE takeaway_order (
  order_id bigint AUTO_INCREMENT PRIMARY KEY,
  order_no varchar(12) NOT NULL UNIQUE,
  customer_phone varchar(32) NOT NULL,
  customer_name varchar(80) NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'received',
  total_amount decimal(8,2) NOT NULL,
  ready_at datetime,
  payment_status varchar(20) NOT NULL DEFAULT 'unpaid',
  placed_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX takeaway_phone ON takeaway_order (customer_phone);
CREATE TABLE takeaway_order_line (
  line_id bigint AUTO_INCREMENT PRIMARY KEY,
  order_id bigint NOT NULL,
  item_id bigint NOT NULL,
  quantity int NOT NULL,
  unit_price decimal(8,2) NOT NULL,
  CONSTRAINT line_order FOREIGN KEY (order_id) REFERENCES takeaway_order (order_id),
  CONSTRAINT line_item FOREIGN KEY (item_id) REFERENCES menu_item (item_id)
) AUTO_INCREMENT = 100;
CREATE INDEX line_order_idx ON takeaway_order_line (order_id);
CREATE TABLE opening_hours (
  day_of_week varchar(10) NOT NULL PRIMARY KEY,
  opens time,
  closes time,
  kitchen_closes time
);
CREATE TABLE gift_card (
  gift_card_id bigint AUTO_INCREMENT PRIMARY KEY,
  code varchar(20) NOT NULL UNIQUE,
  balance decimal(8,2) NOT NULL,
  expires_on date,
  purchaser_email varchar(120)
) AUTO_INCREMENT = 100;
CREATE INDEX gift_card_email ON gift_card (purchaser_email);
CREATE TABLE feedback (
  feedback_id bigint AUTO_INCREMENT PRIMARY KEY,
  phone varchar(32),
  rating int NOT NULL,
  comments text,
  left_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) AUTO_INCREMENT = 100;
CREATE INDEX feedback_phone ON feedback (phone);
CREATE TABLE staff_shift (
  shift_id bigint AUTO_INCREMENT PRIMARY KEY,
  employee_name varchar(80) NOT NULL,
  shift_date date NOT NULL,
  starts time,
  ends time,
  section varchar(30)
) AUTO_INCREMENT = 100;
CREATE INDEX staff_shift_employee ON staff_shift (employee_name);
CREATE INDEX staff_shift_date ON staff_shift (shift_date);
INSERT INTO guest VALUES (1, 'Anna Vos', '+12065550142', 'anna@example.com', true, 'no nuts', '1980-02-03', 120);
INSERT INTO dining_table VALUES (1, 'T1', 4, 'patio');
INSERT INTO reservation (reservation_id, confirmation_code, guest_id, table_id, guest_name, guest_phone, party_size, reserved_for) VALUES
  (1, 'RSV-1', 1, 1, 'Anna Vos', '+12065550142', 4, '2027-05-01 19:00:00');
INSERT INTO menu_category VALUES (1, 'starters');
INSERT INTO menu_item VALUES (1, 'Tomato soup', 1, 'with basil', 7.50, true, true, 'celery', true);
INSERT INTO takeaway_order (order_id, order_no, customer_phone, customer_name, status, total_amount, ready_at) VALUES
  (1, 'T-100', '+12065550142', 'Anna Vos', 'cooking', 24.50, '2027-05-01 18:30:00');
INSERT INTO takeaway_order_line VALUES (1, 1, 1, 2, 7.50);
INSERT INTO opening_hours VALUES ('monday', '17:00:00', '23:00:00', '22:00:00');
INSERT INTO gift_card VALUES (1, 'GIFT-1', 50.00, '2028-01-01', 'anna@example.com');
INSERT INTO feedback (feedback_id, phone, rating, comments) VALUES (1, '+12065550142', 5, 'lovely');
INSERT INTO staff_shift VALUES (1, 'Kim', '2027-05-01', '17:00:00', '23:00:00', 'bar');
