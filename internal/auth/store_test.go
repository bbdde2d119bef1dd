package auth_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/store"
)

// TestKeysOfAStore issues and revokes keys through a second opening of the
// store, as the command line does beside a running server.
func TestKeysOfAStore(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "data")
	server, err := store.Open(ctx, dir, store.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ring, _, err := server.Keyring(ctx, filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.OpenKeys(ctx, server, ring, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()

	command, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer command.Close()
	org, err := command.EnsureOrg(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	by := store.Actor{Org: org.ID}
	issued := auth.Issue(ring)
	scopes := auth.ScopesOf(auth.AgentsRead, auth.KeysWrite)
	key, err := command.CreateKey(ctx, by, store.NewKey{MAC: issued.MAC, LastFour: issued.LastFour, Scopes: scopes.Names()})
	if err != nil {
		t.Fatal(err)
	}

	eventually(t, "a new key is taken", func() bool { _, err := keys.Authenticate(issued.Secret.Reveal()); return err == nil })
	p, err := keys.Authenticate(issued.Secret.Reveal())
	if want := (auth.Principal{OrgID: org.ID, KeyID: key.ID, Scopes: scopes}); err != nil || p != want {
		t.Errorf("principal %+v, %v, want %+v", p, err, want)
	}
	if _, err := command.RevokeKey(ctx, by, key.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a revoked key is refused", func() bool {
		_, err := keys.Authenticate(issued.Secret.Reveal())
		return fault.Is(err, fault.Unauthorized)
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}
