package signing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sigill/broker/kit/contact"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// Wish is what a client asks for, as it came. New checks it.
type Wish struct {
	Title, Message, Reference string
	Language                  string // "sv" (the default) or "en"
	Documents                 []Document
	Signatories               []WishedSignatory
	Sequence                  Sequence // default: parallel
	Deadline                  time.Time
	Reminders                 []int
	Visibility                Visibility // default: names
	Providers                 []providers.ID
	ReturnURL, Callback       string
}

// WishedSignatory is one signatory of a Wish.
type WishedSignatory struct {
	Number, Name, Email, Phone string
	Group                      int
	Invite                     Invite
	Language                   string
}

// Limits are how much an order may hold.
type Limits struct {
	Documents       int           // default 20
	File            int           // bytes of one document; default 10 MiB
	Order           int           // bytes of all; default 25 MiB
	Signatories     int           // default 20
	DefaultDeadline time.Duration // default 30 days
	MaxDeadline     time.Duration // default 365 days
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	set := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	set(&l.Documents, 20)
	set(&l.File, 10<<20)
	set(&l.Order, 25<<20)
	set(&l.Signatories, 20)
	if l.DefaultDeadline <= 0 {
		l.DefaultDeadline = 30 * 24 * time.Hour
	}
	if l.MaxDeadline <= 0 {
		l.MaxDeadline = 365 * 24 * time.Hour
	}
	return l
}

// Limits that no installation changes.
const (
	maxTitle     = 200
	maxMessage   = 1000
	maxReference = 100
	maxName      = 120
	MaxBlocks    = 5000  // of a document's content
	MaxRows      = 20000 // in all of them together
	MaxReminders = 10
	maxFaults    = 100  // that are told of one wish
	MaxReason    = 1000 // of a refusal
)

// Fault is one thing wrong with a Wish. Both are safe to show to the client;
// neither repeats what was sent.
type Fault struct {
	Field   string `json:"field"` // "signatories[1].pnr"
	Problem string `json:"problem"`
}

// Invalid is the error of a Wish that cannot be granted: all its faults.
type Invalid struct{ Faults []Fault }

func (e *Invalid) Error() string {
	var b strings.Builder
	for i, f := range e.Faults {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + " " + f.Problem)
	}
	return b.String()
}

// Origin is where a new order comes from.
type Origin struct {
	ID, Client, Issuer string
	NumberKey          []byte // 32 random bytes
	// URL says why an address may not be used for this client; empty: it may.
	// Without it none may.
	URL func(string) string
}

// New checks a wish and makes an order of it, not yet begun. The error is
// *Invalid when the wish is at fault.
func New(w Wish, from Origin, l Limits, now time.Time) (Order, Body, error) {
	if from.ID == "" || from.Client == "" || len(from.NumberKey) != 32 {
		return Order{}, Body{}, errors.New("signing: an order without id, client or key")
	}
	c := &checker{}
	o := Order{
		ID: from.ID, Client: from.Client, State: Open,
		Title: c.line("title", w.Title, 1, maxTitle), Message: c.text("message", w.Message, maxMessage),
		Reference: c.line("reference", w.Reference, 0, maxReference),
		Language:  c.language("language", w.Language, "sv"),
		Sequence:  oneOf(c, "order", w.Sequence, Parallel, Sequential, Groups),
		Deadline:  c.deadline(w.Deadline, l, now), Reminders: c.reminders(w.Reminders),
		Visibility: oneOf(c, "visibility", w.Visibility, ShowNames, ShowNone),
		Providers:  c.providers(w.Providers),
		ReturnURL:  c.url("returnUrl", w.ReturnURL, from.URL), Callback: c.url("callbackUrl", w.Callback, from.URL),
		Revision: 1, Created: now,
	}
	o.Signatories = c.signatories(w.Signatories, o, l, now)
	b := Body{NumberKey: from.NumberKey, Manifest: Manifest{Issuer: from.Issuer}, Documents: c.documents(w.Documents, l)}
	if len(c.faults) > 0 {
		return Order{}, Body{}, &Invalid{c.faults}
	}
	entries, err := entriesOf(b.Documents)
	if err != nil {
		return Order{}, Body{}, err
	}
	return o, b, o.bind(&b, entries)
}

