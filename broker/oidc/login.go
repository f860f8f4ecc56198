package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// Pending finds a login that this browser may go on with, its client and the
// record's version. A login that is unknown, expired, finished or another
// browser's is broker.ErrNotFound, all alike: its id alone is worth nothing.
func (p *Provider) Pending(ctx context.Context, login, browser string) (broker.Login, broker.Client, int64, error) {
	if !secretShaped(login) || browser == "" {
		return broker.Login{}, broker.Client{}, 0, broker.ErrNotFound
	}
	var rec record
	version, err := p.get(ctx, kindLogin, login, &rec)
	if err != nil {
		return broker.Login{}, broker.Client{}, 0, err
	}
	if rec.Login == nil || !secretIs(rec.Login.Browser, browser) || !p.Now().Before(rec.Login.Expires) {
		return broker.Login{}, broker.Client{}, 0, broker.ErrNotFound
	}
	l := *rec.Login
	l.Version = version
	c, err := p.Clients.Client(ctx, l.Client)
	if err != nil {
		return broker.Login{}, broker.Client{}, 0, err
	}
	return l, c, version, nil
}

// Reserve writes a changed login, if nobody changed or finished it since
// version was read; else broker.ErrConflict.
func (p *Provider) Reserve(ctx context.Context, l broker.Login, version int64) error {
	return p.swap(ctx, kindLogin, l.ID, version, record{Login: &l}, l.Expires)
}

// Finish answers a login with the identity that its order proved. It returns a
// *Rejection when the request's or the client's rules turn the person away: the
// login goes on, with another order or with Refuse. broker.ErrConflict means
// that the login, or the order, was used before: it continued elsewhere.
//
// An order that this very login has consumed is no conflict while the login is
// pending: somebody was cut off before the answer, and comes again.
func (p *Provider) Finish(ctx context.Context, l broker.Login, o broker.Order, d providers.Done) (Answer, error) {
	c, err := p.Clients.Client(ctx, l.Client)
	if err != nil {
		return Answer{}, err
	}
	if l.SID == "" || o.ID == "" || o.ID != l.Order || o.Client != l.Client || o.Kind != providers.KindAuth || o.Phase != broker.Done ||
		o.Provider != d.Identity.Provider || subtle.ConstantTimeCompare(o.Browser, l.Browser) != 1 {
		return Answer{}, errors.New("oidc: the order is not this login's, or not done")
	}
	now := p.Now()
	// The proof may be older than this moment: the browser came back late.
	authTime := d.Identity.At
	if authTime.IsZero() || authTime.After(now) {
		authTime = now
	}
	s := broker.Session{
		SID: l.SID, Group: GroupOf(c), Identity: d.Identity, Evidence: d.Evidence, Instance: o.Instance,
		AuthTime: authTime, ACR: acrOf(d.Identity.Level), Expires: authTime.Add(p.SessionLife),
	}
	subject, rejected, err := p.judge(ctx, c, l, s.Identity, now)
	if err == nil && rejected == nil && !freshEnough(d.Identity.At, l) {
		rejected = notFresh()
	}
	if err == nil && rejected == nil && !slices.Contains(l.Offered, d.Identity.Provider) {
		rejected = levelTooLow()
	}
	if err != nil {
		return Answer{}, err
	}
	if rejected != nil {
		e := p.event(audit.LoginAbandoned, c.ID)
		e.Login, e.Order, e.Provider, e.Instance = loginName(l.ID), string(o.ID), string(o.Provider), o.Instance
		e.Person, e.Reason = p.person(s.Identity), string(rejected.Reason)
		p.note(ctx, e)
		return Answer{}, rejected
	}
	rec := record{}
	if l.Then == "" {
		g, err := p.grant(c, l.Request, s, subject)
		if err != nil {
			return Answer{}, err
		}
		rec.Grant = &g
	}
	// From here on the login counts, whether or not the browser still waits.
	ctx, cancel := settled(ctx)
	defer cancel()
	err = p.finishLogin(ctx, audit.LoginCompleted, c, l.ID, o.ID, s)
	if errors.Is(err, broker.ErrConflict) {
		// By another order. Nothing can answer the login any more, so nobody is
		// asked to try.
		if err := p.answered(ctx, l, record{}, l.Expires); err != nil {
			return Answer{}, err
		}
	}
	if err != nil {
		return Answer{}, err
	}
	a, outcome := Answer{URL: l.Then}, "local"
	if rec.Grant != nil {
		a, outcome = p.offerCode(l.Request, l.ID, rec.Grant), "code"
	}
	if now.Before(s.Expires) {
		secret := broker.NewSecret()
		rec.Session = &session{Session: s, Secret: digest(secret)}
		a.Session = join(l.ID, secret)
	}
	// This is the step that only one does: of requests with the same order, and
	// of a refusal in another tab.
	expires := rec.expires()
	if expires.IsZero() {
		expires = l.Expires
	}
	if err := p.answered(ctx, l, rec, expires); err != nil {
		return Answer{}, err
	}
	p.Count("login", outcome)
	p.Finished(d.Identity.Provider, outcome, p.Now().Sub(l.Created))
	return a, nil
}

