// Package notices tells people what happened to their cases, by e-mail and SMS.
//
// It owns who is told, by which channel (what the person chose on the profile
// page, else what was left in the form; P-46, P-94), and the sending from the
// outbox. The words are portal/letters'. Before anything goes out the register
// is asked once more: nothing is ever sent to a protected person (P-30). One
// notice an event; none to whoever did it.
//
// A notice goes through the outbox twice: first whole, until it is known where
// it goes, and then once for each channel, so that one that fails sends nothing
// anew by the other.
package notices

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
	_ "time/tzdata" // times are said as people here say them, on any machine

	"sigill/broker/kit/notify"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/letters"
	"sigill/providers/personnummer"
)

// Config is what Notices needs.
type Config struct {
	DB        *sqldb.DB
	Vault     portal.Vault
	Mail, SMS notify.Sender // nil: there is none
	Tenant    func(portal.TenantID) (portal.Tenant, bool)
	Profile   func(ctx context.Context, g portal.GroupID, k portal.PersonKey) (form.Contact, error)
	MayTell   func(ctx context.Context, n personnummer.Number) (bool, error)
	// Wake wakes the outbox after a commit; nil: it finds what there is by itself.
	Wake func()
	Now  func() time.Time
	Log  *slog.Logger
	// Zone is where people live; nil: Sweden.
	Zone *time.Location
}

// Notices tells people.
type Notices struct{ Config }

// New makes one.
func New(c Config) (*Notices, error) {
	if c.DB == nil || c.Tenant == nil || c.Profile == nil || c.MayTell == nil || c.Now == nil {
		return nil, errors.New("notices: the database, tenants, profiles, the register's word or the clock is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Zone == nil {
		zone, err := time.LoadLocation("Europe/Stockholm")
		if err != nil {
			return nil, fmt.Errorf("notices: %w", err)
		}
		c.Zone = zone
	}
	return &Notices{c}, nil
}

// Notice is one thing to tell one person.
type Notice struct {
	Kind   letters.Kind
	Tenant portal.TenantID
	// Ref is the draft or case that it belongs to: it is erased with it.
	Ref string
	// Event makes its id: the same event is told once to a person.
	Event      string
	Person     portal.PersonKey // empty: anonymous
	Number     string           // 12 digits; empty: anonymous
	Contact    form.Contact     // what was left in the form
	Lang       string
	Title      string // of the service
	CaseNumber string
	// Path is where the link leads, below the tenant's address.
	Path string
	// Name is of the party that a returned draft is about. No message says it.
	Name     string
	Returned portal.Returned
	Deadline time.Time
	// Follow says that the case can be followed on Mina sidor (P-79).
	Follow bool
}

// Insert writes notices into the outbox, in the transaction of what happened. It
// seals with the tenant's box, which the caller has used before in this process:
// making one takes a transaction of its own. Nothing is told of a draft that its
// owner took back, nor to somebody who left no address and has no profile.
func (n *Notices) Insert(tx *sqldb.Tx, now time.Time, all ...Notice) error {
	for _, notice := range all {
		anonymous := notice.Person == ""
		switch {
		case notice.Kind == "" || notice.Tenant == "" || notice.Ref == "" || notice.Event == "":
			return errors.New("notices: a notice without kind, tenant, ref or event")
		case notice.Returned == portal.ReturnedWithdrawn:
			continue
		case anonymous && notice.Contact.Email == "" && notice.Contact.Phone == "":
			continue
		}
		e, err := n.entry(kindNotice, id(notice), notice.Tenant, notice.Ref, now, content{
			Kind: notice.Kind, Person: notice.Person, Number: notice.Number, Contact: notice.Contact, Lang: cmp.Or(notice.Lang, "sv"), Title: notice.Title,
			CaseNumber: notice.CaseNumber, Path: notice.Path, Returned: notice.Returned, Deadline: notice.Deadline, Follow: notice.Follow,
		})
		if err != nil {
			return err
		}
		if err := outbox.Insert(tx, e); err != nil {
			return fmt.Errorf("notices: %w", err)
		}
	}
	return nil
}

// id names what is told to a person of an event.
func id(n Notice) string {
	whom := []string{"person", string(n.Person)}
	if n.Person == "" {
		whom = []string{"contact", n.Contact.Email, n.Contact.Phone}
	}
	sum := sha256.Sum256(portal.Context(append([]string{"notice", string(n.Tenant), string(n.Kind), n.Event}, whom...)...))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// content is what an entry of the outbox holds, sealed.
type content struct {
	Kind       letters.Kind     `json:"kind"`
	Person     portal.PersonKey `json:"person,omitempty"`
	Number     string           `json:"number,omitempty"`
	Contact    form.Contact     `json:"contact,omitzero"` // until it is known where it goes
	To         string           `json:"to,omitempty"`     // from then on
	Lang       string           `json:"lang"`
	Title      string           `json:"title"`
	CaseNumber string           `json:"case_number,omitempty"`
	Path       string           `json:"path,omitempty"`
	Returned   portal.Returned  `json:"returned,omitempty"`
	Deadline   time.Time        `json:"deadline,omitzero"`
	Follow     bool             `json:"follow,omitempty"`
}

// envelope says whose box opens an entry.
type envelope struct {
	Tenant portal.TenantID `json:"tenant"`
	Sealed []byte          `json:"sealed"`
}

func (n *Notices) entry(kind, id string, t portal.TenantID, ref string, now time.Time, c content) (outbox.Entry, error) {
	box, err := n.Vault.Tenant(t)
	if err != nil {
		return outbox.Entry{}, fmt.Errorf("notices: %w", err)
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return outbox.Entry{}, fmt.Errorf("notices: %w", err)
	}
	payload, err := json.Marshal(envelope{t, box.Seal(plain, where(kind, id, t, ref))})
	if err != nil {
		return outbox.Entry{}, fmt.Errorf("notices: %w", err)
	}
	return outbox.Entry{ID: id, Kind: kind, Ref: ref, Payload: payload, Created: now}, nil
}

// open reads what entry holds.
func (n *Notices) open(e outbox.Entry) (portal.TenantID, content, error) {
	var env envelope
	if err := json.Unmarshal(e.Payload, &env); err != nil || env.Tenant == "" {
		return "", content{}, outbox.Permanent(fmt.Errorf("notices: entry %s is of another form", e.ID))
	}
	box, err := n.Vault.Tenant(env.Tenant)
	if err != nil {
		return "", content{}, fmt.Errorf("notices: %w", err)
	}
	plain, err := box.Open(env.Sealed, where(e.Kind, e.ID, env.Tenant, e.Ref))
	if err != nil {
		return "", content{}, fmt.Errorf("notices: entry %s: %w", e.ID, err)
	}
	var c content
	if json.Unmarshal(plain, &c) != nil {
		return "", content{}, outbox.Permanent(fmt.Errorf("notices: entry %s is of another form", e.ID))
	}
	return env.Tenant, c, nil
}

func where(kind, id string, t portal.TenantID, ref string) []byte {
	return portal.Context("outbox", string(t), kind, ref, id)
}
