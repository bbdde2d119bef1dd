package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

func TestAnswerOfARead(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	a := k.ask(c, with("call_1", "+12065550142"))
	want(t, a, OK, "")
	const result = `{"rows":[{"starts_at":"2026-05-01T15:00:00","status":"confirmed"}],"rowCount":1,"truncated":false}`
	if string(a.Result) != result || a.Rows != 1 || a.ToolCallID != "call_1" || a.Tool != "look_up" || a.DB != time.Millisecond || a.Replayed {
		t.Errorf("got %+v with %s", a, a.Result)
	}
}

func TestNoRowIsNotFound(t *testing.T) {
	k := newKit(t, rows())
	a := k.ask(k.ring(), with("1", "+12065550142"))
	want(t, a, NotFound, "")
	if string(a.Result) != `{"rows":[],"rowCount":0,"truncated":false}` {
		t.Errorf("got %s", a.Result)
	}
}

// TestOrderOfChecks begins with everything wrong at once and takes the reasons
// away one by one, in the order of the contract.
func TestOrderOfChecks(t *testing.T) {
	tool := byPhone()
	tool.RequiresVerifiedIdentity, tool.RequiresConfirmation = true, true
	k := newKit(t, fails(fault.DatabaseError), tool)
	c := k.ring()
	for i := range MaxLookups {
		c.lookUp(tool, phoneOf(i))
	}
	k.suspend(tool.Skill)
	k.rec.set(true)
	call := with("1", "no phone number")

	k.End(c)
	ended := call
	ended.Tool = "no_such_tool"
	k.refused(c, ended, fault.ConversationEnded)
	c.mu.Lock()
	c.endedAt = time.Time{}
	c.mu.Unlock()
	k.refused(c, ended, fault.UnknownTool)

	want(t, k.ask(c, call), InvalidArguments, "")
	call = with("1", phoneOf(77))
	want(t, k.ask(c, call), Unavailable, "suspended")
	k.suspend()
	want(t, k.ask(c, call), Refused, "too_many_lookups")
	call = with("1", phoneOf(0))
	want(t, k.ask(c, call), VerificationRequired, "")
	tool.RequiresVerifiedIdentity = false
	asked := k.ask(c, call)
	want(t, asked, ConfirmationRequired, "")
	call.ConfirmationToken = asked.Confirmation.Token
	want(t, k.ask(c, call), Busy, "receipts_full")
	k.rec.set(false)
	want(t, k.ask(c, call), Failed, "database_error")
}

func TestUnavailable(t *testing.T) {
	for _, tt := range []struct {
		reason string
		spoil  func(k *kit, tool *Tool)
	}{
		{"suspended", func(k *kit, tool *Tool) { k.suspend(tool.Skill) }},
		{"not_connected", func(k *kit, _ *Tool) { k.publish(func(next *Table) { next.Connections = nil }) }},
		{"not_connected", func(k *kit, _ *Tool) { k.connect(connection(nil)) }},
		{"blocked_by_scoping", func(k *kit, _ *Tool) {
			k.connect(&Connection{Runner: oneRow, Standing: func(*plan.Plan) string { return "blocked_by_scoping" }})
		}},
		{"reconnected_elsewhere", func(k *kit, _ *Tool) {
			k.connect(&Connection{Runner: oneRow, Standing: func(*plan.Plan) string { return "reconnected_elsewhere" }})
		}},
		{"writes_not_served", func(_ *kit, tool *Tool) { tool.Plan.Action = plan.Insert }},
		{"unreachable", func(k *kit, _ *Tool) { k.table.Connections[postgresOf].stuck.Store(maxStuck) }},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			tool := byPhone()
			var runs atomic.Int32
			k := newKit(t, counting(&runs, oneRow), tool)
			// The conversation began with an older version than the one that is live.
			c := k.ring()
			k.publish(func(next *Table) {
				next.Live = map[id.Agent]*Version{agent: NewVersion(Version{ID: "ver_2", Number: 2, Org: org, Agent: agent})}
			})
			want(t, k.ask(c, with("before", phoneOf(1))), OK, "")
			before := runs.Load()
			tt.spoil(k, tool)
			want(t, k.ask(c, with("after", phoneOf(1))), Unavailable, tt.reason)
			if runs.Load() != before {
				t.Error("the database was asked")
			}
		})
	}
}

func counting(runs *atomic.Int32, d database) database {
	return func(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error) {
		runs.Add(1)
		return d(ctx, p, values, sink)
	}
}

func TestStandingIsAskedOncePerConnection(t *testing.T) {
	k := newKit(t, oneRow)
	asked := 0
	k.connect(&Connection{Runner: oneRow, Standing: func(*plan.Plan) string { asked++; return "" }})
	c := k.ring()
	for _, toolCallID := range []string{"1", "2", "3"} {
		want(t, k.ask(c, with(toolCallID, phoneOf(1))), OK, "")
	}
	if asked != 1 {
		t.Errorf("a pure function was asked %d times", asked)
	}
}

