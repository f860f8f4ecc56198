package freja

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"sigill/providers"
)

const (
	maxText      = 4_096 // the issuer counts characters, which are no more than bytes
	maxBinding   = 30_000
	minBinding   = 16
	maxReturnURL = 1_024
	maxEmail     = 256

	loginLife = 2 * time.Minute
	// grace is how long after its end an order is still asked about: the issuer's
	// word on how it ended is better than ours.
	grace = time.Minute
)

// Provider is Freja eID+ as an e-ID of the broker. It keeps nothing of an order.
type Provider struct {
	instance string
	name     string
	help     providers.Help
	env      Environment
	clients  atomic.Pointer[[]*client] // the first with the certificate that is used now; see Renew
	conns    int
	party    string // for whom an integrator asks
	byNumber bool
	static   bool
	chains   map[string][][]byte // by thumbprint; see chainsOf
	approved bool
	signing  time.Duration
	poll     time.Duration
	clock    func() time.Time
	log      *slog.Logger
}

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Signer   = (*Provider)(nil)
	_ providers.Shower   = (*Provider)(nil)
	_ providers.Checker  = (*Provider)(nil)
	_ providers.Dated    = (*Provider)(nil)
)

// New makes a provider. It starts nothing and asks nobody.
func New(c Config) (*Provider, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("freja: %w", err)
	}
	p := &Provider{
		instance: c.Instance, name: c.Name, help: c.Help, env: c.Environment, conns: c.MaxConns, party: c.RelyingPartyID,
		byNumber: c.UserInfo == Number, static: c.StaticQR, approved: c.Approved,
		chains: chainsOf(c.Environment), signing: c.SignatureExpiry, poll: c.PollInterval, clock: c.Clock, log: c.Log,
	}
	if p.name == "" {
		p.name = providers.Freja.Name()
	}
	if p.signing == 0 {
		p.signing = 10 * time.Minute
	}
	if p.poll <= 0 {
		p.poll = 2 * time.Second
	}
	if p.conns <= 0 {
		p.conns = 256
	}
	if p.clock == nil {
		p.clock = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	first, err := newClient(c.Environment, c.Certificate, p.party, p.conns)
	if err != nil {
		return nil, fmt.Errorf("freja: %w", err)
	}
	p.clients.Store(&[]*client{first})
	return p, nil
}

// Info says what this provider can do.
func (p *Provider) Info() providers.Info {
	return providers.Info{
		ID: providers.Freja, Instance: p.instance, Name: p.name, Help: p.help, Level: level(levelPlus, p.approved),
		Modes:     []providers.Mode{providers.ModeOther, providers.ModeThis},
		TextLimit: maxText, NonVisible: maxBinding, CoordNumbers: true,
	}
}

// Trust is what this provider believes when it verifies; the offline verifier can
// use the same.
func (p *Provider) Trust() Trust {
	return Trust{
		Roots: p.env.JWSRoots, Certificates: p.env.JWSCertificates, UserRoots: p.env.UserRoots, Approved: p.approved,
	}
}

// Start asks a person to prove who they are.
func (p *Provider) Start(ctx context.Context, r providers.Request) (providers.State, providers.Step, error) {
	return p.start(ctx, providers.KindAuth, r)
}

// StartSignature asks a person to sign a text.
func (p *Provider) StartSignature(ctx context.Context, r providers.SignRequest) (providers.State, providers.Step, error) {
	return p.start(ctx, providers.KindSign, r.Request)
}

