package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
	"flowyte/internal/serve"
	"flowyte/internal/store"
)

// dataFlags say where the store is.
type dataFlags struct {
	Data          string `help:"The data folder." default:"./data" env:"FLOWYTE_DATA" type:"path"`
	MasterKeyFile string `help:"The master key's file; master.key in the data folder when absent." env:"FLOWYTE_MASTER_KEY_FILE" type:"path"`
}

func (d dataFlags) masterKey() string {
	if d.MasterKeyFile != "" {
		return d.MasterKeyFile
	}
	return filepath.Join(d.Data, serve.MasterKeyName)
}

// open opens the store, which must be there, beside a service that may be
// running on it.
func (d dataFlags) open(a *app) (*store.Store, *secret.Keyring, error) {
	return d.openAs(a, store.Options{Existing: true})
}

func (d dataFlags) openAs(a *app, o store.Options) (*store.Store, *secret.Keyring, error) {
	s, err := store.Open(a.ctx, d.Data, o)
	if err != nil {
		return nil, nil, err
	}
	ring, made, err := s.Keyring(a.ctx, d.masterKey())
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	if made {
		a.log.Warn("a master key was made beside the data it protects; keep a copy elsewhere", "file", serve.MasterKeyName)
	}
	return s, ring, nil
}

type keysCommand struct {
	Create createKeyCommand `cmd:"" help:"Make a key; it is printed once, alone, on standard output."`
	List   listKeysCommand  `cmd:"" help:"List an organisation's keys."`
	Revoke revokeKeyCommand `cmd:"" help:"Revoke a key; a running service refuses it within a second."`
}

type createKeyCommand struct {
	dataFlags
	Org    string `help:"The organisation's name; it is made when it is new." required:""`
	Name   string `help:"What people call the key."`
	Scopes string `help:"all, or a comma list of scopes." default:"all"`
}

// Run prints one key and nothing else on standard output.
func (c createKeyCommand) Run(a *app) error {
	if c.Org == "" || strings.TrimSpace(c.Org) != c.Org || strings.ContainsFunc(c.Org, unicode.IsControl) {
		return fault.New(fault.ValueInvalid).WithField("org", "must be a name, without spaces around it or control characters")
	}
	scopes, err := auth.ParseScopes(c.Scopes)
	if err != nil {
		return err
	}
	key, err := c.makeKey(a, c.Org, c.Name, scopes)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, key.Reveal())
	return err
}

// makeKey makes a key of an organisation, and the organisation when it is new.
func (d dataFlags) makeKey(a *app, org, name string, scopes auth.Scopes) (secret.Text, error) {
	s, ring, err := d.openAs(a, store.Options{})
	if err != nil {
		return secret.Text{}, err
	}
	defer s.Close()
	o, err := s.EnsureOrg(a.ctx, org)
	if err != nil {
		return secret.Text{}, err
	}
	issued := auth.Issue(ring)
	_, err = s.CreateKey(a.ctx, store.Actor{Org: o.ID}, store.NewKey{Name: name, MAC: issued.MAC, LastFour: issued.LastFour, Scopes: scopes.Names()})
	return issued.Secret, err
}

type listKeysCommand struct {
	dataFlags
	Org string `help:"The organisation's name." required:""`
}

// Run lists the keys without anything of their secrets but the last four.
func (c listKeysCommand) Run(a *app) error {
	s, _, err := c.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	org, err := s.FindOrg(a.ctx, c.Org)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tENDS IN\tNAME\tCREATED\tREVOKED\tSCOPES")
	for page := (store.Page{Limit: 200}); ; {
		keys, err := s.Keys(a.ctx, org.ID, page)
		if err != nil {
			return err
		}
		for _, k := range keys.Items {
			revoked := "-"
			if k.RevokedAt != nil {
				revoked = k.RevokedAt.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%v\n", k.ID, k.LastFour, k.Name, k.CreatedAt.Format(time.RFC3339), revoked, k.Scopes)
		}
		if keys.Next == "" {
			return w.Flush()
		}
		page.Cursor = keys.Next
	}
}

type revokeKeyCommand struct {
	dataFlags
	ID string `arg:"" help:"The key's id, from the list: key_…"`
}

// Run revokes the key.
func (c revokeKeyCommand) Run(a *app) error {
	s, _, err := c.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	org, err := s.KeyOwner(a.ctx, id.Key(c.ID))
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound).WithDetail("There is no key with this id.").WithFix("`flowyte keys list --org NAME` shows the ids.")
	}
	if err != nil {
		return err
	}
	if _, err := s.RevokeKey(a.ctx, store.Actor{Org: org}, id.Key(c.ID)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.err, "Revoked. A running service refuses the key within a second.")
	return err
}

type backupCommand struct {
	dataFlags
	File string `arg:"" help:"The file to write; it must not exist." type:"path"`
}

// Run writes the copy.
func (c backupCommand) Run(a *app) error {
	s, err := store.Open(a.ctx, c.Data, store.Options{Existing: true})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Backup(a.ctx, c.File); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.err, "Written. The master key is not in it: keep a copy of that elsewhere.")
	return err
}