func TestUnknownTools(t *testing.T) {
	chat := tool("chat_only", "phone", plan.Phone)
	chat.Channels = []string{"chat"}
	voice := byPhone()
	voice.Channels = []string{"voice"}
	k := newKit(t, oneRow, chat, voice)
	c := k.ring()
	for _, name := range []string{"", "LOOK_UP", "look_up ", "chat_only", "skl_look_up"} {
		r := with("1", phoneOf(1))
		r.Tool = name
		k.refused(c, r, fault.UnknownTool)
	}
	want(t, k.ask(c, with("1", phoneOf(1))), OK, "")
	if docs := c.Tools(); len(docs) != 1 || docs[0].Name != "look_up" {
		t.Errorf("the conversation offers %v", docs)
	}
}

// TestFaultsBecomeOutcomes goes through what an adapter may report.
func TestFaultsBecomeOutcomes(t *testing.T) {
	for _, tt := range []struct {
		err     error
		outcome Outcome
		reason  string
		retry   time.Duration
	}{
		{fault.New(fault.DatabaseTimeout), TimedOut, "deadline", 0},
		{fault.New(fault.DatabaseBusy), Busy, "pool", 250 * time.Millisecond},
		{fault.New(fault.DatabaseBusy).WithRetryAfter(time.Second), Busy, "pool", time.Second},
		{fault.New(fault.ServerBusy), Busy, "server_full", 250 * time.Millisecond},
		{fault.New(fault.CredentialsRejected).WithRetryAfter(30 * time.Second), Unavailable, "credentials_rejected", 30 * time.Second},
		{fault.New(fault.CredentialCorrupt), Unavailable, "credentials_rejected", 0},
		{fault.New(fault.NotConnected), Unavailable, "not_connected", 0},
		{fault.New(fault.IdentityChanged), Unavailable, "reconnected_elsewhere", 0},
		{fault.New(fault.ServerIdentity), Unavailable, "server_identity_changed", 0},
		{fault.New(fault.SchemaDrift), Unavailable, "drifted", 0},
		{fault.New(fault.PermissionDenied), Unavailable, "permission_denied", 0},
		{fault.New(fault.ProtocolError), Unavailable, "protocol_error", 0},
		{fault.New(fault.NotReadOnly), Unavailable, "session_not_read_only", 0},
		{fault.New(fault.Unreachable).WithRetryAfter(200 * time.Millisecond), Unavailable, "unreachable", 200 * time.Millisecond},
		{fault.New(fault.ConnectionLost), Unavailable, "unreachable", 0},
		{fault.New(fault.HostNotAllowed), Unavailable, "unreachable", 0},
		{fault.New(fault.DatabaseError), Failed, "database_error", 0},
		{fault.New(fault.Internal), Failed, "internal", 0},
		{errors.New("anything else"), Failed, "internal", 0},
	} {
		t.Run(string(tt.outcome)+" "+tt.err.Error(), func(t *testing.T) {
			k := newKit(t, func(context.Context, *plan.Plan, []target.Value, target.RowSink) (target.Stats, error) {
				return target.Stats{DB: 3 * time.Millisecond}, tt.err
			})
			a := k.ask(k.ring(), with("1", phoneOf(1)))
			want(t, a, tt.outcome, tt.reason)
			if a.RetryAfter != tt.retry || a.DB != 3*time.Millisecond || a.Result != nil {
				t.Errorf("got %+v", a)
			}
			if !errors.Is(a.Err, tt.err) {
				t.Errorf("the log would see %v instead of %v", a.Err, tt.err)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	var runs atomic.Int32
	k := newKit(t, counting(&runs, oneRow), byPhone(), tool("other", "phone", plan.Phone))
	c := k.ringAs(Caller{Phone: "+12065550142"})
	first := k.ask(c, with("1", "+12065550142"))
	if first.Replayed {
		t.Error("the first answer says that it is a replay")
	}
	events := len(k.rec.list())
	for _, said := range []string{"+12065550142", "(206) 555-0142", "206-555-0142"} {
		again := k.ask(c, with("1", said))
		wanted := *first
		wanted.Replayed = true
		if diff := cmp.Diff(&wanted, again); diff != "" {
			t.Errorf("asked again with %s (-want +got):\n%s", said, diff)
		}
	}
	k.refused(c, with("1", "+12065550143"), fault.ToolCallIDReused)
	k.refused(c, with("1", "nonsense"), fault.ToolCallIDReused)
	other := with("1", "+12065550142")
	other.Tool = "other"
	k.refused(c, other, fault.ToolCallIDReused)
	if runs.Load() != 1 || len(k.rec.list()) != events {
		t.Errorf("the statement ran %d times and left %d more events", runs.Load(), len(k.rec.list())-events)
	}
	// Another conversation has ids of its own.
	want(t, k.ask(k.ring(), with("1", "+12065550143")), OK, "")
}

// TestWhatTheConversationKnowsCountsAsSaid: leaving out what the conversation
// fills in is the same call.
func TestWhatTheConversationKnowsCountsAsSaid(t *testing.T) {
	k := newKit(t, oneRow, tool("look_up", "caller_phone", plan.Phone))
	c := k.ringAs(Caller{Phone: "(206) 555-0142"})
	want(t, k.ask(c, Request{ToolCallID: "1", Tool: "look_up"}), OK, "")
	if a := k.ask(c, Request{ToolCallID: "1", Tool: "look_up", Args: []Arg{{"caller_phone", []byte(`"+12065550142"`)}}}); !a.Replayed {
		t.Errorf("got %+v, want a replay", a)
	}
}

// TestGateAnswersAreNotRecorded: an id under which nothing ran may be used again,
// with the same arguments or with others.
func TestGateAnswersAreNotRecorded(t *testing.T) {
	for name, spoil := range map[string]func(k *kit, c *Conversation, r *Request){
		"invalid_arguments": func(_ *kit, _ *Conversation, r *Request) { *r = with("1", "nonsense") },
		"suspended":         func(k *kit, _ *Conversation, _ *Request) { k.suspend("skl_look_up") },
		"receipts_full":     func(k *kit, _ *Conversation, _ *Request) { k.rec.set(true) },
		"receipt_refused":   func(k *kit, _ *Conversation, _ *Request) { k.rec.refuse = true },
		"pool":              func(k *kit, _ *Conversation, _ *Request) { k.connect(connection(fails(fault.DatabaseBusy))) },
		"deadline":          func(k *kit, _ *Conversation, _ *Request) { k.connect(connection(fails(fault.DatabaseTimeout))) },
		"unreachable":       func(k *kit, _ *Conversation, _ *Request) { k.connect(connection(fails(fault.Unreachable))) },
		"failed":            func(k *kit, _ *Conversation, _ *Request) { k.connect(connection(fails(fault.DatabaseError))) },
		"too_many_lookups": func(_ *kit, c *Conversation, _ *Request) {
			for i := range MaxLookups {
				c.lookUp(c.Version.Tools[0], phoneOf(100+i))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, oneRow)
			c := k.ring()
			first := with("1", phoneOf(1))
			spoil(k, c, &first)
			if a := k.ask(c, first); a.execution() {
				t.Fatalf("got %s", a.Outcome)
			}
			k.suspend()
			k.rec.set(false)
			k.rec.refuse = false
			k.connect(connection(oneRow))
			c.lookups = nil
			a := k.ask(c, with("1", phoneOf(2)))
			want(t, a, OK, "")
			if a.Replayed {
				t.Error("a gate's answer was replayed")
			}
			k.refused(c, with("1", phoneOf(1)), fault.ToolCallIDReused)
		})
	}
}

func TestReceiptThatCannotBeKept(t *testing.T) {
	var runs atomic.Int32
	k := newKit(t, counting(&runs, oneRow))
	c := k.ring()
	k.rec.set(true)
	a := k.ask(c, with("1", phoneOf(1)))
	want(t, a, Busy, "receipts_full")
	if runs.Load() != 0 || a.RetryAfter != time.Second {
		t.Errorf("the statement ran %d times; retry after %v", runs.Load(), a.RetryAfter)
	}
	// Full only once the statement had run: its result must not leave.
	k.rec.set(false)
	k.rec.refuse = true
	a = k.ask(c, with("1", phoneOf(1)))
	want(t, a, Busy, "receipts_full")
	if runs.Load() != 1 || a.Result != nil || a.Rows != 0 {
		t.Errorf("after %d runs the answer is %+v", runs.Load(), a)
	}
	if r := c.Record(); r.Outcomes["busy"] != 2 || r.Outcomes["ok"] != 0 || r.Calls != 2 {
		t.Errorf("counted %v", r.Outcomes)
	}
}

// TestJoin: a call that comes while the first under its id is running waits for
// it and gets its answer.
func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		slow := counting(&runs, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
			<-time.After(300 * time.Millisecond)
			return oneRow(ctx, p, v, sink)
		})
		k := newKit(t, slow)
		c := k.ring()
		var all sync.WaitGroup
		var replays atomic.Int32
		for range 5 {
			all.Go(func() {
				a := k.ask(c, with("1", phoneOf(1)))
				want(t, a, OK, "")
				if a.Replayed {
					replays.Add(1)
				}
			})
		}
		synctest.Wait()
		k.refused(c, with("1", phoneOf(2)), fault.ToolCallIDReused)
		all.Wait()
		if runs.Load() != 1 || replays.Load() != 4 {
			t.Errorf("%d runs, %d replays", runs.Load(), replays.Load())
		}
	})
}

