-- Run this as an administrator.
SET NAMES utf8mb4;
SET @flowyte_sql_mode = @@SESSION.sql_mode;
SET SESSION sql_mode = 'STRICT_ALL_TABLES';
CREATE USER IF NOT EXISTS `agent`@`%` IDENTIFIED BY 'x' REQUIRE SSL WITH MAX_USER_CONNECTIONS 20 /*M!100108 MAX_STATEMENT_TIME 5 */;
ALTER USER `agent`@`%` IDENTIFIED BY 'x' REQUIRE SSL WITH MAX_USER_CONNECTIONS 20 /*M!100108 MAX_STATEMENT_TIME 5 */;
GRANT SELECT ON `app_db`.`customers` TO `agent`@`%`;
-- Optional: see the notes before you remove the dashes.
-- GRANT SHOW VIEW ON `app\_db`.* TO `agent`@`%`;
SET SESSION sql_mode = @flowyte_sql_mode;