// Refuse ends a login with an OAuth error, which the person has read about on a
// page first; a page of ours that asked gets the person back and no more.
// broker.ErrConflict means that it ended before.
func (p *Provider) Refuse(ctx context.Context, l broker.Login, code, description string) (Answer, error) {
	if !authorizationCode(code) {
		return Answer{}, fmt.Errorf("oidc: %q is no error code of the authorization endpoint", code)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	if err := p.answered(ctx, l, record{}, l.Expires); err != nil {
		return Answer{}, err
	}
	e := p.event(audit.LoginAbandoned, l.Client)
	e.Login, e.Order, e.Provider, e.Reason = loginName(l.ID), string(l.Order), string(l.Provider), code
	if err := p.Records.Record(ctx, e); err != nil {
		return Answer{}, err
	}
	p.Count("login", code)
	p.Finished(l.Provider, code, p.Now().Sub(l.Created))
	if l.Then != "" {
		return Answer{URL: l.Then}, nil
	}
	return p.errorAnswer(l.Request, code, description), nil
}

// judge applies the rules about who may log in: those of the request and those
// of the client. It also finds the person's name for this client, if the client
// will be told.
func (p *Provider) judge(ctx context.Context, c broker.Client, l broker.Login, i providers.Identity, now time.Time) (subject string, rejected *Rejection, err error) {
	if i.Number.IsZero() {
		return "", nil, errors.New("oidc: an identity without a number")
	}
	wish := l.Request
	if rejected := rejection(c, wish, l.Number, i, now); rejected != nil {
		return "", rejected, nil
	}
	if l.Then != "" {
		return "", nil, nil
	}
	sector := c.Sector
	if sector == "" {
		sector = c.ID
	}
	subject, err = p.Records.Subject(ctx, p.PersonIndex([]byte(i.Number.Digits())), sector)
	if err != nil {
		return "", nil, err
	}
	if wish.Subject != "" && subtle.ConstantTimeCompare([]byte(subject), []byte(wish.Subject)) != 1 {
		return "", wrongPerson(errLogin), nil
	}
	return subject, nil, nil
}

func rejection(c broker.Client, wish broker.AuthorizationWish, only personnummer.Number, i providers.Identity, now time.Time) *Rejection {
	if _, ok := stated(i.Level, wish); !ok {
		return levelTooLow()
	}
	req, perr := parseClaims(wish.Claims)
	if perr != nil {
		return wrongPerson(errAccessDenied) // cannot be: it was read before
	}
	accepted, perr := req.numbers(c)
	if perr != nil || len(accepted) > 0 && !slices.Contains(accepted, i.Number) || !only.IsZero() && only != i.Number {
		return wrongPerson(errAccessDenied)
	}
	if c.NoCoordination && i.Number.Coordination() {
		return &Rejection{
			Reason: CoordinationNumber, Code: errAccessDenied, Description: "the person has a coordination number",
			Text: providers.Text{
				SV: "Den här tjänsten kan inte ta emot samordningsnummer. Kontakta " + c.Name + " så hjälper de dig på ett annat sätt.",
				EN: "This service cannot accept coordination numbers. Please contact " + nameEN(c) + " and they will help you in another way.",
			},
		}
	}
	if c.MinAge > 0 && i.Number.Age(now) < c.MinAge {
		return &Rejection{
			Reason: TooYoung, Code: errAccessDenied, Description: "the person is younger than the client allows",
			Text: providers.Text{
				SV: fmt.Sprintf("Den här tjänsten är för den som har fyllt %d år. Be en vårdnadshavare att logga in i stället, eller kontakta %s.", c.MinAge, c.Name),
				EN: fmt.Sprintf("This service is for people aged %d or older. Ask a guardian to log in instead, or contact %s.", c.MinAge, nameEN(c)),
			},
		}
	}
	return nil
}

func wrongPerson(code string) *Rejection {
	return &Rejection{
		Reason: providers.WrongPerson, Code: code, Description: "another person than the one asked for",
		Text: providers.Text{
			SV: "Tjänsten väntade sig en annan person. Logga in med e-legitimation för den person som började, eller gå tillbaka till tjänsten.",
			EN: "The service expected another person. Log in with the e-ID of the person who began, or go back to the service.",
		},
	}
}

// skew is how far an issuer's clock may be behind ours.
const skew = time.Minute

// freshEnough reports whether a proof is as new as the request wants it (OIDC Core
// 3.1.2.1): an issuer with sessions of its own may give an old one. An age is
// counted from when the login began, as for a session of ours, since any proof
// made after that is what was asked for.
func freshEnough(proven time.Time, l broker.Login) bool {
	oldest := l.Created.Add(-skew)
	wish := l.Request
	switch {
	case slices.Contains(wish.Prompt, promptLogin):
	case wish.MaxAge != nil:
		oldest = oldest.Add(-time.Duration(*wish.MaxAge) * time.Second)
	default:
		return true
	}
	return !proven.IsZero() && !proven.Before(oldest)
}

func notFresh() *Rejection {
	return &Rejection{
		Reason: NotFresh, Code: errLogin, Description: "the proof is older than what was asked for",
		Text: providers.Text{
			SV: "Tjänsten vill att du legitimerar dig på nytt, men din e-legitimation svarade med en tidigare inloggning. Försök igen eller välj en annan e-legitimation.",
			EN: "The service wants you to identify yourself again, but your e-ID answered with an earlier login. Try again, or choose another e-ID.",
		},
	}
}

func levelTooLow() *Rejection {
	return &Rejection{
		Reason: providers.LevelTooLow, Code: errUnmet, Description: "the e-ID does not reach what was asked for",
		Text: providers.Text{
			SV: "Tjänsten kräver en e-legitimation med högre tillitsnivå. Välj en annan e-legitimation.",
			EN: "The service requires an e-ID with a higher level of assurance. Choose another e-ID.",
		},
	}
}

func nameEN(c broker.Client) string {
	if c.NameEN != "" {
		return c.NameEN
	}
	return c.Name
}

// sealedLogin is what a LoginRecord's Sealed holds, followed by the evidence
// itself: it is the largest part by far and needs no encoding. There is none
// when a session answered: the record of the login that made the session has it.
type sealedLogin struct {
	SID       string             `json:"sid"`
	Identity  providers.Identity `json:"identity"`
	MediaType string             `json:"media_type,omitempty"`
}

// finishLogin makes the login durable, with the acts that it consists of. All
// that bring the same order get nil, others broker.ErrConflict.
func (p *Provider) finishLogin(ctx context.Context, act audit.Type, c broker.Client, login string, order broker.OrderID, s broker.Session) error {
	var evidence providers.Evidence
	if order != "" {
		evidence = s.Evidence
	}
	meta, err := json.Marshal(sealedLogin{SID: s.SID, Identity: s.Identity, MediaType: evidence.MediaType})
	if err != nil {
		return err
	}
	plain := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(meta)+len(evidence.Bytes)), uint32(len(meta)))
	plain = append(append(plain, meta...), evidence.Bytes...)
	now, name := p.Now(), loginName(login)
	e := p.event(act, c.ID)
	e.Login, e.Order, e.Provider, e.Instance, e.Person = name, string(order), string(s.Identity.Provider), s.Instance, p.person(s.Identity)
	return p.Records.FinishLogin(ctx, broker.LoginRecord{
		Login: name, Order: order, Client: c.ID, Provider: s.Identity.Provider,
		Sealed: p.Box.Seal(plain, recordContext(name)), At: now, Expires: now.Add(p.EvidenceLife),
	}, e)
}

