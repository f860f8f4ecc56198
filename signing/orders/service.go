// Package orders runs signing orders: it opens them for clients, invites the
// signatories, lets them read and sign, takes in their verified signatures, and
// when the last has signed has the receipt made, verified and released.
//
// It owns the life of an order from a client's wish until it is erased: every
// act is one transaction with its outbox entries and audit events, what is due
// is done by whichever node comes first, and nothing is done twice. The rules
// themselves are signing's; e-ID orders are run by broker/flow; receipts are
// drawn by signing/receipt and sealed by signing/pades; pages and the API are
// drawn by signing/web and signing/api. It is the only place where an order's
// own key is unwrapped; see access.go for by whom.
package orders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/letters"
	"sigill/signing/pades"
	"sigill/signing/receipt"
)

// Owner is the name under which flow knows this room's e-ID orders. The order's
// Ref is "{order id}/{n}".
const Owner = "signing"

// Keys makes the room's keys; it is part of *keys.Ring.
type Keys interface {
	Box(purpose string) (*keys.Box, error)
	Index(purpose string) (func([]byte) []byte, error)
}

// Clients finds those who ask for signatures; broker.ErrNotFound when there is
// no such client.
type Clients interface {
	Client(ctx context.Context, id string) (broker.Client, error)
}

// Recorder writes acts to the audit that change nothing else; it is part of
// *store.Store.
type Recorder interface {
	Record(ctx context.Context, events ...audit.Event) error
}

// Receipts draws receipts; it is part of *receipt.Writer.
type Receipts interface {
	Make(k receipt.Kvittens, files []receipt.File) ([]byte, error)
}

// Sealer seals them; it is part of *pades.Sealer.
type Sealer interface {
	Seal(file []byte, at time.Time, info pades.Info) ([]byte, error)
	Organisation() string
}

// Proofs gives evidence as files to attach; it is part of *evidence.Verifier.
type Proofs interface {
	File(e providers.Evidence, n int) receipt.File
	Parts(e providers.Evidence, n int) ([]receipt.File, error)
}

// Mail is an e-mail to a signatory. ID is the same at each try.
type Mail struct {
	ID      string
	From    string // the name of who asks
	To      string
	Lang    string
	Message letters.Message
}

// SMS is a text message to a signatory. ID is the same at each try.
type SMS struct{ ID, To, Text string }

// Hook is news for a client. ID is the same at each try.
type Hook struct {
	ID, URL string
	At      time.Time // of what it tells of
	Body    []byte    // JSON
}

// Keep is how long orders are kept after they are over.
type Keep struct {
	Completed time.Duration // default 2 years
	Other     time.Duration // default 90 days
}

// Config is what a Service needs. Mail, SMS, Hook, Wake, Purge, Zone, Log, Now,
// Poll, LoginAge, Limits and Keep may be left out.
type Config struct {
	Issuer   string // the installation's address
	Store    Store
	Audit    Recorder
	Keys     Keys
	Short    broker.Short
	Clients  Clients
	Receipts Receipts
	Sealer   Sealer
	Proofs   Proofs
	// Offers are the configured e-IDs of a client, in the order shown; Provider
	// finds the one that stands behind an instance.
	Offers   func(broker.Client) []providers.Info
	Provider func(id providers.ID, instance string) (providers.Provider, bool)
	// Begin starts an e-ID order; it is *flow.Engine's. Results come to Settled.
	Begin func(context.Context, flow.Begin) error
	// Believe refuses what a receipt would say of a signature, where the proof does
	// not bear it out for those who have the published trust file. It is asked before
	// the signature counts: its receipt could never be released.
	Believe func(said receipt.Signature, by personnummer.Number, proof providers.Evidence, digest [32]byte) error
	// Verify refuses a sealed receipt that a stranger would refuse. What it has
	// not accepted is not released.
	Verify func(ctx context.Context, file []byte) error
	// VerifyURL and TrustSHA256 (hex) stand in receipts.
	VerifyURL, TrustSHA256 string
	// PersonDigest names a person in the audit.
	PersonDigest func(personnummer.Number) string

	// Mail, SMS and Hook send. A client that asks for a way that is nil is
	// refused. Their errors may say that another try is in vain; see outbox.
	Mail func(context.Context, Mail) error
	SMS  func(context.Context, SMS) error
	Hook func(context.Context, broker.Client, Hook) error
	// Wake tells the outbox that there is something to do.
	Wake func()
	// Purge clears the store of what nobody asks for any more.
	Purge func(context.Context, time.Time) error

	Zone     *time.Location // of the times in messages; default Europe/Stockholm
	Log      *slog.Logger
	Now      func() time.Time
	Past     func() time.Time // that has surely come, by which the clock ends and erases; see clock.Clock; default Now
	Poll     time.Duration    // how often it looks for what is due; default 15 s
	LoginAge time.Duration    // how old a guest's login may be; default 1 h
	Limits   signing.Limits
	Keep     Keep
}

// Service runs orders. It may be used by many goroutines, and by many processes
// at once.
type Service struct {
	Config
	loopback  bool // the issuer is on this machine
	personKey func([]byte) []byte
	codeKey   func([]byte) []byte
	decoyHead []byte
}

// New checks the configuration and starts nothing.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Audit == nil || c.Keys == nil || c.Short == nil || c.Clients == nil || c.Receipts == nil || c.Sealer == nil ||
		c.Proofs == nil || c.Offers == nil || c.Provider == nil || c.Begin == nil || c.Believe == nil || c.Verify == nil || c.PersonDigest == nil {
		return nil, errors.New("orders: incomplete configuration")
	}
	if c.Limits.Order > receipt.MaxSize {
		return nil, fmt.Errorf("orders: documents of %d bytes in an order, and a receipt holds %d", c.Limits.Order, receipt.MaxSize)
	}
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, errors.New("orders: the issuer is no address")
	}
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Past == nil {
		c.Past = c.Now
	}
	if c.Zone == nil {
		if c.Zone, err = time.LoadLocation("Europe/Stockholm"); err != nil {
			return nil, err
		}
	}
	c.Poll = cmp.Or(c.Poll, 15*time.Second)
	c.LoginAge = cmp.Or(c.LoginAge, time.Hour)
	c.Limits = c.Limits.WithDefaults()
	c.Keep.Completed = cmp.Or(c.Keep.Completed, 2*365*24*time.Hour)
	c.Keep.Other = cmp.Or(c.Keep.Other, 90*24*time.Hour)

	s := &Service{Config: c, loopback: loopbackHost(issuer.Hostname())}
	if s.decoyHead, err = newDecoy(); err != nil {
		return nil, err
	}
	if s.personKey, err = c.Keys.Index("signing person"); err != nil {
		return nil, err
	}
	if s.codeKey, err = c.Keys.Index("signing code"); err != nil {
		return nil, err
	}
	return s, nil
}

// past is Past as orders keep time.
func (s *Service) past() time.Time { return s.Past().UTC().Truncate(time.Millisecond) }

// now is the time as orders keep it.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }
