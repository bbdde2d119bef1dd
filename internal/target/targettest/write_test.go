package targettest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// TestWriteIsOneRow: an insert answers with its key, an update with nothing,
// and both leave evidence before their COMMIT.
func TestWriteIsOneRow(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		for i, place := range []string{"A", "B"} { // prepared once, then from the session's memory
			var made, changed kept
			succeed(t, w.write(t, w.insert, book(place, "1", "2", "x"), &made))
			if len(made.rows) != 1 || len(made.rows[0]) != 1 || made.rows[0][0] != []string{"1", "2"}[i] {
				t.Errorf("the insert gave %q", made.rows)
			}
			changed.before = func() error {
				if got := w.db.Query(t, "SELECT note FROM slots WHERE place = '"+place+"'")[0][0]; got != "x" {
					t.Errorf("%q was seen before the COMMIT", got)
				}
				return nil
			}
			succeed(t, w.write(t, w.update, w.note("y", place), &changed))
			if len(changed.rows) != 0 {
				t.Errorf("the update gave %q", changed.rows)
			}
			for _, p := range []*plan.Plan{w.insert, w.update} {
				e := map[*plan.Plan]*kept{w.insert: &made, w.update: &changed}[p].last(t)
				whole := e.XID != "" && e.Timeline == 1
				if w.kind() == schema.MySQL {
					whole = e.Thread != 0 && len(e.Key) > 0 && e.After != nil && (e.Before == nil) == (p == w.insert)
				}
				if e.Identity != p.Identity || !whole {
					t.Errorf("evidence %+v", e)
				}
			}
		}
		w.wantRows(t, "A 1 2 y", "B 1 2 y")
		w.quiet(t)
	})
}

// TestWriteOfNoRow: an update that meets no row is rolled back.
func TestWriteOfNoRow(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		var k kept
		wantCode(t, w.write(t, w.update, w.note("y", "nowhere"), &k), fault.NoRow)
		w.quiet(t)
		if len(k.evidence) != 0 {
			t.Errorf("%d pieces of evidence", len(k.evidence))
		}
	})
}

// TestWriteOfTwoRows: the unique index that made the key one is gone. The
// update is rolled back, and the session goes on.
func TestWriteOfTwoRows(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
		drop := "ALTER TABLE slots DROP CONSTRAINT slots_place_key"
		if w.kind() == schema.MySQL {
			drop = "ALTER TABLE slots DROP INDEX place"
		}
		w.db.Exec(t, drop, "INSERT INTO slots (place, customer, seats, note) VALUES ('A', 2, 3, 'z')")
		var k kept
		for range 2 {
			wantCode(t, w.write(t, w.update, w.note("y", "A"), &k), fault.MoreThanOneRow)
		}
		w.wantRows(t, "A 1 2 x", "A 2 3 z")
		w.quiet(t)
		if len(k.evidence) != 0 {
			t.Errorf("%d pieces of evidence", len(k.evidence))
		}
	})
}

// TestCollationOfTheKeyMatchesMore: the update's own second predicate keeps a
// row of almost the same key out.
func TestCollationOfTheKeyMatchesMore(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		if w.kind() == schema.MySQL {
			w.db.Exec(t, "ALTER TABLE slots MODIFY place varchar(40) COLLATE utf8mb4_general_ci NOT NULL")
			w.update = w.compile(t, noteSlot)
		}
		succeed(t, w.write(t, w.insert, book("a", "1", "2", "x"), &kept{}))
		wantCode(t, w.write(t, w.update, w.note("y", "A"), &kept{}), fault.NoRow)
		w.wantRows(t, "a 1 2 x")
	})
}

// canary is what a server must not be able to say to anybody through us.
const canary = "canary-7f3a"

// refusal is a write that the database refuses.
type refusal struct {
	name  string
	ddl   map[schema.Kind]string
	args  []target.Value // of an insert
	note  string         // of an update of the row A
	want  fault.Code
	after []string
}

