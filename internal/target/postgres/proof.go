package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"flowyte/internal/fault"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

// userRelations restricts c, n to what is not the system's.
const userRelations = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`

const schemaText = `SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ` + userRelations + `
AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))`

// SchemaReadable implements target.Session.
func (s *Session) SchemaReadable(ctx context.Context) (int, error) {
	cells, err := s.one(ctx, schemaText)
	if err != nil {
		return 0, err
	}
	n, ok := cells[0].(int64)
	if !ok {
		return 0, fault.Wrap(fault.ProtocolError, errCell)
	}
	return int(n), nil
}

// Probe implements target.Session.
func (s *Session) Probe(ctx context.Context) error {
	_, err := s.one(ctx, "SELECT 1")
	return err
}

const canWriteText = `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND ` + userRelations + `
AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
AND (pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE')))`

// ProveReadOnly implements target.Session. It creates a table in a transaction
// that is rolled back, in the way that reads run, and believes nothing but the
// refusal. Only a server that lets it through is asked to drop it, too.
func (s *Session) ProveReadOnly(ctx context.Context) (target.ReadOnlyProof, error) {
	proof := target.ReadOnlyProof{Replica: s.server.Replica}
	cells, err := s.one(ctx, canWriteText)
	if err != nil {
		return proof, err
	}
	proof.RoleCanWrite, _ = cells[0].(bool)

	name := `"public"."flowyte_proof_` + strings.ToLower(rand.Text()) + `"`
	commands := []command{begin}
	if s.pooled {
		commands = s.opening()
	}
	commands = append(commands, command{text: "CREATE TABLE " + name + " (id integer)"}, rollback)
	err = s.batch(ctx, commands, func(int, *pgconn.ResultReader) error { return nil })
	var refused sqlState
	switch {
	case err == nil:
		_, err = s.conn.ExecParams(ctx, "DROP TABLE IF EXISTS "+name, nil, nil, nil, nil).Close()
		if err != nil {
			return proof, s.failed(ctx, err)
		}
		return proof, nil
	case errors.As(fault.Cause(err), &refused):
		proof.SessionReadOnly = refused == stateReadOnly
		return proof, nil
	}
	return proof, err
}

// privilegesText answers with one row a right: its kind (superuser, wider,
// public) and its name. What counts is what the role can be, inherited or by
// SET ROLE. A superuser holds everything and is told in one word.
const privilegesText = `WITH me AS (SELECT r.oid, EXISTS (SELECT FROM pg_catalog.pg_roles s WHERE s.rolsuper AND pg_catalog.pg_has_role(r.oid, s.oid, 'MEMBER')) AS almighty
	FROM pg_catalog.pg_roles r WHERE r.rolname = current_user),
ordinary AS (SELECT oid FROM me WHERE NOT almighty),
mine AS (SELECT r.* FROM pg_catalog.pg_roles r, ordinary me WHERE pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')),
here AS (SELECT d.oid, d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()),
spaces AS (SELECT n.oid, n.nspowner FROM pg_catalog.pg_namespace n WHERE ` + userRelations + `),
tables AS (SELECT c.oid, c.relowner FROM pg_catalog.pg_class c JOIN spaces n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f'))
SELECT 'superuser', 'superuser' FROM me WHERE almighty
UNION ALL SELECT 'superuser', 'CREATEROLE' WHERE EXISTS (SELECT FROM mine WHERE rolcreaterole)
UNION ALL SELECT 'superuser', 'BYPASSRLS' WHERE EXISTS (SELECT FROM mine WHERE rolbypassrls)
UNION ALL SELECT 'superuser', 'REPLICATION' WHERE EXISTS (SELECT FROM mine WHERE rolreplication)
UNION ALL SELECT 'superuser', rolname FROM mine WHERE rolname IN (` + fileRoles + `)
UNION ALL SELECT 'wider', 'CREATEDB' WHERE EXISTS (SELECT FROM mine WHERE rolcreatedb)
UNION ALL SELECT 'wider', rolname FROM mine WHERE rolname ~ '^pg_' AND rolname NOT IN (` + fileRoles + `, 'pg_database_owner')
UNION ALL SELECT 'wider', 'owner of the database' FROM here, ordinary me WHERE pg_catalog.pg_has_role(me.oid, here.datdba, 'MEMBER')
UNION ALL SELECT 'wider', 'owner of a schema' FROM ordinary me WHERE EXISTS (SELECT FROM spaces WHERE pg_catalog.pg_has_role(me.oid, nspowner, 'MEMBER'))
UNION ALL SELECT 'wider', 'owner of tables' FROM ordinary me WHERE EXISTS (SELECT FROM tables WHERE pg_catalog.pg_has_role(me.oid, relowner, 'MEMBER'))
UNION ALL SELECT 'wider', 'CREATE on the database' FROM here, ordinary WHERE pg_catalog.has_database_privilege(here.oid, 'CREATE')
UNION ALL SELECT 'wider', 'CREATE on a schema' FROM ordinary WHERE EXISTS (SELECT FROM spaces WHERE pg_catalog.has_schema_privilege(spaces.oid, 'CREATE') AND NOT pg_catalog.has_schema_privilege('public', spaces.oid, 'CREATE'))
UNION ALL SELECT 'wider', 'DELETE, TRUNCATE, REFERENCES or TRIGGER on tables' FROM ordinary WHERE EXISTS (SELECT FROM tables WHERE pg_catalog.has_table_privilege(tables.oid, 'DELETE, TRUNCATE, REFERENCES, TRIGGER'))
UNION ALL SELECT 'public', 'CREATE on a schema' WHERE EXISTS (SELECT FROM spaces WHERE pg_catalog.has_schema_privilege('public', spaces.oid, 'CREATE'))
UNION ALL SELECT 'public', 'TEMPORARY on the database' FROM here WHERE pg_catalog.has_database_privilege('public', here.oid, 'TEMPORARY')`

// fileRoles reach the server's files and programs.
const fileRoles = `'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'`

// Privileges implements target.Session.
func (s *Session) Privileges(ctx context.Context) (target.Privileges, error) {
	const longest = 64
	var p target.Privileges
	err := s.Select(ctx, privilegesText, nil, func(cells []any) error {
		if len(cells) != 2 {
			return violation("a right of %d columns", len(cells))
		}
		kind, _ := cells[0].(string)
		name, _ := cells[1].(string)
		name = clean(name, longest)
		switch kind {
		case "superuser":
			p.Superuser = append(p.Superuser, name)
		case "wider":
			p.Wider = append(p.Wider, name)
		case "public":
			p.Public = append(p.Public, name)
		}
		return nil
	})
	return p, err
}
