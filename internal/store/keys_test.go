package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

func TestOrgs(t *testing.T) {
	s, w := newStore(t)
	first, err := s.EnsureOrg(t.Context(), "acme")
	must(t, err)
	w.advance(time.Hour)
	again, err := s.EnsureOrg(t.Context(), "acme")
	must(t, err)
	same(t, first, again)
	found, err := s.FindOrg(t.Context(), "acme")
	must(t, err)
	same(t, first, found)
	_, err = s.FindOrg(t.Context(), "ACME")
	wantFault(t, err, fault.NotFound)
	other, err := s.EnsureOrg(t.Context(), "Zeta")
	must(t, err)
	list, err := s.Orgs(t.Context())
	must(t, err)
	same(t, []Org{other, first}, list)
}

func TestKeys(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	revision := func() int64 {
		t.Helper()
		n, err := s.KeysRevision(t.Context())
		must(t, err)
		return n
	}
	type entry struct {
		MAC    secret.MAC
		Org    id.Org
		Key    id.Key
		Scopes []string
	}
	active := func() (entries []entry) {
		t.Helper()
		must(t, s.ActiveKeys(t.Context(), func(mac secret.MAC, org id.Org, key id.Key, scopes []string) {
			entries = append(entries, entry{mac, org, key, scopes})
		}))
		return entries
	}
	before := revision()
	a, err := s.CreateKey(t.Context(), by, NewKey{Name: "office", MAC: mac(1), LastFour: "aaaa", Scopes: []string{"agents:read", "keys:write"}})
	must(t, err)
	if revision() <= before {
		t.Error("a new key goes unnoticed")
	}
	b, err := s.CreateKey(t.Context(), by, NewKey{MAC: mac(2), LastFour: "bbbb"})
	must(t, err)
	_, err = s.CreateKey(t.Context(), Actor{Org: "org_none"}, NewKey{MAC: mac(3), LastFour: "cccc"})
	wantFault(t, err, fault.NotFound)
	same(t, []entry{{mac(1), by.Org, a.ID, []string{"agents:read", "keys:write"}}, {mac(2), by.Org, b.ID, nil}}, active())
	owner, err := s.KeyOwner(t.Context(), a.ID)
	must(t, err)
	same(t, by.Org, owner)
	_, err = s.KeyOwner(t.Context(), "key_none")
	wantFault(t, err, fault.NotFound)

	w.advance(time.Hour)
	before = revision()
	revoked, err := s.RevokeKey(t.Context(), by, a.ID)
	must(t, err)
	now := w.Now()
	want := a
	want.RevokedAt = &now
	same(t, want, revoked)
	if revision() <= before {
		t.Error("a revocation goes unnoticed")
	}
	w.advance(time.Hour)
	again, err := s.RevokeKey(t.Context(), by, a.ID)
	must(t, err)
	same(t, want, again)
	_, err = s.RevokeKey(t.Context(), by, "key_none")
	wantFault(t, err, fault.NotFound)
	same(t, []entry{{mac(2), by.Org, b.ID, nil}}, active())
	list, err := s.Keys(t.Context(), by.Org, Page{})
	must(t, err)
	same(t, []APIKey{want, b}, list.Items)
}

