// Package store is the portal's rows and the statements over them.
//
// It owns tables, migrations and SQL; what is said in a row is sealed by whoever
// writes it, and who may see it is decided there too: nothing here checks
// anybody's right. Writing statements take a transaction, so that an act, its
// audit event and its side effects are one (invariant I7); reading ones take a
// Reader, which a transaction is as well.
package store

import (
	"database/sql"
	"errors"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
)

var errNotBuilt = errors.New("store: not built yet")

// Reader reads rows: a transaction, or Last over a database.
type Reader interface {
	Row(query string, args ...any) sqldb.Row
	Rows(query string, args ...any) (*sql.Rows, error)
}

// Errors of statements. All others are the database's.
var (
	// ErrNone says that there is no such row.
	ErrNone = errors.New("store: no such row")
	// ErrStale says that the row is no longer as the caller saw it.
	ErrStale = errors.New("store: changed meanwhile")
	// ErrTwice says that it is there already.
	ErrTwice = errors.New("store: is there already")
)

// Draft is a draft's row. Owner is a PersonKey, or of an anonymous draft the
// browser's name.
type Draft struct {
	portal.DraftHead
	Owner string
	// Key is the draft's own, sealed by the tenant's box; everything sealed below
	// is under it.
	Key []byte
	// Body is a sealed portal.Draft without its head.
	Body []byte
	// Outgoing is the sealed order as it was or will be handed to the signing
	// service, with the locked revision; empty while the draft is open.
	Outgoing []byte
	// Attempt is the Idempotency-Key of that order.
	Attempt string
	// Looked is when the signing service was last asked.
	Looked time.Time
}

// DraftFile is a file of a draft: sealed under the draft's key.
type DraftFile struct {
	ID      portal.FileID
	Draft   portal.DraftID
	Size    int64 // of what is sealed
	Sealed  []byte
	Created time.Time
}

