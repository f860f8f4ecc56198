package sending

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/letters"
	"sigill/portal/notices"
	"sigill/portal/signclient"
	"sigill/portal/store"
)

// mismatch is why something that was signed is not what was locked: a word for
// the audit and the log.
type mismatch string

const (
	badSeal        mismatch = "seal"
	badOrder       mismatch = "order" // another one's, or another client's
	badTime        mismatch = "time"
	badDocuments   mismatch = "documents"
	badSignatories mismatch = "signatories"
)

// arrive makes a case of a draft whose order is completed.
func (d *Desk) arrive(ctx context.Context, row store.Draft, o signclient.Order) error {
	t, ok := d.Tenant(row.Tenant)
	if !ok {
		return errNoTenant
	}
	s, err := d.Service(ctx, row.Version)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	pdf, err := d.Signer.Document(ctx, row.Tenant, row.Order)
	if err != nil {
		return err
	}
	report, err := d.Verifier.Verify(ctx, pdf)
	if err != nil {
		return fmt.Errorf("sending: the receipt of order %s was not verified: %w", row.Order, err)
	}
	// Only what a good seal vouches for is worth opening the draft for.
	wrong := sealed(report, t, row.Order, o)
	if wrong == badSeal {
		// Whoever made it believed it, so the fault is more likely in what we were
		// told to believe. Nothing arrives, and nobody has to sign again: it is
		// tried until somebody has mended it.
		return d.doubted(ctx, row, t, report.Code)
	}
	var out drafts.Outgoing
	var files map[portal.FileID][]byte
	if wrong == "" {
		if out, files, err = d.Drafts.Arrival(ctx, row); err != nil {
			return d.unlessGone(ctx, row, err)
		}
		wrong = compare(report, out, files)
	}
	if wrong != "" {
		return d.refuse(ctx, row, o, t, wrong, report.Code)
	}
	a, err := d.arrival(t, s, row, out, o.CompletedAt)
	if err != nil {
		return err
	}
	known, err := d.parties(t, out, o)
	if err != nil {
		return err
	}
	for i := range known {
		known[i].State, known[i].Signed, known[i].SignURL = portal.PartySigned, signedAt(report, known[i].Number), ""
	}
	a.submission.Parties, a.submission.PDF = known, digest(pdf)
	a.submission.Applicant = portal.Person{Number: out.Parties[0].Number, Name: out.Parties[0].Name}
	if err := a.document(d.Vault, portal.SignedPDF, pdf); err != nil {
		return err
	}
	for _, f := range out.Files {
		if err := a.file(d.Vault, portal.CaseFile{File: f, Kind: portal.Attachment}, files[portal.FileID(f.ID)]); err != nil {
			return err
		}
	}
	for _, p := range known {
		switch {
		case p.Applicant:
			a.persons = append(a.persons, store.CasePerson{Case: a.head.ID, Person: portal.PersonKey(row.Owner), Owner: true})
			a.tell(t, portal.PersonKey(row.Owner), p.Number, out.Contact)
		case p.CoOwner:
			a.persons = append(a.persons, store.CasePerson{Case: a.head.ID, Person: p.Key})
			a.tell(t, p.Key, p.Number, form.Contact{Email: p.Email, Phone: p.Phone, Notify: ways(p.Email, p.Phone)})
		}
	}
	return d.commit(ctx, a, row, func(_ *sqldb.Tx, now store.Draft) (bool, error) {
		return now.State == portal.Waiting && now.Order == row.Order, nil
	})
}

// silence is how often it is said of an order that its seal is not believed.
const silence = time.Hour

// doubted says that the seal of an order is not believed: once in the audit, and in
// the log from time to time, however often it is looked at. It is an error.
func (d *Desk) doubted(ctx context.Context, row store.Draft, t portal.Tenant, code string) error {
	now := d.Now()
	say := false
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		fresh := false
		say = false
		if err := d.Drafts.Troubled(tx, row.ID, row.Order, func(trouble *drafts.Trouble) bool {
			fresh, say = trouble.Doubted.IsZero(), now.Sub(trouble.Doubted) >= silence
			if say {
				trouble.Doubted = now
			}
			return say
		}); err != nil || !fresh {
			return err
		}
		return audit.Insert(tx, audit.Event{
			Type: audit.DraftSignatureRefused, At: now, Client: t.Client(), Order: string(row.ID), Login: row.Order, Reason: string(badSeal),
		})
	})
	switch {
	case errors.Is(err, store.ErrNone) || errors.Is(err, portal.ErrNotFound) || errors.Is(err, store.ErrStale):
		return nil // it has gone another way
	case err != nil:
		return fmt.Errorf("sending: %w", err)
	}
	if say {
		d.Log.ErrorContext(ctx, "the seal of a completed order is not believed; it is looked at again until it is", "draft", row.ID, "order", row.Order, "code", code)
	}
	return fmt.Errorf("sending: the receipt of order %s is not believed here (%s): %w", row.Order, code, errKnown)
}

