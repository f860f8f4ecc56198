package freja

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// skew is how far the issuer's clock and ours may differ.
const skew = 60 * time.Second

// Trust is what a verifier believes beforehand.
type Trust struct {
	// Roots are the pinned roots of the environment's JWS certificates.
	Roots []*x509.Certificate
	// Certificates are the JWS certificates that are believed, and no others. When
	// there are none, one that the evidence brings is believed if it ends at a root,
	// has the profile of one (RSA, no CA, for signing and nonrepudiation, no extended
	// use) and the name of one ("… JWS Signing", with or without "v" and a number).
	// That is weaker: the same root stands above the certificates of relying parties
	// and people, and the name alone keeps them apart from those with the same profile.
	Certificates []*x509.Certificate
	// UserRoots are the roots of people's own certificates, where they are known;
	// see Held.
	UserRoots []*x509.Certificate
	Approved  bool // the service that asked is approved for level 3
}

// ErrNoRoot is why evidence is refused that ends at nobody we know. Elsewhere it
// may be believed.
var ErrNoRoot = errors.New("does not end at a pinned root")

// ErrNotPinned is why evidence is refused whose signer is not among the certificates
// that are configured, as when Freja has taken a new one into use. It is an
// ErrNoRoot too.
var ErrNotPinned = fmt.Errorf("signed with a certificate that is not configured: %w", ErrNoRoot)

// The steps whose failure says something about the person and not about the proof.
const (
	checkCountry = "country" // has no Swedish number
	checkLevel   = "level"
	checkPerson  = "person"
)

// Verify checks evidence against what was expected of it and says who made it.
// Everything in the Identity comes from what Freja has signed. The time is the
// verifier's own: nothing made later is believed.
//
// A login carries neither text nor binding. What ties it to its order is the
// reference alone, which Continue takes from its own state; a stranger has it from
// the evidence.
//
// Every error is a *providers.Refused that names the step that failed.
func Verify(e providers.Evidence, expected providers.Expected, trust Trust, at time.Time) (providers.Identity, error) {
	return verify(steps(), e, expected, trust, at)
}

// A step of the verification looks at one thing, and relies on the steps before
// it.
type step struct {
	name string
	run  func(*verification) error
}

// verification is the work on one piece of evidence.
type verification struct {
	sealed   providers.Evidence
	expected providers.Expected
	trust    Trust
	at       time.Time

	evidence  evidence
	chain     []*x509.Certificate // of the evidence
	signer    *x509.Certificate
	token     *token
	statement statement
	inner     *inner
	held      Held
	number    personnummer.Number

	attributes     map[string]json.RawMessage
	ssn            map[string]json.RawMessage
	country        string
	given, surname string
	level          string
}

func steps() []step {
	return []step{
		{"encoding", (*verification).checkEncoding},
		{"structure", (*verification).checkStructure},
		{"algorithm", func(v *verification) error { return v.token.checkHeader() }},
		{"certificate", (*verification).checkCertificate},
		{"signature", func(v *verification) error { return v.token.signedBy(v.signer) }},
		{"statement", (*verification).checkStatement},
		{"chain", (*verification).checkChain},
		{"reference", (*verification).checkReference},
		{"status", (*verification).checkApproved},
		{"user", (*verification).checkUser},
		{"minimum", (*verification).checkMinimum},
		{"time", (*verification).checkTime},
		{"signature-type", (*verification).checkSignatureType},
		{"inner-structure", (*verification).checkInnerStructure},
		{"text", (*verification).checkText},
		{"nonvisible", (*verification).checkNonVisible},
		{"ocsp", (*verification).checkStatus},
		{"inner-signature", (*verification).checkInner},
		{"attributes", (*verification).checkAttributes},
		{checkCountry, (*verification).checkCountry},
		{checkLevel, (*verification).checkLevel},
		{checkPerson, (*verification).checkPerson},
		{"inner-person", (*verification).checkInnerPerson},
	}
}

func verify(steps []step, e providers.Evidence, expected providers.Expected, trust Trust, at time.Time) (providers.Identity, error) {
	v := &verification{sealed: e, expected: expected, trust: trust, at: at}
	for _, s := range steps {
		if err := s.run(v); err != nil {
			return providers.Identity{}, &providers.Refused{Check: s.name, Err: err}
		}
	}
	return v.identity(), nil
}

func (v *verification) checkEncoding() (err error) {
	if v.evidence, err = parseEvidence(v.sealed); err != nil {
		return err
	}
	v.chain, err = v.evidence.chain()
	return err
}

func (v *verification) checkStructure() (err error) {
	v.token, err = parseToken(v.evidence.JWS)
	return err
}