// TestJoinOfWhatDidNotRun: whoever joined a call that came to nothing runs it
// himself, within his own time.
func TestJoinOfWhatDidNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
			<-time.After(100 * time.Millisecond)
			if runs.Add(1) == 1 {
				return target.Stats{}, fault.New(fault.DatabaseBusy)
			}
			return oneRow(ctx, p, v, sink)
		})
		c := k.ring()
		var all sync.WaitGroup
		outcomes := make([]Outcome, 3)
		for i := range outcomes {
			all.Go(func() { outcomes[i] = k.ask(c, with("1", phoneOf(1))).Outcome })
			synctest.Wait()
		}
		all.Wait()
		if diff := cmp.Diff([]Outcome{Busy, OK, OK}, outcomes); diff != "" || runs.Load() != 2 {
			t.Errorf("%d runs, outcomes (-want +got):\n%s", runs.Load(), diff)
		}
	})
}

// TestJoinEndsAtOnesOwnDeadline: the first call's time began earlier, but its
// client may have left while the driver does not return.
func TestJoinEndsAtOnesOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, oneRow)
		c := k.ring()
		x, _, err := c.memory.claim(&k.answers, "1", c.Version.Tools[0], ptr(phoneOf(1)))
		if x == nil || err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		want(t, k.ask(c, with("1", phoneOf(1))), TimedOut, "deadline")
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited for %v", took)
		}
	})
}

