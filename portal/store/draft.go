package store

import (
	"errors"
	"fmt"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
)

// Draft is a draft's row. Owner is a PersonKey, or of an anonymous draft the
// browser's name.
type Draft struct {
	portal.DraftHead
	Owner string
	// Key is the draft's own, sealed by the tenant's box; everything sealed below
	// is under it.
	Key []byte
	// Body is a sealed portal.Draft without its head, and Written the revision that
	// it was sealed with: a draft that came back has a newer one.
	Body    []byte
	Written int
	// Notes are what became known of it since it was locked: sealed by the tenant's
	// box, since whoever writes them cannot open the draft.
	Notes []byte
	// Outgoing is the sealed order as it was or will be handed to the signing
	// service, with the locked revision; empty while the draft is open.
	Outgoing []byte
	// Attempt is the Idempotency-Key of that order.
	Attempt string
	// Looked is when the signing service was last asked.
	Looked time.Time
}

// What is read of drafts. Lists are without body and outgoing, which are large.
const (
	draftListed = `d.id, d.tenant, d.service, d.version, d.owner, d.anonymous, d.state, d.revision, d.written, d.order_id, d.attempt, d.returned,
		d.created, d.changed, d.expires, NULLIF(d.looked, 0), d.sealkey, d.notes`
	draftQuery = `SELECT ` + draftListed + `, b.sealed, o.sealed FROM drafts d JOIN draft_bodies b ON b.draft = d.id
		LEFT JOIN draft_outgoing o ON o.draft = d.id `
	draftByOrder     = `WHERE d.order_id = $1 AND d.order_id <> ''`
	draftByAttempt   = `WHERE d.attempt = $1 AND d.attempt <> ''`
	draftsOwnedQuery = `SELECT ` + draftListed + ` FROM drafts d WHERE d.owner IN %s AND d.tenant IN %s
		ORDER BY d.changed DESC, d.id DESC LIMIT 100`
	draftsWaitingQuery = `SELECT ` + draftListed + ` FROM drafts d WHERE d.state = 'waiting' AND d.looked < $1 ORDER BY d.looked, d.id LIMIT $2`
	draftsSendingQuery = `SELECT ` + draftListed + ` FROM drafts d WHERE d.state = 'sending' AND d.looked < $1 ORDER BY d.looked, d.id LIMIT $2`
	anonymousQuery     = `SELECT count(*) FROM drafts WHERE anonymous = TRUE`
	anonymousSizeQuery = `SELECT coalesce(sum(coalesce(length(b.sealed), 0) + coalesce(length(a.sealed), 0)
			+ (SELECT coalesce(sum(f.size), 0) FROM draft_files f WHERE f.draft = d.id)), 0)
		FROM drafts d LEFT JOIN draft_bodies b ON b.draft = d.id LEFT JOIN draft_asides a ON a.draft = d.id WHERE d.anonymous = TRUE`
	draftsExpiredQuery = `SELECT ` + draftListed + ` FROM drafts d WHERE d.state = 'open' AND d.expires <= $1 ORDER BY d.expires, d.id LIMIT $2`
)

func intoDraft(d *Draft) []any {
	return []any{&d.ID, &d.Tenant, &d.Service, &d.Version, &d.Owner, &d.Anonymous, &d.State, &d.Revision, &d.Written, &d.Order, &d.Attempt, &d.Returned,
		sqldb.IntoTime(&d.Created), sqldb.IntoTime(&d.Changed), sqldb.IntoTime(&d.Expires), sqldb.IntoTime(&d.Looked), &d.Key, &d.Notes}
}