// unlessGone is an error, unless the draft has meanwhile gone another way.
func (d *Desk) unlessGone(ctx context.Context, row store.Draft, err error) error {
	now, errRead := store.DraftOf(store.Last(ctx, d.DB), row.ID)
	if errors.Is(errRead, store.ErrNone) || errRead == nil && (now.State == portal.Open || now.Order != row.Order) {
		return nil
	}
	return fmt.Errorf("sending: %w", err)
}

// sealed compares what the seal itself says with the order.
func sealed(r portal.Report, t portal.Tenant, order string, o signclient.Order) mismatch {
	switch {
	case !r.Valid:
		return badSeal
	case r.Order != order || o.ID != order || r.Client != t.Client():
		return badOrder
	case !r.Completed.Truncate(time.Second).Equal(o.CompletedAt.Truncate(time.Second)):
		return badTime
	}
	return ""
}

// compare compares what was signed, and by whom, with what was locked.
func compare(r portal.Report, out drafts.Outgoing, files map[portal.FileID][]byte) mismatch {
	var signed, names []string
	for _, doc := range r.Documents {
		signed, names = append(signed, strings.ToLower(doc.SHA256)), append(names, doc.Name)
	}
	if len(out.Digests) == 0 || !slices.Equal(signed, out.Digests) || len(out.Digests) != 1+len(out.Files) || !slices.Equal(names, out.Names) {
		return badDocuments
	}
	// What becomes the case is what the digests are of.
	if sum, err := ContentDigest(out.Blocks); err != nil || sum != out.Digests[0] {
		return badDocuments
	}
	for i, f := range out.Files {
		if digest(files[portal.FileID(f.ID)]) != out.Digests[1+i] {
			return badDocuments
		}
	}
	var asked, did []string
	for _, p := range out.Parties {
		asked = append(asked, p.Number)
	}
	for _, s := range r.Signed {
		did = append(did, s.Number.Digits())
	}
	slices.Sort(asked)
	slices.Sort(did)
	if len(asked) == 0 || !slices.Equal(asked, did) {
		return badSignatories
	}
	return ""
}

func signedAt(r portal.Report, number string) time.Time {
	for _, s := range r.Signed {
		if s.Number.Digits() == number {
			return s.At
		}
	}
	return time.Time{}
}

// ways is how somebody is told who left these addresses.
func ways(email, phone string) string {
	switch {
	case email != "" && phone != "":
		return "both"
	case email != "":
		return "email"
	case phone != "":
		return "sms"
	}
	return ""
}

// refuse gives a draft back whose order was completed with something else than
// what was locked. That is never the applicant's doing.
func (d *Desk) refuse(ctx context.Context, row store.Draft, o signclient.Order, t portal.Tenant, why mismatch, code string) error {
	d.Log.ErrorContext(ctx, "a completed order is not believed, its draft is given back", "draft", row.ID, "order", row.Order, "reason", string(why), "code", code)
	now := d.Now()
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if is, err := d.waits(tx, row); err != nil || !is {
			return err
		}
		return audit.Insert(tx, audit.Event{
			Type: audit.DraftSignatureRefused, At: now, Client: t.Client(), Order: string(row.ID), Login: row.Order, Reason: string(why),
		})
	})
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return d.giveBack(ctx, row, o, portal.ReturnedFailed)
}