func (p *Provider) start(ctx context.Context, kind providers.Kind, r providers.Request) (providers.State, providers.Step, error) {
	if err := p.check(kind, r); err != nil {
		return nil, nil, err
	}
	began := p.clock()
	expires := began.Add(loginLife)
	if kind == providers.KindSign {
		expires = began.Add(p.signing)
	}
	ask, err := p.request(kind, r, expires)
	if err != nil {
		return nil, nil, fmt.Errorf("freja: %w", err)
	}
	with := p.client("")
	got, err := with.start(ctx, kind, ask)
	if err != nil {
		p.log.WarnContext(ctx, "freja start failed", "kind", string(kind), "error", clean(err.Error()))
		return p.notStarted(ctx, ask.UserInfoType, err)
	}
	s := state{
		Version: stateVersion, Provider: providers.Freja, Instance: p.instance, Environment: p.env.Name,
		Kind: kind, Mode: r.Mode, Text: r.Text, Binding: r.Binding, Number: r.Number,
		User: ask.UserInfoType, ReturnURL: r.ReturnURL,
		Reference: got.reference(kind), Certificate: with.certificate, Secret: got.QRCodeSecret,
		Started: p.clock(), Expires: expires, Status: statusStarted,
	}
	if s.User == userEmail {
		s.Email = ask.UserInfo
	}
	p.log.InfoContext(ctx, "freja order started", "order", s.name(), "kind", string(kind), "mode", string(r.Mode), "user", s.User, "took", s.Started.Sub(began))
	sealed, err := s.seal()
	if err != nil {
		return nil, nil, err
	}
	return sealed, p.wait(s, s.Started), nil
}

// name is what an order is called in logs, where its reference would let others
// open it.
func (s state) name() string {
	sum := sha256.Sum256([]byte(s.Reference))
	return hex.EncodeToString(sum[:8])
}

// check looks at what the caller asks for.
func (p *Provider) check(kind providers.Kind, r providers.Request) error {
	bad := func(field, problem string) error { return &providers.BadRequest{Field: field, Problem: problem} }
	switch {
	case !slices.Contains(p.Info().Modes, r.Mode):
		return bad("mode", fmt.Sprintf("%s has no mode %q", providers.Freja, r.Mode))
	case r.Caller != "":
		return bad("caller", "only in a phone call")
	case r.Markup != providers.Plain:
		return bad("markup", "the app shows plain text alone")
	case r.Mode == providers.ModeOther && r.ReturnURL != "":
		return bad("return_url", "only on this device")
	case r.Mode == providers.ModeThis && r.ReturnURL == "":
		return bad("return_url", "missing")
	case len(r.ReturnURL) > maxReturnURL:
		return bad("return_url", fmt.Sprintf("longer than %d characters", maxReturnURL))
	case r.Email != "" && !plainAddress(r.Email):
		return bad("email", "not an address")
	}
	if kind != providers.KindSign {
		if r.Text != "" {
			return bad("text", "a login shows none")
		}
		return nil
	}
	switch {
	case r.Text == "":
		return bad("text", "a signature needs a text")
	case len(r.Text) > maxText:
		return bad("text", fmt.Sprintf("longer than %d bytes", maxText))
	case !utf8.ValidString(r.Text) || strings.ContainsRune(r.Text, 0):
		return bad("text", "not text in UTF-8")
	case len(r.Binding) < minBinding:
		return bad("binding", fmt.Sprintf("shorter than %d bytes", minBinding))
	case len(r.Binding) > maxBinding:
		return bad("binding", fmt.Sprintf("longer than %d bytes", maxBinding))
	}
	return nil
}

// plainAddress takes the addresses that JSON writes without an escape.
func plainAddress(a string) bool {
	name, host, ok := strings.Cut(a, "@")
	return ok && name != "" && host != "" && len(a) <= maxEmail && utf8.ValidString(a) &&
		!strings.ContainsFunc(a, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' || r == '\\'
		})
}