// refusals are the rules of the table and of its triggers and rules. A text
// for one kind only is tested there.
var refusals = []refusal{
	{name: "unique", args: book("A", "1", "1", canary), want: fault.AlreadyExists},
	{name: "foreign key", args: book("B", "77", "1", canary), want: fault.ConstraintViolated},
	{name: "check", args: book("B", "1", "0", canary), want: fault.ConstraintViolated},
	{name: "domain", args: book("B", "1", "9", canary), want: fault.ConstraintViolated},
	{name: "not null", args: []target.Value{{Text: "B"}, {Text: "1"}, {Text: "1"}, {Null: true}}, want: fault.ConstraintViolated},
	{name: "deferred", args: book("B", "78", "1", canary), want: fault.ConstraintViolated, ddl: map[schema.Kind]string{
		schema.Postgres: `ALTER TABLE slots ALTER CONSTRAINT slots_customer_fkey DEFERRABLE INITIALLY DEFERRED`,
	}},
	{name: "too long", note: "abcdef", want: fault.ConstraintViolated, ddl: map[schema.Kind]string{
		schema.Postgres: `ALTER TABLE slots ALTER note TYPE varchar(3) COLLATE "C"`,
		schema.MySQL:    `ALTER TABLE slots MODIFY note varchar(3) COLLATE utf8mb4_bin NOT NULL DEFAULT ''`,
	}},
	{name: "cut short", args: book("B", "1", "3", "7 and more"), want: fault.ConstraintViolated, after: []string{"A 1 2 1"}, ddl: map[schema.Kind]string{
		schema.MySQL: `UPDATE slots SET note = '1'; ALTER TABLE slots MODIFY note int NOT NULL DEFAULT 0`,
	}},
	{name: "raised", note: "y", want: fault.ConstraintViolated, ddl: map[schema.Kind]string{
		schema.Postgres: trigger("BEFORE UPDATE", `RAISE EXCEPTION '`+canary+`' USING DETAIL = '`+canary+`', HINT = '`+canary+`'`),
		schema.MySQL:    `CREATE TRIGGER tr BEFORE UPDATE ON slots FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '` + canary + `'`,
	}},
	{name: "raised by a number", note: "y", want: fault.ConstraintViolated, ddl: map[schema.Kind]string{
		schema.Postgres: trigger("BEFORE UPDATE", `RAISE EXCEPTION '`+canary+`' USING ERRCODE = 'ZZ123'`),
		schema.MySQL:    `CREATE TRIGGER tr BEFORE UPDATE ON slots FOR EACH ROW SIGNAL SQLSTATE '45123' SET MESSAGE_TEXT = '` + canary + `', MYSQL_ERRNO = 31999`,
	}},
	{name: "returning nothing, insert", args: book("B", "1", "1", "x"), want: fault.NotWritten, ddl: map[schema.Kind]string{
		schema.Postgres: trigger("BEFORE INSERT", "RETURN NULL"),
	}},
	{name: "returning nothing, update", note: "y", want: fault.NoRow, ddl: map[schema.Kind]string{
		schema.Postgres: trigger("BEFORE UPDATE", "RETURN NULL"),
	}},
	{name: "rule, insert", args: book("B", "1", "1", "x"), want: fault.NotWritten, ddl: map[schema.Kind]string{
		schema.Postgres: "CREATE RULE r AS ON INSERT TO slots DO INSTEAD NOTHING",
	}},
	{name: "rule, update", note: "y", want: fault.NotWritten, ddl: map[schema.Kind]string{
		schema.Postgres: "CREATE RULE r AS ON UPDATE TO slots DO INSTEAD DELETE FROM slots",
	}},
	{name: "rule that returns rows", note: "y", want: fault.MoreThanOneRow, after: []string{"A 1 2 x", "C 1 2 x"}, ddl: map[schema.Kind]string{
		schema.Postgres: `INSERT INTO slots (place, customer, seats, note) VALUES ('C', 1, 2, 'x');
			CREATE RULE r AS ON UPDATE TO slots DO INSTEAD UPDATE customers SET name = '` + canary + `'
			RETURNING 1::bigint, name, id, 1::party, name::varchar(80)`,
	}},
}

