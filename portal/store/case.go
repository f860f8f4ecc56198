package store

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
)

// Case is a case's row. Body is a sealed portal.Submission, under the tenant's
// box.
type Case struct {
	portal.CaseHead
	Body []byte
}

const (
	caseListed  = `c.id, c.number, c.tenant, c.service, c.version, c.officers, c.state, c.arrived, c.changed, c.closed, c.erase, c.order_id, c.anonymous`
	caseQuery   = `SELECT ` + caseListed + `, b.sealed FROM cases c JOIN case_bodies b ON b.case_id = c.id `
	caseByOrder = `WHERE c.order_id = $1 AND c.order_id <> ''`
)

func intoCase(c *Case) []any {
	return []any{&c.ID, &c.Number, &c.Tenant, &c.Service, &c.Version, &c.Group, &c.State, sqldb.IntoTime(&c.Arrived), sqldb.IntoTime(&c.Changed),
		sqldb.IntoTime(&c.Closed), sqldb.IntoTime(&c.Erase), &c.Order, &c.Anonymous}
}

// NextNumber counts a tenant's cases of a year: 1, 2, …, without gaps among
// those that were committed.
func NextNumber(tx *sqldb.Tx, tenant portal.TenantID, year int) (int, error) {
	var n int
	err := tx.Row(`INSERT INTO case_numbers (tenant, year, last) VALUES ($1, $2, 1)
		ON CONFLICT (tenant, year) DO UPDATE SET last = case_numbers.last + 1 RETURNING last`, string(tenant), year).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("next case number: %w", err)
	}
	return n, nil
}