// request puts what the caller asks for in the issuer's words.
func (p *Provider) request(kind providers.Kind, r providers.Request, expires time.Time) (initRequest, error) {
	ask := initRequest{
		UserInfoType: userInferred, UserInfo: userNobody,
		MinRegistrationLevel: levelPlus, AttributesToReturn: []attribute{{attributeName}, {attributeSSN}, {attributeLevel}},
	}
	switch {
	case p.byNumber && !r.Number.IsZero():
		info, err := userInfoOf(r.Number)
		if err != nil {
			return initRequest{}, err
		}
		ask.UserInfoType, ask.UserInfo = userSSN, info
	case r.Email != "":
		ask.UserInfoType, ask.UserInfo = userEmail, r.Email
	default:
		// Whether links for this device must be dynamic too is not documented, so
		// unless that is configured such orders are not.
		ask.UseDynamicQRCode = !p.static && (r.Mode == providers.ModeOther || p.env.Policy.DynamicLink)
	}
	if kind == providers.KindSign {
		ask.Expiry = expires.UnixMilli()
		ask.DataToSignType, ask.SignatureType = extendedText, extendedSignature
		ask.DataToSign = &dataToSign{Text: []byte(r.Text), BinaryData: r.Binding}
	}
	return ask, nil
}

// notStarted sorts the errors of a start: what concerns the person, what the issuer
// will get over, and what somebody must mend.
func (p *Provider) notStarted(ctx context.Context, user string, err error) (providers.State, providers.Step, error) {
	if ctx.Err() != nil {
		return nil, nil, gone(err)
	}
	var api *APIError
	if !errors.As(err, &api) {
		return nil, nil, p.unavailable(err)
	}
	if api.Coded && api.Code != codeInternal {
		failed, ok := coded(api.Code, user)
		if !ok && ours(api.Code) {
			return nil, nil, fmt.Errorf("freja: %w", err)
		}
		if !ok {
			failed = providers.Failed{Reason: providers.Unknown, Text: textWrong()}
		}
		failed.Hint = fmt.Sprint(api.Code)
		return nil, failed, nil
	}
	switch api.HTTPStatus {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusGone:
		return nil, nil, fmt.Errorf("freja: %w", err)
	}
	return nil, nil, p.unavailable(err)
}

// ours reports whether a code is known to mean a fault in what we ask or in how we
// are registered: no person can do anything about it.
func ours(code int) bool {
	return code >= 1000 && code <= 1014 || code == 1200 || code >= 2002 && code <= 2003 || code >= 3000 && code <= 3009
}

// unavailable is the error of an issuer that does not answer as it should. Errors of
// connections hold addresses of servers and no more.
func (p *Provider) unavailable(err error) error {
	return &providers.Unavailable{Issuer: p.name, Err: err}
}

// gone is the error of a caller that did not wait.
func gone(err error) error { return fmt.Errorf("freja: %w", err) }

// Continue asks the issuer how the order stands. An answer that proves something is
// first handed back inside the state, for the caller to store, and verified at the
// next call.
func (p *Provider) Continue(ctx context.Context, sealed providers.State, event providers.Event) (providers.State, providers.Step, error) {
	s, err := p.open(sealed)
	if err != nil {
		return sealed, nil, err
	}
	if s.Over {
		return sealed, nil, ErrState
	}
	if event.Kind != providers.Tick {
		return sealed, nil, &providers.BadRequest{Field: "event", Problem: "Freja sends no answer through the browser"}
	}
	if s.Answer != "" {
		return p.finish(ctx, s)
	}
	got, err := p.client(s.Certificate).result(ctx, s.Kind, s.Reference)
	if err != nil {
		return p.notAnswered(ctx, sealed, s, err)
	}
	if ref := got.reference(s.Kind); ref != "" && ref != s.Reference {
		return sealed, nil, p.unavailable(errors.New("answer about another order"))
	}
	if got.Status == statusApproved {
		return p.keep(ctx, sealed, s, got)
	}
	if failed, final := failure(got.Status); final {
		return p.fail(ctx, s, failed)
	}
	now := p.clock()
	if now.After(s.Expires.Add(grace)) {
		return p.fail(ctx, s, providers.Failed{Reason: providers.TimedOut, Hint: clean(got.Status), Text: textExpired()})
	}
	if got.Status == s.Status {
		return sealed, p.wait(s, now), nil
	}
	s.Status = got.Status
	p.log.InfoContext(ctx, "freja order pending", "order", s.name(), "status", clean(s.Status))
	next, err := s.seal()
	if err != nil {
		return sealed, nil, err
	}
	return next, p.wait(s, now), nil
}