// CheckDocuments checks documents that are to replace an order's.
func CheckDocuments(documents []Document, l Limits) ([]Document, error) {
	c := &checker{}
	documents = c.documents(documents, l)
	if len(c.faults) > 0 {
		return nil, &Invalid{c.faults}
	}
	return documents, nil
}

// CheckSignatory checks a person who is to replace a signatory.
func CheckSignatory(w WishedSignatory, o Order, now time.Time) (Signatory, error) {
	c := &checker{}
	s := c.signatory("", w, o.Language, now)
	if len(c.faults) > 0 {
		return Signatory{}, &Invalid{c.faults}
	}
	return s, nil
}

// CheckContact checks and normalises how to reach somebody.
func CheckContact(email, phone string, invite Invite) (Contact, error) {
	c := &checker{}
	reach := c.contact("", email, phone, invite)
	if len(c.faults) > 0 {
		return Contact{}, &Invalid{c.faults}
	}
	return reach, nil
}

// CheckReason tidies a person's own words about why not.
func CheckReason(reason string) (string, error) {
	c := &checker{}
	reason = c.text("reason", reason, MaxReason)
	if len(c.faults) > 0 {
		return "", &Invalid{c.faults}
	}
	return reason, nil
}

// checker collects the faults of one wish.
type checker struct{ faults []Fault }

func (c *checker) fault(field, problem string, args ...any) {
	if len(c.faults) == maxFaults {
		return // whoever sends a million gets no million back
	}
	c.faults = append(c.faults, Fault{field, fmt.Sprintf(problem, args...)})
}

// text is several lines, tidied: "\n" alone ends a line, and nothing invisible
// is in it.
func (c *checker) text(field, s string, most int) string {
	s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
	switch {
	case !utf8.ValidString(s):
		c.fault(field, "is not UTF-8")
	case utf8.RuneCountInString(s) > most:
		c.fault(field, "is longer than %d characters", most)
	case strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && invisible(r) }):
		c.fault(field, "has control characters, hidden characters, or characters that change the direction of text")
	}
	return s
}

func (c *checker) line(field, s string, least, most int) string {
	s = c.text(field, s, most)
	switch {
	case strings.ContainsAny(s, "\n\t"):
		c.fault(field, "must be one line")
	case least > 0 && s == "":
		c.fault(field, "is missing")
	}
	return s
}

