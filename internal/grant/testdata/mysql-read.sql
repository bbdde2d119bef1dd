-- Run this as an administrator.
SET NAMES utf8mb4;
SET @flowyte_sql_mode = @@SESSION.sql_mode;
SET SESSION sql_mode = 'STRICT_ALL_TABLES';
CREATE USER IF NOT EXISTS `flowyte_ro`@`%` IDENTIFIED BY 'pa''ss\\word' REQUIRE SSL WITH MAX_USER_CONNECTIONS 20 /*M!100108 MAX_STATEMENT_TIME 5 */;
ALTER USER `flowyte_ro`@`%` IDENTIFIED BY 'pa''ss\\word' REQUIRE SSL WITH MAX_USER_CONNECTIONS 20 /*M!100108 MAX_STATEMENT_TIME 5 */;
GRANT SELECT ON `appdb`.* TO `flowyte_ro`@`%`;
-- Optional: see the notes before you remove the dashes.
-- GRANT SHOW VIEW ON `appdb`.* TO `flowyte_ro`@`%`;
SET SESSION sql_mode = @flowyte_sql_mode;
