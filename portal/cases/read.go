package cases

import (
	"context"
	"fmt"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// Mine is what Mina sidor shows.
type Mine struct {
	Drafts []portal.DraftHead // not sent: filled in here
	Asked  []Asked            // somebody waits for this person's signature
	Sent   []portal.CaseHead
	Closed []portal.CaseHead
	// MoreSent and MoreClosed say where the lists go on; nil: they do not.
	MoreSent, MoreClosed   *store.Page
	CountSent, CountClosed int
}

// Asked is something that waits for somebody's signature, with what it is called.
type Asked struct {
	store.Asked
	Title string
}

// Overview gives what a person has with all tenants of the group. Drafts are
// filled in by the caller. portal.ErrNotFound to whoever is not logged in.
func (c *Cases) Overview(ctx context.Context, v portal.Visitor, sent, closed store.Page) (Mine, error) {
	if !v.LoggedIn() {
		return Mine{}, portal.ErrNotFound
	}
	var m Mine
	last, keys, tenants := store.Last(ctx, c.DB), v.Keys(), c.Tenants(v.Group)
	rows, err := store.CasesOf(last, keys, tenants, false, sent)
	if err != nil {
		return Mine{}, fmt.Errorf("cases: %w", err)
	}
	m.Sent, m.MoreSent = heads(rows), sent.After(rows)
	if rows, err = store.CasesOf(last, keys, tenants, true, closed); err != nil {
		return Mine{}, fmt.Errorf("cases: %w", err)
	}
	m.Closed, m.MoreClosed = heads(rows), closed.After(rows)
	if m.CountSent, m.CountClosed, err = store.CountCasesOf(last, keys, tenants); err != nil {
		return Mine{}, fmt.Errorf("cases: %w", err)
	}
	asked, err := store.AskedOf(last, keys, tenants)
	if err != nil {
		return Mine{}, fmt.Errorf("cases: %w", err)
	}
	for _, a := range asked {
		title, err := openAsked(c.Vault, a)
		if err != nil {
			return Mine{}, err
		}
		m.Asked = append(m.Asked, Asked{a, title})
	}
	return m, nil
}

func heads(rows []store.Case) []portal.CaseHead {
	var list []portal.CaseHead
	for _, r := range rows {
		list = append(list, r.CaseHead)
	}
	return list
}

// Head says what case it is to somebody it is about, without its content: nothing
// is marked as read, and nothing noted but that somebody else asked.
// portal.ErrNotFound to everybody else.
func (c *Cases) Head(ctx context.Context, v portal.Visitor, id portal.CaseID) (portal.CaseHead, error) {
	row, _, err := c.citizen(ctx, v, id)
	if err != nil {
		return portal.CaseHead{}, err
	}
	return row.CaseHead, nil
}

// Open gives a case to somebody it is about, and marks its messages as read:
// in what is given, those that are new to the reader are still unread.
// portal.ErrNotFound to everybody else.
func (c *Cases) Open(ctx context.Context, v portal.Visitor, id portal.CaseID) (portal.Case, error) {
	row, who, err := c.citizen(ctx, v, id)
	if err != nil {
		return portal.Case{}, err
	}
	return c.read(ctx, row, who)
}

// Read gives a case to an officer who handles its kind: an audit event, written
// before it is shown.
func (c *Cases) Read(ctx context.Context, o portal.Officer, id portal.CaseID) (portal.Case, error) {
	row, who, err := c.officer(ctx, o, id)
	if err != nil {
		return portal.Case{}, err
	}
	return c.read(ctx, row, who)
}

// read takes everything of a case at one moment, and opens it when it is noted
// who reads.
func (c *Cases) read(ctx context.Context, row store.Case, who actor) (portal.Case, error) {
	other := portal.ByOfficer
	if who.role == portal.ByOfficer {
		other = portal.ByCitizen
	}
	event := c.event(audit.CaseRead, row, who)
	var messages []store.Message
	var events []store.Event
	var files []store.CaseFile
	err := c.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if row, err = store.CaseOf(tx, row.ID); err != nil {
			return err
		}
		if messages, err = store.Messages(tx, row.ID); err != nil {
			return err
		}
		if events, err = store.Events(tx, row.ID); err != nil {
			return err
		}
		if files, err = store.CaseFiles(tx, row.ID); err != nil {
			return err
		}
		if _, err = store.MarkRead(tx, row.ID, other, event.At); err != nil {
			return err
		}
		return audit.Insert(tx, event)
	})
	if err != nil {
		return portal.Case{}, known(err)
	}
	all := portal.Case{CaseHead: row.CaseHead}
	if all.Submission, err = OpenSubmission(c.Vault, row); err != nil {
		return portal.Case{}, err
	}
	for _, m := range messages {
		message, err := openMessage(c.Vault, row.CaseHead, m)
		if err != nil {
			return portal.Case{}, err
		}
		if m.By == other && m.Read.IsZero() {
			all.Unread++
		}
		all.Messages = append(all.Messages, message)
	}
	for _, e := range events {
		all.Events = append(all.Events, portal.Event{At: e.At, Kind: e.Kind, State: e.State, By: e.By})
	}
	for _, f := range files {
		file, err := openFile(c.Vault, row.CaseHead, f)
		if err != nil {
			return portal.Case{}, err
		}
		all.Files = append(all.Files, file)
	}
	return all, nil
}

