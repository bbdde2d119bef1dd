package control

import (
	"context"
	"encoding/json"
	"errors"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

// Catalog lists the kinds that can be connected.
func (s *Service) Catalog(ctx context.Context, p auth.Principal) ([]api.CatalogEntry, error) {
	var entries []api.CatalogEntry
	for _, k := range catalogOfKinds {
		_, err := s.store.Connection(ctx, p.OrgID, k.kind)
		if err != nil && !fault.Is(err, fault.NotConnected) {
			return nil, err
		}
		entries = append(entries, api.CatalogEntry{
			Kind: string(k.kind), DisplayName: k.name, Category: "database", Description: k.about, Connected: err == nil,
		})
	}
	return entries, nil
}

// Integrations lists the organisation's connections.
func (s *Service) Integrations(ctx context.Context, p auth.Principal) ([]api.Integration, error) {
	list := []api.Integration{}
	for _, k := range catalogOfKinds {
		c, err := s.store.Connection(ctx, p.OrgID, k.kind)
		switch {
		case fault.Is(err, fault.NotConnected):
		case err != nil:
			return nil, err
		default:
			list = append(list, s.viewIntegration(c))
		}
	}
	return list, nil
}

// Integration is one connection.
func (s *Service) Integration(ctx context.Context, p auth.Principal, kind schema.Kind) (api.Integration, error) {
	c, err := s.store.Connection(ctx, p.OrgID, kind)
	if err != nil {
		return api.Integration{}, err
	}
	return s.viewIntegration(c), nil
}

func (s *Service) viewIntegration(c store.Connection) api.Integration {
	v := api.Integration{
		Kind: string(c.Kind), Status: "connected", Server: ptr(viewServer(c.Server)), Database: c.Database, SSLMode: c.SSLMode,
		LastDiscoveredAt: c.LastDiscoveredAt, LastTestedAt: c.LastTestedAt,
	}
	if len(c.Latency) > 0 {
		v.Latency = new(api.Latency)
		if err := json.Unmarshal(c.Latency, v.Latency); err != nil {
			v.Latency = nil
		}
	}
	// What calls meet right now is known to the pool and to nobody else.
	if db, ok := s.fleet.Get(c.ID); ok {
		switch fault.CodeOf(db.Trouble()) {
		case "":
		case fault.CredentialsRejected, fault.CredentialCorrupt:
			v.Status = "credentials_rejected"
		case fault.IdentityChanged, fault.ServerIdentity:
			v.Status = "identity_changed"
		default:
			v.Status = "unreachable"
		}
	}
	return v
}

// Test runs the six checks and stores nothing. What is wrong with the
// credentials is a failed check, except for values of a form that no body may
// have.
func (s *Service) Test(ctx context.Context, p auth.Principal, kind schema.Kind, c api.Credentials) (api.TestResult, error) {
	if err := s.tests.take(p.OrgID, s.now()); err != nil {
		return api.TestResult{}, err
	}
	report := s.test(ctx, kind, c, nil)
	if f := report.Fault(); f != nil && f.Code == fault.InvalidRequest {
		return api.TestResult{}, f
	}
	return report.Result, nil
}

// test runs the checks on credentials as they were typed. pins are the keys
// remembered for this connection, nil for none.
func (s *Service) test(ctx context.Context, kind schema.Kind, c api.Credentials, pins []egress.Pin) *target.Report {
	creds, err := target.ParseCredentials(c, kind)
	if err != nil {
		return target.Refused(err)
	}
	creds.TLS.Pins = pins
	return target.Test(ctx, s.drivers[kind], s.guard, creds)
}

// Connect tests the credentials, seals them and opens the connection. What was
// connected before serves until the new credentials have passed.
func (s *Service) Connect(ctx context.Context, p auth.Principal, kind schema.Kind, c api.Credentials) (api.Connected, error) {
	if err := s.tests.take(p.OrgID, s.now()); err != nil {
		return api.Connected{}, err
	}
	report := s.test(ctx, kind, c, nil)
	if err := report.Fault(); err != nil {
		return api.Connected{}, err.WithExtra("checks", report.Result.Checks)
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	record, err := s.sealConnection(p.OrgID, kind, c, report)
	if err != nil {
		return api.Connected{}, err
	}
	if record, err = s.store.PutConnection(ctx, by(p), record); err != nil {
		return api.Connected{}, err
	}
	if err := s.open(record); err != nil {
		return api.Connected{}, err
	}
	if err := s.refresh(ctx, p.OrgID, kind); err != nil {
		return api.Connected{}, err
	}
	return api.Connected{Status: "connected", Server: ptr(viewServer(record.Server)), Checks: report.Result.Checks}, nil
}

// sealedVersion is the version of the sealed form, bound into the seal.
const sealedVersion = 1

func credentialsAD(org id.Org, kind schema.Kind) secret.AD {
	return secret.AD{Org: string(org), Kind: string(kind), Field: "credentials", Version: sealedVersion}
}

func (s *Service) sealConnection(org id.Org, kind schema.Kind, c api.Credentials, report *target.Report) (store.Connection, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return store.Connection{}, fault.Wrap(fault.Internal, err)
	}
	sealed, err := s.ring.Seal(plain, credentialsAD(org, kind))
	if err != nil {
		return store.Connection{}, err
	}
	latency, err := json.Marshal(report.Result.Latency)
	if err != nil {
		return store.Connection{}, fault.Wrap(fault.Internal, err)
	}
	now := s.now().UTC()
	r := store.Connection{
		Kind: kind, Sealed: sealed, SealVersion: sealedVersion, Database: c.Database, SSLMode: c.SSLMode, Server: report.Server,
		Status: "connected", Latency: latency, LastTestedAt: &now,
	}
	if c.SSLMode == "require" {
		r.Pins = []string{report.Pin.String()}
	}
	return r, nil
}

// unseal opens stored credentials.
func (s *Service) unseal(c store.Connection) (*target.Credentials, api.Credentials, error) {
	var typed api.Credentials
	plain, err := s.ring.Open(c.Sealed, credentialsAD(c.OrgID, c.Kind))
	if err != nil {
		return nil, typed, err
	}
	if err := json.Unmarshal(plain, &typed); err != nil {
		return nil, typed, fault.Wrap(fault.CredentialCorrupt, err)
	}
	creds, err := target.ParseCredentials(typed, c.Kind)
	if err != nil {
		return nil, typed, err
	}
	for _, text := range c.Pins {
		var pin egress.Pin
		if err := pin.UnmarshalText([]byte(text)); err != nil {
			return nil, typed, fault.Wrap(fault.StoreDamaged, err)
		}
		creds.TLS.Pins = append(creds.TLS.Pins, pin)
	}
	return creds, typed, nil
}

// open gives the connection's credentials to its pool.
func (s *Service) open(c store.Connection) error {
	creds, _, err := s.unseal(c)
	if err != nil {
		return err
	}
	s.fleet.Open(c.ID, c.OrgID, s.drivers[c.Kind], creds)
	return nil
}

// Retest runs the checks with the stored credentials and remembers when. Under
// `require` it shows a server key that was not seen before and remembers it:
// running it is the operator's review.
func (s *Service) Retest(ctx context.Context, p auth.Principal, kind schema.Kind) (api.TestResult, error) {
	c, err := s.store.Connection(ctx, p.OrgID, kind)
	if err != nil {
		return api.TestResult{}, err
	}
	if err := s.tests.take(p.OrgID, s.now()); err != nil {
		return api.TestResult{}, err
	}
	_, typed, err := s.unseal(c)
	if err != nil {
		return api.TestResult{}, err
	}
	report := s.test(ctx, kind, typed, nil)
	if report.Fault() != nil {
		return report.Result, nil
	}
	latency, err := json.Marshal(report.Result.Latency)
	if err != nil {
		return api.TestResult{}, fault.Wrap(fault.Internal, err)
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if err := s.unreplaced(ctx, c); errors.Is(err, errReplaced) {
		return report.Result, nil // what was seen is not of the present connection
	} else if err != nil {
		return api.TestResult{}, err
	}
	now := s.now().UTC()
	c, err = s.store.ChangeConnection(ctx, p.OrgID, kind, func(c *store.Connection) {
		c.LastTestedAt, c.Latency = &now, latency
		if c.SSLMode == "require" {
			c.Pins = addPin(c.Pins, report.Pin.String())
		}
	})
	if err != nil {
		return api.TestResult{}, err
	}
	if err := s.open(c); err != nil {
		return api.TestResult{}, err
	}
	return report.Result, s.refresh(ctx, p.OrgID, kind)
}

func addPin(pins []string, pin string) []string {
	for _, p := range pins {
		if p == pin {
			return pins
		}
	}
	return append(pins, pin)
}

// Disconnect closes the pools, destroys the credentials and removes the
// catalogue. Scoping and skills stay.
func (s *Service) Disconnect(ctx context.Context, p auth.Principal, kind schema.Kind) (api.Disconnected, error) {
	c, err := s.store.Connection(ctx, p.OrgID, kind)
	if err != nil {
		return api.Disconnected{}, err
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if err := s.store.DeleteConnection(ctx, by(p), kind); err != nil {
		return api.Disconnected{}, err
	}
	s.fleet.Close(c.ID)
	s.catalogs.drop(c.ID)
	if err := s.refresh(ctx, p.OrgID, kind); err != nil {
		return api.Disconnected{}, err
	}
	affected, err := s.affected(ctx, p.OrgID, kind)
	return api.Disconnected{Status: "disconnected", AffectedSkills: affected}, err
}
