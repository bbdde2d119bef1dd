package mysql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// modes is the sql_mode of every session: values that do not fit are errors,
// quotes and backslashes mean what they mean by default.
var modes = []string{"ERROR_FOR_DIVISION_BY_ZERO", "NO_ENGINE_SUBSTITUTION", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "STRICT_ALL_TABLES"}

// variables are what the two flavours call the same things.
type variables struct {
	readOnly  string
	isolation string
	// limit is the statement limit, in unit.
	limit string
	unit  func(time.Duration) string
	// identity is an expression for what a server calls itself, NULL if it
	// does not.
	identity string
}

var flavors = map[schema.Flavor]variables{
	schema.FlavorMySQL: {
		readOnly: "transaction_read_only", isolation: "transaction_isolation", limit: "max_execution_time",
		unit:     func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) },
		identity: "@@GLOBAL.server_uuid",
	},
	schema.FlavorMariaDB: {
		readOnly: "tx_read_only", isolation: "tx_isolation", limit: "max_statement_time",
		unit: func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) },
		// A variable since 10.11.9; naming one that is not there is an error.
		identity: "(SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'SERVER_UID')",
	},
}

// settings is the one text that readies a session for its purpose.
func settings(flavor schema.Flavor, purpose target.Purpose) string {
	v, limits := flavors[flavor], target.LimitsFor(purpose)
	readOnly := "1"
	if purpose == target.ForWrites {
		readOnly = "0"
	}
	// The servers count in whole seconds, and one is the least.
	lock := strconv.Itoa(int(math.Ceil(limits.Lock.Seconds())))
	set := []string{
		"NAMES utf8mb4",
		"SESSION sql_mode = '" + strings.Join(modes, ",") + "'",
		"SESSION time_zone = '+00:00'",
		"SESSION autocommit = 1",
		"SESSION sql_auto_is_null = 0",
		"SESSION lock_wait_timeout = " + lock,
		"SESSION " + v.limit + " = " + v.unit(limits.Statement),
		"SESSION " + v.readOnly + " = " + readOnly,
	}
	if purpose == target.ForWrites {
		set = append(set, "SESSION innodb_lock_wait_timeout = "+lock, "SESSION foreign_key_checks = 1", "SESSION unique_checks = 1",
			"SESSION "+v.isolation+" = 'READ-COMMITTED'", "SESSION completion_type = 'NO_CHAIN'")
		if flavor == schema.FlavorMariaDB {
			set = append(set, "SESSION idle_transaction_timeout = "+seconds(limits.Idle))
		}
	}
	return "SET " + strings.Join(set, ", ")
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// question asks who the server is and what became of the settings.
func question(flavor schema.Flavor) string {
	v := flavors[flavor]
	return "SELECT VERSION(), DATABASE(), @@GLOBAL.read_only, @@GLOBAL.lower_case_table_names, " + v.identity +
		", @@GLOBAL.hostname, @@GLOBAL.port, @@GLOBAL.datadir, @@SESSION." + v.readOnly +
		", @@SESSION.sql_mode, @@SESSION.time_zone, @@SESSION.autocommit, @@SESSION.character_set_client, @@SESSION.character_set_results"
}

// The columns of question.
const (
	factVersion = iota
	factDatabase
	factReplica
	factFolding
	factIdentity
	factHostname
	factPort
	factFolder
	factReadOnly
	factModes
	factZone
	factAutocommit
	factClientCharset
	factResultCharset
	facts
)

// setUp readies the session and checks that it is what it was asked to be, in
// two round trips.
func (s *Session) setUp(ctx context.Context) (err error) {
	defer s.protect(&err)
	flavor := schema.FlavorMySQL
	if s.dialer.greeting.mariaDB() {
		flavor = schema.FlavorMariaDB
	}
	if err := s.exec(ctx, settings(flavor, s.purpose)); err != nil {
		return s.refused(err)
	}
	cells, err := s.one(ctx, question(flavor))
	if err != nil {
		return err
	}
	if len(cells) != facts {
		return s.broke(violation("an answer of %d columns", len(cells)))
	}
	if err := s.checkSettings(cells); err != nil {
		return err
	}
	s.server = serverOf(flavor, cells)
	if !supported(flavor, s.server.Version) {
		return fault.New(fault.ServerUnsupported)
	}
	return nil
}

// refused explains why the first statement failed. A login can be refused as
// late as this, for a password that has expired; any other refusal means that
// the server does not know a setting.
func (s *Session) refused(err error) error {
	number := refusal(err)
	if number == 0 || s.broken {
		return err
	}
	if f := connectRefusal(uint16(number)); f.Code != fault.DatabaseError {
		return f
	}
	return fault.Wrap(fault.ServerUnsupported, number)
}

// checkSettings compares what the server says of the session with what it was
// told.
func (s *Session) checkSettings(cells []any) error {
	want := "1"
	if s.purpose == target.ForWrites {
		want = "0"
	}
	if text(cells[factReadOnly]) != want {
		return fault.Wrap(fault.NotReadOnly, errors.New("mysql: the session setting has no effect"))
	}
	got := strings.Split(text(cells[factModes]), ",")
	slices.Sort(got)
	if !slices.Equal(got, modes) || text(cells[factZone]) != "+00:00" || text(cells[factAutocommit]) != "1" ||
		text(cells[factClientCharset]) != "utf8mb4" || text(cells[factResultCharset]) != "utf8mb4" {
		return fault.Wrap(fault.ServerUnsupported, errors.New("mysql: a session setting has no effect"))
	}
	return nil
}

// text is a cell as text, "" for NULL.
func text(cell any) string {
	if cell == nil {
		return ""
	}
	return fmt.Sprint(cell)
}

func serverOf(flavor schema.Flavor, cells []any) schema.Server {
	product := "MySQL"
	if flavor == schema.FlavorMariaDB {
		product = "MariaDB"
	}
	readOnly := text(cells[factReplica])
	return schema.Server{
		Product: product, Flavor: flavor, Version: versionNumber(text(cells[factVersion])),
		Replica:              readOnly != "0" && readOnly != "OFF",
		Identity:             identity(cells),
		CaseInsensitiveNames: text(cells[factFolding]) != "0",
	}
}

// identity tells this database from every other. A server's own identifier
// survives restarts and moves; without one, what it says of its place has to do.
func identity(cells []any) string {
	place := "server " + text(cells[factIdentity])
	if cells[factIdentity] == nil {
		place = fmt.Sprintf("place %s %s %s", text(cells[factHostname]), text(cells[factPort]), text(cells[factFolder]))
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "mysql\x00%s\x00%s", place, text(cells[factDatabase])))
	return hex.EncodeToString(sum[:])
}

// versionNumber keeps the number that a version text begins with: servers add
// the name of the distribution, hostile ones whatever they like. MariaDB puts
// 5.5.5- in front for old clients.
func versionNumber(text string) string {
	const longest = 32
	text = strings.TrimPrefix(text, "5.5.5-")
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	return strings.Trim(text[:min(end, longest)], ".")
}

// supported tells whether the server has what this package relies on.
func supported(flavor schema.Flavor, version string) bool {
	oldest := []int{8, 0}
	if flavor == schema.FlavorMariaDB {
		oldest = []int{10, 11}
	}
	var have []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return false
		}
		have = append(have, n)
	}
	return slices.Compare(have, oldest) >= 0
}