// checkCertificate finds the signer among those that are pinned.
func (v *verification) checkCertificate() error {
	named, err := text(v.token.header, "x5t")
	if err != nil {
		return err
	}
	for _, c := range v.trust.Certificates {
		if thumbprint(c) == named {
			v.signer = c
			return jwsProfile(c)
		}
	}
	if len(v.trust.Certificates) > 0 {
		return ErrNotPinned
	}
	if len(v.chain) == 0 || thumbprint(v.chain[0]) != named {
		return errors.New("the evidence does not hold the certificate of its signer")
	}
	v.signer = v.chain[0]
	return errors.Join(jwsProfile(v.signer), jwsName(v.signer))
}

// A statement is what Freja signs about an order.
type statement struct {
	members map[string]json.RawMessage
	at      time.Time
}

func parseStatement(payload []byte) (s statement, err error) {
	if s.members, err = members(payload); err != nil {
		return s, err
	}
	ms, err := strconv.ParseInt(string(s.members["timestamp"]), 10, 64)
	if err != nil || ms <= 0 || ms > 1<<53 {
		return s, errors.New("no time")
	}
	s.at = time.UnixMilli(ms).UTC()
	return s, nil
}

func (v *verification) checkStatement() (err error) {
	v.statement, err = parseStatement(v.token.payload)
	return err
}

// checkChain checks that the signer ended at a pinned root when it signed.
func (v *verification) checkChain() error {
	if len(v.trust.Roots) == 0 {
		return ErrNoRoot
	}
	var between []*x509.Certificate
	if len(v.chain) > 0 {
		between = v.chain[1:]
	}
	return ends(v.signer, between, v.trust.Roots, v.statement.at)
}

// ends checks that a certificate was valid at the time and ends at one of the roots.
func ends(c *x509.Certificate, between, roots []*x509.Certificate, at time.Time) error {
	_, err := c.Verify(x509.VerifyOptions{
		Roots: pool(roots), Intermediates: pool(between), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if errors.As(err, &x509.UnknownAuthorityError{}) {
		return fmt.Errorf("%w: %w", ErrNoRoot, err)
	}
	return err
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool() // never nil, which would mean the system's
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

func (v *verification) is(name, want string) error {
	if got, err := text(v.statement.members, name); err != nil {
		return err
	} else if got != want || want == "" {
		return fmt.Errorf("another %s", name)
	}
	return nil
}

// checkReference checks that the statement is about this order, and about an order
// of this kind.
func (v *verification) checkReference() error {
	name, other := "authRef", "signRef"
	switch v.expected.Kind {
	case providers.KindAuth:
	case providers.KindSign:
		name, other = other, name
	default:
		return errors.New("unknown kind of order")
	}
	if v.statement.members[other] != nil {
		return errors.New("about an order of another kind")
	}
	return v.is(name, v.evidence.Reference)
}

func (v *verification) checkApproved() error { return v.is("status", statusApproved) }

// checkUser checks that the order was for whom we said, in the way that we said it.
func (v *verification) checkUser() error {
	if err := v.is("userInfoType", v.evidence.UserInfo); err != nil {
		return err
	}
	info, err := text(v.statement.members, "userInfo")
	if err != nil {
		return err
	}
	switch v.evidence.UserInfo {
	case userInferred:
		if info != userNobody {
			return errors.New("not for whoever scans it")
		}
	case userEmail:
		if v.evidence.Email == "" || !strings.EqualFold(info, v.evidence.Email) {
			return errors.New("for another address")
		}
	case userSSN:
		number, err := parseUserInfo(info)
		if err != nil {
			return err
		}
		if !v.expected.Number.IsZero() && number != v.expected.Number {
			return errors.New("for another person")
		}
		v.number = number
	default:
		return errors.New("unknown way to say whom it is for")
	}
	return nil
}

// parseUserInfo reads a Swedish number as user info: JSON, or base64 of it. Both
// have been seen.
func parseUserInfo(info string) (personnummer.Number, error) {
	raw := []byte(info)
	if !strings.HasPrefix(info, "{") {
		var err error
		if raw, err = strictBase64(info, 1<<10); err != nil {
			return personnummer.Number{}, err
		}
	}
	m, err := members(raw)
	if err != nil {
		return personnummer.Number{}, err
	}
	if country, err := text(m, "country"); err != nil || country != sweden {
		return personnummer.Number{}, errors.New("not a number of Sweden")
	}
	digits, err := text(m, "ssn")
	if err != nil {
		return personnummer.Number{}, err
	}
	return personnummer.FromDigits(digits)
}

func userInfoOf(n personnummer.Number) (string, error) {
	raw, err := plainJSON(ssn{sweden, n.Digits()})
	return base64.StdEncoding.EncodeToString(raw), err
}

func (v *verification) checkMinimum() error { return v.is("minRegistrationLevel", levelPlus) }

func (v *verification) checkTime() error {
	if v.expected.Started.IsZero() {
		return errors.New("not known when the order began")
	}
	to := v.at
	if !v.expected.Ended.IsZero() && v.expected.Ended.Before(to) {
		to = v.expected.Ended
	}
	switch {
	case v.statement.at.Before(v.expected.Started.Add(-skew)):
		return errors.New("made before the order began")
	case v.statement.at.After(to.Add(skew)):
		return errors.New("made after the order ended")
	}
	return nil
}

func (v *verification) signs() bool { return v.expected.Kind == providers.KindSign }

func (v *verification) checkSignatureType() error {
	if v.signs() {
		return v.is("signatureType", extendedSignature)
	}
	if v.statement.members["signatureType"] != nil || v.statement.members["signatureData"] != nil {
		return errors.New("a signature instead of a login")
	}
	return nil
}

func (v *verification) checkInnerStructure() (err error) {
	if v.signs() {
		v.inner, err = parseInner(v.statement.members)
	}
	return err
}

func (v *verification) checkText() error {
	if v.signs() {
		return v.inner.checkText(v.expected.Text)
	}
	if v.expected.Text != "" {
		return errors.New("a login shows no text")
	}
	return nil
}

func (v *verification) checkNonVisible() error {
	if v.signs() {
		return v.inner.checkBinding(v.expected.Binding)
	}
	return nil
}

func (v *verification) checkStatus() error {
	if !v.signs() {
		return nil
	}
	_, err := v.inner.checkStatus(v.statement.at)
	return err
}

func (v *verification) checkInner() (err error) {
	if v.signs() {
		v.held, err = v.inner.examine(v.statement.at, v.trust)
	}
	return err
}

// checkAttributes reads what must be there of everybody.
func (v *verification) checkAttributes() (err error) {
	if v.attributes, err = object(v.statement.members, "requestedAttributes"); err != nil {
		return err
	}
	name, err := object(v.attributes, "basicUserInfo")
	if err != nil {
		return err
	}
	if v.given, err = personName(name, "name"); err != nil {
		return err
	}
	if v.surname, err = personName(name, "surname"); err != nil {
		return err
	}
	if v.given == "" && v.surname == "" {
		return errors.New("no name")
	}
	if v.level, err = text(v.attributes, "registrationLevel"); err != nil {
		return err
	}
	if v.ssn, err = object(v.attributes, "ssn"); err != nil {
		return err
	}
	v.country, err = text(v.ssn, "country")
	return err
}

const maxName = 300

// personName reads a name without what could end a line of a log, or turn it around
// on a page.
func personName(m map[string]json.RawMessage, member string) (string, error) {
	s, err := text(m, member)
	if err != nil {
		return "", err
	}
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)), " ")
	if len(s) > maxName {
		return "", fmt.Errorf("a %q of another form than names have", member)
	}
	return s, nil
}

