package store

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
)

func newCatalogue(w *wall) *schema.Database {
	return &schema.Database{Kind: "postgres", Name: "appdb", DiscoveredAt: w.Now()}
}

func noScoping(json.RawMessage) (json.RawMessage, error) { return []byte(`{}`), nil }

// house is an organisation with one of everything.
type house struct {
	by           Actor
	key          APIKey
	agent        Agent
	skill        Skill
	version      Version
	connection   Connection
	conversation ConversationRecord
	write        WriteRecord
}

func newHouse(t *testing.T, s *Store, w *wall, name string, n byte) house {
	t.Helper()
	ctx := t.Context()
	h := house{by: newOrg(t, s, name)}
	var err error
	h.key, err = s.CreateKey(ctx, h.by, NewKey{MAC: mac(n), LastFour: "aaaa"})
	must(t, err)
	h.agent = newAgent(t, s, h.by, "a")
	h.skill = newSkill(t, s, h.by, h.agent.ID, "k")
	h.version, err = s.Publish(ctx, h.by, Publication{AgentID: h.agent.ID, Revision: 2, Compiled: []byte("{}")})
	must(t, err)
	h.connection, err = s.PutConnection(ctx, h.by, connectionOf(s))
	must(t, err)
	must(t, s.PutCatalogue(ctx, h.by, h.connection.ID, Catalogue{Digest: name, Database: newCatalogue(w)}))
	_, err = s.ChangeScoping(ctx, h.by, "postgres", noScoping)
	must(t, err)
	h.conversation = conversationOf(s, h.by)
	must(t, s.AppendBatch(ctx, []ConversationRecord{h.conversation}, eventsOf(h.conversation, 1, 3)))
	h.write = writeOf(h.conversation, "call_1")
	must(t, s.IntendWrite(ctx, h.write))
	if _, err := s.BeginRequest(ctx, Request{OrgID: h.by.Org, Key: "k", Route: "r"}); err != nil {
		t.Fatal(err)
	}
	return h
}

// strangerCalls is every method that takes an id, called by the actor of one
// house with the ids of another.
var strangerCalls = map[string]func(ctx context.Context, s *Store, by Actor, of house) error{
	"RevokeKey": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.RevokeKey(ctx, by, of.key.ID)
		return err
	},
	"Agent": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Agent(ctx, by.Org, of.agent.ID)
		return err
	},
	"AgentSkills": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, _, err := s.AgentSkills(ctx, by.Org, of.agent.ID)
		return err
	},
	"ChangeAgent": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.ChangeAgent(ctx, by, of.agent.ID, 0, func(*Agent) error { return nil })
		return err
	},
	"DeleteAgent": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.DeleteAgent(ctx, by, of.agent.ID)
	},
	"CreateSkill": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.CreateSkill(ctx, by, Skill{AgentID: of.agent.ID, Name: "n", ToolName: "n"})
		return err
	},
	"Skill": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Skill(ctx, by.Org, of.agent.ID, of.skill.ID)
		return err
	},
	"Skills": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Skills(ctx, by.Org, of.agent.ID, Page{})
		return err
	},
	"ChangeSkill": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.ChangeSkill(ctx, by, of.agent.ID, of.skill.ID, func(*Skill) error { return nil })
		return err
	},
	"DeleteSkill": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.DeleteSkill(ctx, by, of.agent.ID, of.skill.ID)
	},
	"MarkSkill": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.MarkSkill(ctx, SkillState{OrgID: by.Org, AgentID: of.agent.ID, SkillID: of.skill.ID, Status: "x"})
	},
	"Publish": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Publish(ctx, by, Publication{AgentID: of.agent.ID, Revision: 2})
		return err
	},
	"SetPublished": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.SetPublished(ctx, by, of.agent.ID, of.version.ID)
		return err
	},
	"Version": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Version(ctx, by.Org, of.agent.ID, of.version.ID)
		return err
	},
	"Versions": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Versions(ctx, by.Org, of.agent.ID, Page{})
		return err
	},
	"LearnCatalogue": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.LearnCatalogue(ctx, by, of.connection.ID, Catalogue{Database: &schema.Database{}})
	},
	"RecordTrial": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.RecordTrial(ctx, by, of.agent.ID, of.skill.ID)
	},
	"PutCatalogue": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.PutCatalogue(ctx, by, of.connection.ID, Catalogue{Database: &schema.Database{}})
	},
	"Catalogue": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Catalogue(ctx, by.Org, of.connection.ID)
		return err
	},
	"Conversation": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Conversation(ctx, by.Org, of.conversation.ID)
		return err
	},
	"WriteOfCall": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.WriteOfCall(ctx, by.Org, of.conversation.ID, "call_1")
		return err
	},
	"ExecuteWrite": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.ExecuteWrite(ctx, by.Org, of.write.ID, nil)
	},
	"FinishWrite": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.FinishWrite(ctx, by.Org, of.write.ID, WriteEnd{State: WriteUnknown})
	},
	"SettleWrite": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.SettleWrite(ctx, by, of.write.ID, WriteCommitted, "ok")
	},
	"SuspendSkill": func(ctx context.Context, s *Store, by Actor, of house) error {
		return s.SuspendSkill(ctx, by.Org, of.agent.ID, of.skill.ID, "x")
	},
	"Events": func(ctx context.Context, s *Store, by Actor, of house) error {
		_, err := s.Events(ctx, by.Org, of.conversation.ID, Page{})
		return err
	},
}

