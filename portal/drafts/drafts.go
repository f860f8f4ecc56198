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
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
)

var errNotBuilt = errors.New("drafts: not built yet")

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
	Log   *slog.Logger
	// MaxOpen is how many a person may have with a group; default 50. MaxBytes
	// bounds the files of one draft; default 25 MiB.
	MaxOpen  int
	MaxBytes int64
	// AnonymousLife is how long a draft without login lives; default 24 h.
	AnonymousLife time.Duration
}

// Drafts keeps them.
type Drafts struct{ Config }

// New makes one.
func New(c Config) (*Drafts, error) { return nil, errNotBuilt }

// Errors that people can cause.
var (
	// ErrTooMany says that the person has as many drafts as one may have.
	ErrTooMany = errors.New("drafts: too many")
	// ErrLocked says that it waits for signatures: withdraw it first.
	ErrLocked = errors.New("drafts: locked for signing")
)

// Conflict is the error of a save that came too late: another window saved the
// draft since. What this one brought is kept aside, whole.
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

// Begin makes a draft of the newest version, with what is known filled in.
func (d *Drafts) Begin(ctx context.Context, v portal.Visitor, t portal.TenantID, s portal.ServiceID) (portal.DraftID, error) {
	return "", errNotBuilt
}

// Open gives a draft to its owner; portal.ErrNotFound to everybody else.
func (d *Drafts) Open(ctx context.Context, v portal.Visitor, id portal.DraftID) (portal.Draft, error) {
	return portal.Draft{}, errNotBuilt
}

// List gives the heads of a person's drafts with all tenants of the group.
func (d *Drafts) List(ctx context.Context, v portal.Visitor) ([]portal.DraftHead, error) {
	return nil, errNotBuilt
}

// Save stores the answers of a step. revision is the one that the page showed:
// when there is a newer one, the error is *Conflict, and what came is kept
// aside. done marks the step as saved by the person's own button; saving by
// itself does not. ErrLocked when it waits for signatures.
func (d *Drafts) Save(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, step string, answers form.Answers, done bool) (portal.Draft, error) {
	return portal.Draft{}, errNotBuilt
}

// Aside gives what came too late, with its answers; portal.ErrNotFound when
// there is nothing.
func (d *Drafts) Aside(ctx context.Context, v portal.Visitor, id portal.DraftID) (portal.Draft, error) {
	return portal.Draft{}, errNotBuilt
}

// Settle ends a conflict: the draft becomes what was kept aside, or stays.
func (d *Drafts) Settle(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, aside bool) (portal.Draft, error) {
	return portal.Draft{}, errNotBuilt
}

// Attach adds a file to a field of type file. Its type is that of its content;
// of pictures everything but the picture is taken away. The error is *BadFile,
// *Conflict or ErrLocked.
func (d *Drafts) Attach(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, field, name string, content io.Reader) (portal.Draft, error) {
	return portal.Draft{}, errNotBuilt
}

// Detach removes one.
func (d *Drafts) Detach(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, field string, file portal.FileID) (portal.Draft, error) {
	return portal.Draft{}, errNotBuilt
}

// File gives a file's content.
func (d *Drafts) File(ctx context.Context, v portal.Visitor, id portal.DraftID, file portal.FileID) (form.File, []byte, error) {
	return form.File{}, nil, errNotBuilt
}

// Remove destroys a draft with its key and files, for good. ErrLocked while it
// waits for signatures.
func (d *Drafts) Remove(ctx context.Context, v portal.Visitor, id portal.DraftID) error {
	return errNotBuilt
}

// Expire removes those whose time is over. It may be called at any time.
func (d *Drafts) Expire(ctx context.Context) (int, error) { return 0, errNotBuilt }
