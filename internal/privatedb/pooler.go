package privatedb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Pooler is a PgBouncer in transaction mode before a private PostgreSQL.
type Pooler struct {
	Host  string // always "localhost", which the certificate names
	Port  int
	CAPEM string // certificate of the authority to verify against

	home    *home
	process *process
}

// StartPgBouncer starts install, a PgBouncer, before upstream on a free port
// of 127.0.0.1. Clients reach every database of upstream under its own name,
// over TLS only, as one of users or as upstream's administrator; the pooler
// knows no other. It verifies upstream's certificate in full.
func StartPgBouncer(ctx context.Context, install Install, upstream *Server, users ...Login) (*Pooler, error) {
	if install.Flavor != PgBouncer || upstream.Kind() != "postgres" {
		return nil, errors.New("privatedb: a PgBouncer and a PostgreSQL are needed")
	}
	as := serverAccount()
	if err := as.reachable(filepath.Dir(install.Program)); err != nil {
		return nil, err
	}
	home, err := newHome(as, true)
	if err != nil {
		return nil, err
	}
	p := &Pooler{Host: "localhost", CAPEM: upstream.CAPEM, home: home}
	admin := Login{upstream.AdminUser, upstream.AdminPassword}
	err = errors.Join(home.writeCertificate(upstream.authority, nil), home.writeUsers(slices.Concat(users, []Login{admin})))
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	launch := func(port int) error { p.Port = port; return p.launch(ctx, install, upstream, admin) }
	if err := onFreePort(launch); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close ends the pooler at once. It may be called twice.
func (p *Pooler) Close() error {
	if p.process == nil {
		return p.home.remove()
	}
	return errors.Join(p.process.kill(), p.home.remove())
}

func (p *Pooler) launch(ctx context.Context, install Install, upstream *Server, admin Login) error {
	settings := p.home.path("pgbouncer.ini")
	if err := p.home.as.write(settings, []byte(p.settings(upstream))); err != nil {
		return err
	}
	run := command{as: p.home.as, program: install.Program, args: []string{settings}, dir: p.home.dir, orphaned: syscall.SIGKILL}
	log := p.home.path("server.log")
	var err error
	if p.process, err = run.start(log); err != nil {
		return err
	}
	door := access{host: p.Host, port: p.Port, login: admin, authority: upstream.authority}
	return awaitReady(ctx, p.process, log, func(ctx context.Context) error {
		_, err := queryPostgres(ctx, door, "", "SELECT 1")
		return err
	})
}

// settings is the pooler's configuration file. It refuses what a client sends
// beyond the ordinary at start-up, as a pooler out of the box does.
func (p *Pooler) settings(upstream *Server) string {
	var text strings.Builder
	fmt.Fprintf(&text, "[databases]\n* = host=127.0.0.1 port=%d\n[pgbouncer]\n", upstream.Port)
	fmt.Fprintf(&text, "listen_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n", p.Port)
	fmt.Fprintf(&text, "pool_mode = transaction\nauth_type = scram-sha-256\nauth_file = %s\n", p.home.path("users.txt"))
	fmt.Fprintf(&text, "client_tls_sslmode = require\nclient_tls_cert_file = %s\nclient_tls_key_file = %s\n",
		p.home.path("server.pem"), p.home.path("server-key.pem"))
	fmt.Fprintf(&text, "server_tls_sslmode = verify-full\nserver_tls_ca_file = %s\n", p.home.path("ca.pem"))
	return text.String()
}

// writeUsers writes the passwords as they are: the pooler proves them to the
// server as well as checking them.
func (h *home) writeUsers(users []Login) error {
	var text strings.Builder
	for _, user := range users {
		fmt.Fprintf(&text, "%s %s\n", quotePgBouncer(user.User), quotePgBouncer(user.Password))
	}
	return h.as.write(h.path("users.txt"), []byte(text.String()))
}

func quotePgBouncer(text string) string {
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}