// unsigned makes a draft arrive that nobody has to sign.
func (d *Desk) unsigned(ctx context.Context, v portal.Visitor, t portal.Tenant, s *form.Service, draft portal.Draft, out drafts.Outgoing, files []attached) (portal.CaseID, error) {
	row, err := store.DraftOf(store.Last(ctx, d.DB), draft.ID)
	if errors.Is(err, store.ErrNone) {
		return d.arrivedOrNot(ctx, v, draft.ID)
	}
	if err != nil {
		return "", fmt.Errorf("sending: %w", err)
	}
	a, err := d.arrival(t, s, row, out, d.Now())
	if err != nil {
		return "", err
	}
	if v.LoggedIn() {
		a.submission.Applicant = portal.Person{Number: v.Number.Digits(), Name: v.Name}
		if a.person, err = d.Vault.Audit(v.Number); err != nil {
			return "", err
		}
	}
	for _, f := range files {
		if digest(f.content) != f.SHA256 {
			return "", fmt.Errorf("sending: file %s of the draft is not what was attached", f.ID)
		}
		if err := a.file(d.Vault, portal.CaseFile{File: f.File, Kind: portal.Attachment}, f.content); err != nil {
			return "", err
		}
	}
	a.persons = []store.CasePerson{{Case: a.head.ID, Person: portal.PersonKey(row.Owner), Owner: true}}
	key := portal.PersonKey("")
	if !row.Anonymous {
		key = portal.PersonKey(row.Owner)
	}
	a.tell(t, key, a.submission.Applicant.Number, out.Contact)
	conflict := &drafts.Conflict{Base: draft.Revision}
	err = d.commit(ctx, a, row, func(tx *sqldb.Tx, now store.Draft) (bool, error) {
		conflict.Base, conflict.Now = draft.Revision, now.Revision
		if now.State != portal.Open || now.Revision != draft.Revision {
			return false, nil
		}
		// What came too late is not settled: it would be gone.
		aside, err := store.AsideOf(tx, row.ID)
		if errors.Is(err, store.ErrNone) {
			return true, nil
		}
		conflict.Base = aside.Base
		return false, err
	})
	switch {
	case errors.Is(err, errOtherwise):
		return "", conflict
	case err != nil:
		return "", err
	}
	return d.arrivedOrNot(ctx, v, draft.ID)
}

func (d *Desk) arrivedOrNot(ctx context.Context, v portal.Visitor, id portal.DraftID) (portal.CaseID, error) {
	c, err := d.arrived(ctx, v, id)
	if err == nil && c == "" {
		err = portal.ErrNotFound
	}
	return c, err
}

// arrival is everything that is written when a draft arrives.
type arrival struct {
	head       portal.CaseHead
	submission portal.Submission
	files      []store.CaseFile
	persons    []store.CasePerson
	notices    []notices.Notice
	person     string // in the audit
}

func (d *Desk) arrival(t portal.Tenant, s *form.Service, row store.Draft, out drafts.Outgoing, at time.Time) (*arrival, error) {
	person, err := d.auditName(out.Parties)
	if err != nil {
		return nil, err
	}
	return &arrival{
		head: portal.CaseHead{
			// The draft's own name: whoever looks for the draft finds the case.
			ID: portal.CaseID(row.ID), Tenant: t.ID, Service: row.Service, Version: row.Version, Group: s.Handlers.Group,
			State: portal.Arrived, Arrived: at, Changed: d.Now(), Order: row.Order, Anonymous: row.Anonymous,
		},
		submission: portal.Submission{
			Lang: out.Lang, Title: out.Title, Answers: out.Answers, Blocks: out.Blocks, Notice: out.Notice, Contact: out.Contact,
		},
		person: person,
	}, nil
}

// document adds one that was made for the case. Its name is the same whenever it
// is made again.
func (a *arrival) document(v portal.Vault, kind portal.FileKind, content []byte) error {
	return a.file(v, made(a.head.ID, kind, a.submission.Lang, content), content)
}

func made(id portal.CaseID, kind portal.FileKind, lang string, content []byte) portal.CaseFile {
	names := map[portal.FileKind]string{portal.SignedPDF: "underskriven-handling.pdf", portal.ReceiptPDF: "ankomstkvitto.pdf"}
	if lang == "en" {
		names = map[portal.FileKind]string{portal.SignedPDF: "signed-document.pdf", portal.ReceiptPDF: "arrival-receipt.pdf"}
	}
	sum := sha256.Sum256(portal.Context(string(id), string(kind)))
	return portal.CaseFile{Kind: kind, File: form.File{
		ID: base64.RawURLEncoding.EncodeToString(sum[:16]), Name: names[kind], Type: "application/pdf",
		Size: int64(len(content)), SHA256: digest(content),
	}}
}

