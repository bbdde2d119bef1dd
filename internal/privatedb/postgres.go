package privatedb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresEngine runs PostgreSQL.
type postgresEngine struct{}

func (postgresEngine) kind() string  { return "postgres" }
func (postgresEngine) admin() string { return "postgres" }

// stopSignal asks for a fast shutdown: clients are cut off, data is safe.
func (postgresEngine) stopSignal() syscall.Signal { return syscall.SIGINT }

// orphanSignal asks for an immediate shutdown, which, unlike a kill, also
// gives back the shared memory.
func (postgresEngine) orphanSignal() syscall.Signal { return syscall.SIGQUIT }

// initialise leaves data and the file password, the administrator's first one.
func (postgresEngine) initialise(ctx context.Context, install Install, as account, dir string) error {
	password := filepath.Join(dir, "password")
	if err := as.write(password, []byte(rand.Text())); err != nil {
		return err
	}
	return command{as: as, program: install.sibling("initdb"), dir: dir, orphaned: syscall.SIGKILL, args: []string{
		"-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "scram-sha-256", "--pwfile=" + password,
		"--no-sync", "-E", "UTF8", "--locale=C",
	}}.run(ctx)
}

func (postgresEngine) configure(s *Server) error {
	settings := []string{
		"listen_addresses='127.0.0.1'",
		// Relative to the data folder: a socket's path may have 107 bytes only.
		"unix_socket_directories='.'",
		"ssl=on",
		"ssl_ca_file=" + quotePostgresSetting(s.home.path("ca.pem")),
		"ssl_cert_file=" + quotePostgresSetting(s.home.path("server.pem")),
		"ssl_key_file=" + quotePostgresSetting(s.home.path("server-key.pem")),
		"password_encryption='scram-sha-256'",
		"timezone='GMT'", "log_timezone='GMT'",
		"shared_buffers='32MB'",
		// In the data folder, which Close removes whatever became of the server.
		"dynamic_shared_memory_type='mmap'",
		"jit=off",
	}
	if s.options.NoSync {
		// synchronous_commit stays on: it hands each commit to the kernel, so
		// that a killed server keeps it.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	for _, setting := range s.options.Settings {
		name, value, _ := strings.Cut(setting, "=")
		settings = append(settings, name+"="+quotePostgresSetting(value))
	}
	file, err := os.OpenFile(filepath.Join(s.DataDir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("privatedb: open server settings: %w", err)
	}
	_, err = file.WriteString("\n" + strings.Join(settings, "\n") + "\n")
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("privatedb: write server settings: %w", err)
	}
	// TLS with a password over the network, and no other way in.
	hba := "hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl replication all 127.0.0.1/32 scram-sha-256\n"
	return s.as.write(filepath.Join(s.DataDir, "pg_hba.conf"), []byte(hba))
}

func quotePostgresSetting(value string) string {
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}

func (postgresEngine) args(s *Server) []string {
	return []string{"-D", s.DataDir, "-p", strconv.Itoa(s.Port)}
}

// ready exchanges the password of the shared template for the server's own
// the first time.
func (e postgresEngine) ready(ctx context.Context, s *Server) error {
	first := s.home.path("system", "password")
	password, err := os.ReadFile(first)
	if errors.Is(err, os.ErrNotExist) {
		_, err = e.query(ctx, s, "", "SELECT 1")
		return err
	}
	if err != nil {
		return fmt.Errorf("privatedb: read first password: %w", err)
	}
	admin := access{host: s.Host, port: s.Port, login: Login{s.AdminUser, string(password)}, authority: s.authority}
	if _, err := queryPostgres(ctx, admin, "", "ALTER ROLE postgres PASSWORD '"+s.AdminPassword+"'"); err != nil {
		return err
	}
	return os.RemoveAll(s.home.path("system"))
}

func (postgresEngine) query(ctx context.Context, s *Server, database, sql string) ([][]string, error) {
	admin := access{host: s.Host, port: s.Port, login: Login{s.AdminUser, s.AdminPassword}, authority: s.authority}
	return queryPostgres(ctx, admin, database, sql)
}

// access is what a connection over TLS needs to know.
type access struct {
	host      string
	port      int
	login     Login
	authority *Authority
}

func queryPostgres(ctx context.Context, to access, database, sql string) ([][]string, error) {
	if database == "" {
		database = "postgres"
	}
	config, err := pgconn.ParseConfig("host=localhost sslmode=disable user=postgres")
	if err != nil {
		return nil, fmt.Errorf("privatedb: make connection settings: %w", err)
	}
	config.Host, config.Port = to.host, uint16(to.port)
	config.User, config.Password, config.Database = to.login.User, to.login.Password, database
	config.TLSConfig = to.authority.clientTLS(to.host)
	// Nothing that the environment of this process may add.
	config.Fallbacks = nil
	config.RuntimeParams = nil
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("privatedb: connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("privatedb: run SQL: %w", err)
	}
	if len(results) == 0 {
		return nil, nil
	}
	return textRows(results[len(results)-1].Rows), nil
}

// textRows turns driver values into text, nil into NULL.
func textRows(values [][][]byte) [][]string {
	rows := make([][]string, len(values))
	for i, row := range values {
		rows[i] = make([]string, len(row))
		for j, value := range row {
			rows[i][j] = "NULL"
			if value != nil {
				rows[i][j] = string(value)
			}
		}
	}
	return rows
}

// killed gives back the System V segment that a killed server keeps. The
// seventh line of postmaster.pid tells its key and its id.
func (postgresEngine) killed(data string) {
	const segmentLine = 6
	raw, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return
	}
	lines := strings.Split(string(raw), "\n")
	if len(lines) <= segmentLine {
		return
	}
	var key uint64 // an inode number, of which the kernel keeps 32 bits
	var id int
	if _, err := fmt.Sscan(lines[segmentLine], &key, &id); err == nil {
		removeSharedMemory(int32(key), id)
	}
}