func ptr[T any](v T) *T { return &v }

// TestWithdrawnDataIsNotRepeated: what an operator blocks or suspends is not
// answered from memory; what is merely out of reach is.
func TestWithdrawnDataIsNotRepeated(t *testing.T) {
	for _, tt := range []struct {
		name      string
		change    func(k *kit)
		withdrawn string
	}{
		{"suspended", func(k *kit) { k.suspend("skl_look_up") }, "suspended"},
		{"blocked", func(k *kit) {
			k.connect(&Connection{Runner: oneRow, Standing: func(*plan.Plan) string { return "blocked_by_scoping" }})
		}, "blocked_by_scoping"},
		{"disconnected", func(k *kit) { k.publish(func(next *Table) { next.Connections = nil }) }, ""},
		{"drifted", func(k *kit) {
			k.connect(&Connection{Runner: oneRow, Standing: func(*plan.Plan) string { return "drifted" }})
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t, oneRow)
			c := k.ring()
			k.ask(c, with("1", phoneOf(1)))
			tt.change(k)
			a := k.ask(c, with("1", phoneOf(1)))
			late, err := k.Late(t.Context(), c, "1")
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []*Answer{a, late} {
				if tt.withdrawn != "" {
					want(t, a, Unavailable, tt.withdrawn)
					if a.Result != nil {
						t.Errorf("the data left: %s", a.Result)
					}
				} else if want(t, a, OK, ""); !a.Replayed {
					t.Error("not a replay")
				}
			}
			k.suspend()
			k.connect(connection(oneRow))
			if a := k.ask(c, with("1", phoneOf(1))); !a.Replayed {
				t.Error("the answer was forgotten")
			}
		})
	}
}

func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, func(ctx context.Context, p *plan.Plan, v []target.Value, sink target.RowSink) (target.Stats, error) {
			<-time.After(500 * time.Millisecond)
			if v[0].All[0] == phoneOf(2) {
				return target.Stats{}, fault.New(fault.DatabaseError)
			}
			return oneRow(ctx, p, v, sink)
		})
		c := k.ring()
		late := func(id string, patience time.Duration) (*Answer, error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return k.Late(ctx, c, id)
		}
		if _, err := late("1", time.Second); !fault.Is(err, fault.NotFound) {
			t.Errorf("an unknown id: %v", err)
		}
		var calls sync.WaitGroup
		calls.Go(func() { k.ask(c, with("1", phoneOf(1))) })
		calls.Go(func() { k.ask(c, with("2", phoneOf(2))) })
		synctest.Wait()
		if _, err := late("1", 100*time.Millisecond); !fault.Is(err, fault.ToolCallInProgress) {
			t.Errorf("a running call: %v", err)
		}
		if _, err := late("2", time.Second); !fault.Is(err, fault.NotFound) {
			t.Errorf("a call that came to nothing: %v", err)
		}
		a, err := late("1", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if want(t, a, OK, ""); !a.Replayed || a.ToolCallID != "1" {
			t.Errorf("got %+v", a)
		}
		calls.Wait()
		// Also when the conversation has ended meanwhile.
		k.End(c)
		if a, err := late("1", time.Second); err != nil || !a.Replayed {
			t.Errorf("after the end: %v, %v", a, err)
		}
	})
}
