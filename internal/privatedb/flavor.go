package privatedb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// Flavor names a server that can be started, and is also the name by which
// scripts/fetch-databases.sh fetches it.
type Flavor string

// The servers the product is tested on. Postgres and MariaDB are the core:
// they must be there wherever the tests run.
const (
	Postgres   Flavor = "postgres"   // newest installed of 15 to 18
	Postgres13 Flavor = "postgres13" // oldest supported
	Postgres17 Flavor = "postgres17"
	Postgres18 Flavor = "postgres18"
	MariaDB    Flavor = "mariadb" // the machine's own release
	MariaDB118 Flavor = "mariadb118"
	MySQL      Flavor = "mysql"
	PgBouncer  Flavor = "pgbouncer" // a pooler: started with StartPgBouncer
)

// Flavors lists every database server, the core ones first. PgBouncer is not
// among them, as it is of no use alone.
func Flavors() []Flavor {
	return []Flavor{Postgres, MariaDB, Postgres13, Postgres17, Postgres18, MariaDB118, MySQL}
}

// Core tells whether tests fail, rather than skip, when f is missing.
func (f Flavor) Core() bool { return f == Postgres || f == MariaDB }

// Install is a server program found on this machine.
type Install struct {
	Flavor  Flavor
	Version string // as the program tells it: "15.18", "10.11.19"
	Program string // absolute path of the program to run
}

// sibling is the path of another program of the same installation.
func (i Install) sibling(name string) string {
	return filepath.Join(filepath.Dir(i.Program), name)
}

// spec says where a flavour's program lies and how its version line reads.
type spec struct {
	engine   engine
	programs []string       // paths below "/" or a cached root, most wanted first
	version  *regexp.Regexp // its first group is the version
}

var specs = map[Flavor]spec{
	Postgres: {postgresEngine{}, []string{
		"usr/lib/postgresql/18/bin/postgres", "usr/lib/postgresql/17/bin/postgres",
		"usr/lib/postgresql/16/bin/postgres", "usr/lib/postgresql/15/bin/postgres",
	}, regexp.MustCompile(`\(PostgreSQL\) (1[5-8][.\w]*)`)},
	Postgres13: postgresMajor("13"),
	Postgres17: postgresMajor("17"),
	Postgres18: postgresMajor("18"),
	MariaDB:    {mysqlEngine{bootstrap: bootstrapMariaDB}, []string{"usr/sbin/mariadbd"}, regexp.MustCompile(`Ver (1[0-9]\.[.\d]+)-MariaDB`)},
	MariaDB118: {mysqlEngine{bootstrap: bootstrapMariaDB}, []string{"usr/sbin/mariadbd"}, regexp.MustCompile(`Ver (11\.8\.\d+)-MariaDB`)},
	MySQL:      {mysqlEngine{bootstrap: bootstrapMySQL}, []string{"usr/sbin/mysqld"}, regexp.MustCompile(`Ver ([89]\.[.\d]+)`)},
	PgBouncer:  {nil, []string{"usr/sbin/pgbouncer"}, regexp.MustCompile(`PgBouncer (1\.[.\d]+)`)},
}

func postgresMajor(major string) spec {
	return spec{
		engine:   postgresEngine{},
		programs: []string{"usr/lib/postgresql/" + major + "/bin/postgres"},
		version:  regexp.MustCompile(`\(PostgreSQL\) (` + major + `[.\w]*)`),
	}
}

// Find looks for f among the installed programs and then in the cache that
// scripts/fetch-databases.sh fills. It starts nothing but the program's own
// version switch. When f is missing the error says how to fetch it.
func Find(f Flavor) (Install, error) {
	s, ok := specs[f]
	if !ok {
		return Install{}, fmt.Errorf("privatedb: unknown server %q", f)
	}
	cached, err := CacheDir()
	if err != nil {
		return Install{}, err
	}
	for _, program := range s.candidates(filepath.Join(cached, string(f), "root")) {
		if version, ok := s.versionOf(program); ok {
			return Install{Flavor: f, Version: version, Program: program}, nil
		}
	}
	return Install{}, fmt.Errorf("privatedb: no %s server on this machine: run scripts/fetch-databases.sh %s", f, f)
}

// candidates lists where the program may be: on PATH, installed, cached.
func (s spec) candidates(cached string) []string {
	var paths []string
	if onPath, err := exec.LookPath(filepath.Base(s.programs[0])); err == nil {
		// A link may stand alone, away from the programs and files beside its target.
		if target, err := filepath.EvalSymlinks(onPath); err == nil {
			paths = append(paths, target)
		}
	}
	for _, root := range []string{"/", cached} {
		for _, program := range s.programs {
			paths = append(paths, filepath.Join(root, program))
		}
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || info.Mode()&0o111 == 0
	})
}

// versionOf asks the program; programs of another flavour do not match.
func (s spec) versionOf(program string) (string, bool) {
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return "", false
	}
	match := s.version.FindSubmatch(out)
	if match == nil {
		return "", false
	}
	return string(match[1]), true
}