// Aside is a version of a draft that came too late: it was saved from a window
// that showed an older one. There is at most one; the newest wins.
type Aside struct {
	Draft portal.DraftID
	Base  int // the revision that the window showed
	Body  []byte
	Saved time.Time
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

// Case is a case's row. Body is a sealed portal.Submission, under the tenant's
// box.
type Case struct {
	portal.CaseHead
	Body []byte
}

// CasePerson is somebody who sees a case on Mina sidor.
type CasePerson struct {
	Case   portal.CaseID
	Person portal.PersonKey // or, of an anonymous case, the browser's name
	Owner  bool             // the applicant; otherwise a co-owner
}

// CaseFile is a document of a case, sealed under the tenant's box.
type CaseFile struct {
	ID     portal.FileID
	Case   portal.CaseID
	Kind   portal.FileKind
	Meta   []byte // a sealed form.File
	Sealed []byte
}

// Message is one of a case. Body is sealed under the tenant's box.
type Message struct {
	ID   string
	Case portal.CaseID
	At   time.Time
	By   portal.Role
	Body []byte
	Read time.Time
}

// Event is one of a case's history.
type Event struct {
	Case  portal.CaseID
	At    time.Time
	Kind  portal.EventKind
	State portal.CaseState
	By    portal.Role
}

// Profile is what a person said about being told. Body is sealed.
type Profile struct {
	Group  portal.GroupID
	Person portal.PersonKey
	Body   []byte
}

// Session is somebody's login. ID is the hash of the secret in the cookie.
type Session struct {
	ID      string
	Kind    string // "citizen", "officer"
	Tenant  portal.TenantID
	Group   portal.GroupID
	Body    []byte // sealed
	Created time.Time
	Seen    time.Time // for the limit on doing nothing
	Expires time.Time // at the latest
}

// Held is something short-lived that one browser may take back once: a login
// under way, or a form that came when its login had ended.
type Held struct {
	ID      string // hash of the secret that takes it
	Kind    string
	Body    []byte
	Expires time.Time
}

// Tables is what the portal's database needs, besides the kit's own.
func Tables() []sqldb.Set { return nil }

// The statements. InsertX writes a new row or gives ErrTwice; X reads one or
// gives ErrNone.

func InsertDraft(tx *sqldb.Tx, d Draft) error                { return errNotBuilt }
func DraftOf(r Reader, id portal.DraftID) (Draft, error)     { return Draft{}, errNotBuilt }
func DraftByOrder(r Reader, order string) (Draft, error)     { return Draft{}, errNotBuilt }
func DraftByAttempt(r Reader, attempt string) (Draft, error) { return Draft{}, errNotBuilt }

// DraftsOf are those of an owner with a tenant of a group, newest change first,
// at most 100; their bodies are left out.
func DraftsOf(r Reader, owners []string, tenants []portal.TenantID) ([]Draft, error) {
	return nil, errNotBuilt
}

// UpdateDraft writes everything but id, tenant, service, version, owner, key and
// created. The row must still have the revision and state that were; ErrStale.
func UpdateDraft(tx *sqldb.Tx, d Draft, revision int, state portal.DraftState) error {
	return errNotBuilt
}

// DeleteDraft removes it with files, aside and asked.
func DeleteDraft(tx *sqldb.Tx, id portal.DraftID) error { return errNotBuilt }

// DraftsWaiting are those in the state waiting that were not looked at since.
func DraftsWaiting(r Reader, before time.Time, limit int) ([]Draft, error) { return nil, errNotBuilt }

// DraftsExpired are those, not waiting, whose time is over.
func DraftsExpired(r Reader, now time.Time, limit int) ([]Draft, error) { return nil, errNotBuilt }

// LookedAt notes when the signing service was asked.
func LookedAt(tx *sqldb.Tx, id portal.DraftID, at time.Time) error { return errNotBuilt }

func InsertDraftFile(tx *sqldb.Tx, f DraftFile) error { return errNotBuilt }
func DraftFileOf(r Reader, draft portal.DraftID, id portal.FileID) (DraftFile, error) {
	return DraftFile{}, errNotBuilt
}

// DraftFiles are all of a draft, with their content.
func DraftFiles(r Reader, draft portal.DraftID) ([]DraftFile, error)             { return nil, errNotBuilt }
func DeleteDraftFile(tx *sqldb.Tx, draft portal.DraftID, id portal.FileID) error { return errNotBuilt }

func PutAside(tx *sqldb.Tx, a Aside) error                  { return errNotBuilt }
func AsideOf(r Reader, draft portal.DraftID) (Aside, error) { return Aside{}, errNotBuilt }
func DeleteAside(tx *sqldb.Tx, draft portal.DraftID) error  { return errNotBuilt }

func InsertAsked(tx *sqldb.Tx, a Asked) error              { return errNotBuilt }
func DeleteAsked(tx *sqldb.Tx, draft portal.DraftID) error { return errNotBuilt }
func AskedOf(r Reader, persons []portal.PersonKey, tenants []portal.TenantID) ([]Asked, error) {
	return nil, errNotBuilt
}

// NextNumber counts a tenant's cases of a year: 1, 2, …, without gaps among
// those that were committed.
func NextNumber(tx *sqldb.Tx, tenant portal.TenantID, year int) (int, error) { return 0, errNotBuilt }

// InsertCase gives ErrTwice when the order has arrived already.
func InsertCase(tx *sqldb.Tx, c Case) error            { return errNotBuilt }
func CaseOf(r Reader, id portal.CaseID) (Case, error)  { return Case{}, errNotBuilt }
func CaseByOrder(r Reader, order string) (Case, error) { return Case{}, errNotBuilt }

// UpdateCase writes state, changed, closed and erase; the state must still be
// what it was: ErrStale.
func UpdateCase(tx *sqldb.Tx, c Case, was portal.CaseState) error { return errNotBuilt }

// SetBody replaces a case's body, when its receipt was made.
func SetBody(tx *sqldb.Tx, id portal.CaseID, body []byte) error { return errNotBuilt }

// DeleteCase removes it with everything that belongs to it.
func DeleteCase(tx *sqldb.Tx, id portal.CaseID) error { return errNotBuilt }

// CasesToErase are the closed ones whose time is over.
func CasesToErase(r Reader, now time.Time, limit int) ([]Case, error) { return nil, errNotBuilt }

// Page is where a list goes on: the zero value begins it. Lists go from the
// newest change backwards and cost the same however many rows there are.
type Page struct {
	Before time.Time
	ID     portal.CaseID
	Limit  int // default 50, at most 200
}

// CasesOf are a person's, closed or not, without bodies. Unread counts what
// officers wrote and the person has not read.
func CasesOf(r Reader, persons []portal.PersonKey, tenants []portal.TenantID, closed bool, p Page) ([]Case, error) {
	return nil, errNotBuilt
}
func CountCasesOf(r Reader, persons []portal.PersonKey, tenants []portal.TenantID) (open, closed int, err error) {
	return 0, 0, errNotBuilt
}

// CasesFor are those of groups of a tenant's officers, without bodies. Unread
// counts what citizens wrote and no officer has read.
func CasesFor(r Reader, tenant portal.TenantID, groups []string, states []portal.CaseState, p Page) ([]Case, error) {
	return nil, errNotBuilt
}

func InsertPerson(tx *sqldb.Tx, p CasePerson) error              { return errNotBuilt }
func PersonsOf(r Reader, id portal.CaseID) ([]CasePerson, error) { return nil, errNotBuilt }
func InsertCaseFile(tx *sqldb.Tx, f CaseFile) error              { return errNotBuilt }

// CaseFiles are all of a case, without their content.
func CaseFiles(r Reader, id portal.CaseID) ([]CaseFile, error) { return nil, errNotBuilt }
func CaseFileOf(r Reader, id portal.CaseID, file portal.FileID) (CaseFile, error) {
	return CaseFile{}, errNotBuilt
}
func InsertMessage(tx *sqldb.Tx, m Message) error            { return errNotBuilt }
func Messages(r Reader, id portal.CaseID) ([]Message, error) { return nil, errNotBuilt }

// MarkRead notes that the other side read what a role wrote.
func MarkRead(tx *sqldb.Tx, id portal.CaseID, by portal.Role, at time.Time) (int64, error) {
	return 0, errNotBuilt
}
func InsertEvent(tx *sqldb.Tx, e Event) error            { return errNotBuilt }
func Events(r Reader, id portal.CaseID) ([]Event, error) { return nil, errNotBuilt }

func PutProfile(tx *sqldb.Tx, p Profile) error { return errNotBuilt }
func ProfileOf(r Reader, group portal.GroupID, person portal.PersonKey) (Profile, error) {
	return Profile{}, errNotBuilt
}
func DeleteProfile(tx *sqldb.Tx, group portal.GroupID, person portal.PersonKey) error {
	return errNotBuilt
}

// ForgetPersons removes the profiles of persons who have no draft and no case
// left and have not logged in since.
func ForgetPersons(tx *sqldb.Tx, before time.Time) (int64, error) { return 0, errNotBuilt }

func PutSession(tx *sqldb.Tx, s Session) error                   { return errNotBuilt }
func SessionOf(r Reader, id string) (Session, error)             { return Session{}, errNotBuilt }
func TouchSession(tx *sqldb.Tx, id string, seen time.Time) error { return errNotBuilt }
func DeleteSession(tx *sqldb.Tx, id string) error                { return errNotBuilt }

// SessionsEnded are those that did nothing since, or whose time is over.
func SessionsEnded(r Reader, idleSince, now time.Time, limit int) ([]Session, error) {
	return nil, errNotBuilt
}
func PutHeld(tx *sqldb.Tx, h Held) error { return errNotBuilt }

// TakeHeld gives it and removes it: once.
func TakeHeld(tx *sqldb.Tx, id, kind string, now time.Time) (Held, error) { return Held{}, errNotBuilt }
func PurgeHeld(tx *sqldb.Tx, now time.Time) error                         { return errNotBuilt }
