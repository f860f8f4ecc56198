// Package catalogue is what exists: tenants, the e-services they offer, and
// every version of them that a draft or a case stays on.
//
// It owns reading the folders of tenants and services, checking that they fit
// each other (a service's authority, officers, lists and contact must be the
// tenant's), and taking them anew without a restart. A service that has faults
// is not offered, in no tenant; the last good version of it goes on.
//
// A folder of tenants is DIR/<id>/tenant.yaml with logos beside it; a folder of
// services is DIR/<id>/service.yaml (or DIR/<id>.yaml). README.md says what
// stands in a tenant's file.
package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"sigill/broker/kit/config/strict"
	"sigill/portal"
	"sigill/portal/form"
)

// Versions keeps definitions by their hash, for ever: drafts and cases stay on
// theirs.
type Versions interface {
	// Keep gives portal.ErrPublished when another text has that version already.
	Keep(ctx context.Context, s *form.Service) error
	Version(ctx context.Context, hash string) ([]byte, error)
}

// Config says where things lie.
type Config struct {
	Tenants, Services string   // folders
	Versions          Versions // nil: nothing is kept, for who only checks
	// Providers are the ids that exist; others are a fault, and those that are
	// not configured a warning.
	Providers, Configured []string
	// Every is how often Run looks whether a file has changed; default 3 s.
	Every time.Duration
	Now   func() time.Time
	Log   *slog.Logger // nil: silent
}

// Catalogue gives tenants and services. It may be used by many goroutines, which
// must not change what they are given.
type Catalogue struct {
	config Config
	parse  func(name string, source []byte) (*form.Service, error)

	now     atomic.Pointer[state]
	mu      sync.Mutex // one Reload at a time; guards what follows
	print   string     // of the files as they were last read
	told    string     // the faults and warnings that were last logged
	tenants map[portal.TenantID]portal.Tenant
	good    map[portal.ServiceID]*form.Service // the last good version of each

	kept   sync.Mutex
	byHash map[string]*form.Service
}

// state is everything as it was read at one time. It never changes.
type state struct {
	tenants []portal.Tenant // by id
	offered map[portal.TenantID][]indexed
	faults  []error
}

// Open reads everything. The error is strict.Faults of tenants: a portal without
// them is of no use. Faults of services are logged, and given by Faults.
func Open(ctx context.Context, c Config) (*Catalogue, error) {
	return open(ctx, c, form.Parse)
}

func open(ctx context.Context, c Config, parse func(string, []byte) (*form.Service, error)) (*Catalogue, error) {
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Catalogue{
		config: c, parse: parse, tenants: map[portal.TenantID]portal.Tenant{},
		good: map[portal.ServiceID]*form.Service{}, byHash: map[string]*form.Service{},
	}
	k.now.Store(&state{})
	k.mu.Lock()
	defer k.mu.Unlock()
	faulty, err := k.read(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(faulty) > 0:
		return nil, faulty
	}
	return k, nil
}

// Reload reads everything anew; what is faulty leaves what was there. The error
// says that it could not be read at all: faults are no error.
func (c *Catalogue) Reload(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.read(ctx)
	return err
}

// read makes the next state. It gives the tenants' faults.
func (c *Catalogue) read(ctx context.Context) (strict.Faults, error) {
	print, err := footprint(c.config.Tenants, c.config.Services)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	folders, ofTenants, warnings, err := readTenants(c.config)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	tenants, clashes := c.settle(folders)
	ofTenants = append(ofTenants, clashes...)

	services, ofServices, err := c.readServices()
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	next := &state{offered: map[portal.TenantID][]indexed{}}
	for _, id := range slices.Sorted(maps.Keys(tenants)) {
		next.tenants = append(next.tenants, tenants[id])
	}
	published := map[portal.ServiceID]*form.Service{}
	var misfits strict.Faults
	var broken error
	for _, s := range services {
		id := s.id
		if s.service == nil {
			// What is faulty now goes on as it last was; what is gone does not.
			if last := c.good[id]; last != nil {
				published[id] = last
			}
			continue
		}
		takers, lacking := fit(s.service, s.file, next.tenants)
		misfits = append(misfits, lacking...)
		use := s.service
		if len(takers) > 0 {
			switch err := c.keep(ctx, s.service); {
			case errors.Is(err, portal.ErrPublished):
				ofServices = append(ofServices, strict.Fault{File: s.file, Path: "version",
					Problem: fmt.Sprintf("version %d was published with another text, and a published version never changes: raise version", s.service.Version)})
				use = c.good[id]
			case err != nil:
				broken = errors.Join(broken, err)
				use = c.good[id]
			}
		}
		if use != nil {
			published[id] = use
		}
	}
	for _, id := range slices.Sorted(maps.Keys(published)) {
		entry := index(published[id])
		takers, _ := fit(published[id], "", next.tenants)
		for _, t := range takers {
			next.offered[t] = append(next.offered[t], entry)
		}
	}
	order := collate.New(language.Swedish)
	for _, list := range next.offered {
		slices.SortStableFunc(list, func(a, b indexed) int {
			if n := order.CompareString(a.service.Category, b.service.Category); n != 0 {
				return n
			}
			return order.CompareString(a.service.Title.In("sv"), b.service.Title.In("sv"))
		})
	}
	unknown := absent(next.tenants, published)
	for _, list := range []strict.Faults{ofTenants, ofServices, misfits, unknown} {
		for _, f := range list {
			next.faults = append(next.faults, strict.Faults{f})
		}
	}
	if broken != nil {
		next.faults = append(next.faults, broken)
	}
	c.tell(next.faults, warnings)
	c.print, c.tenants, c.good = print, tenants, published
	c.now.Store(next)
	if broken != nil {
		c.print = "" // the files are in order: try again
		return ofTenants, fmt.Errorf("catalogue: %w", broken)
	}
	return ofTenants, nil
}