// checkCountry finds out whether the person has a Swedish number. Of others there
// may be none at all.
func (v *verification) checkCountry() error {
	if v.country != sweden || v.ssn["ssn"] == nil {
		return errors.New("has no Swedish number")
	}
	return nil
}

func (v *verification) checkLevel() error {
	if level(v.level, v.trust.Approved) == providers.LevelNone {
		return errors.New("lower than asked for")
	}
	if v.attributes["loaLevel"] == nil {
		return nil // it is not asked for everywhere
	}
	if loa, err := text(v.attributes, "loaLevel"); err != nil || loa != loa3 {
		return errors.New("the level of assurance is not 3")
	}
	return nil
}

// level is what a registration level gives: an exact table.
func level(registration string, approved bool) providers.Level {
	if registration != levelPlus {
		return providers.LevelNone
	}
	if approved {
		return providers.Level3
	}
	return providers.LevelUncertified3
}

func (v *verification) checkPerson() error {
	digits, err := text(v.ssn, "ssn")
	if err != nil {
		return err
	}
	person, err := personnummer.FromDigits(digits)
	switch {
	case err != nil:
		return err
	case !v.number.IsZero() && v.number != person:
		return errors.New("another person than the one it was for")
	case !v.expected.Number.IsZero() && v.expected.Number != person:
		return errOther
	}
	v.number = person
	return nil
}

// errOther: everything is right, but the person.
var errOther = errors.New("another person than the one asked")

func (v *verification) checkInnerPerson() error {
	if !v.held.Verified {
		return nil
	}
	c, err := x509.ParseCertificate(v.held.Certificate)
	if err != nil {
		return err
	}
	return aboutPerson(c, v.number)
}

func (v *verification) identity() providers.Identity {
	return providers.Identity{
		Number:      v.number,
		Name:        strings.TrimSpace(v.given + " " + v.surname),
		GivenName:   v.given,
		Surname:     v.surname,
		Provider:    providers.Freja,
		Level:       level(v.level, v.trust.Approved),
		Policy:      v.level,
		At:          v.statement.at,
		Certificate: v.held.Certificate,
		Transaction: v.evidence.Reference,
	}
}