// trigger is a function of PL/pgSQL that runs a statement, and its trigger.
func trigger(when, statement string) string {
	return "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + statement + "; END $$;\nCREATE TRIGGER tr " + when + " ON slots FOR EACH ROW EXECUTE FUNCTION f()"
}

// TestRefusedWrites: constraints, truncation, triggers and rules leave the
// table as it was, and say nothing but a code.
func TestRefusedWrites(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w *way) { r.check(t, w) })
		})
	}
}

func (r *refusal) check(t *testing.T, w *way) {
	if r.ddl != nil && r.ddl[w.kind()] == "" {
		return // a matter of the other kind
	}
	succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}))
	if r.ddl != nil {
		w.db.Exec(t, r.ddl[w.kind()])
	}
	p, args := w.insert, r.args
	if args == nil {
		p, args = w.update, w.note(r.note, "A")
	}
	var k kept
	for range 2 {
		err := w.write(t, p, args, &k)
		wantCode(t, err, r.want)
		if f, ok := fault.As(err); ok && strings.Contains(fmt.Sprintf("%+v %v %v", *f, f.Detail, fault.Cause(err)), canary) {
			t.Errorf("the server got a text through: %+v", *f)
		}
		if _, err := w.Trial(t.Context(), p, args, Discard{}); !fault.Is(err, r.want) {
			t.Errorf("a trial ends in %v instead of %s", err, r.want)
		}
	}
	if r.after == nil {
		r.after = []string{"A 1 2 x"}
	}
	w.wantRows(t, r.after...)
	w.quiet(t)
	if len(k.evidence) != 0 {
		t.Errorf("%d pieces of evidence", len(k.evidence))
	}
}

// TestTriggersThatWriteElsewhere: a trigger may write what it likes; the count
// and the key are those of the statement's own row. It finds its tables by the
// role's own search_path.
func TestTriggersThatWriteElsewhere(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		w.db.Exec(t, map[schema.Kind]string{
			schema.Postgres: "CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO " + w.login.User + "; ALTER ROLE " + w.login.User + " SET search_path = other, public;" +
				"CREATE TABLE other.log (id bigserial, place text); INSERT INTO other.log (place) SELECT '' FROM generate_series(1, 50);" +
				"GRANT ALL ON ALL TABLES IN SCHEMA other TO " + w.login.User + "; GRANT ALL ON ALL SEQUENCES IN SCHEMA other TO " + w.login.User + ";" +
				trigger("AFTER INSERT OR UPDATE", "INSERT INTO log (place) SELECT NEW.place FROM generate_series(1, 3); RETURN NEW"),
			schema.MySQL: "CREATE TABLE log (id bigint AUTO_INCREMENT PRIMARY KEY, place varchar(40)); INSERT INTO log (place) VALUES (''), (''), (''), ('');" +
				"CREATE TRIGGER tr AFTER INSERT ON slots FOR EACH ROW INSERT INTO log (place) VALUES (NEW.place), (NEW.place), (NEW.place);" +
				"CREATE TRIGGER tu AFTER UPDATE ON slots FOR EACH ROW INSERT INTO log (place) VALUES (NEW.place), (NEW.place), (NEW.place)",
		}[w.kind()])
		w.kill(t) // a pooler's own connections know the role as it was
		var k kept
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &k))
		succeed(t, w.write(t, w.update, w.note("y", "A"), &kept{}))
		w.wantRows(t, "A 1 2 y")
		if len(k.rows) != 1 || k.rows[0][0] != "1" {
			t.Errorf("the insert gave %q", k.rows)
		}
	})
}