func (a *arrival) file(v portal.Vault, f portal.CaseFile, content []byte) error {
	row, err := cases.SealFile(v, a.head, f, content)
	if err != nil {
		return err
	}
	a.files = append(a.files, row)
	return nil
}

// tell adds the notice to one of the people of the case.
func (a *arrival) tell(t portal.Tenant, key portal.PersonKey, number string, c form.Contact) {
	n := notices.Notice{
		Kind: letters.Arrived, Tenant: t.ID, Ref: string(a.head.ID), Event: "arrived " + string(a.head.ID), Person: key, Number: number,
		Contact: c, Lang: a.submission.Lang, Title: a.submission.Title, Follow: key != "",
	}
	if key != "" {
		n.Path = "/arende/" + string(a.head.ID)
	}
	a.notices = append(a.notices, n)
}

// errOtherwise says that a draft is no longer as it was when it was sent.
var errOtherwise = errors.New("sending: the draft has changed meanwhile")

// commit writes an arrival in one transaction, which whoever comes first makes;
// for the others it has arrived already. fits says whether the draft is still
// the one that arrives; another is errOtherwise.
func (d *Desk) commit(ctx context.Context, a *arrival, row store.Draft, fits func(*sqldb.Tx, store.Draft) (bool, error)) error {
	body, err := cases.SealSubmission(d.Vault, a.head, a.submission)
	if err != nil {
		return err
	}
	now := d.Now()
	year := here(a.head.Arrived).Year()
	done := false
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		done = false
		current, err := store.DraftOf(tx, row.ID)
		if errors.Is(err, store.ErrNone) {
			return nil // it has arrived, or was removed
		}
		if err != nil {
			return err
		}
		if ok, err := fits(tx, current); err != nil {
			return err
		} else if !ok {
			return errOtherwise
		}
		head := a.head
		n, err := store.NextNumber(tx, head.Tenant, year)
		if err != nil {
			return err
		}
		head.Number = caseNumber(d.prefix(head.Tenant), year, n)
		if err := store.InsertCase(tx, store.Case{CaseHead: head, Body: body}); err != nil {
			return err
		}
		for _, p := range a.persons {
			if err := store.InsertPerson(tx, p); err != nil {
				return err
			}
		}
		for _, f := range a.files {
			if err := store.InsertCaseFile(tx, f); err != nil {
				return err
			}
		}
		if err := store.InsertEvent(tx, store.Event{Case: head.ID, At: head.Arrived, Kind: portal.EventArrived, State: portal.Arrived, By: portal.ByCitizen}); err != nil {
			return err
		}
		// With its key and whatever was still to be told of it: before what is to be
		// told of the case, which has its name.
		if err := store.DeleteDraft(tx, row.ID); err != nil {
			return err
		}
		var tell []notices.Notice
		for _, n := range a.notices {
			n.CaseNumber = head.Number
			tell = append(tell, n)
		}
		if err := d.Notices.Insert(tx, now, tell...); err != nil {
			return err
		}
		if err := outbox.Insert(tx, outbox.Entry{ID: "receipt " + string(head.ID), Kind: receiptKind, Ref: string(head.ID), Created: now}); err != nil {
			return err
		}
		done = true
		reason := "owner"
		if head.Anonymous {
			reason = "anonymous"
		}
		return audit.Insert(tx, audit.Event{
			Type: audit.CaseArrived, At: now, Client: (portal.Tenant{ID: head.Tenant}).Client(), Order: string(head.ID), Login: head.Order, Person: a.person, Reason: reason,
		})
	})
	switch {
	case errors.Is(err, errOtherwise) && row.State != portal.Open:
		return nil // it has come back, and that is for its owner to see
	case err != nil:
		return fmt.Errorf("sending: %w", err)
	}
	if done {
		d.Wake()
	}
	return nil
}

// prefix begins the numbers of a tenant's cases.
func (d *Desk) prefix(id portal.TenantID) string {
	t, ok := d.Tenant(id)
	if !ok { // gone from the catalogue while its drafts were being signed
		t = portal.Tenant{ID: id}
	}
	return t.CasePrefix()
}