// withoutIDs are the methods that take no id of anybody's thing, and why that
// is right. A method in neither table fails the test.
var withoutIDs = map[string]string{
	"AppendBatch":           "a record names its organisation; TestConversations tries another's id",
	"IntendWrite":           "makes its own id",
	"LoadWrites":            "for the process itself at start",
	"Writes":                "for the command line",
	"WriteOwner":            "for the process itself, and the command line",
	"EnsureOrg":             "for the command line",
	"FindOrg":               "for the command line",
	"Orgs":                  "for the command line",
	"KeyOwner":              "for the command line",
	"CreateKey":             "makes its own id",
	"CreateAgent":           "makes its own id",
	"Keys":                  "a list of the organisation's own",
	"Agents":                "a list of the organisation's own",
	"Activities":            "a list of the organisation's own",
	"Conversations":         "a list of the organisation's own",
	"Connections":           "a list of the organisation's own",
	"SkillsOfKind":          "a list of the organisation's own",
	"Connection":            "found by organisation and kind",
	"PutConnection":         "found by organisation and kind",
	"ChangeConnection":      "found by organisation and kind",
	"DeleteConnection":      "found by organisation and kind",
	"Scoping":               "found by organisation and kind",
	"ChangeScoping":         "found by organisation and kind",
	"BeginRequest":          "found by organisation and key; TestRequestIsAnsweredOnce tries another's",
	"FinishRequest":         "found by organisation and key; TestRequestIsAnsweredOnce tries another's",
	"AbandonRequest":        "found by organisation and key",
	"LoadConnections":       "for the process itself at start",
	"LoadOpenConversations": "for the process itself at start",
	"LoadPublished":         "for the process itself at start",
	"LoadScopings":          "for the process itself at start",
	"LoadSkillStates":       "for the process itself at start",
	"ActiveKeys":            "for the process itself",
	"KeysRevision":          "for the process itself",
	"Keyring":               "for the process itself",
	"PruneConversations":    "for the process itself",
	"PruneWrites":           "for the process itself",
	"ForgetWrites":          "for the process itself",
	"PruneRequests":         "for the process itself",
	"PruneActivity":         "for the process itself",
	"Space":                 "for the process itself",
	"VerifyAudit":           "for the command line",
	"Backup":                "for the process itself",
	"Ping":                  "for the process itself",
	"Close":                 "for the process itself",
}

func TestEveryMethodKnowsItsTenant(t *testing.T) {
	methods := reflect.TypeFor[*Store]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		_, a := strangerCalls[name]
		_, b := withoutIDs[name]
		if a == b {
			t.Errorf("%s must stand in exactly one of the two tables", name)
		}
	}
}

// TestStrangersFindNothing compares, for every method, what another
// organisation's ids answer with what ids answer that never existed.
func TestStrangersFindNothing(t *testing.T) {
	s, w := newStore(t)
	own, foreign := newHouse(t, s, w, "own", 1), newHouse(t, s, w, "foreign", 2)
	none := house{
		key: APIKey{ID: id.New[id.Key]()}, agent: Agent{ID: id.New[id.Agent]()}, skill: Skill{ID: id.New[id.Skill]()},
		version: Version{ID: id.New[id.Version]()}, connection: Connection{ID: id.New[id.Connection]()},
		conversation: ConversationRecord{ID: id.New[id.Conversation]()}, write: WriteRecord{ID: id.New[id.Write]()},
	}
	before := snapshot(t, s, foreign)
	for name, call := range strangerCalls {
		t.Run(name, func(t *testing.T) {
			theirs, nobodys := call(t.Context(), s, own.by, foreign), call(t.Context(), s, own.by, none)
			if theirs == nil {
				t.Fatal("another organisation's thing was found")
			}
			if code := fault.CodeOf(theirs); code != fault.NotFound && code != fault.NotDiscovered {
				t.Errorf("code %s", code)
			}
			a, _ := fault.As(theirs)
			b, _ := fault.As(nobodys)
			if diff := cmp.Diff(shown(b), shown(a)); diff != "" {
				t.Errorf("not yours and not there differ: %s", diff)
			}
		})
	}
	// An id of one's own below an agent of another, and the reverse.
	for _, pair := range []house{{agent: foreign.agent, skill: own.skill, version: own.version}, {agent: own.agent, skill: foreign.skill, version: foreign.version}} {
		for _, name := range []string{"Skill", "ChangeSkill", "DeleteSkill", "MarkSkill", "SuspendSkill", "Version", "SetPublished"} {
			if err := strangerCalls[name](t.Context(), s, own.by, pair); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s over mixed ids: %v", name, err)
			}
		}
	}
	same(t, before, snapshot(t, s, foreign))
	// With the right actor every one of them works.
	order := slices.Sorted(func(yield func(string) bool) {
		for name := range strangerCalls {
			if name != "DeleteAgent" && name != "DeleteSkill" && !yield(name) {
				return
			}
		}
	})
	for _, name := range append(order, "DeleteSkill", "DeleteAgent") {
		err := strangerCalls[name](t.Context(), s, foreign.by, foreign)
		if name == "Publish" {
			wantFault(t, err, fault.VersionConflict) // ChangeAgent and CreateSkill ran before
		} else if err != nil {
			t.Errorf("%s by its own organisation: %v", name, err)
		}
	}
}

