// Package catalogue is what exists: tenants, the e-services they offer, and
// every version of them that a draft or a case stays on.
//
// It owns reading the folders of tenants and services, checking that they fit
// each other (a service's authority, officers, lists and contact must be the
// tenant's), and taking them anew without a restart. A service that has faults
// is not offered, in no tenant; the last good version of it goes on.
//
// A folder of tenants is DIR/<id>/tenant.yaml with logos beside it; a folder of
// services is DIR/<id>/service.yaml (or DIR/<id>.yaml).
package catalogue

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"sigill/portal"
	"sigill/portal/form"
)

var errNotBuilt = errors.New("catalogue: not built yet")

// Versions keeps definitions by their hash, for ever (portal/store.Versions is
// one, built already: no other is needed here): drafts and cases stay on
// theirs.
type Versions interface {
	Keep(ctx context.Context, s *form.Service) error
	Version(ctx context.Context, hash string) ([]byte, error)
}

// Config says where things lie.
type Config struct {
	Tenants, Services string // folders
	Versions          Versions
	// Providers are the ids that exist; others are a fault, and those that are
	// not configured a warning.
	Providers, Configured []string
	Now                   func() time.Time
	Log                   *slog.Logger
}

// Catalogue gives tenants and services. It may be used by many goroutines.
type Catalogue struct{ config Config }

// Open reads everything. The error is strict.Faults of tenants: a portal without
// them is of no use. Faults of services are logged, and given by Faults.
func Open(ctx context.Context, c Config) (*Catalogue, error) { return nil, errNotBuilt }

// Reload reads everything anew; what is faulty leaves what was there.
func (c *Catalogue) Reload(ctx context.Context) error { return errNotBuilt }

// Run reloads when files change, until ctx ends.
func (c *Catalogue) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Faults are what is wrong with services and tenants now.
func (c *Catalogue) Faults() []error { return nil }

// Tenants are all, by id.
func (c *Catalogue) Tenants() []portal.Tenant { return nil }

// Tenant gives one.
func (c *Catalogue) Tenant(id portal.TenantID) (portal.Tenant, bool) { return portal.Tenant{}, false }

// Group are the tenants of a group.
func (c *Catalogue) Group(id portal.GroupID) []portal.Tenant { return nil }

// Logo opens a tenant's logo.
func (c *Catalogue) Logo(id portal.TenantID) (fs.File, error) { return nil, errNotBuilt }

// Offered are the services of a tenant, by category and title.
func (c *Catalogue) Offered(id portal.TenantID) []*form.Service { return nil }

// Service gives the newest version that a tenant offers.
func (c *Catalogue) Service(t portal.TenantID, s portal.ServiceID) (*form.Service, bool) {
	return nil, false
}

// Version gives a version by its hash, whether or not it is still offered.
func (c *Catalogue) Version(ctx context.Context, hash string) (*form.Service, error) {
	return nil, errNotBuilt
}

// Find searches what a tenant offers, in title, summary and category; accents
// and case do not matter.
func (c *Catalogue) Find(t portal.TenantID, lang, words string) []*form.Service { return nil }
