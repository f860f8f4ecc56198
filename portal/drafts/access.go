package drafts

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// What a draft says lies under the draft's own key, which lies under the
// tenant's. It is unwrapped here and nowhere else, and only before a witness;
// access_test.go lists who brings one.

// draftKey is a draft's own key, unwrapped.
type draftKey struct {
	box               keys.Loose
	tenant, owner, id string
}

// body is what Draft.Body holds.
type body struct {
	Lang    string       `json:"lang"`
	Answers form.Answers `json:"answers"`
	Saved   []string     `json:"saved,omitempty"`
}

// late is what Aside.Body holds: what was answered in the window that was late,
// to be laid over the draft as it is when the conflict is settled. So nothing is
// lost that was saved in the meantime.
type late struct {
	Answers form.Answers `json:"answers"`
	Saved   []string     `json:"saved,omitempty"`
}

func (k draftKey) context(what string, more ...string) []byte {
	return portal.Context(append([]string{what, k.tenant, k.owner, k.id}, more...)...)
}

func (k draftKey) sealBody(b body, revision int) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("draft %s: %w", k.id, err)
	}
	if len(plain) > maxBody {
		return nil, ErrTooMuch
	}
	return k.box.Seal(plain, k.context("draft", strconv.Itoa(revision))), nil
}

func (k draftKey) openBody(row store.Draft) (b body, err error) {
	return b, k.open(row.Body, k.context("draft", strconv.Itoa(row.Written)), &b)
}

func (k draftKey) sealLate(l late, base int) ([]byte, error) {
	plain, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("draft %s: %w", k.id, err)
	}
	if len(plain) > maxBody {
		return nil, ErrTooMuch
	}
	return k.box.Seal(plain, k.context("draft aside", strconv.Itoa(base))), nil
}

func (k draftKey) openLate(a store.Aside) (l late, err error) {
	return l, k.open(a.Body, k.context("draft aside", strconv.Itoa(a.Base)), &l)
}

func (k draftKey) open(sealed, context []byte, into any) error {
	plain, err := k.box.Open(sealed, context)
	if err == nil {
		err = json.Unmarshal(plain, into)
	}
	if err != nil {
		return fmt.Errorf("draft %s: %w", k.id, err)
	}
	return nil
}

func (k draftKey) fileContext(file portal.FileID) []byte {
	return portal.Context("draft file", k.id, string(file))
}

func (k draftKey) openFile(f store.DraftFile) ([]byte, error) {
	plain, err := k.box.Open(f.Sealed, k.fileContext(f.ID))
	if err != nil {
		return nil, fmt.Errorf("draft %s: file %s: %w", k.id, f.ID, err)
	}
	return plain, nil
}

// A witness says on whose behalf a draft's key is unwrapped, and vouches that it
// may be.
type witness interface{ vouch(row store.Draft) bool }

type (
	// owner is whoever sits at the browser; tenants are those of the group that
	// the browser is with.
	owner struct {
		visitor portal.Visitor
		tenants []portal.TenantID
	}
	// arrival is the exception: what was locked becomes a case.
	arrival struct{}
	// again is the other one: what was locked, and may not have reached the signing
	// service, is handed over once more as it is.
	again struct{}
)

func (w owner) vouch(row store.Draft) bool {
	if !slices.Contains(w.tenants, row.Tenant) {
		return false
	}
	mine := 0
	for _, name := range owners(w.visitor, row.Anonymous) {
		mine |= subtle.ConstantTimeCompare([]byte(name), []byte(row.Owner))
	}
	return mine == 1 && row.Owner != ""
}

func (arrival) vouch(row store.Draft) bool { return row.State != portal.Open && len(row.Outgoing) > 0 }

func (again) vouch(row store.Draft) bool {
	return row.State == portal.Sending && row.Order == "" && row.Attempt != "" && len(row.Outgoing) > 0
}

// owners are the names that a visitor's drafts lie under.
func owners(v portal.Visitor, anonymous bool) (names []string) {
	if anonymous {
		if v.Browser != "" {
			names = append(names, v.Browser)
		}
		return names
	}
	for _, k := range v.Keys() {
		names = append(names, string(k))
	}
	return names
}

// newKey makes the key of a new draft and what of it is stored.
func (d *Drafts) newKey(row *store.Draft) (draftKey, error) {
	box, err := d.Vault.Tenant(row.Tenant)
	if err != nil {
		return draftKey{}, fmt.Errorf("drafts: %w", err)
	}
	secret := keys.NewLoose()
	k := draftKey{tenant: string(row.Tenant), owner: row.Owner, id: string(row.ID)}
	row.Key = box.Seal(secret, k.context("draft key"))
	k.box, err = keys.OpenLoose(secret)
	return k, err
}

// unwrap opens a draft's own key before a witness.
func (d *Drafts) unwrap(row store.Draft, w witness) (draftKey, error) {
	if !w.vouch(row) {
		return draftKey{}, portal.ErrNotFound
	}
	box, err := d.Vault.Tenant(row.Tenant)
	if err != nil {
		return draftKey{}, fmt.Errorf("draft %s: %w", row.ID, err)
	}
	k := draftKey{tenant: string(row.Tenant), owner: row.Owner, id: string(row.ID)}
	secret, err := box.Open(row.Key, k.context("draft key"))
	if err != nil {
		return draftKey{}, fmt.Errorf("draft %s: its key: %w", row.ID, err)
	}
	k.box, err = keys.OpenLoose(secret)
	return k, err
}

// enter reads a draft for its owner. To everybody else it does not exist; that
// somebody else went for it is kept, also when it is not known who (P-50). act
// says what for.
func (d *Drafts) enter(ctx context.Context, v portal.Visitor, id portal.DraftID, act string) (store.Draft, draftKey, error) {
	row, err := store.DraftOf(store.Last(ctx, d.DB), id)
	if errors.Is(err, store.ErrNone) {
		return store.Draft{}, draftKey{}, portal.ErrNotFound
	}
	if err != nil {
		return store.Draft{}, draftKey{}, fmt.Errorf("drafts: %w", err)
	}
	k, err := d.unwrap(row, owner{v, d.Tenants(v.Group)})
	if errors.Is(err, portal.ErrNotFound) {
		if err := d.refuse(ctx, v, row, act); err != nil {
			return store.Draft{}, draftKey{}, err
		}
	}
	if err != nil {
		return store.Draft{}, draftKey{}, err
	}
	return row, k, nil
}

func (d *Drafts) refuse(ctx context.Context, v portal.Visitor, row store.Draft, act string) error {
	e, err := d.event(audit.DraftRefused, v, row, act)
	if err != nil {
		return err
	}
	if err := d.DB.Write(ctx, func(tx *sqldb.Tx) error { return audit.Insert(tx, e) }); err != nil {
		return fmt.Errorf("drafts: %w", err)
	}
	return nil
}

// event is an audit event about a draft. It is made before the transaction: the
// first one makes a key.
func (d *Drafts) event(t audit.Type, v portal.Visitor, row store.Draft, reason string) (audit.Event, error) {
	e := audit.Event{Type: t, At: d.Now(), Client: portal.Tenant{ID: row.Tenant}.Client(), Order: string(row.ID), Reason: reason}
	if v.LoggedIn() {
		var err error
		if e.Person, err = d.Vault.Audit(v.Number); err != nil {
			return audit.Event{}, fmt.Errorf("drafts: %w", err)
		}
	}
	return e, nil
}