// shown is what a reader may see of a fault.
func shown(f *fault.Error) string {
	return fmt.Sprintf("%s %q %v %v %v %v", f.Code, f.Detail, f.Fields, f.Fixes, f.RetryAfter, f.Extra)
}

func snapshot(t *testing.T, s *Store, h house) []any {
	t.Helper()
	ctx, org := t.Context(), h.by.Org
	a, skills, err := s.AgentSkills(ctx, org, h.agent.ID)
	must(t, err)
	versions, err := s.Versions(ctx, org, h.agent.ID, Page{})
	must(t, err)
	keys, err := s.Keys(ctx, org, Page{})
	must(t, err)
	c, err := s.Catalogue(ctx, org, h.connection.ID)
	must(t, err)
	activity, err := s.Activities(ctx, org, Page{})
	must(t, err)
	return []any{a, skills, versions, keys, c, activity}
}

func TestPages(t *testing.T) {
	s, _ := newStore(t)
	own, other := newOrg(t, s, "own"), newOrg(t, s, "other")
	var want []id.Agent
	for i := range 7 {
		want = append(want, newAgent(t, s, own, fmt.Sprint(i)).ID)
		newAgent(t, s, other, fmt.Sprint(i))
	}
	read := func(limit int) (got []id.Agent, pages int) {
		t.Helper()
		for p := (Page{Limit: limit}); ; {
			list, err := s.Agents(t.Context(), own.Org, p)
			must(t, err)
			pages++
			for _, a := range list.Items {
				got = append(got, a.ID)
			}
			if p.Cursor = list.Next; p.Cursor == "" {
				return got, pages
			}
		}
	}
	for limit, pages := range map[int]int{1: 7, 2: 4, 3: 3, 6: 2, 7: 1, 0: 1, -5: 1, 1000: 1} {
		got, n := read(limit)
		same(t, want, got)
		if n != pages {
			t.Errorf("%d pages of %d", n, limit)
		}
	}
	first, err := s.Agents(t.Context(), own.Org, Page{Limit: 2})
	must(t, err)
	if first.Limit != 2 {
		t.Errorf("limit %d", first.Limit)
	}
	for limit, effective := range map[int]int{0: 50, 1: 1, 200: 200, 201: 200} {
		if got := (Page{Limit: limit}).limit(); got != effective {
			t.Errorf("a limit of %d counts as %d", limit, got)
		}
	}

	// A cursor is good for its own list of its own organisation.
	bad := []string{"x", "====", first.Next + "A", first.Next[1:], makeCursor("agt_", "agents")}
	for _, cursor := range bad {
		_, err := s.Agents(t.Context(), own.Org, Page{Cursor: cursor})
		wantFault(t, err, fault.InvalidParameter)
	}
	_, errOther := s.Agents(t.Context(), other.Org, Page{Cursor: first.Next})
	_, errMadeUp := s.Agents(t.Context(), other.Org, Page{Cursor: "bWFkZSB1cCBjdXJzb3I"})
	wantFault(t, errOther, fault.InvalidParameter)
	a, _ := fault.As(errOther)
	b, _ := fault.As(errMadeUp)
	same(t, shown(b), shown(a))
	_, err = s.Keys(t.Context(), own.Org, Page{Cursor: first.Next})
	wantFault(t, err, fault.InvalidParameter)

	newSkill(t, s, own, want[0], "a")
	newSkill(t, s, own, want[0], "b")
	skills, err := s.Skills(t.Context(), own.Org, want[0], Page{Limit: 1})
	must(t, err)
	_, err = s.Skills(t.Context(), own.Org, want[1], Page{Limit: 1, Cursor: skills.Next})
	wantFault(t, err, fault.InvalidParameter)
	if next, err := s.Skills(t.Context(), own.Org, want[0], Page{Limit: 1, Cursor: skills.Next}); err != nil || len(next.Items) != 1 || next.Items[0].Name != "b" {
		t.Errorf("the second page: %+v, %v", next, err)
	}

	c := conversationOf(s, own)
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, 1, 2)))
	_, err = s.Events(t.Context(), own.Org, c.ID, Page{Cursor: first.Next})
	wantFault(t, err, fault.InvalidParameter)
}