// OpenRecord reads what a record of a login keeps sealed: whom it was, and the
// e-ID's own proof, which is empty when a session answered.
func (p *Provider) OpenRecord(r broker.LoginRecord) (providers.Identity, providers.Evidence, error) {
	plain, err := p.Box.Open(r.Sealed, recordContext(r.Login))
	if err != nil {
		return providers.Identity{}, providers.Evidence{}, err
	}
	var s sealedLogin
	if len(plain) < 4 || uint64(binary.BigEndian.Uint32(plain)) > uint64(len(plain)-4) {
		return providers.Identity{}, providers.Evidence{}, errors.New("login record: an unreadable record")
	}
	size := binary.BigEndian.Uint32(plain)
	err = decode("login record", plain[4:4+size], &s)
	return s.Identity, providers.Evidence{MediaType: s.MediaType, Bytes: plain[4+size:]}, err
}

func recordContext(name string) []byte { return []byte("oidc login record\x00" + name) }

// loginName is what the durable record and the audit call a login. The id
// itself stands in a URL; this cannot be turned back into it.
func loginName(id string) string {
	sum := sha256.Sum256([]byte("login\x00" + id))
	return hex.EncodeToString(sum[:16])
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// settled lets what must be finished together finish, also when the browser
// has gone.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// scopeText writes granted scopes as the protocol wants them.
func scopeText(scopes []string) string { return strings.Join(scopes, " ") }