// InsertCase gives ErrTwice when the order has arrived already, or the case is
// there.
func InsertCase(tx *sqldb.Tx, c Case) error {
	if c.ID == "" || c.Tenant == "" || c.Number == "" || len(c.Body) == 0 {
		return errors.New("insert case: without id, tenant, number or body")
	}
	n, err := tx.Exec(`INSERT INTO cases (id, number, tenant, service, version, officers, state, arrived, changed, closed, erase, order_id, anonymous)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
		string(c.ID), c.Number, string(c.Tenant), string(c.Service), c.Version, c.Group, string(c.State), sqldb.Millis(c.Arrived),
		sqldb.Millis(c.Changed), sqldb.Millis(c.Closed), sqldb.Millis(c.Erase), c.Order, c.Anonymous)
	if err != nil {
		return fmt.Errorf("insert case: %w", err)
	}
	if n == 0 {
		// Whoever takes this for an arrival that was made before removes the draft:
		// a number that is taken must not look like one.
		var there int
		if err := one(tx, "insert case", `SELECT count(*) FROM cases WHERE id = $1 OR (order_id = $2 AND order_id <> '')`,
			[]any{string(c.ID), c.Order}, &there); err != nil {
			return err
		}
		if there == 0 {
			return errors.New("insert case: its number is another's")
		}
		return ErrTwice
	}
	return exec(tx, "insert case's body", ErrTwice, `INSERT INTO case_bodies (case_id, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING`, string(c.ID), c.Body)
}

// CaseOf reads one.
func CaseOf(r Reader, id portal.CaseID) (Case, error) {
	return caseWhere(r, `WHERE c.id = $1`, string(id))
}

// CaseByOrder reads the one that an order became.
func CaseByOrder(r Reader, order string) (Case, error) {
	return caseWhere(r, caseByOrder, order)
}

func caseWhere(r Reader, where, key string) (Case, error) {
	var c Case
	if err := one(r, "read case", caseQuery+where, []any{key}, append(intoCase(&c), &c.Body)...); err != nil {
		return Case{}, err
	}
	return c, nil
}

// UpdateCase writes state, changed, closed and erase; the state must still be
// what it was: ErrStale.
func UpdateCase(tx *sqldb.Tx, c Case, was portal.CaseState) error {
	n, err := tx.Exec(`UPDATE cases SET state = $1, changed = $2, closed = $3, erase = $4 WHERE id = $5 AND state = $6`,
		string(c.State), sqldb.Millis(c.Changed), sqldb.Millis(c.Closed), sqldb.Millis(c.Erase), string(c.ID), string(was))
	if err != nil {
		return fmt.Errorf("update case: %w", err)
	}
	if n == 0 {
		return stale(tx, `SELECT count(*) FROM cases WHERE id = $1`, string(c.ID))
	}
	return exec(tx, "update case's people", nil, `UPDATE case_people SET over = $1, changed = $2 WHERE case_id = $3`,
		c.State == portal.Closed, sqldb.Millis(c.Changed), string(c.ID))
}

// SetBody replaces a case's body, when its receipt was made.
func SetBody(tx *sqldb.Tx, id portal.CaseID, body []byte) error {
	return exec(tx, "set case's body", ErrNone, `UPDATE case_bodies SET sealed = $1 WHERE case_id = $2`, body, string(id))
}

// DeleteCase removes it with everything that belongs to it, also what the outbox
// still holds for it. Its number is not used again.
func DeleteCase(tx *sqldb.Tx, id portal.CaseID) error {
	if _, err := tx.Exec(`DELETE FROM cases WHERE id = $1`, string(id)); err != nil {
		return fmt.Errorf("delete case: %w", err)
	}
	return outbox.Erase(tx, string(id))
}

const casesToEraseQuery = `SELECT ` + caseListed + ` FROM cases c WHERE c.erase <= $1 ORDER BY c.erase, c.id LIMIT $2`

// CasesToErase are the closed ones whose time is over, without bodies.
func CasesToErase(r Reader, now time.Time, limit int) ([]Case, error) {
	return list(r, "list cases to erase", intoCase, casesToEraseQuery, now.UnixMilli(), limit)
}

// Page is where a list goes on: the zero value begins it. Lists go from the
// newest change backwards and cost the same however many rows there are.
type Page struct {
	Before time.Time
	ID     portal.CaseID
	Limit  int // default 50, at most 200
}

// After is the page behind a list that was read with p; nil: there is none.
func (p Page) After(list []Case) *Page {
	if len(list) == 0 || len(list) < p.limit() {
		return nil
	}
	last := list[len(list)-1]
	return &Page{Before: last.Changed, ID: last.ID, Limit: p.Limit}
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, 200)
}

// The first parameters of a paged query: where it goes on, how many, and whose
// messages count as unread.
func (p Page) args(unread portal.Role) []any {
	before := int64(math.MaxInt64)
	if !p.Before.IsZero() {
		before = p.Before.UnixMilli()
	}
	return []any{before, string(p.ID), p.limit(), string(unread)}
}

// newest makes a query for the newest cases of several sources. Each gives
// case_id and changed of those it has, read from its index in its order; so a
// page costs what it shows, and is of one moment.
func newest(sources []string) string {
	for i, s := range sources {
		sources[i] = `SELECT case_id, changed FROM (` + s + ` ORDER BY changed DESC, case_id DESC LIMIT $3) AS s` + strconv.Itoa(i)
	}
	return `SELECT ` + caseListed + `,
			(SELECT count(*) FROM case_messages m WHERE m.case_id = c.id AND m.author = $4 AND m.seen IS NULL)
		FROM (SELECT DISTINCT case_id, changed FROM (` + strings.Join(sources, ` UNION ALL `) + `) AS u
			ORDER BY changed DESC, case_id DESC LIMIT $3) AS p
		JOIN cases c ON c.id = p.case_id ORDER BY p.changed DESC, p.case_id DESC`
}

func intoUnread(c *Case) []any { return append(intoCase(c), &c.Unread) }

// CasesOf are a person's, closed or not, without bodies. Unread counts what
// officers wrote and the person has not read.
func CasesOf(r Reader, persons []portal.PersonKey, tenants []portal.TenantID, closed bool, p Page) ([]Case, error) {
	if len(persons) == 0 || len(tenants) == 0 {
		return nil, nil
	}
	query, args := casesOfQuery(persons, tenants, closed, p)
	return list(r, "list a person's cases", intoUnread, query, args...)
}

func casesOfQuery(persons []portal.PersonKey, tenants []portal.TenantID, closed bool, p Page) (string, []any) {
	args := p.args(portal.ByOfficer)
	over := map[bool]string{true: "TRUE", false: "FALSE"}[closed]
	var sources []string
	for _, person := range persons {
		for _, t := range tenants {
			sources = append(sources, fmt.Sprintf(`SELECT case_id, changed FROM case_people
				WHERE person = $%d AND tenant = $%d AND over = %s AND (changed, case_id) < ($1, $2)`, len(args)+1, len(args)+2, over))
			args = append(args, string(person), string(t))
		}
	}
	return newest(sources), args
}

// CountCasesOf counts them.
func CountCasesOf(r Reader, persons []portal.PersonKey, tenants []portal.TenantID) (open, closed int, err error) {
	if len(persons) == 0 || len(tenants) == 0 {
		return 0, 0, nil
	}
	err = one(r, "count a person's cases", `SELECT count(DISTINCT CASE WHEN over THEN NULL ELSE case_id END), count(DISTINCT CASE WHEN over THEN case_id END)
		FROM case_people WHERE person IN `+among(1, len(persons))+` AND tenant IN `+among(1+len(persons), len(tenants)),
		with(with(nil, persons), tenants), &open, &closed)
	return open, closed, err
}

// CasesFor are those of groups of a tenant's officers, without bodies. Unread
// counts what citizens wrote and no officer has read.
func CasesFor(r Reader, tenant portal.TenantID, groups []string, states []portal.CaseState, p Page) ([]Case, error) {
	if tenant == "" || len(groups) == 0 || len(states) == 0 {
		return nil, nil
	}
	query, args := casesForQuery(tenant, groups, states, p)
	return list(r, "list officers' cases", intoUnread, query, args...)
}

func casesForQuery(tenant portal.TenantID, groups []string, states []portal.CaseState, p Page) (string, []any) {
	args := append(p.args(portal.ByCitizen), string(tenant))
	var sources []string
	for _, g := range groups {
		for _, s := range states {
			sources = append(sources, fmt.Sprintf(`SELECT id AS case_id, changed FROM cases
				WHERE tenant = $5 AND officers = $%d AND state = $%d AND (changed, id) < ($1, $2)`, len(args)+1, len(args)+2))
			args = append(args, g, string(s))
		}
	}
	return newest(sources), args
}

// CasePerson is somebody who sees a case on Mina sidor.
type CasePerson struct {
	Case   portal.CaseID
	Person portal.PersonKey // or, of an anonymous case, the browser's name
	Owner  bool             // the applicant; otherwise a co-owner
}

// InsertPerson adds one to a case that is there.
func InsertPerson(tx *sqldb.Tx, p CasePerson) error {
	if p.Person == "" {
		return errors.New("insert person: without a key")
	}
	return exec(tx, "insert person", ErrTwice, `INSERT INTO case_people (case_id, person, owner, tenant, over, changed)
		SELECT id, $2, $3, tenant, state = 'closed', changed FROM cases WHERE id = $1 ON CONFLICT DO NOTHING`,
		string(p.Case), string(p.Person), p.Owner)
}

// PersonsOf are those of a case, its owner first.
func PersonsOf(r Reader, id portal.CaseID) ([]CasePerson, error) {
	return list(r, "list a case's people", func(p *CasePerson) []any { return []any{&p.Case, &p.Person, &p.Owner} },
		`SELECT case_id, person, owner FROM case_people WHERE case_id = $1 ORDER BY owner DESC, person`, string(id))
}

// CaseFile is a document of a case, sealed under the tenant's box.
type CaseFile struct {
	ID     portal.FileID
	Case   portal.CaseID
	Kind   portal.FileKind
	Meta   []byte // a sealed form.File
	Sealed []byte
}

// InsertCaseFile adds one behind those that are there.
func InsertCaseFile(tx *sqldb.Tx, f CaseFile) error {
	return exec(tx, "insert case file", ErrTwice, `INSERT INTO case_files (case_id, id, n, kind, meta, sealed)
		SELECT $1, $2, count(*) + 1, $3, $4, $5 FROM case_files WHERE case_id = $1 ON CONFLICT DO NOTHING`,
		string(f.Case), string(f.ID), string(f.Kind), f.Meta, f.Sealed)
}

// CaseFiles are all of a case, without their content, in the order they came.
func CaseFiles(r Reader, id portal.CaseID) ([]CaseFile, error) {
	return list(r, "list case files", func(f *CaseFile) []any { return []any{&f.ID, &f.Case, &f.Kind, &f.Meta} },
		`SELECT id, case_id, kind, meta FROM case_files WHERE case_id = $1 ORDER BY n, id`, string(id))
}

// CaseFileOf reads one.
func CaseFileOf(r Reader, id portal.CaseID, file portal.FileID) (CaseFile, error) {
	var f CaseFile
	if err := one(r, "read case file", `SELECT id, case_id, kind, meta, sealed FROM case_files WHERE case_id = $1 AND id = $2`,
		[]any{string(id), string(file)}, &f.ID, &f.Case, &f.Kind, &f.Meta, &f.Sealed); err != nil {
		return CaseFile{}, err
	}
	return f, nil
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

// InsertMessage adds one. The same ID is the same message: ErrTwice.
func InsertMessage(tx *sqldb.Tx, m Message) error {
	if m.ID == "" {
		return errors.New("insert message: without id")
	}
	return exec(tx, "insert message", ErrTwice, `INSERT INTO case_messages (id, case_id, n, at, author, seen, body)
		SELECT $1, $2, coalesce(max(n), 0) + 1, $3, $4, $5, $6 FROM case_messages WHERE case_id = $2 ON CONFLICT DO NOTHING`,
		m.ID, string(m.Case), sqldb.Millis(m.At), string(m.By), sqldb.Millis(m.Read), m.Body)
}

// Messages are all of a case, oldest first.
func Messages(r Reader, id portal.CaseID) ([]Message, error) {
	return list(r, "list messages", func(m *Message) []any {
		return []any{&m.ID, &m.Case, sqldb.IntoTime(&m.At), &m.By, sqldb.IntoTime(&m.Read), &m.Body}
	}, `SELECT id, case_id, at, author, seen, body FROM case_messages WHERE case_id = $1 ORDER BY n`, string(id))
}

// MarkRead notes that the other side read what a role wrote, and tells how many
// messages that were.
func MarkRead(tx *sqldb.Tx, id portal.CaseID, by portal.Role, at time.Time) (int64, error) {
	n, err := tx.Exec(`UPDATE case_messages SET seen = $1 WHERE case_id = $2 AND author = $3 AND seen IS NULL`, sqldb.Millis(at), string(id), string(by))
	if err != nil {
		return 0, fmt.Errorf("mark messages as read: %w", err)
	}
	return n, nil
}

// Event is one of a case's history.
type Event struct {
	Case  portal.CaseID
	At    time.Time
	Kind  portal.EventKind
	State portal.CaseState
	By    portal.Role
}

// InsertEvent adds one behind those that are there.
func InsertEvent(tx *sqldb.Tx, e Event) error {
	return exec(tx, "insert event", ErrTwice, `INSERT INTO case_events (case_id, n, at, kind, state, author)
		SELECT $1, coalesce(max(n), 0) + 1, $2, $3, $4, $5 FROM case_events WHERE case_id = $1`,
		string(e.Case), sqldb.Millis(e.At), string(e.Kind), string(e.State), string(e.By))
}

// Events are all of a case, oldest first.
func Events(r Reader, id portal.CaseID) ([]Event, error) {
	return list(r, "list events", func(e *Event) []any { return []any{&e.Case, sqldb.IntoTime(&e.At), &e.Kind, &e.State, &e.By} },
		`SELECT case_id, at, kind, state, author FROM case_events WHERE case_id = $1 ORDER BY n`, string(id))
}
