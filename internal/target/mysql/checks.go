package mysql

import (
	"context"
	"crypto/rand"
	"strings"

	"flowyte/internal/fault"
	"flowyte/internal/target"
)

// systemSchemas belong to the server.
const systemSchemas = `'mysql', 'information_schema', 'performance_schema', 'sys'`

// schemaText counts what has a column that the role may select.
const schemaText = `SELECT COUNT(DISTINCT TABLE_SCHEMA, TABLE_NAME) FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA NOT IN (` + systemSchemas + `) AND FIND_IN_SET('select', PRIVILEGES) > 0`

// SchemaReadable implements target.Session.
func (s *Session) SchemaReadable(ctx context.Context) (int, error) {
	cells, err := s.one(ctx, schemaText)
	if err != nil {
		return 0, err
	}
	n, ok := cells[0].(int64)
	if !ok {
		return 0, s.broke(fault.Wrap(fault.ProtocolError, errCell))
	}
	return int(n), nil
}

// Probe implements target.Session.
func (s *Session) Probe(ctx context.Context) error {
	_, err := s.one(ctx, "SELECT 1")
	return err
}

// ProveReadOnly implements target.Session. It creates a table in the way that
// reads run, and believes nothing but the refusal. A server that lets it
// through is asked to drop the table at once.
func (s *Session) ProveReadOnly(ctx context.Context) (proof target.ReadOnlyProof, err error) {
	defer s.protect(&err)
	proof.Replica = s.server.Replica
	held, err := s.grants(ctx)
	if err != nil {
		return proof, err
	}
	proof.RoleCanWrite = held.canWrite()

	name := "`flowyte_proof_" + strings.ToLower(rand.Text()) + "`"
	err = s.exec(ctx, "CREATE TABLE "+name+" (id INT)")
	switch refusal(err) {
	case numberReadOnlySession:
		proof.SessionReadOnly = true
		return proof, nil
	case numberOptionPrevents, numberReadOnlyMode:
		// The server refuses everybody before it comes to the session, so that
		// all there is about the session is its setting as of now.
		proof.Replica = true
		proof.SessionReadOnly, err = s.readOnlySetting(ctx)
		return proof, err
	case 0:
	default:
		return proof, nil // refused for another reason, which proves nothing
	}
	if err != nil {
		return proof, err
	}
	return proof, s.exec(ctx, "DROP TABLE "+name)
}

// readOnlySetting asks for the session's setting.
func (s *Session) readOnlySetting(ctx context.Context) (bool, error) {
	cells, err := s.one(ctx, "SELECT @@SESSION."+flavors[s.server.Flavor].readOnly)
	if err != nil {
		return false, err
	}
	return text(cells[0]) == "1", nil
}
