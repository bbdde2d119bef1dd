package privatedb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// mysqlEngine runs MySQL and MariaDB, which differ in how a new system is made.
type mysqlEngine struct {
	bootstrap func(ctx context.Context, install Install, as account, dir string) error
}

func (mysqlEngine) kind() string                 { return "mysql" }
func (mysqlEngine) admin() string                { return "root" }
func (mysqlEngine) stopSignal() syscall.Signal   { return syscall.SIGTERM }
func (mysqlEngine) orphanSignal() syscall.Signal { return syscall.SIGKILL }
func (mysqlEngine) killed(string)                {}

func (e mysqlEngine) initialise(ctx context.Context, install Install, as account, dir string) error {
	return e.bootstrap(ctx, install, as, dir)
}

// prefix is the installation's "/usr".
func prefix(install Install) string { return filepath.Dir(filepath.Dir(install.Program)) }

// share is the folder with the server's messages and SQL files.
func share(install Install) (string, error) {
	for _, name := range []string{"mariadb", "mysql"} {
		dir := filepath.Join(prefix(install), "share", name)
		if _, err := os.Stat(filepath.Join(dir, "english", "errmsg.sys")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("privatedb: no share folder of %s", install.Program)
}

// common are the arguments that both bootstrap and service need.
func common(install Install, data string) ([]string, error) {
	messages, err := share(install)
	if err != nil {
		return nil, err
	}
	return []string{
		"--no-defaults", "--basedir=" + prefix(install), "--datadir=" + data,
		"--lc-messages-dir=" + messages, "--character-sets-dir=" + filepath.Join(messages, "charsets"),
		"--plugin-dir=" + filepath.Join(prefix(install), "lib", "mysql", "plugin"),
	}, nil
}

// bootstrapMariaDB feeds the release's own system tables to the server.
func bootstrapMariaDB(ctx context.Context, install Install, as account, dir string) error {
	data := filepath.Join(dir, "data")
	if err := as.mkdir(data); err != nil {
		return err
	}
	args, err := common(install, data)
	if err != nil {
		return err
	}
	messages, err := share(install)
	if err != nil {
		return err
	}
	var script bytes.Buffer
	script.WriteString("create database mysql;\nuse mysql;\n")
	for _, name := range []string{"system_tables", "performance_tables", "system_tables_data", "maria_add_gis_sp_bootstrap", "sys_schema"} {
		part, err := readSystemSQL(messages, name)
		if err != nil {
			return err
		}
		script.Write(part)
		script.WriteString("\n")
	}
	// Of the administrator's passwordless accounts two stay, and both are
	// given a password before the server listens.
	script.WriteString("delete from mysql.global_priv where User='root' and Host not in ('localhost','127.0.0.1');\n")
	args = append(args, "--bootstrap", "--innodb-log-file-size=8M", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0")
	return command{as: as, program: install.Program, args: args, dir: dir, input: &script, orphaned: syscall.SIGKILL}.run(ctx)
}

// readSystemSQL reads one of the SQL files; their names differ by release.
func readSystemSQL(share, name string) ([]byte, error) {
	for _, file := range []string{"mariadb_" + name, "mysql_" + name, name} {
		if part, err := os.ReadFile(filepath.Join(share, file+".sql")); err == nil {
			return part, nil
		}
	}
	return nil, fmt.Errorf("privatedb: no %s.sql in %s", name, share)
}

func bootstrapMySQL(ctx context.Context, install Install, as account, dir string) error {
	args, err := common(install, filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	args = append(args, "--initialize-insecure", "--innodb-redo-log-capacity=8M", "--secure-file-priv=NULL")
	return command{as: as, program: install.Program, args: args, dir: dir, orphaned: syscall.SIGKILL}.run(ctx)
}

// configure writes the statements that the server runs before it listens:
// they set the administrator's password. It also makes a folder for temporary
// tables, since a server that starts removes those of others in a shared one.
func (mysqlEngine) configure(s *Server) error {
	if err := s.as.mkdir(s.home.path("tmp")); err != nil {
		return err
	}
	var statements strings.Builder
	for _, host := range []string{"localhost", "127.0.0.1"} {
		user := "'" + s.AdminUser + "'@'" + host + "'"
		fmt.Fprintf(&statements, "CREATE USER IF NOT EXISTS %s;\n", user)
		fmt.Fprintf(&statements, "ALTER USER %s IDENTIFIED BY '%s' REQUIRE SSL;\n", user, s.AdminPassword)
		fmt.Fprintf(&statements, "GRANT ALL ON *.* TO %s WITH GRANT OPTION;\n", user)
	}
	return s.as.write(s.home.path("init.sql"), []byte(statements.String()))
}

func (mysqlEngine) args(s *Server) []string {
	// The share folder was found when the system was initialised.
	args, _ := common(s.Install, s.DataDir)
	args = append(args,
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.Port),
		// Relative to the data folder: a socket's path may have 107 bytes only.
		"--socket=server.sock", "--pid-file=server.pid",
		"--init-file="+s.home.path("init.sql"), "--tmpdir="+s.home.path("tmp"),
		"--skip-name-resolve", "--skip-log-bin", "--character-set-server=utf8mb4",
		"--ssl-ca="+s.home.path("ca.pem"), "--ssl-cert="+s.home.path("server.pem"), "--ssl-key="+s.home.path("server-key.pem"),
		"--tls-version=TLSv1.2,TLSv1.3",
		"--performance-schema=OFF",
	)
	if s.Install.Flavor == MySQL {
		args = append(args, "--mysqlx=OFF", "--secure-file-priv=NULL", "--innodb-redo-log-capacity=8M", "--innodb-buffer-pool-size=64M")
	} else {
		args = append(args, "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M")
	}
	if s.options.NoSync {
		// 2 hands each commit to the kernel, so a killed server keeps it.
		args = append(args, "--innodb-flush-log-at-trx-commit=2")
	}
	for _, setting := range s.options.Settings {
		args = append(args, "--"+setting)
	}
	return args
}

func (e mysqlEngine) ready(ctx context.Context, s *Server) error {
	_, err := e.query(ctx, s, "", "SELECT 1")
	return err
}

func (mysqlEngine) query(ctx context.Context, s *Server, database, text string) ([][]string, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", fmt.Sprintf("%s:%d", s.Host, s.Port)
	config.User, config.Passwd, config.DBName = s.AdminUser, s.AdminPassword, database
	config.TLS = s.authority.clientTLS(s.Host)
	config.MultiStatements = true
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("privatedb: make connection settings: %w", err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("privatedb: run SQL: %w", err)
	}
	defer rows.Close()
	for {
		values, err := readRows(rows)
		if err != nil {
			return nil, fmt.Errorf("privatedb: run SQL: %w", err)
		}
		if !rows.NextResultSet() {
			if err := rows.Err(); err != nil {
				return nil, fmt.Errorf("privatedb: run SQL: %w", err)
			}
			return textRows(values), nil
		}
	}
}

// readRows reads one result as bytes.
func readRows(rows *sql.Rows) ([][][]byte, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var values [][][]byte
	for rows.Next() {
		row := make([][]byte, len(columns))
		targets := make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		values = append(values, row)
	}
	return values, rows.Err()
}