// TestTriggersThatChooseTheKey: the key that is told is the row's. A row of
// another key than the one that was sent is not the one that was asked for.
func TestTriggersThatChooseTheKey(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		w.db.Exec(t, "CREATE TABLE rooms (code varchar(20) PRIMARY KEY)")
		if w.kind() == schema.Postgres {
			w.db.Exec(t, "GRANT ALL ON rooms TO "+w.login.User)
		}
		room := w.compile(t, api.BindingRequest{
			ToolName: "Add a room", Operation: "rooms.insert", IsWrite: true, InputObjectMap: []api.InputObject{{Field: "code", Param: "code"}},
		})
		w.db.Exec(t, map[schema.Kind]string{
			schema.Postgres: trigger("BEFORE INSERT", "NEW.id := 900; RETURN NEW") + "; CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.code := 'other'; RETURN NEW; END $$;" +
				"CREATE TRIGGER tg BEFORE INSERT ON rooms FOR EACH ROW EXECUTE FUNCTION g()",
			schema.MySQL: "CREATE TRIGGER tr BEFORE INSERT ON slots FOR EACH ROW SET NEW.id = 900; CREATE TRIGGER tg BEFORE INSERT ON rooms FOR EACH ROW SET NEW.code = 'other'",
		}[w.kind()])
		var k kept
		succeed(t, w.write(t, w.insert, book("A", "1", "2", "x"), &k))
		if k.rows[0][0] != "900" {
			t.Errorf("the insert gave %q", k.rows)
		}
		k = kept{}
		err := w.write(t, room, Text("mine"), &k)
		if w.kind() == schema.Postgres {
			if succeed(t, err); k.rows[0][0] != "other" {
				t.Errorf("the insert gave %q", k.rows)
			}
			return
		}
		wantCode(t, err, fault.NotWritten)
		if rooms := w.db.Query(t, "SELECT code FROM rooms"); len(rooms) != 0 {
			t.Errorf("%q", rooms)
		}
	})
}

// TestReadSessionsDoNotWrite: a plan of a write meets no session that was not
// opened for writes, and a write session runs no plan of a write as a read.
func TestReadSessionsDoNotWrite(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		args := book("A", "1", "2", "x")
		_, err := w.Run(t.Context(), w.insert, args, Discard{})
		wantCode(t, err, fault.Internal)
		for _, purpose := range []target.Purpose{target.ForReads, target.ForCatalog} {
			wantCode(t, w.WithSession(t.Context(), purpose, func(s target.Session) error {
				return s.Write(t.Context(), w.insert, args, Discard{}, func(target.Evidence) error { return nil })
			}), fault.Internal)
		}
		wantCode(t, w.WithSession(t.Context(), target.ForWrites, func(s target.Session) error {
			return s.Run(t.Context(), w.insert, args, Discard{})
		}), fault.Internal)
		w.wantRows(t)
	})
}

// TestRoleCannotWrite: the right is what is missing, and it is said so.
func TestRoleCannotWrite(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		revoke := "REVOKE INSERT ON slots FROM " + w.login.User
		if w.kind() == schema.MySQL {
			revoke = "REVOKE INSERT ON `" + w.db.Name + "`.* FROM `" + w.login.User + "`@`%`"
		}
		w.db.Exec(t, revoke)
		wantCode(t, w.write(t, w.insert, book("A", "1", "2", "x"), &kept{}), fault.RoleCannotWrite)
	})
}

// TestTrial: a trial that would succeed leaves nothing.
func TestTrial(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		var rows Rows
		_, err := w.Trial(t.Context(), w.insert, book("A", "1", "2", "x"), &rows)
		succeed(t, err)
		if len(rows) != 1 {
			t.Errorf("the trial gave %q", rows)
		}
		w.quiet(t)
		w.wantRows(t)
	})
}

// TestObjections: what the caller's own functions say rolls back, and comes
// back as it is.
func TestObjections(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		own := fault.New(fault.ConnectionLost) // not to be taken for the session's
		calls := 0
		_, err := w.Write(t.Context(), w.insert, book("A", "1", "2", "x"), Discard{}, func(target.Evidence) error { calls++; return own })
		if !errors.Is(err, own) || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
		_, err = w.Write(t.Context(), w.insert, book("A", "1", "2", "x"), refusing{own}, func(target.Evidence) error { calls++; return nil })
		if !errors.Is(err, own) || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
		w.wantRows(t)
	})
}

// refusing is a sink that takes nothing.
type refusing struct{ err error }

func (r refusing) Row([][]byte) error { return r.err }