// keep notes a version for ever, before anybody can begin a draft on it.
func (c *Catalogue) keep(ctx context.Context, s *form.Service) error {
	if c.config.Versions == nil {
		return nil
	}
	if err := c.config.Versions.Keep(ctx, s); err != nil {
		return fmt.Errorf("keep service %s: %w", s.ID, err)
	}
	c.remember(s)
	return nil
}

func (c *Catalogue) remember(s *form.Service) {
	c.kept.Lock()
	defer c.kept.Unlock()
	c.byHash[s.Hash] = s
}

// tell logs what is wrong, once for as long as it stays the same.
func (c *Catalogue) tell(faults []error, warnings strict.Faults) {
	var all []string
	for _, f := range faults {
		all = append(all, f.Error())
	}
	all = append(all, "")
	for _, w := range warnings {
		all = append(all, w.String())
	}
	now := strings.Join(all, "\n")
	if now == c.told {
		return
	}
	c.told = now
	for _, f := range faults {
		c.config.Log.Error("catalogue", "fault", f.Error())
	}
	for _, w := range warnings {
		c.config.Log.Warn("catalogue", "warning", w.String())
	}
}

// Run reloads when files change, until ctx ends.
func (c *Catalogue) Run(ctx context.Context) error {
	every := time.NewTicker(c.config.Every)
	defer every.Stop()
	complained := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		err := c.look(ctx)
		if err == nil {
			complained = ""
		} else if err.Error() != complained && ctx.Err() == nil {
			complained = err.Error()
			c.config.Log.Error("catalogue", "error", complained)
		}
	}
}

// look reloads if something has changed.
func (c *Catalogue) look(ctx context.Context) error {
	now, err := footprint(c.config.Tenants, c.config.Services)
	if err != nil {
		return fmt.Errorf("catalogue: %w", err)
	}
	c.mu.Lock()
	same := now == c.print
	c.mu.Unlock()
	if same {
		return nil
	}
	return c.Reload(ctx)
}

// Faults are what is wrong with services and tenants now.
func (c *Catalogue) Faults() []error { return slices.Clone(c.now.Load().faults) }

// Tenants are all, by id.
func (c *Catalogue) Tenants() []portal.Tenant { return slices.Clone(c.now.Load().tenants) }

// Tenant gives one.
func (c *Catalogue) Tenant(id portal.TenantID) (portal.Tenant, bool) {
	for _, t := range c.now.Load().tenants {
		if t.ID == id {
			return t, true
		}
	}
	return portal.Tenant{}, false
}

// Group are the tenants of a group.
func (c *Catalogue) Group(id portal.GroupID) []portal.Tenant {
	var list []portal.Tenant
	for _, t := range c.now.Load().tenants {
		if t.Group == id {
			list = append(list, t)
		}
	}
	return list
}

// Logo opens a tenant's logo. The error is fs.ErrNotExist when it has none.
func (c *Catalogue) Logo(id portal.TenantID) (fs.File, error) {
	t, ok := c.Tenant(id)
	if !ok || t.Theme.Logo == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.OpenInRoot(filepath.Join(c.config.Tenants, string(id)), t.Theme.Logo)
	if err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	return f, nil
}

// Offered are the services of a tenant, by category and title.
func (c *Catalogue) Offered(id portal.TenantID) []*form.Service {
	var list []*form.Service
	for _, e := range c.now.Load().offered[id] {
		list = append(list, e.service)
	}
	return list
}

// Service gives the newest version that a tenant offers.
func (c *Catalogue) Service(t portal.TenantID, s portal.ServiceID) (*form.Service, bool) {
	for _, e := range c.now.Load().offered[t] {
		if e.service.ID == string(s) {
			return e.service, true
		}
	}
	return nil, false
}

// Version gives a version by its hash, whether or not it is still offered.
func (c *Catalogue) Version(ctx context.Context, hash string) (*form.Service, error) {
	c.kept.Lock()
	s, ok := c.byHash[hash]
	c.kept.Unlock()
	if ok {
		return s, nil
	}
	if c.config.Versions == nil {
		return nil, errors.New("catalogue: no versions are kept")
	}
	source, err := c.config.Versions.Version(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	if s, err = c.parse("service.yaml", source); err != nil {
		return nil, fmt.Errorf("catalogue: a version that was published: %w", err)
	}
	if s.Hash != hash {
		return nil, errors.New("catalogue: a version that was kept is not what its hash says")
	}
	c.remember(s)
	return s, nil
}
