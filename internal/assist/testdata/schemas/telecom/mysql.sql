CREATE TABLE tbl_plan (
  plan_id bigint AUTO_INCREMENT PRIMARY KEY,
  plan_nm varchar(60) NOT NULL UNIQUE,
  monthly_fee decimal(8,2) NOT NULL,
  data_gb int,
  minutes_incl int,
  contract_months int NOT NULL
) AUTO_INCREMENT = 100;
CREATE TABLE tbl_subscriber (
  sub_id bigint AUTO_INCREMENT PRIMARY KEY,
  acct_no varchar(16) NOT NULL UNIQUE,
  msisdn varchar(16) NOT NULL UNIQUE,
  full_nm varchar(80) NOT NULL,
  email_addr varchar(120),
  svc_addr varchar(200),
  plan_id bigint NOT NULL,
  status_cd varchar(10) NOT NULL,
  activated_dt date NOT NULL,
  contract_end_dt date,
  CONSTRAINT subscriber_plan FOREIGN KEY (plan_id) REFERENCES tbl_plan (plan_id)
) AUTO_INCREMENT = 100;
CREATE INDEX subscriber_email ON tbl_subscriber (email_addr);
CREATE INDEX subscriber_plan_idx ON tbl_subscriber (plan_id);
CREATE TABLE tbl_invoice (
  inv_id bigint AUTO_INCREMENT PRIMARY KEY,
  inv_no varchar(20) NOT NULL UNIQUE,
  sub_id bigint NOT NULL,
  acct_no varchar(16) NOT NULL,
  bill_dt date NOT NULL,
  due_dt date NOT NULL,
  amt_due decimal(10,2) NOT NULL,
  amt_paid decimal(10,2) NOT NULL,
  status_cd varchar(10) NOT NULL,
  CONSTRAINT invoice_subscriber FOREIGN KEY (sub_id) REFERENCES tbl_subscriber (sub_id)
) AUTO_INCREMENT = 100;
CREATE INDEX invoice_acct ON tbl_invoice (acct_no);
CREATE INDEX invoice_sub ON tbl_invoice (sub_id);
CREATE TABLE tbl_payment (
  pay_id bigint AUTO_INCREMENT PRIMARY KEY,
  ref_no varchar(24) NOT NULL UNIQUE,
  acct_no varchar(16) NOT NULL,
  paid_dt date NOT NULL,
  amt decimal(10,2) NOT NULL,
  method varchar(20) NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX payment_acct ON tbl_payment (acct_no);
CREATE TABLE tbl_usage (
  usage_id bigint AUTO_INCREMENT PRIMARY KEY,
  msisdn varchar(16) NOT NULL,
  period varchar(7) NOT NULL,
  data_used_mb int NOT NULL,
  minutes_used int NOT NULL,
  sms_cnt int NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX usage_msisdn ON tbl_usage (msisdn);
CREATE TABLE tbl_outage (
  outage_id bigint AUTO_INCREMENT PRIMARY KEY,
  zip_cd varchar(10) NOT NULL,
  area_nm varchar(60) NOT NULL,
  started_at datetime NOT NULL,
  est_restore_at datetime,
  cause varchar(120),
  status_cd varchar(10) NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX outage_zip ON tbl_outage (zip_cd);
CREATE INDEX outage_area ON tbl_outage (area_nm);
CREATE TABLE tbl_trouble_ticket (
  tkt_id bigint AUTO_INCREMENT PRIMARY KEY,
  tkt_no varchar(40) NOT NULL UNIQUE,
  acct_no varchar(16) NOT NULL,
  contact_phone varchar(32) NOT NULL,
  issue_desc text NOT NULL,
  priority int NOT NULL DEFAULT 3,
  status_cd varchar(10) NOT NULL DEFAULT 'OPEN',
  opened_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  tech_visit_at datetime
) AUTO_INCREMENT = 100;
CREATE INDEX ticket_acct ON tbl_trouble_ticket (acct_no);
CREATE INDEX ticket_phone ON tbl_trouble_ticket (contact_phone);
CREATE TABLE tbl_sim (
  sim_id bigint AUTO_INCREMENT PRIMARY KEY,
  iccid varchar(22) NOT NULL UNIQUE,
  msisdn varchar(16) NOT NULL,
  puk_cd varchar(10) NOT NULL,
  status_cd varchar(10) NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX sim_msisdn ON tbl_sim (msisdn);
CREATE TABLE tbl_roaming_rate (
  country_cd char(2) NOT NULL PRIMARY KEY,
  country_nm varchar(60) NOT NULL,
  per_min decimal(6,3) NOT NULL,
  per_mb decimal(6,3) NOT NULL
);
CREATE INDEX roaming_country ON tbl_roaming_rate (country_nm);
CREATE TABLE tbl_device_order (
  ord_id bigint AUTO_INCREMENT PRIMARY KEY,
  ord_no varchar(20) NOT NULL UNIQUE,
  acct_no varchar(16) NOT NULL,
  device_nm varchar(80) NOT NULL,
  ship_status varchar(20) NOT NULL,
  tracking_no varchar(40),
  eta_dt date
) AUTO_INCREMENT = 100;
CREATE INDEX device_order_acct ON tbl_device_order (acct_no);
CREATE TABLE tbl_store (
  store_id bigint AUTO_INCREMENT PRIMARY KEY,
  city_nm varchar(60) NOT NULL,
  street_addr varchar(120) NOT NULL,
  open_hrs varchar(80),
  phone_no varchar(32)
) AUTO_INCREMENT = 100;
CREATE INDEX store_city ON tbl_store (city_nm);
INSERT INTO tbl_plan VALUES (1, 'Unlimited 5G', 45.00, 100, 1000, 24);
INSERT INTO tbl_subscriber VALUES (1, 'AC-1', '+12065550142', 'Anna Vos', 'anna@example.com', '1 Elm Street', 1, 'ACTIVE', '2024-01-01', '2028-01-01');
INSERT INTO tbl_invoice VALUES (1, 'IN-1', 1, 'AC-1', '2027-04-01', '2027-04-20', 45.00, 0.00, 'OPEN');
INSERT INTO tbl_payment VALUES (1, 'PM-1', 'AC-1', '2027-03-18', 45.00, 'transfer');
INSERT INTO tbl_usage VALUES (1, '+12065550142', '2027-04', 20480, 310, 12);
INSERT INTO tbl_outage VALUES (1, '98101', 'Downtown', '2027-05-01 08:00:00', '2027-05-01 12:00:00', 'fibre cut', 'OPEN');
INSERT INTO tbl_trouble_ticket (tkt_id, tkt_no, acct_no, contact_phone, issue_desc) VALUES (1, 'TT-1', 'AC-1', '+12065550142', 'no signal');
INSERT INTO tbl_sim VALUES (1, '8931086112345678901', '+12065550142', '12345678', 'ACTIVE');
INSERT INTO tbl_roaming_rate VALUES ('FR', 'France', 0.250, 0.050);
INSERT INTO tbl_device_order VALUES (1, 'DO-1', 'AC-1', 'Phone X', 'shipped', 'TRK1', '2027-05-04');
INSERT INTO tbl_store VALUES (1, 'Seattle', '500 Pine Street', '9-18', '+12065550111');
