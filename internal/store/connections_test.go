package store

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
)

func connectionOf(s *Store) Connection {
	tested := s.clock()
	return Connection{
		Kind: "postgres", Sealed: []byte("sealed"), SealVersion: 1, Database: "appdb", SSLMode: "verify-full",
		Server: schema.Server{Product: "PostgreSQL", Version: "15.18", Flavor: "postgres", Identity: "i"}, Pins: []string{"a", "b"},
		Status: "connected", Latency: json.RawMessage(`{"p50Ms":1}`), LastTestedAt: &tested,
	}
}

func TestConnectionLife(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	_, err := s.Connection(t.Context(), by.Org, "postgres")
	wantFault(t, err, fault.NotConnected)
	wantFault(t, s.DeleteConnection(t.Context(), by, "postgres"), fault.NotConnected)
	_, err = s.ChangeConnection(t.Context(), by.Org, "postgres", func(*Connection) { t.Error("changed nothing") })
	wantFault(t, err, fault.NotConnected)

	first, err := s.PutConnection(t.Context(), by, connectionOf(s))
	must(t, err)
	got, err := s.Connection(t.Context(), by.Org, "postgres")
	must(t, err)
	same(t, first, got)
	db := &schema.Database{Kind: "postgres", Name: "appdb", DiscoveredAt: w.Now()}
	must(t, s.PutCatalogue(t.Context(), by, first.ID, Catalogue{Digest: "d", Database: db}))

	w.advance(time.Hour)
	next := connectionOf(s)
	next.Sealed, next.Pins, next.Latency, next.LastTestedAt = []byte("sealed anew"), nil, nil, nil
	second, err := s.PutConnection(t.Context(), by, next)
	must(t, err)
	got, err = s.Connection(t.Context(), by.Org, "postgres")
	must(t, err)
	same(t, second, got)
	if second.ID != first.ID || second.CreatedAt != first.CreatedAt || second.LastDiscoveredAt == nil || !second.UpdatedAt.After(first.UpdatedAt) {
		t.Errorf("replaced by %+v", second)
	}
	if _, err := s.Catalogue(t.Context(), by.Org, second.ID); err != nil {
		t.Errorf("the catalogue went with the old credentials: %v", err)
	}

	now := w.Now()
	changed, err := s.ChangeConnection(t.Context(), by.Org, "postgres", func(c *Connection) {
		c.Status, c.Pins, c.LastTestedAt = "unreachable", append(c.Pins, "c"), &now
		c.ID, c.OrgID, c.Kind = "con_x", "org_x", "mysql" // no say
	})
	must(t, err)
	got, err = s.Connection(t.Context(), by.Org, "postgres")
	must(t, err)
	same(t, changed, got)
	if got.Status != "unreachable" || got.ID != first.ID {
		t.Errorf("changed to %+v", got)
	}

	mysql := connectionOf(s)
	mysql.Kind = "mysql"
	_, err = s.PutConnection(t.Context(), by, mysql)
	must(t, err)
	list, err := s.Connections(t.Context(), by.Org)
	must(t, err)
	if len(list) != 2 || list[0].Kind != "mysql" {
		t.Errorf("%d connections", len(list))
	}
	loaded, err := s.LoadConnections(t.Context())
	must(t, err)
	if len(loaded) != 2 {
		t.Errorf("%d connections at start", len(loaded))
	}

	_, err = s.ChangeScoping(t.Context(), by, "postgres", func(json.RawMessage) (json.RawMessage, error) { return []byte(`{"blockedTables":["p"]}`), nil })
	must(t, err)
	must(t, s.DeleteConnection(t.Context(), by, "postgres"))
	_, err = s.Catalogue(t.Context(), by.Org, first.ID)
	wantFault(t, err, fault.NotDiscovered)
	if sc, err := s.Scoping(t.Context(), by.Org, "postgres"); err != nil || sc.Revision != 1 {
		t.Errorf("scoping after a disconnect: %+v, %v", sc, err)
	}
}

// TestDeletedCredentialsAreGone looks for the sealed bytes in every file of
// the data folder.
func TestDeletedCredentialsAreGone(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	sealed := make([]byte, 6000) // several pages
	_, _ = rand.Read(sealed)
	found := func() bool {
		entries, err := os.ReadDir(s.dir)
		must(t, err)
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
			must(t, err)
			for i := 0; i+32 < len(sealed); i += 512 {
				if bytes.Contains(b, sealed[i:i+32]) {
					return true
				}
			}
		}
		return false
	}
	c := connectionOf(s)
	c.Sealed = sealed
	_, err := s.PutConnection(t.Context(), by, c)
	must(t, err)
	if !found() {
		t.Fatal("the search finds nothing even while it is there")
	}
	must(t, s.DeleteConnection(t.Context(), by, "postgres"))
	if found() {
		t.Error("sealed credentials outlived their connection")
	}

	_, err = s.PutConnection(t.Context(), by, c)
	must(t, err)
	c.Sealed = []byte("other")
	_, err = s.PutConnection(t.Context(), by, c)
	must(t, err)
	if found() {
		t.Error("sealed credentials outlived their replacement")
	}
}