func TestKeyring(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "master.key")
	s := open(t, dir, Options{Serve: true})
	const makers = 4
	rings := make([]*secret.Keyring, makers)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			// Another process beside it, at the same first start.
			beside, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer beside.Close()
			if rings[i], _, err = beside.Keyring(t.Context(), path); err != nil {
				t.Error(err, fault.Cause(err))
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	ring, made, err := s.Keyring(t.Context(), path)
	must(t, err)
	if made {
		t.Error("a key was made twice")
	}
	for i := range rings {
		if rings[i].MAC("p", nil) != ring.MAC("p", nil) {
			t.Errorf("maker %d has another root", i)
		}
	}

	good, err := os.ReadFile(path)
	must(t, err)
	must(t, os.Remove(path))
	_, _, err = s.Keyring(t.Context(), path)
	wantFault(t, err, fault.MasterKeyMissing)
	if _, err := os.Stat(path); err == nil {
		t.Error("a new key was put over old data")
	}
	_, err = secret.CreateMaster(path)
	must(t, err)
	_, _, err = s.Keyring(t.Context(), path)
	wantFault(t, err, fault.MasterKeyWrong)
	must(t, os.WriteFile(path, good[:40], 0o600))
	_, _, err = s.Keyring(t.Context(), path)
	wantFault(t, err, fault.MasterKeyInvalid)
	must(t, os.WriteFile(path, good, 0o600))
	must(t, os.Chmod(path, 0o644))
	_, _, err = s.Keyring(t.Context(), path)
	wantFault(t, err, fault.MasterKeyPermissions)
	must(t, os.Chmod(path, 0o600))
	alter(t, s, `UPDATE meta SET value = x'00'`)
	_, _, err = s.Keyring(t.Context(), path)
	wantFault(t, err, fault.MasterKeyWrong)

	// A key file that is there before the store is: it is taken as it is.
	fresh := open(t, filepath.Join(t.TempDir(), "fresh"), Options{})
	if _, made, err := fresh.Keyring(t.Context(), path); err != nil || made {
		t.Errorf("made %v, %v", made, err)
	}
	made2 := filepath.Join(t.TempDir(), "elsewhere.key")
	another := open(t, filepath.Join(t.TempDir(), "another"), Options{})
	if _, made, err := another.Keyring(t.Context(), made2); err != nil || !made {
		t.Errorf("made %v, %v", made, err)
	}
}

func TestActivity(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	ctx := t.Context()
	a := newAgent(t, s, by, "a")
	k := newSkill(t, s, by, a.ID, "k")
	_, err := s.ChangeSkill(ctx, by, a.ID, k.ID, func(*Skill) error { return nil })
	must(t, err)
	must(t, s.DeleteSkill(ctx, by, a.ID, k.ID))
	_, err = s.ChangeAgent(ctx, by, a.ID, 0, func(*Agent) error { return nil })
	must(t, err)
	v, err := s.Publish(ctx, by, Publication{AgentID: a.ID, Revision: 5, Compiled: []byte("{}")})
	must(t, err)
	_, err = s.SetPublished(ctx, by, a.ID, v.ID)
	must(t, err)
	must(t, s.DeleteAgent(ctx, by, a.ID))
	key, err := s.CreateKey(ctx, by, NewKey{MAC: mac(1), LastFour: "aaaa"})
	must(t, err)
	_, err = s.RevokeKey(ctx, by, key.ID)
	must(t, err)
	c, err := s.PutConnection(ctx, by, connectionOf(s))
	must(t, err)
	must(t, s.PutCatalogue(ctx, by, c.ID, Catalogue{Database: newCatalogue(w)}))
	_, err = s.ChangeScoping(ctx, by, "postgres", noScoping)
	must(t, err)
	must(t, s.DeleteConnection(ctx, by, "postgres"))

	// What fails leaves no trace.
	_, err = s.ChangeAgent(ctx, by, a.ID, 0, func(*Agent) error { return nil })
	wantFault(t, err, fault.NotFound)
	_, err = s.Publish(ctx, by, Publication{AgentID: a.ID})
	wantFault(t, err, fault.NotFound)

	list, err := s.Activities(ctx, by.Org, Page{})
	must(t, err)
	var got []string
	for i := len(list.Items) - 1; i >= 0; i-- {
		item := list.Items[i]
		if item.OrgID != by.Org || item.KeyID != by.Key || !item.At.Equal(w.Now()) {
			t.Errorf("activity %+v", item)
		}
		got = append(got, fmt.Sprint(item.Action, " ", item.Target))
	}
	same(t, []string{
		"agent.create " + string(a.ID), "skill.create " + string(k.ID), "skill.change " + string(k.ID), "skill.delete " + string(k.ID),
		"agent.change " + string(a.ID), "agent.publish " + string(v.ID), "agent.rollback " + string(v.ID), "agent.delete " + string(a.ID),
		"key.create " + string(key.ID), "key.revoke " + string(key.ID),
		"integration.connect postgres", "integration.discover " + string(c.ID), "integration.scope postgres", "integration.disconnect postgres",
	}, got)
}