func (p *Provider) keep(ctx context.Context, sealed providers.State, s state, got result) (providers.State, providers.Step, error) {
	if json.Unmarshal(got.Details, &s.Answer) != nil || s.Answer == "" || len(s.Answer) > maxToken {
		return p.refuse(ctx, s, "structure")
	}
	s.Collected = p.clock()
	p.log.InfoContext(ctx, "freja order approved", "order", s.name())
	next, err := s.seal()
	if err != nil {
		return sealed, nil, err
	}
	return next, p.wait(s, s.Collected), nil
}

// notAnswered says what it means that the issuer did not tell how the order stands.
func (p *Provider) notAnswered(ctx context.Context, sealed providers.State, s state, err error) (providers.State, providers.Step, error) {
	p.log.WarnContext(ctx, "freja result failed", "order", s.name(), "error", clean(err.Error()))
	if ctx.Err() != nil {
		return sealed, nil, gone(err)
	}
	if errors.Is(err, errHuge) {
		return p.refuse(ctx, s, "size") // it would be as large the next time
	}
	var api *APIError
	if !errors.As(err, &api) || !api.Coded || api.Code == codeInternal {
		return sealed, nil, p.unavailable(err)
	}
	if api.Code == codeNoOrder {
		return p.fail(ctx, s, providers.Failed{Reason: providers.ResultLost, Hint: fmt.Sprint(api.Code), Text: textLost(s.Kind)})
	}
	failed, ok := coded(api.Code, s.User)
	if !ok {
		failed = providers.Failed{Reason: providers.Unknown, Text: textWrong()}
	}
	failed.Hint = fmt.Sprint(api.Code)
	return p.fail(ctx, s, failed)
}

func (p *Provider) fail(ctx context.Context, s state, f providers.Failed) (providers.State, providers.Step, error) {
	p.log.InfoContext(ctx, "freja order failed", "order", s.name(), "reason", string(f.Reason), "hint", f.Hint, "check", f.Check)
	return p.over(s, f)
}

func (p *Provider) refuse(ctx context.Context, s state, check string) (providers.State, providers.Step, error) {
	return p.fail(ctx, s, providers.Failed{Reason: providers.EvidenceRefused, Check: check, Text: textRefused(s.Kind)})
}

func (p *Provider) over(s state, last providers.Step) (providers.State, providers.Step, error) {
	s.Over = true
	s.Answer, s.Secret, s.ReturnURL = "", "", ""
	sealed, err := s.seal()
	if err != nil {
		return nil, nil, err
	}
	return sealed, last, nil
}

// finish verifies the answer that the state holds.
func (p *Provider) finish(ctx context.Context, s state) (providers.State, providers.Step, error) {
	proof, err := evidence{
		Version: evidenceVersion, Environment: p.env.Name, Reference: s.Reference, UserInfo: s.User, Email: s.Email,
		Started: s.Started, Collected: s.Collected, JWS: s.Answer, Certificates: p.chains[signerOf(s.Answer)],
	}.seal()
	if err != nil {
		return p.refuse(ctx, s, "encoding")
	}
	id, err := Verify(proof, providers.Expected{
		Kind: s.Kind, Text: s.Text, Binding: s.Binding, Number: s.Number, Started: s.Started, Ended: s.Collected,
	}, p.Trust(), p.clock())
	if err != nil {
		return p.refused(ctx, s, err)
	}
	p.log.InfoContext(ctx, "freja evidence verified", "order", s.name(), "level", id.Policy)
	return p.over(s, providers.Done{Identity: id, Evidence: proof})
}