func TestCatalogue(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	c, err := s.PutConnection(t.Context(), by, connectionOf(s))
	must(t, err)
	_, err = s.Catalogue(t.Context(), by.Org, c.ID)
	wantFault(t, err, fault.NotDiscovered)
	wantFault(t, s.PutCatalogue(t.Context(), by, "con_none", Catalogue{Database: &schema.Database{}}), fault.NotFound)

	db := &schema.Database{Kind: "postgres", Server: c.Server, Name: "appdb", DefaultSchema: "public", DiscoveredAt: w.Now()}
	for i := range 300 {
		length := i
		db.Objects = append(db.Objects, schema.Object{
			Schema: "public", Name: fmt.Sprint("table_", i), Type: schema.Table, EstimatedRows: int64(i) << 40, Supported: true, Transactional: true,
			Fields:     []schema.Field{{Name: "id", Number: 1, Type: schema.Integer, BaseType: "int8", MaxLength: &length}, {Name: "übung", Comment: "a \"b\"\n</x>"}},
			PrimaryKey: []string{"id"},
			Indexes:    []schema.Index{{Name: "pk", Columns: []string{"id"}, Unique: true, Usable: true, Immediate: true}},
		})
	}
	must(t, s.PutCatalogue(t.Context(), by, c.ID, Catalogue{Digest: "d1", Database: db}))
	got, err := s.Catalogue(t.Context(), by.Org, c.ID)
	must(t, err)
	same(t, Catalogue{Digest: "d1", Database: db}, got)
	if c, _ := s.Connection(t.Context(), by.Org, "postgres"); c.LastDiscoveredAt == nil || !c.LastDiscoveredAt.Equal(w.Now()) {
		t.Errorf("last discovered at %v", c.LastDiscoveredAt)
	}
	must(t, s.PutCatalogue(t.Context(), by, c.ID, Catalogue{Digest: "d2", Database: &schema.Database{Name: "empty"}}))
	if got, err = s.Catalogue(t.Context(), by.Org, c.ID); err != nil || got.Digest != "d2" || len(got.Database.Objects) != 0 {
		t.Errorf("replaced by %+v, %v", got, err)
	}
}

func TestDamagedCatalogueIsRefused(t *testing.T) {
	db := &schema.Database{Name: "appdb", Objects: []schema.Object{{Name: "a"}, {Name: "b"}}}
	body, err := pack(db)
	must(t, err)
	got, err := unpack(body)
	must(t, err)
	same(t, db, got)
	for n := range body {
		if _, err := unpack(body[:n]); err == nil {
			t.Errorf("read although cut to %d of %d bytes", n, len(body))
		}
	}
	// A few bits of the form say nothing; what is read is then still the same.
	for bit := range len(body) * 8 {
		changed := bytes.Clone(body)
		changed[bit/8] ^= 1 << (bit % 8)
		if got, err := unpack(changed); err == nil && !cmp.Equal(db, got) {
			t.Errorf("read with bit %d flipped: %+v", bit, got)
		}
	}

	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	c, err := s.PutConnection(t.Context(), by, connectionOf(s))
	must(t, err)
	must(t, s.PutCatalogue(t.Context(), by, c.ID, Catalogue{Database: db}))
	alter(t, s, `UPDATE catalogues SET body = x'1f8b'`)
	_, err = s.Catalogue(t.Context(), by.Org, c.ID)
	wantFault(t, err, fault.StoreDamaged)
}

func TestScoping(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	sc, err := s.Scoping(t.Context(), by.Org, "mysql")
	must(t, err)
	same(t, Scoping{OrgID: by.Org, Kind: "mysql"}, sc)
	_, err = s.ChangeScoping(t.Context(), by, "mysql", func(json.RawMessage) (json.RawMessage, error) { return nil, fault.New(fault.ScopingInvalid) })
	wantFault(t, err, fault.ScopingInvalid)

	// Changes at once all count.
	var wg sync.WaitGroup
	const n = 8
	for range n {
		wg.Go(func() {
			_, err := s.ChangeScoping(t.Context(), by, "mysql", func(doc json.RawMessage) (json.RawMessage, error) {
				var list []int
				if doc != nil {
					if err := json.Unmarshal(doc, &list); err != nil {
						return nil, err
					}
				}
				return json.Marshal(append(list, len(list)))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sc, err = s.Scoping(t.Context(), by.Org, "mysql")
	must(t, err)
	same(t, Scoping{OrgID: by.Org, Kind: "mysql", Revision: n, Doc: json.RawMessage("[0,1,2,3,4,5,6,7]"), UpdatedAt: w.Now()}, sc)
	loaded, err := s.LoadScopings(t.Context())
	must(t, err)
	same(t, []Scoping{sc}, loaded)
}

func TestDamagedRowsAreRefused(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	_, err := s.PutConnection(t.Context(), by, connectionOf(s))
	must(t, err)
	a := newAgent(t, s, by, "a")
	alter(t, s, `UPDATE connections SET server = '{'`)
	alter(t, s, `UPDATE agents SET channels = 'x'`)
	_, err = s.Connection(t.Context(), by.Org, "postgres")
	wantFault(t, err, fault.StoreDamaged)
	_, err = s.Agent(t.Context(), by.Org, a.ID)
	wantFault(t, err, fault.StoreDamaged)
	_, err = s.CreateKey(t.Context(), by, NewKey{MAC: mac(1), LastFour: "1234"})
	must(t, err)
	alter(t, s, `UPDATE api_keys SET mac = x'00'`)
	wantFault(t, s.ActiveKeys(t.Context(), func(secret.MAC, id.Org, id.Key, []string) {}), fault.StoreDamaged)
}
