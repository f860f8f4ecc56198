// Package drafts keeps applications that are being filled in: each sealed with a
// key of its own, open to its owner alone (invariant I5).
//
// It owns making, opening, saving, resuming and removing drafts, with their
// files, and what happens when two windows save one draft. It does not know
// questions (portal/form does) nor how a draft is sent (portal/sending).
//
// Only this package opens a draft's key, for its owner; portal/sending has the
// one exception, Arrival, which re-encrypts the locked revision as a case. A
// test lists all callers.
package drafts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
)

// Config is what Drafts needs.
type Config struct {
	DB    *sqldb.DB
	Vault portal.Vault
	// Service gives a version by its hash; Newest what a tenant offers now.
	Service func(ctx context.Context, hash string) (*form.Service, error)
	Newest  func(portal.TenantID, portal.ServiceID) (*form.Service, bool)
	// Tenants are those of a group.
	Tenants func(portal.GroupID) []portal.TenantID
	// Facts are asked when a draft is made, for what is prefilled.
	Facts func(ctx context.Context, v portal.Visitor, s *form.Service) (form.Facts, error)
	Now   func() time.Time
	// Past is the time that has surely come, by which what is over is erased; see
	// clock.Clock. Default Now.
	Past func() time.Time
	Log  *slog.Logger
	// MaxOpen is how many a person may have with a group; default 50. MaxBytes
	// bounds the files of one draft; default 20 MiB, so that with the answers it is
	// within what the signing service takes, 25 MiB.
	MaxOpen  int
	MaxBytes int64
	// AnonymousLife is how long a draft without login lives; default 24 h.
	// AnonymousEmpty is how long one lives in which nothing was ever saved; default
	// 1 h.
	AnonymousLife, AnonymousEmpty time.Duration
	// Whoever is not logged in can come as often as they like, so what they keep is
	// bounded for all together: AnonymousMax drafts, default 5,000, and
	// AnonymousBytes, default 500 MB. Small answers can be saved even then.
	AnonymousMax   int
	AnonymousBytes int64
}

// Drafts keeps them.
type Drafts struct{ Config }

const (
	// maxBody is plenty for what people type.
	maxBody = 1 << 20
	// smallBody is what is saved also where there is no more room for the anonymous.
	smallBody = 64 << 10
	// draftLife is how long a draft lives whose service does not say (P-54).
	draftLife = 90 * 24 * time.Hour
)

// New makes one.
func New(c Config) (*Drafts, error) {
	if c.DB == nil || c.Service == nil || c.Newest == nil || c.Tenants == nil || c.Facts == nil || c.Now == nil {
		return nil, errors.New("drafts: something is missing in the configuration")
	}
	if c.Past == nil {
		c.Past = c.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.MaxOpen = cmp.Or(c.MaxOpen, 50)
	c.MaxBytes = cmp.Or(c.MaxBytes, 20<<20)
	c.AnonymousLife = cmp.Or(c.AnonymousLife, 24*time.Hour)
	c.AnonymousEmpty = cmp.Or(c.AnonymousEmpty, time.Hour)
	c.AnonymousMax = cmp.Or(c.AnonymousMax, 5000)
	c.AnonymousBytes = cmp.Or(c.AnonymousBytes, 500e6)
	return &Drafts{c}, nil
}

// Errors that people can cause.
var (
	// ErrTooMany says that the person has as many drafts as one may have, or that
	// all who are not logged in have together.
	ErrTooMany = errors.New("drafts: too many")
	// ErrBusy says that all who are not logged in have as much as is kept for them:
	// nothing was saved, it may go later, and it does for whoever logs in.
	ErrBusy = errors.New("drafts: no room for more without login")
	// ErrTooMuch says that the answers are more than is kept of one draft: nothing
	// was saved.
	ErrTooMuch = errors.New("drafts: too much was answered")
	// ErrLocked says that it waits for signatures: withdraw it first.
	ErrLocked = errors.New("drafts: locked for signing")
)

// Conflict is the error of a save that came too late: another window saved the
// draft since. What this one brought is kept aside, but for files, which are
// attached again.
type Conflict struct {
	Base, Now int // revisions
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("drafts: saved meanwhile: revision %d, not %d", c.Now, c.Base)
}

// BadFile is the error of a file that is not taken.
type BadFile struct {
	Why FileFault
	Max string // what is allowed, as text for people: "10 MB", "pdf, jpg"
}

func (b *BadFile) Error() string { return "drafts: file refused: " + string(b.Why) }

// FileFault is why.
type FileFault string

const (
	FileEmpty FileFault = "file_empty"
	FileLarge FileFault = "file_large"
	FileType  FileFault = "file_type" // by its content, whatever it is called
	FileName  FileFault = "file_name"
	FileMany  FileFault = "file_many"
	FileTotal FileFault = "file_total" // the draft's files together
)