// File gives a document of a case to somebody it is about.
func (c *Cases) File(ctx context.Context, v portal.Visitor, id portal.CaseID, file portal.FileID) (portal.CaseFile, []byte, error) {
	row, who, err := c.citizen(ctx, v, id)
	if err != nil {
		return portal.CaseFile{}, nil, err
	}
	return c.readFile(ctx, row, who, file)
}

// ReadFile gives a document of a case to an officer: an audit event too.
func (c *Cases) ReadFile(ctx context.Context, o portal.Officer, id portal.CaseID, file portal.FileID) (portal.CaseFile, []byte, error) {
	row, who, err := c.officer(ctx, o, id)
	if err != nil {
		return portal.CaseFile{}, nil, err
	}
	return c.readFile(ctx, row, who, file)
}

func (c *Cases) readFile(ctx context.Context, row store.Case, who actor, id portal.FileID) (portal.CaseFile, []byte, error) {
	f, err := store.CaseFileOf(store.Last(ctx, c.DB), row.ID, id)
	if err != nil {
		return portal.CaseFile{}, nil, known(err)
	}
	event := c.event(audit.CaseFileRead, row, who)
	event.Login = string(id)
	if err := c.DB.Write(ctx, func(tx *sqldb.Tx) error { return audit.Insert(tx, event) }); err != nil {
		return portal.CaseFile{}, nil, fmt.Errorf("cases: %w", err)
	}
	file, err := openFile(c.Vault, row.CaseHead, f)
	if err != nil {
		return portal.CaseFile{}, nil, err
	}
	content, err := openContent(c.Vault, row.CaseHead, f)
	if err != nil {
		return portal.CaseFile{}, nil, err
	}
	return file, content, nil
}

// Filter chooses cases for officers.
type Filter struct {
	States []portal.CaseState // empty: all but closed
	Page   store.Page
}

// Inbox gives the cases of an officer's groups.
func (c *Cases) Inbox(ctx context.Context, o portal.Officer, f Filter) ([]portal.CaseHead, *store.Page, error) {
	if o.Tenant == "" || o.Subject == "" {
		return nil, nil, portal.ErrNotFound
	}
	if len(f.States) == 0 {
		f.States = []portal.CaseState{portal.Arrived, portal.InProgress, portal.Supplement}
	}
	rows, err := store.CasesFor(store.Last(ctx, c.DB), o.Tenant, o.Groups, f.States, f.Page)
	if err != nil {
		return nil, nil, fmt.Errorf("cases: %w", err)
	}
	return heads(rows), f.Page.After(rows), nil
}
