package cli

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/store"
)

// TestJournal lists what is open and unknown beside a running service, and
// settles it.
func TestJournal(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if code, _, errOut := flowyte(t, "keys", "create", "--org", "acme\x1b[2J", "--data", data); code == 0 {
		t.Fatalf("an organisation with a control character: %s", errOut)
	}
	if code, _, errOut := flowyte(t, "keys", "create", "--org", "acme", "--data", data); code != 0 {
		t.Fatal(errOut)
	}
	if code, out, errOut := flowyte(t, "journal", "--data", data); code != 0 || out != "" || !strings.Contains(errOut, "Nothing is open or unknown.") {
		t.Errorf("an empty journal: exit %d\n%s\n%s", code, out, errOut)
	}
	// As a running service holds it.
	s, err := store.Open(t.Context(), data, store.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Keyring(t.Context(), filepath.Join(data, "master.key")); err != nil {
		t.Fatal(err)
	}
	org, err := s.FindOrg(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	kept := map[store.WriteState]id.Write{}
	for _, state := range []store.WriteState{store.WriteIntended, store.WriteUnknown, store.WriteCommitted} {
		w := store.WriteRecord{
			ID: id.New[id.Write](), OrgID: org.ID, ConversationID: "cnv_a", AgentID: "agt_a", Kind: "postgres", Object: "public.appointments",
			Tool: "move", ToolCallID: string(state) + "\x1b[2J", Plan: []byte(`{}`), PlanDigest: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
			IntendedAt: time.UnixMilli(1_800_000_000_000),
		}
		err := s.IntendWrite(t.Context(), w)
		if err == nil && state != store.WriteIntended {
			err = s.FinishWrite(t.Context(), org.ID, w.ID, store.WriteEnd{State: state, Outcome: "unknown", Reason: "not_connected", At: time.Now()})
		}
		if err != nil {
			t.Fatal(err)
		}
		kept[state] = w.ID
	}
	table := func(lines int, args ...string) string {
		t.Helper()
		code, out, errOut := flowyte(t, append(append([]string{"journal"}, args...), "--data", data)...)
		if code != 0 || strings.Count(out, "\n") != lines || strings.Contains(out, "\x1b") {
			t.Errorf("exit %d\n%q\n%s", code, out, errOut)
		}
		return out
	}
	out := table(3)
	for _, line := range []string{
		`(?m)^ID +WHEN +ORGANISATION +AGENT +TOOL +OBJECT +STATE +REASON +TOOL CALL +CHECK$`,
		`(?m)^` + string(kept[store.WriteIntended]) + ` +2027-01-15T08:00:00Z +"acme" +agt_a +move +"public.appointments" +intended +- .*nothing, its COMMIT was not sent`,
		`(?m)^` + string(kept[store.WriteUnknown]) + ` .* unknown +not_connected .*the rows written then; written from 2027-01-15T08:00:00.000Z on$`,
	} {
		if !regexp.MustCompile(line).MatchString(out) {
			t.Errorf("%s\nis not in\n%s", line, out)
		}
	}
	table(4, "--all")
	table(3, "list")

	for _, c := range []struct{ id, end, want string }{
		{string(kept[store.WriteIntended]), "committed", "write_not_unknown"},
		{string(kept[store.WriteCommitted]), "not-committed", "write_not_unknown"},
		{"wrt_none", "committed", "There is no write with this id."},
		{string(kept[store.WriteUnknown]), "perhaps", "must be one of"},
	} {
		if code, _, errOut := flowyte(t, "journal", "resolve", c.id, c.end, "--data", data); code == 0 || !strings.Contains(errOut, c.want) {
			t.Errorf("%s %s: exit %d, %s", c.id, c.end, code, errOut)
		}
	}
	if code, _, errOut := flowyte(t, "journal", "resolve", string(kept[store.WriteUnknown]), "not-committed", "--data", data); code != 0 {
		t.Error(errOut)
	}
	table(2)
	if code, out, errOut := flowyte(t, "audit", "verify", "--data", data); code != 0 || !strings.Contains(out, "changes: links 1 to 2: intact") || !strings.Contains(out, "writes: links 1 to 6: intact") {
		t.Errorf("exit %d\n%s\n%s", code, out, errOut)
	}
}
