CREATE TABLE customers (
  id          int AUTO_INCREMENT PRIMARY KEY,
  name        varchar(80)  NOT NULL,
  email       varchar(120) UNIQUE,
  phone       varchar(32)  NOT NULL,
  ssn         char(11),
  card_last4  char(4),
  birth_date  date,
  city        varchar(60),
  created_at  timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  INDEX customers_phone (phone)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COMMENT = 'People who have booked at least once.';

CREATE TABLE providers (
  id         int AUTO_INCREMENT PRIMARY KEY,
  name       varchar(80) NOT NULL,
  specialty  varchar(60) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE services (
  id       int AUTO_INCREMENT PRIMARY KEY,
  name     varchar(80)   NOT NULL UNIQUE,
  minutes  int           NOT NULL,
  price    decimal(8, 2) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE appointments (
  id           int AUTO_INCREMENT PRIMARY KEY,
  reference    char(8)     NOT NULL UNIQUE,
  customer_id  int         NOT NULL,
  provider_id  int         NOT NULL,
  service_id   int         NOT NULL,
  phone        varchar(32) NOT NULL COMMENT 'As the receptionist typed it.',
  starts_at    datetime    NOT NULL COMMENT 'Local time of the practice.',
  status       enum ('scheduled', 'confirmed', 'completed', 'cancelled', 'no_show') NOT NULL DEFAULT 'scheduled',
  notes        text,
  created_at   timestamp   NOT NULL DEFAULT CURRENT_TIMESTAMP,
  INDEX appointments_phone (phone),
  FOREIGN KEY appointments_customer (customer_id) REFERENCES customers (id),
  FOREIGN KEY appointments_provider (provider_id) REFERENCES providers (id),
  FOREIGN KEY appointments_service (service_id) REFERENCES services (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE payments (
  id              int AUTO_INCREMENT PRIMARY KEY,
  customer_id     int           NOT NULL,
  appointment_id  int,
  amount          decimal(8, 2) NOT NULL,
  method          varchar(20)   NOT NULL,
  paid_at         timestamp     NOT NULL DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY payments_customer (customer_id) REFERENCES customers (id),
  FOREIGN KEY payments_appointment (appointment_id) REFERENCES appointments (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE requests (
  id              int AUTO_INCREMENT PRIMARY KEY,
  phone           varchar(32)  NOT NULL,
  name            varchar(80)  NOT NULL,
  topic           varchar(200) NOT NULL,
  preferred_time  varchar(80),
  status          varchar(20)  NOT NULL DEFAULT 'open',
  created_at      timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  INDEX requests_phone (phone)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
