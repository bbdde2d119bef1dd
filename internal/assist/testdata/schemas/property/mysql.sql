CREATE TABLE bldg (
  bldg_id int PRIMARY KEY,
  bldg_name varchar(80) NOT NULL,
  addr varchar(200) NOT NULL,
  mgr_name varchar(80),
  mgr_phone varchar(32)
);
CREATE INDEX bldg_by_name ON bldg (bldg_name);
CREATE TABLE unit (
  unit_id int PRIMARY KEY,
  bldg_id int NOT NULL,
  unit_no varchar(10) NOT NULL UNIQUE,
  sq_ft int,
  bedrooms int,
  monthly_rent decimal(10,2),
  is_vacant boolean NOT NULL DEFAULT false,
  avail_date date,
  CONSTRAINT unit_bldg FOREIGN KEY (bldg_id) REFERENCES bldg (bldg_id)
);
CREATE TABLE tenant (
  tenant_id bigint AUTO_INCREMENT PRIMARY KEY,
  fname varchar(60) NOT NULL,
  lname varchar(60) NOT NULL,
  phone_nbr varchar(32),
  email_addr varchar(120) UNIQUE,
  move_in_dt date
) AUTO_INCREMENT = 100;
CREATE INDEX tenant_phone ON tenant (phone_nbr);
CREATE TABLE lease (
  lease_id bigint AUTO_INCREMENT PRIMARY KEY,
  lease_nbr varchar(20) NOT NULL UNIQUE,
  tenant_id bigint NOT NULL,
  unit_id int NOT NULL,
  start_dt date NOT NULL,
  end_dt date NOT NULL,
  rent_amt decimal(10,2) NOT NULL,
  deposit_amt decimal(10,2) NOT NULL,
  status_cd varchar(12) NOT NULL DEFAULT 'active',
  CONSTRAINT lease_tenant FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
  CONSTRAINT lease_unit FOREIGN KEY (unit_id) REFERENCES unit (unit_id)
) AUTO_INCREMENT = 100;
CREATE INDEX lease_by_tenant ON lease (tenant_id);
CREATE TABLE vendor (
  vendor_id bigint AUTO_INCREMENT PRIMARY KEY,
  vendor_name varchar(80) NOT NULL,
  trade varchar(60) NOT NULL,
  phone_nbr varchar(32) NOT NULL
) AUTO_INCREMENT = 100;
CREATE INDEX vendor_trade ON vendor (trade);
CREATE TABLE maint_req (
  req_id bigint AUTO_INCREMENT PRIMARY KEY,
  req_nbr varchar(40) NOT NULL UNIQUE,
  unit_id int NOT NULL,
  caller_nm varchar(80) NOT NULL,
  phone_nbr varchar(32) NOT NULL,
  descr text NOT NULL,
  priority varchar(12) NOT NULL DEFAULT 'normal',
  status_cd varchar(12) NOT NULL DEFAULT 'open',
  vendor_id bigint,
  sched_dt date,
  created_ts timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT req_unit FOREIGN KEY (unit_id) REFERENCES unit (unit_id),
  CONSTRAINT req_vendor FOREIGN KEY (vendor_id) REFERENCES vendor (vendor_id)
) AUTO_INCREMENT = 100;
CREATE INDEX maint_phone ON maint_req (phone_nbr);
CREATE INDEX maint_unit ON maint_req (unit_id);
CREATE TABLE rent_pmt (
  pmt_id bigint AUTO_INCREMENT PRIMARY KEY,
  lease_id bigint NOT NULL,
  conf_nbr varchar(20) NOT NULL UNIQUE,
  pmt_dt date NOT NULL,
  amt decimal(10,2) NOT NULL,
  pmt_method varchar(20),
  CONSTRAINT pmt_lease FOREIGN KEY (lease_id) REFERENCES lease (lease_id)
) AUTO_INCREMENT = 100;
CREATE INDEX pmt_by_lease ON rent_pmt (lease_id);
CREATE TABLE parking_spot (
  spot_id int PRIMARY KEY,
  spot_nbr varchar(8) NOT NULL UNIQUE,
  tenant_id bigint,
  plate_nbr varchar(16) UNIQUE,
  lvl int,
  CONSTRAINT spot_tenant FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id)
);
CREATE TABLE pkg (
  pkg_id bigint AUTO_INCREMENT PRIMARY KEY,
  tracking_nbr varchar(40) NOT NULL UNIQUE,
  unit_id int NOT NULL,
  carrier varchar(40),
  recvd_ts datetime NOT NULL,
  picked_up boolean NOT NULL DEFAULT false,
  CONSTRAINT pkg_unit FOREIGN KEY (unit_id) REFERENCES unit (unit_id)
) AUTO_INCREMENT = 100;
CREATE INDEX pkg_by_unit ON pkg (unit_id);
CREATE TABLE visitor_pass (
  pass_id bigint AUTO_INCREMENT PRIMARY KEY,
  visitor_name varchar(80) NOT NULL,
  unit_id int NOT NULL,
  valid_on date NOT NULL,
  plate_nbr varchar(16),
  CONSTRAINT pass_unit FOREIGN KEY (unit_id) REFERENCES unit (unit_id)
) AUTO_INCREMENT = 100;
INSERT INTO bldg VALUES (1, 'Harbour House', '1 Quay', 'Maria Lopez', '+12065550100');
INSERT INTO unit VALUES (1, 1, '4B', 700, 2, 1500.00, false, NULL);
INSERT INTO tenant (tenant_id, fname, lname, phone_nbr, email_addr) VALUES (1, 'Anna', 'Vos', '+12065550142', 'anna@example.com');
INSERT INTO lease (lease_id, lease_nbr, tenant_id, unit_id, start_dt, end_dt, rent_amt, deposit_amt) VALUES (1, 'LS-1', 1, 1, '2026-01-01', '2027-12-31', 1500.00, 3000.00);
INSERT INTO maint_req (req_id, req_nbr, unit_id, caller_nm, phone_nbr, descr) VALUES (1, 'MR-1', 1, 'Anna Vos', '+12065550142', 'tap drips');
INSERT INTO rent_pmt VALUES (1, 1, 'PM-1', '2027-04-01', 1500.00, 'card');
INSERT INTO parking_spot VALUES (1, 'P-12', 1, 'ABC123', 1);
INSERT INTO pkg (pkg_id, tracking_nbr, unit_id, carrier, recvd_ts) VALUES (1, 'TN-1', 1, 'post', '2027-04-30 10:00:00');
