package bankid

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"sigill/providers"
)

// The issuer's limits, in bytes before base64.
const (
	maxSignText   = 30_000
	maxAuthText   = 1_125
	maxNonVisible = 30_000 // the issuer takes more; nobody needs it
	maxReturnURL  = 512
	minBinding    = 16
)

// Provider is BankID as one e-ID of the broker. It keeps nothing of an order.
type Provider struct {
	id       providers.ID
	instance string
	name     string
	help     providers.Help
	env      Environment
	clients  atomic.Pointer[[]*client] // the first with the certificate that is used now; see Renew
	conns    int
	rp       RelyingParty
	shown    string // the configured display name
	approved bool
	poll     time.Duration
	clock    func() time.Time
	log      *slog.Logger
	cache    *Cache
}

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Signer   = (*Provider)(nil)
	_ providers.Shower   = (*Provider)(nil)
)

// New makes a provider. It starts nothing and asks nobody.
func New(c Config) (*Provider, error) {
	p := &Provider{
		id: c.ID, instance: c.Instance, name: c.Name, help: c.Help, env: c.Environment,
		approved: c.Approved, poll: c.PollInterval, clock: c.Clock, log: c.Log, cache: c.Cache,
	}
	switch c.ID {
	case providers.BankID:
		p.name = orDefault(p.name, "BankID")
	case providers.MBankID:
		p.name = orDefault(p.name, "Mobilt BankID")
	default:
		return nil, fmt.Errorf("bankid: cannot be e-ID %q", c.ID)
	}
	if err := c.Environment.Validate(); err != nil {
		return nil, fmt.Errorf("bankid: %w", err)
	}
	var err error
	if p.rp, err = partyOf(c.Certificate, c.DisplayName); err != nil {
		return nil, err
	}
	p.shown = c.DisplayName
	if p.poll <= 0 {
		p.poll = 2 * time.Second
	}
	if p.clock == nil {
		p.clock = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.cache == nil {
		p.cache = new(Cache)
	}
	if p.conns = c.MaxConns; p.conns <= 0 {
		p.conns = 256
	}
	first, err := newClient(c.Environment, c.Certificate, p.conns)
	if err != nil {
		return nil, fmt.Errorf("bankid: %w", err)
	}
	p.clients.Store(&[]*client{first})
	return p, nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Info says what this provider can do.
func (p *Provider) Info() providers.Info {
	modes := []providers.Mode{providers.ModeThis}
	if p.id == providers.MBankID {
		modes = []providers.Mode{providers.ModeOther, providers.ModeThis, providers.ModePhone}
	}
	return providers.Info{
		ID: p.id, Instance: p.instance, Name: p.name, Help: p.help, Level: level(p.approved), Modes: modes,
		TextLimit: maxSignText, AuthText: maxAuthText, Markdown: true, NonVisible: maxNonVisible,
		CoordNumbers: true,
	}
}

// Trust is what this provider believes when it verifies; the offline verifier
// can use the same.
func (p *Provider) Trust() Trust {
	return Trust{
		Roots:          p.env.SignatureRoots,
		Policies:       p.env.Policies.of(p.id),
		RelyingParties: []RelyingParty{p.rp},
		Provider:       p.id,
		Approved:       p.approved,
		Cache:          p.cache,
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
	b := newBrowser(r.Device.UserAgent)
	method, body, err := p.request(kind, r, b)
	if err != nil {
		return nil, nil, err
	}
	began := p.clock()
	with := p.client("")
	tokens, err := with.start(ctx, method, body)
	var api *APIError
	switch {
	case err == nil:
	case errors.As(err, &api) && api.HTTPStatus == http.StatusBadRequest && api.is("alreadyInProgress"):
		p.log.WarnContext(ctx, "bankid start refused", "method", method, "error", err)
		return nil, providers.Failed{Reason: providers.InProgress, Hint: "alreadyInProgress", Text: textInProgress()}, nil
	case errors.As(err, &api) && api.HTTPStatus == http.StatusBadRequest && api.is("canceled"):
		p.log.WarnContext(ctx, "bankid start refused", "method", method, "error", err)
		return nil, providers.Failed{Reason: providers.Replaced, Hint: "canceled", Text: textStopped()}, nil
	default:
		p.log.WarnContext(ctx, "bankid start failed", "method", method, "error", err)
		return nil, nil, p.fault(ctx, err)
	}
	s := state{
		Version: stateVersion, Provider: p.id, Instance: p.instance, Environment: p.env.Name,
		Kind: kind, Mode: r.Mode, Mobile: b.mobile(),
		Text: r.Text, Markup: markup(r), Binding: r.Binding, Number: r.Number,
		OrderRef: tokens.OrderRef, Certificate: with.certificate, Started: p.clock(), Hint: "outstandingTransaction",
	}
	switch r.Mode {
	case providers.ModeThis:
		s.Link = b.link(p.env, tokens.AutoStartToken)
	case providers.ModeOther:
		s.QRToken, s.QRSecret = tokens.QRStartToken, tokens.QRStartSecret
	}
	p.log.InfoContext(ctx, "bankid order started", "order", printable(s.OrderRef), "method", method, "mode", string(r.Mode), "took", s.Started.Sub(began))
	sealed, err := s.seal()
	if err != nil {
		return nil, nil, err
	}
	return sealed, p.wait(s, s.Started), nil
}

func markup(r providers.Request) providers.Markup {
	if r.Text == "" {
		return providers.Plain
	}
	return r.Markup
}

// request checks what the caller asks for and puts it in the issuer's words.
func (p *Provider) request(kind providers.Kind, r providers.Request, b browser) (string, any, error) {
	bad := func(field, problem string) (string, any, error) {
		return "", nil, &providers.BadRequest{Field: field, Problem: problem}
	}
	textLimit := maxAuthText
	nonVisibleLimit := maxAuthText
	if kind == providers.KindSign {
		textLimit = maxSignText
		if r.Mode != providers.ModePhone {
			nonVisibleLimit = maxNonVisible
		}
		if r.Text == "" {
			return bad("text", "a signature needs a text")
		}
	}
	switch {
	case !slices.Contains(p.Info().Modes, r.Mode):
		return bad("mode", fmt.Sprintf("%s has no mode %q", p.id, r.Mode))
	case len(r.Text) > textLimit:
		return bad("text", fmt.Sprintf("longer than %d bytes", textLimit))
	case !utf8.ValidString(r.Text) || strings.ContainsRune(r.Text, 0):
		return bad("text", "not text in UTF-8")
	case r.Markup != providers.Plain && r.Markup != providers.SimpleMarkdownV1:
		return bad("markup", "unknown")
	case r.Markup == providers.SimpleMarkdownV1 && strings.ContainsFunc(r.Text, func(c rune) bool { return !markdownRune(c) }):
		return bad("text", "has characters that the format does not allow")
	case len(r.Binding) < minBinding:
		return bad("binding", fmt.Sprintf("shorter than %d bytes", minBinding))
	case len(r.Binding) > nonVisibleLimit:
		return bad("binding", fmt.Sprintf("longer than %d bytes", nonVisibleLimit))
	}
	var visible string
	if r.Text != "" {
		visible = base64.StdEncoding.EncodeToString([]byte(r.Text))
	}
	nonVisible := base64.StdEncoding.EncodeToString(r.Binding)
	// The policies are always named: the issuer's default might hold kinds
	// whose evidence we would refuse afterwards.
	req := &requirement{CertificatePolicies: p.env.Policies.of(p.id)}

	if r.Mode == providers.ModePhone {
		switch {
		case r.Number.IsZero():
			return bad("number", "an order in a phone call needs one")
		case r.Caller != "user" && r.Caller != "RP":
			return bad("caller", "neither user nor RP")
		case r.ReturnURL != "":
			return bad("return_url", "only on this device")
		}
		return "phone/" + string(kind), phoneRequest{
			PersonalNumber: r.Number.Digits(), CallInitiator: r.Caller,
			UserVisibleData: visible, UserNonVisibleData: nonVisible,
			UserVisibleDataFormat: string(markup(r)), Requirement: req,
		}, nil
	}

	ip, err := netip.ParseAddr(r.Device.IP)
	if err != nil || ip.Zone() != "" || ip.IsUnspecified() {
		return bad("device.ip", "not an address")
	}
	if len(r.Device.ID) > 64 {
		return bad("device.id", "longer than 64 characters")
	}
	if r.Caller != "" {
		return bad("caller", "only in a phone call")
	}
	body := startRequest{
		EndUserIP:       ip.Unmap().String(),
		UserVisibleData: visible, UserNonVisibleData: nonVisible,
		UserVisibleDataFormat: string(markup(r)), Requirement: req,
		Web: webOf(r.Device),
	}
	if !r.Number.IsZero() {
		req.PersonalNumber = r.Number.Digits()
	}
	switch r.Mode {
	case providers.ModeThis:
		if p.id == providers.MBankID && b.desktop {
			return bad("mode", "Mobilt BankID is not on a computer")
		}
		if r.ReturnURL == "" {
			return bad("return_url", "missing")
		}
		body.ReturnURL = b.returnURL(r.ReturnURL)
		if len(body.ReturnURL) > maxReturnURL {
			return bad("return_url", fmt.Sprintf("longer than %d characters", maxReturnURL))
		}
	case providers.ModeOther:
		if r.ReturnURL != "" {
			return bad("return_url", "only on this device")
		}
	}
	return string(kind), body, nil
}

// webOf tells the issuer's risk rules about the browser. What does not have the
// form that the issuer takes is left out.
func webOf(d providers.Device) *web {
	w := web{UserAgent: truncate(d.UserAgent, 256), DeviceIdentifier: d.ID}
	host := strings.ToLower(d.Domain)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-'
	}
	if len(host) >= 3 && len(host) <= 253 && !strings.ContainsFunc(host, func(c rune) bool { return !plain(c) }) {
		w.ReferringDomain = host
	}
	if w == (web{}) {
		return nil
	}
	return &w
}

// truncate cuts a text to at most n bytes without cutting a character.
func truncate(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Continue asks the issuer how the order stands. An answer that proves
// something is first handed back inside the state, for the caller to store,
// and verified at the next call.
func (p *Provider) Continue(ctx context.Context, sealed providers.State, event providers.Event) (providers.State, providers.Step, error) {
	s, err := p.open(sealed)
	if err != nil {
		return sealed, nil, err
	}
	if s.Over {
		return sealed, nil, ErrState
	}
	if event.Kind != providers.Tick {
		return sealed, nil, &providers.BadRequest{Field: "event", Problem: "BankID sends no answer through the browser"}
	}
	if s.Answer != nil {
		return p.finish(ctx, s)
	}
	got, raw, err := p.client(s.Certificate).collect(ctx, s.OrderRef)
	if err != nil {
		return p.notCollected(ctx, sealed, s, err)
	}
	if got.OrderRef != s.OrderRef {
		if got.Status != statusPending {
			// The answer is gone, and it was not about this order.
			return p.fail(ctx, s, providers.Failed{Reason: providers.EvidenceRefused, Check: "order", Text: textRefused(s.Kind)})
		}
		return sealed, nil, &providers.Unavailable{Issuer: p.name, Err: errors.New("answer to collect about another order")}
	}
	switch got.Status {
	case statusComplete:
		s.Answer, s.Collected = raw, p.clock()
		p.log.InfoContext(ctx, "bankid order complete", "order", printable(s.OrderRef))
		next, err := s.seal()
		if err != nil {
			return sealed, nil, err
		}
		return next, p.wait(s, s.Collected), nil
	case statusFailed:
		e := failure(got.HintCode, s.Mode)
		return p.fail(ctx, s, providers.Failed{Reason: e.reason, Hint: clean(got.HintCode), Text: e.text})
	}
	if got.HintCode == s.Hint {
		return sealed, p.wait(s, p.clock()), nil
	}
	s.Hint = got.HintCode
	p.log.InfoContext(ctx, "bankid order pending", "order", printable(s.OrderRef), "hint", clean(s.Hint))
	next, err := s.seal()
	if err != nil {
		return sealed, nil, err
	}
	return next, p.wait(s, p.clock()), nil
}

// notCollected says what it means that the issuer did not tell how the order
// stands.
func (p *Provider) notCollected(ctx context.Context, sealed providers.State, s state, err error) (providers.State, providers.Step, error) {
	p.log.WarnContext(ctx, "bankid collect failed", "order", printable(s.OrderRef), "error", err)
	var api *APIError
	if errors.As(err, &api) && api.HTTPStatus == http.StatusBadRequest && api.ErrorCode != "" {
		switch {
		case api.is("invalidParameters"):
			// The issuer knows no such order: it was delivered already, was
			// cancelled, or is too old.
			return p.fail(ctx, s, providers.Failed{Reason: providers.ResultLost, Hint: "invalidParameters", Text: textLost(s.Kind)})
		case api.is("alreadyInProgress"), api.is("canceled"):
			return p.fail(ctx, s, providers.Failed{Reason: providers.Replaced, Hint: clean(api.ErrorCode), Text: textStopped()})
		default:
			return p.fail(ctx, s, providers.Failed{Reason: providers.Unknown, Hint: clean(api.ErrorCode), Text: textWrong()})
		}
	}
	if ctx.Err() != nil {
		return sealed, nil, fmt.Errorf("bankid: %w", err)
	}
	return sealed, nil, &providers.Unavailable{Issuer: p.name, Err: err}
}

// fault sorts the errors of a start: what the issuer will get over, and what
// somebody must mend.
func (p *Provider) fault(ctx context.Context, err error) error {
	var api *APIError
	if errors.As(err, &api) && api.ErrorCode != "" {
		switch api.HTTPStatus {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
			http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
			return fmt.Errorf("bankid: %w", err)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("bankid: %w", err)
	}
	return &providers.Unavailable{Issuer: p.name, Err: err}
}

func (p *Provider) fail(ctx context.Context, s state, f providers.Failed) (providers.State, providers.Step, error) {
	p.log.InfoContext(ctx, "bankid order failed", "order", printable(s.OrderRef), "reason", string(f.Reason), "hint", f.Hint, "check", f.Check)
	return p.over(s, f)
}

func (p *Provider) over(s state, last providers.Step) (providers.State, providers.Step, error) {
	s.Over = true
	s.Answer, s.QRSecret, s.Link = nil, "", ""
	sealed, err := s.seal()
	if err != nil {
		return nil, nil, err
	}
	return sealed, last, nil
}

// finish verifies the answer that the state holds.
func (p *Provider) finish(ctx context.Context, s state) (providers.State, providers.Step, error) {
	refused := func(check string) (providers.State, providers.Step, error) {
		return p.fail(ctx, s, providers.Failed{Reason: providers.EvidenceRefused, Check: check, Text: textRefused(s.Kind)})
	}
	var got collected
	if json.Unmarshal(s.Answer, &got) != nil || got.CompletionData == nil {
		return refused("encoding")
	}
	proof, err := evidence{
		Version: evidenceVersion, Environment: p.env.Name, RelyingParty: p.rp.DisplayName,
		OrderRef: s.OrderRef, Started: s.Started, Collected: s.Collected, completionData: *got.CompletionData,
	}.seal()
	if err != nil {
		return refused("encoding")
	}
	id, err := Verify(proof, providers.Expected{
		Kind: s.Kind, Text: s.Text, Markup: s.Markup, Binding: s.Binding, Number: s.Number,
		Started: s.Started, Ended: s.Collected,
	}, p.Trust(), p.clock())
	var r *providers.Refused
	switch {
	case errors.As(err, &r):
		p.log.WarnContext(ctx, "bankid evidence refused", "order", printable(s.OrderRef), "error", clean(err.Error()))
		return refused(r.Check)
	case err != nil:
		return refused("unknown")
	}
	// Neither of these stands in the signature: one is our own name for the
	// order, the other a hint for fraud rules.
	id.Transaction = s.OrderRef
	if ip, err := netip.ParseAddr(got.CompletionData.Device.IPAddress); err == nil {
		id.DeviceIP = ip.String()
	}
	p.log.InfoContext(ctx, "bankid evidence verified", "order", printable(s.OrderRef), "policy", id.Policy)
	return p.over(s, providers.Done{Identity: id, Evidence: proof})
}

// Cancel tells the issuer to drop the order. An order that the issuer does not
// know any more is cancelled enough.
func (p *Provider) Cancel(ctx context.Context, sealed providers.State) error {
	s, err := p.open(sealed)
	if err != nil {
		return err
	}
	if s.Over || s.Answer != nil {
		return nil
	}
	err = p.client(s.Certificate).cancel(ctx, s.OrderRef)
	var api *APIError
	switch {
	case err == nil:
		p.log.InfoContext(ctx, "bankid order cancelled", "order", printable(s.OrderRef))
		return nil
	case errors.As(err, &api) && api.HTTPStatus == http.StatusBadRequest && api.is("invalidParameters"):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("bankid: %w", err)
	}
	return &providers.Unavailable{Issuer: p.name, Err: err}
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
	if s.Answer != nil {
		return providers.Wait{Hint: statusComplete, Text: pendingText("processing", s.Mode, s.Kind, s.Mobile), PickedUp: true}
	}
	w := providers.Wait{
		Hint:     clean(s.Hint),
		Text:     pendingText(s.Hint, s.Mode, s.Kind, s.Mobile),
		PickedUp: pickedUp(s.Hint),
		Next:     p.poll,
	}
	if !w.PickedUp {
		w.Link = s.Link
		if s.QRSecret != "" && s.Hint == "outstandingTransaction" {
			w.QR = qrFrame(s.QRToken, s.QRSecret, now.Sub(s.Started))
		}
	}
	return w
}