// invisible: controls, what makes a reader see another order of characters than
// was signed, and what hides text in text. Joiners are letters' spelling in some
// languages, and soft hyphens come with text that was pasted.
func invisible(r rune) bool {
	switch r {
	case '\u200c', '\u200d', '\u00ad':
		return false
	case '\u2028', '\u2029', unicode.ReplacementChar:
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

func oneOf[T ~string](c *checker, field string, v T, allowed ...T) T {
	if v == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, v) {
		c.fault(field, "must be one of %v", allowed)
	}
	return v
}

func (c *checker) language(field, v, otherwise string) string {
	switch v {
	case "":
		return otherwise
	case "sv", "en":
		return v
	}
	c.fault(field, "must be sv or en")
	return otherwise
}

func (c *checker) deadline(t time.Time, l Limits, now time.Time) time.Time {
	switch {
	case t.IsZero():
		return now.Add(l.DefaultDeadline).UTC().Truncate(time.Second)
	case t.Before(now.Add(time.Minute)):
		c.fault("deadline", "must be at least a minute from now")
	case t.After(now.Add(l.MaxDeadline)):
		c.fault("deadline", "must be within %d days", int(l.MaxDeadline.Hours()/24))
	}
	return t.UTC().Truncate(time.Second)
}

func (c *checker) reminders(days []int) []int {
	if len(days) > MaxReminders {
		c.fault("reminders", "are more than %d", MaxReminders)
	}
	for i, d := range days {
		if d < 1 || d > 365 {
			c.fault(fmt.Sprintf("reminders[%d]", i), "must be 1 to 365 days before the deadline")
		}
	}
	days = slices.Clone(days)
	slices.Sort(days)
	return slices.Compact(days)
}

func (c *checker) providers(ids []providers.ID) []providers.ID {
	for i, id := range ids {
		if !id.Valid() || slices.Contains(ids[:i], id) {
			c.fault(fmt.Sprintf("allowedProviders[%d]", i), "is unknown or named twice")
		}
	}
	return slices.Clone(ids)
}

func (c *checker) url(field, u string, check func(string) string) string {
	if u == "" {
		return ""
	}
	if check == nil {
		c.fault(field, "is not allowed")
	} else if problem := check(u); problem != "" {
		c.fault(field, "%s", problem)
	}
	return u
}

func (c *checker) documents(ds []Document, l Limits) []Document {
	if len(ds) == 0 {
		c.fault("documents", "are missing")
	}
	if len(ds) > l.Documents {
		c.fault("documents", "are more than %d", l.Documents)
		return nil
	}
	all := 0
	names := map[string]bool{}
	out := slices.Clone(ds)
	for i := range out {
		d := &out[i]
		field := fmt.Sprintf("documents[%d]", i)
		d.Name = c.line(field+".name", d.Name, 1, maxName)
		if names[d.Name] {
			c.fault(field+".name", "is used twice")
		}
		names[d.Name] = true
		size := c.document(field, d)
		if all += size; size > l.File {
			c.fault(field, "is larger than %d bytes", l.File)
		}
	}
	if all > l.Order {
		c.fault("documents", "are together larger than %d bytes", l.Order)
	}
	return out
}

func (c *checker) document(field string, d *Document) (size int) {
	// What its kind does not name would be kept and not signed.
	for kind, there := range map[Kind]bool{KindText: d.Text != "", KindContent: len(d.Content) > 0, KindFile: len(d.File) > 0} {
		if there && kind != d.Kind {
			c.fault(field, "must have exactly one of text, content and file")
			return 0
		}
	}
	switch d.Kind {
	case KindText:
		d.Type = TextType
		if d.Text = c.text(field+".text", d.Text, 1<<20); d.Text == "" {
			c.fault(field+".text", "is empty")
		}
		return len(d.Text)
	case KindContent:
		d.Type = ContentType
		d.Content = c.content(field+".content", d.Content)
		b, err := Canonical(d.Content)
		if err != nil {
			c.fault(field+".content", "cannot be written as JSON")
		}
		return len(b)
	case KindFile:
		if problem := fileProblem(d.Type, d.File); problem != "" {
			c.fault(field+".file", "%s", problem)
		}
		return len(d.File)
	}
	c.fault(field, "must have exactly one of text, content and file")
	return 0
}

// fileProblem looks at the first bytes: what a browser is told of a file must be
// true.
func fileProblem(media string, b []byte) string {
	magic := map[string]string{"application/pdf": "%PDF-", "image/jpeg": "\xff\xd8\xff", "image/png": "\x89PNG\r\n\x1a\n"}[media]
	switch {
	case magic == "":
		return "must be of type application/pdf, image/jpeg or image/png"
	case !bytes.HasPrefix(b, []byte(magic)):
		return "is not of the type that is stated"
	}
	return ""
}

func (c *checker) content(field string, blocks Content) Content {
	rows := 0
	if len(blocks) == 0 || len(blocks) > MaxBlocks {
		c.fault(field, "must have 1 to %d blocks", MaxBlocks)
		return nil
	}
	out := make(Content, len(blocks))
	for i, b := range blocks {
		at := fmt.Sprintf("%s[%d]", field, i)
		given := 0
		for _, there := range []bool{b.Heading != "", b.Text != "", len(b.Rows) > 0} {
			if there {
				given++
			}
		}
		if given != 1 {
			c.fault(at, "must have exactly one of heading, text and rows")
			continue
		}
		out[i].Heading = c.line(at+".heading", b.Heading, min(len(b.Heading), 1), 300)
		if out[i].Text = c.text(at+".text", b.Text, 100_000); b.Text != "" && out[i].Text == "" {
			c.fault(at+".text", "is empty")
		}
		for j, r := range b.Rows {
			row := fmt.Sprintf("%s.rows[%d]", at, j)
			out[i].Rows = append(out[i].Rows, Row{Label: c.line(row+".label", r.Label, 1, 300), Value: c.text(row+".value", r.Value, 100_000)})
		}
		if rows += len(b.Rows); rows > MaxRows {
			c.fault(field, "has more than %d rows", MaxRows)
			return nil
		}
	}
	return out
}

func (c *checker) signatories(ws []WishedSignatory, o Order, l Limits, now time.Time) []Signatory {
	if len(ws) > l.Signatories {
		c.fault("signatories", "are more than %d", l.Signatories)
		return nil
	}
	var out []Signatory
	seen := map[personnummer.Number]int{}
	for i, w := range ws {
		field := fmt.Sprintf("signatories[%d]", i)
		s := c.signatory(field, w, o.Language, now)
		s.N = i + 1
		if first, twice := seen[s.Number]; twice && !s.Number.IsZero() {
			c.fault(field+".pnr", "is the same person as signatories[%d]", first)
		}
		seen[s.Number] = i
		switch o.Sequence {
		case Sequential:
			if w.Group != 0 {
				c.fault(field+".group", "is only for order groups")
			}
			s.Group = i + 1
		case Groups:
			if s.Group = w.Group; w.Group < 1 || w.Group > l.Signatories {
				c.fault(field+".group", "must be 1 to %d", l.Signatories)
			}
		default:
			if w.Group != 0 {
				c.fault(field+".group", "is only for order groups")
			}
			s.Group = 1
		}
		out = append(out, s)
	}
	return out
}

func (c *checker) signatory(field string, w WishedSignatory, language string, now time.Time) Signatory {
	if field != "" {
		field += "."
	}
	number, err := personnummer.Parse(w.Number, now)
	switch {
	case w.Number == "":
		c.fault(field+"pnr", "is missing")
	case err != nil:
		c.fault(field+"pnr", "is not a personal number")
	}
	reach := c.contact(field, w.Email, w.Phone, w.Invite)
	return Signatory{
		Number: number, Name: c.line(field+"name", w.Name, 1, maxName),
		Email: reach.Email, Phone: reach.Phone, Invite: reach.Invite,
		Language: c.language(field+"language", w.Language, language), State: Waiting,
	}
}

func (c *checker) contact(field, email, phone string, invite Invite) Contact {
	out := Contact{Invite: invite}
	var err error
	if email != "" {
		if out.Email, err = contact.Email(email); err != nil {
			c.fault(field+"email", "is not an e-mail address")
		}
	}
	if phone != "" {
		if out.Phone, err = contact.Phone(phone); err != nil {
			c.fault(field+"phone", "is not a phone number")
		}
	}
	switch {
	case !slices.Contains([]Invite{InviteEmail, InviteSMS, InviteBoth, InviteCode, InviteNone}, invite):
		c.fault(field+"invite", "must be one of email, sms, both, code, none")
	case email == "" && (invite == InviteEmail || invite == InviteBoth):
		c.fault(field+"email", "is missing")
	case phone == "" && (invite == InviteSMS || invite == InviteBoth):
		c.fault(field+"phone", "is missing")
	case email == "" && phone == "" && invite == InviteCode:
		c.fault(field+"invite", "code needs an e-mail address or a phone number")
	}
	return out
}