// refused says what it means that evidence did not pass: that it is false, or that
// it is true of somebody who may not.
func (p *Provider) refused(ctx context.Context, s state, err error) (providers.State, providers.Step, error) {
	check := "unknown"
	var r *providers.Refused
	if errors.As(err, &r) {
		check = r.Check
	}
	switch {
	case errors.Is(err, ErrNotPinned):
		// Either somebody forges, or Freja has a new certificate and nobody logs in
		// until it is configured.
		p.log.ErrorContext(ctx, "freja signs with a certificate that is not configured", "order", s.name(), "x5t", clean(signerOf(s.Answer)))
	default:
		p.log.WarnContext(ctx, "freja evidence refused", "order", s.name(), "error", clean(err.Error()))
	}
	switch {
	case check == checkCountry:
		return p.fail(ctx, s, providers.Failed{Reason: providers.Unsuitable, Hint: check, Text: textCountry()})
	case check == checkLevel:
		return p.fail(ctx, s, providers.Failed{Reason: providers.LevelTooLow, Hint: check, Text: textLevel()})
	case errors.Is(err, errOther):
		return p.fail(ctx, s, providers.Failed{Reason: providers.WrongPerson, Hint: check, Text: textWrongPerson()})
	}
	return p.refuse(ctx, s, check)
}

// signerOf is the x5t of a JWS of which nothing is known.
func signerOf(jws string) string {
	header, _, _ := strings.Cut(jws, ".")
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return ""
	}
	m, err := members(raw)
	if err != nil {
		return ""
	}
	x5t, _ := text(m, "x5t")
	return x5t
}

// chainsOf gives, for each certificate that Freja signs with, itself and those that
// lead from it towards the root.
func chainsOf(env Environment) map[string][][]byte {
	chains := map[string][][]byte{}
	for _, c := range env.JWSCertificates {
		x5t := thumbprint(c)
		chain := [][]byte{c.Raw}
		rest := slices.Clone(env.Intermediates)
		for len(chain) < maxCertificates {
			next := slices.IndexFunc(rest, func(ca *x509.Certificate) bool { return c.CheckSignatureFrom(ca) == nil })
			if next < 0 {
				break
			}
			c = rest[next]
			rest = slices.Delete(rest, next, next+1)
			chain = append(chain, c.Raw)
		}
		chains[x5t] = chain
	}
	return chains
}

// Cancel tells the issuer to drop the order. An order that the issuer does not know
// any more is cancelled enough.
func (p *Provider) Cancel(ctx context.Context, sealed providers.State) error {
	s, err := p.open(sealed)
	if err != nil {
		return err
	}
	if s.Over || s.Answer != "" {
		return nil
	}
	err = p.client(s.Certificate).cancel(ctx, s.Kind, s.Reference)
	var api *APIError
	switch {
	case err == nil:
		p.log.InfoContext(ctx, "freja order cancelled", "order", s.name())
		return nil
	case errors.As(err, &api) && api.Coded && api.Code == codeNoOrder:
		return nil
	case ctx.Err() != nil:
		return gone(err)
	}
	return p.unavailable(err)
}

// Show says what to show at the moment.
func (p *Provider) Show(sealed providers.State, now time.Time) (providers.Wait, error) {
	s, err := p.open(sealed)
	if err != nil {
		return providers.Wait{}, err
	}
	if s.Over {
		return providers.Wait{}, ErrState
	}
	return p.wait(s, now), nil
}

func (p *Provider) wait(s state, now time.Time) providers.Wait {
	if s.Answer != "" {
		return providers.Wait{Hint: statusApproved, Text: pendingText(s), PickedUp: true}
	}
	w := providers.Wait{Hint: clean(s.Status), Text: pendingText(s), PickedUp: pickedUp(s.Status), Next: p.poll}
	if w.PickedUp {
		return w
	}
	transaction := s.Reference
	if s.Secret != "" {
		transaction = p.env.Policy.dynamic(s.Reference, s.Secret, now.Sub(s.Started))
	}
	switch {
	case s.Mode == providers.ModeThis:
		// Where the person is known the app has the order anyhow, and the link only
		// opens it.
		w.Link = p.env.link(transaction, s.ReturnURL)
	case s.User == userInferred:
		w.QR = p.env.link(transaction, "")
	}
	return w
}

// host is the host of the services, for messages.
func (p *Provider) host() string {
	u, err := url.Parse(p.env.BaseURL)
	if err != nil {
		return ""
	}
	return u.Host
}
