-- Run this as an administrator.
SET NAMES utf8mb4;
SET @flowyte_sql_mode = @@SESSION.sql_mode;
SET SESSION sql_mode = 'STRICT_ALL_TABLES';
CREATE USER IF NOT EXISTS `flowyte_rw`@`%` IDENTIFIED BY 'pa''ss\\word' REQUIRE SSL WITH MAX_USER_CONNECTIONS 10 /*M!100108 MAX_STATEMENT_TIME 5 */;
ALTER USER `flowyte_rw`@`%` IDENTIFIED BY 'pa''ss\\word' REQUIRE SSL WITH MAX_USER_CONNECTIONS 10 /*M!100108 MAX_STATEMENT_TIME 5 */;
GRANT SELECT ON `appdb`.* TO `flowyte_rw`@`%`;
GRANT SELECT, INSERT, UPDATE ON `appdb`.`appointments` TO `flowyte_rw`@`%`;
GRANT SELECT, INSERT, UPDATE ON `sales`.`orders` TO `flowyte_rw`@`%`;
-- Optional: see the notes before you remove the dashes.
-- GRANT SHOW VIEW ON `appdb`.* TO `flowyte_rw`@`%`;
SET SESSION sql_mode = @flowyte_sql_mode;
