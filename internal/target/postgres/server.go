package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// greeting is the answer to greetingText.
type greeting struct {
	readOnly    bool
	pid         int64
	replica     bool
	versionText string
	version     int64
	database    string
	databaseID  int64
	system      string // "" when the server keeps it to itself
}

func readGreeting(cells []any) (greeting, error) {
	var g greeting
	if len(cells) != 8 {
		return g, violation("a greeting of %d columns", len(cells))
	}
	var ok [7]bool
	var readOnly string
	readOnly, ok[0] = cells[0].(string)
	g.readOnly = readOnly == "on"
	g.pid, ok[1] = cells[1].(int64)
	g.replica, ok[2] = cells[2].(bool)
	g.versionText, ok[3] = cells[3].(string)
	g.version, ok[4] = cells[4].(int64)
	g.database, ok[5] = cells[5].(string)
	g.databaseID, ok[6] = cells[6].(int64)
	for i := range ok {
		if !ok[i] {
			return g, violation("a greeting with column %d of another type", i)
		}
	}
	if id, isInt := cells[7].(int64); isInt {
		g.system = fmt.Sprint(uint64(id))
	}
	return g, nil
}

// server is what is kept of the greeting.
func (g greeting) server(c *target.Credentials) schema.Server {
	return schema.Server{
		Product: "PostgreSQL", Flavor: schema.FlavorPostgres,
		Version: versionNumber(g.versionText), Replica: g.replica, Identity: g.identity(c),
	}
}

// identity tells this database from every other. The system identifier is made
// with the cluster and survives restarts, moves and failover to a physical
// standby; without it the address has to do. Name and oid tell the databases
// of one cluster apart, the oid also one that was dropped and made again.
func (g greeting) identity(c *target.Credentials) string {
	place := "system " + g.system
	if g.system == "" {
		place = fmt.Sprintf("address %s %d", c.Host, c.Port)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "postgres\x00%s\x00%d\x00%s", place, g.databaseID, g.database))
	return hex.EncodeToString(sum[:])
}

// versionNumber keeps the number that a version text begins with: servers add
// the name of the distribution, hostile ones whatever they like.
func versionNumber(text string) string {
	const longest = 32
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	return strings.Trim(text[:min(end, longest)], ".")
}