// looked is how that time stands in its column, which is ordered.
func looked(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// InsertDraft writes a new one.
func InsertDraft(tx *sqldb.Tx, d Draft) error {
	if d.ID == "" || d.Tenant == "" || d.Owner == "" || len(d.Key) == 0 || len(d.Body) == 0 {
		return errors.New("insert draft: without id, tenant, owner, key or body")
	}
	if err := exec(tx, "insert draft", ErrTwice, `INSERT INTO drafts (id, tenant, service, version, owner, anonymous, state, revision,
		written, order_id, attempt, returned, created, changed, expires, looked, sealkey, notes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING`,
		string(d.ID), string(d.Tenant), string(d.Service), d.Version, d.Owner, d.Anonymous, string(d.State), d.Revision,
		d.Written, d.Order, d.Attempt, string(d.Returned), sqldb.Millis(d.Created), sqldb.Millis(d.Changed), sqldb.Millis(d.Expires),
		looked(d.Looked), d.Key, d.Notes); err != nil {
		return err
	}
	return writeDraft(tx, d)
}

// writeDraft writes what lies beside a draft's row.
func writeDraft(tx *sqldb.Tx, d Draft) error {
	if d.Body != nil {
		if _, err := tx.Exec(`INSERT INTO draft_bodies (draft, sealed) VALUES ($1, $2)
			ON CONFLICT (draft) DO UPDATE SET sealed = excluded.sealed`, string(d.ID), d.Body); err != nil {
			return fmt.Errorf("draft's body: %w", err)
		}
	}
	var err error
	switch {
	case d.State == portal.Open:
		_, err = tx.Exec(`DELETE FROM draft_outgoing WHERE draft = $1`, string(d.ID))
	case d.Outgoing != nil:
		// It is as it was as a rule, and comparing is cheaper than writing.
		_, err = tx.Exec(`INSERT INTO draft_outgoing (draft, sealed) VALUES ($1, $2)
			ON CONFLICT (draft) DO UPDATE SET sealed = excluded.sealed WHERE draft_outgoing.sealed <> excluded.sealed`, string(d.ID), d.Outgoing)
	}
	if err != nil {
		return fmt.Errorf("draft's outgoing: %w", err)
	}
	return nil
}

// DraftOf reads one.
func DraftOf(r Reader, id portal.DraftID) (Draft, error) {
	return draft(r, `WHERE d.id = $1`, string(id))
}

// DraftByOrder reads the one that waits for an order.
func DraftByOrder(r Reader, order string) (Draft, error) {
	return draft(r, draftByOrder, order)
}

// DraftByAttempt reads the one that was sent with a key.
func DraftByAttempt(r Reader, attempt string) (Draft, error) {
	return draft(r, draftByAttempt, attempt)
}

func draft(r Reader, where, key string) (Draft, error) {
	var d Draft
	if err := one(r, "read draft", draftQuery+where, []any{key}, append(intoDraft(&d), &d.Body, &d.Outgoing)...); err != nil {
		return Draft{}, err
	}
	return d, nil
}

// DraftsOf are those of an owner with a tenant of a group, newest change first,
// at most 100; their bodies are left out.
func DraftsOf(r Reader, owners []string, tenants []portal.TenantID) ([]Draft, error) {
	if len(owners) == 0 || len(tenants) == 0 {
		return nil, nil
	}
	query := fmt.Sprintf(draftsOwnedQuery, among(1, len(owners)), among(1+len(owners), len(tenants)))
	return list(r, "list drafts", intoDraft, query, with(with(nil, owners), tenants)...)
}

// CountDrafts counts them, however many there are.
func CountDrafts(r Reader, owners []string, tenants []portal.TenantID) (n int, err error) {
	if len(owners) == 0 || len(tenants) == 0 {
		return 0, nil
	}
	err = one(r, "count drafts", `SELECT count(*) FROM drafts WHERE owner IN `+among(1, len(owners))+` AND tenant IN `+among(1+len(owners), len(tenants)),
		with(with(nil, owners), tenants), &n)
	return n, err
}

// CountAnonymous counts the drafts of all who are not logged in.
func CountAnonymous(r Reader) (n int, err error) {
	err = one(r, "count anonymous drafts", anonymousQuery, nil, &n)
	return n, err
}

// SizeAnonymous is how many bytes those drafts hold, with their files.
func SizeAnonymous(r Reader) (n int64, err error) {
	err = one(r, "measure anonymous drafts", anonymousSizeQuery, nil, &n)
	return n, err
}

// UpdateDraft writes everything but id, tenant, service, version, owner, key and
// created. The row must still have the revision and state that were; ErrStale.
// A nil Body or Outgoing stays as it is, so that rows of lists can be written;
// of an open draft Outgoing is removed.
func UpdateDraft(tx *sqldb.Tx, d Draft, revision int, state portal.DraftState) error {
	n, err := tx.Exec(`UPDATE drafts SET state = $1, revision = $2, order_id = $3, attempt = $4, returned = $5, changed = $6, expires = $7, looked = $8,
		written = $9, notes = $10 WHERE id = $11 AND revision = $12 AND state = $13`,
		string(d.State), d.Revision, d.Order, d.Attempt, string(d.Returned), sqldb.Millis(d.Changed), sqldb.Millis(d.Expires), looked(d.Looked),
		d.Written, d.Notes, string(d.ID), revision, string(state))
	if err != nil {
		return fmt.Errorf("update draft: %w", err)
	}
	if n == 0 {
		return stale(tx, `SELECT count(*) FROM drafts WHERE id = $1`, string(d.ID))
	}
	return writeDraft(tx, d)
}

// stale says why nothing was updated.
func stale(r Reader, count string, id string) error {
	var there int
	if err := one(r, "look again", count, []any{id}, &there); err != nil {
		return err
	}
	if there == 0 {
		return ErrNone
	}
	return ErrStale
}

// DeleteDraft removes it with files, aside and asked, and whatever the outbox
// still holds for it.
func DeleteDraft(tx *sqldb.Tx, id portal.DraftID) error {
	if _, err := tx.Exec(`DELETE FROM drafts WHERE id = $1`, string(id)); err != nil {
		return fmt.Errorf("delete draft: %w", err)
	}
	return outbox.Erase(tx, string(id))
}

// DraftsWaiting are those in the state waiting that were not looked at since,
// the longest not looked at first, without bodies.
func DraftsWaiting(r Reader, before time.Time, limit int) ([]Draft, error) {
	return list(r, "list waiting drafts", intoDraft, draftsWaitingQuery, before.UnixMilli(), limit)
}

// DraftsSending are those in the state sending that were not looked at since,
// likewise: what a crash left between locking and placing the order.
func DraftsSending(r Reader, before time.Time, limit int) ([]Draft, error) {
	return list(r, "list drafts being sent", intoDraft, draftsSendingQuery, before.UnixMilli(), limit)
}

// DraftsExpired are those whose time is over, without bodies. One that is locked
// is not: what became of its order comes first.
func DraftsExpired(r Reader, now time.Time, limit int) ([]Draft, error) {
	return list(r, "list expired drafts", intoDraft, draftsExpiredQuery, now.UnixMilli(), limit)
}

// LookedAt notes when the signing service was asked.
func LookedAt(tx *sqldb.Tx, id portal.DraftID, at time.Time) error {
	return exec(tx, "note the look at a draft", ErrNone, `UPDATE drafts SET looked = $1 WHERE id = $2`, looked(at), string(id))
}

// DraftFile is a file of a draft: sealed under the draft's key.
type DraftFile struct {
	ID      portal.FileID
	Draft   portal.DraftID
	Size    int64 // of what is sealed
	Sealed  []byte
	Created time.Time
}

const draftFileQuery = `SELECT id, draft, size, created, sealed FROM draft_files WHERE draft = $1`

func intoDraftFile(f *DraftFile) []any {
	return []any{&f.ID, &f.Draft, &f.Size, sqldb.IntoTime(&f.Created), &f.Sealed}
}

// InsertDraftFile adds one.
func InsertDraftFile(tx *sqldb.Tx, f DraftFile) error {
	return exec(tx, "insert draft file", ErrTwice, `INSERT INTO draft_files (draft, id, size, created, sealed)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, string(f.Draft), string(f.ID), f.Size, sqldb.Millis(f.Created), f.Sealed)
}

// DraftFileOf reads one.
func DraftFileOf(r Reader, draft portal.DraftID, id portal.FileID) (DraftFile, error) {
	var f DraftFile
	if err := one(r, "read draft file", draftFileQuery+` AND id = $2`, []any{string(draft), string(id)}, intoDraftFile(&f)...); err != nil {
		return DraftFile{}, err
	}
	return f, nil
}

// DraftFiles are all of a draft, with their content, oldest first.
func DraftFiles(r Reader, draft portal.DraftID) ([]DraftFile, error) {
	return list(r, "read draft files", intoDraftFile, draftFileQuery+` ORDER BY created, id`, string(draft))
}

// DeleteDraftFile removes one.
func DeleteDraftFile(tx *sqldb.Tx, draft portal.DraftID, id portal.FileID) error {
	return exec(tx, "delete draft file", nil, `DELETE FROM draft_files WHERE draft = $1 AND id = $2`, string(draft), string(id))
}

// Aside is a version of a draft that came too late: it was saved from a window
// that showed an older one. There is at most one; the newest wins.
type Aside struct {
	Draft portal.DraftID
	Base  int // the revision that the window showed
	Body  []byte
	Saved time.Time
}

// PutAside keeps one.
func PutAside(tx *sqldb.Tx, a Aside) error {
	return exec(tx, "put aside", ErrNone, `INSERT INTO draft_asides (draft, base, saved, sealed) VALUES ($1, $2, $3, $4)
		ON CONFLICT (draft) DO UPDATE SET base = excluded.base, saved = excluded.saved, sealed = excluded.sealed`,
		string(a.Draft), a.Base, sqldb.Millis(a.Saved), a.Body)
}

// AsideOf reads it.
func AsideOf(r Reader, draft portal.DraftID) (Aside, error) {
	var a Aside
	if err := one(r, "read aside", `SELECT draft, base, saved, sealed FROM draft_asides WHERE draft = $1`, []any{string(draft)},
		&a.Draft, &a.Base, sqldb.IntoTime(&a.Saved), &a.Body); err != nil {
		return Aside{}, err
	}
	return a, nil
}

// DeleteAside removes it.
func DeleteAside(tx *sqldb.Tx, draft portal.DraftID) error {
	return exec(tx, "delete aside", nil, `DELETE FROM draft_asides WHERE draft = $1`, string(draft))
}

// Asked is somebody whose signature a waiting draft needs, for that person's own
// list. It says nothing but where to go.
type Asked struct {
	Draft  portal.DraftID
	Order  string
	Person portal.PersonKey
	Tenant portal.TenantID
	// Sealed, under the tenant's box, says the title.
	Sealed []byte
}

// InsertAsked adds one.
func InsertAsked(tx *sqldb.Tx, a Asked) error {
	return exec(tx, "insert asked", ErrTwice, `INSERT INTO draft_asked (draft, person, order_id, tenant, sealed)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, string(a.Draft), string(a.Person), a.Order, string(a.Tenant), a.Sealed)
}

// DeleteAsked removes all of a draft.
func DeleteAsked(tx *sqldb.Tx, draft portal.DraftID) error {
	return exec(tx, "delete asked", nil, `DELETE FROM draft_asked WHERE draft = $1`, string(draft))
}

// DeleteAskedPerson removes somebody who is not asked any more.
func DeleteAskedPerson(tx *sqldb.Tx, draft portal.DraftID, person portal.PersonKey) error {
	return exec(tx, "delete asked", nil, `DELETE FROM draft_asked WHERE draft = $1 AND person = $2`, string(draft), string(person))
}

// AskedOf are those of a person with tenants of a group, at most 100.
func AskedOf(r Reader, persons []portal.PersonKey, tenants []portal.TenantID) ([]Asked, error) {
	if len(persons) == 0 || len(tenants) == 0 {
		return nil, nil
	}
	return list(r, "list asked", func(a *Asked) []any { return []any{&a.Draft, &a.Order, &a.Person, &a.Tenant, &a.Sealed} },
		askedQuery(persons, tenants), with(with(nil, persons), tenants)...)
}

func askedQuery(persons []portal.PersonKey, tenants []portal.TenantID) string {
	return `SELECT draft, order_id, person, tenant, sealed FROM draft_asked
		WHERE person IN ` + among(1, len(persons)) + ` AND tenant IN ` + among(1+len(persons), len(tenants)) + ` ORDER BY draft, person LIMIT 100`
}
