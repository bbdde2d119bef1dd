package wiretest

import "testing"

// TestWiretapHears: the readers notice what they are there for.
func TestWiretapHears(t *testing.T) {
	message := func(kind byte, body string) string {
		return string([]byte{kind, 0, 0, 0, byte(4 + len(body))}) + body
	}
	heard := hearPostgres([]byte("\x00\x00\x00\x08\x00\x03\x00\x00" + message('P', "s1\x00SELECT 1\x00\x00\x00") + message('Q', "DROP\x00")))
	if len(heard.texts) != 1 || heard.texts[0] != "SELECT 1" || len(heard.faults) != 1 {
		t.Errorf("PostgreSQL: %q", heard)
	}
	packet := func(sequence byte, body string) string { return string([]byte{byte(len(body)), 0, 0, sequence}) + body }
	heard = hearMySQL([]byte(packet(2, "\x00\x00\x01\x00login") + packet(4, "\x03secret") + packet(0, "\x03SELECT 1") + packet(0, "\x16SELECT 2")))
	if len(heard.texts) != 2 || heard.texts[1] != "SELECT 2" || len(heard.faults) != 1 {
		t.Errorf("MySQL: %q", heard)
	}
	if got := formOf("EXPLAIN SELECT `a``b` FROM `c`", []string{"SELECT `a``b` FROM `c`"}); got != "EXPLAIN {statement}" {
		t.Error(got)
	}
	if got := formOf(`CREATE TABLE "public"."x" (id integer)`, nil); got != `CREATE TABLE "{name}"."{name}" (id integer)` {
		t.Error(got)
	}
}
