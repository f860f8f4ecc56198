package saml

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/providers/saml/metadata"
	"sigill/providers/xmlsec"
)

// ErrNoRoot is the error of evidence that ends at nobody who is trusted.
var ErrNoRoot = errors.New("no trusted identity provider")

// skew is how far the issuer's clock and ours may differ.
const skew = time.Minute

// Trust is what a verifier believes beforehand.
type Trust struct {
	// Metadata are the certificates by which an identity provider's entry may be
	// signed. Where IdPs is empty, what an entry so signed names may sign assertions.
	Metadata []*x509.Certificate
	// IdPs are certificates of identity providers that are believed themselves:
	// unless it is empty, nobody else's key is, whoever signed the entry.
	IdPs []*x509.Certificate
	// EntityIDs are the identity providers that are believed; empty: any that the
	// certificates vouch for.
	EntityIDs []string

	// Audiences are our service providers. What was made for another proves
	// nothing to us. AnyAudience accepts all: for a stranger who verifies what
	// somebody else asked for.
	Audiences   []string
	AnyAudience bool

	Levels         map[string]providers.Level // nil: DefaultLevels
	Attributes     Attributes                 // zero: SwedenConnect, and CGIClassic for what that gives nothing of
	NoCoordNumbers bool                       // a samordningsnummer is refused
	MappedBy       []string                   // as in Config
	IDPList        []string                   // as in Config: one of them must have been asked; empty: anybody

	Provider providers.ID // goes into the Identity
	Approved bool         // the service that asked is approved for level 3

	otherwise Attributes // read for claims of which Attributes give nothing
}

func (t Trust) withDefaults() Trust {
	if t.Levels == nil {
		t.Levels = DefaultLevels(t.Provider, t.Approved)
	}
	if t.Attributes.Names == nil {
		t.Attributes, t.otherwise = SwedenConnect(), CGIClassic()
	}
	return t
}

// Names of steps that mean more to people than that something was wrong.
const (
	checkLevel        = "level"
	checkPerson       = "person"
	checkText         = "text"
	checkNoNumber     = "no-number"
	checkCoordination = "coordination-number"
)

// Verify checks evidence against what was expected of it and says who made it.
// Everything in the Identity comes from what the identity provider signed. It
// needs no network: whether the identity provider's key was good at the time, the
// metadata that was kept says.
//
// Every error is a *providers.Refused that names the step that failed.
func Verify(e providers.Evidence, expected providers.Expected, trust Trust, at time.Time) (providers.Identity, error) {
	v := &verification{sealed: e, expected: expected, trust: trust.withDefaults(), at: at}
	if err := run(v, verifications()); err != nil {
		return providers.Identity{}, err
	}
	return v.identity(), nil
}

// verification is the work on one piece of evidence.
type verification struct {
	sealed   providers.Evidence
	expected providers.Expected
	trust    Trust
	at       time.Time
	live     *live // nil: later, by somebody else

	evidence  evidence
	idp       *metadata.IdP
	strangers []*x509.Certificate // that the entry names and nobody believes
	response  *etree.Element      // what was signed; nil: the assertion is signed itself
	assertion *etree.Element      // what was signed
	plain     []byte              // the assertion, where it came out of the response

	issued        time.Time
	confirmation  *etree.Element // its data
	ends          time.Time      // when it may no longer be used
	statement     *etree.Element
	level         providers.Level
	policy        string
	authenticated time.Time
	values        map[Claim][]string
	number        personnummer.Number
}

// live is what is true only while the answer arrives.
type live struct {
	acs    string
	id     string   // of the request
	asked  []string // levels; empty: no question
	forced bool
	age    time.Duration // of the login that answers, where it is not forced
	skew   time.Duration
}

// verifications are the steps in their order. Nothing is used before all have
// passed.
func verifications() []step[*verification] {
	return []step[*verification]{
		{"evidence", (*verification).parse},
		{"metadata", (*verification).believe},
		{"response", (*verification).verifyResponse},
		{"assertion-decryption", (*verification).decrypt},
		{"assertion-xml", (*verification).readAssertion},
		{"assertion-signature", (*verification).verifyAssertion},
		{"assertion", (*verification).checkAssertion},
		{"assertion-issuer", func(v *verification) error { return checkIssuer(v.assertion, v.idp.EntityID) }},
		{"time", (*verification).checkTime},
		{"subject", (*verification).checkSubject},
		{"recipient", (*verification).checkRecipient},
		{"binding", (*verification).checkBinding},
		{"conditions", (*verification).checkConditions},
		{"audience", (*verification).checkAudience},
		{"authn-statement", (*verification).checkStatement},
		{checkLevel, (*verification).checkLevel},
		{"authority", (*verification).checkAuthority},
		{"authn-instant", (*verification).checkInstant},
		{"authn-age", (*verification).checkAge},
		{"attributes", (*verification).readAttributes},
		{checkNoNumber, (*verification).checkHasNumber},
		{"number", (*verification).checkNumber},
		{checkCoordination, (*verification).checkCoordination},
		{checkPerson, (*verification).checkPerson},
		{checkText, (*verification).checkText},
	}
}

func (v *verification) parse() (err error) {
	switch v.expected.Kind {
	case providers.KindAuth, providers.KindSign:
	default:
		return errors.New("unknown kind of order")
	}
	if v.live != nil { // made a moment ago
		return nil
	}
	v.evidence, err = parseEvidence(v.sealed)
	return err
}

// believe finds the keys that may have signed: those of the entry that are trusted
// themselves, or, where none are named, all of an entry that somebody trusted signed.
func (v *verification) believe() error {
	if v.idp != nil { // live: the source vouches for it
		return nil
	}
	entry, err := metadata.Entry(v.evidence.Metadata, v.trust.Metadata)
	if err != nil {
		return err
	}
	if len(v.trust.EntityIDs) > 0 && !slices.Contains(v.trust.EntityIDs, entry.EntityID) {
		return ErrNoRoot
	}
	if !entry.OwnSignature || len(v.trust.IdPs) > 0 {
		named := entry.SigningCertificates
		entry.SigningCertificates = nil
		for _, c := range named {
			if slices.ContainsFunc(v.trust.IdPs, func(t *x509.Certificate) bool {
				return slices.Equal(t.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
			}) {
				entry.SigningCertificates = append(entry.SigningCertificates, c)
			} else {
				v.strangers = append(v.strangers, c)
			}
		}
	}
	if len(entry.SigningCertificates) == 0 {
		return ErrNoRoot
	}
	if v.evidence.IdP != entry.EntityID {
		return errors.New("the entry of another identity provider than the evidence names")
	}
	v.idp = &entry
	return nil
}

// signed is what a signature of the identity provider covers. That of a key which
// the entry names and nobody believes is no forgery: it ends at nobody.
func (v *verification) signed(el *etree.Element) (*etree.Element, error) {
	signed, err := xmlsec.Verify(el, v.idp.SigningCertificates)
	if err == nil {
		return signed, nil
	}
	if len(v.strangers) > 0 {
		if _, err := xmlsec.Verify(el, v.strangers); err == nil {
			return nil, ErrNoRoot
		}
	}
	return nil, err
}

// verifyResponse is for evidence whose assertion has no signature of its own.
func (v *verification) verifyResponse() error {
	if v.evidence.Response == nil || v.response != nil {
		return nil
	}
	root, err := xmlsec.Parse(v.evidence.Response, maxResponse)
	if err != nil {
		return err
	}
	if !xmlsec.Is(root, nsProtocol, "Response") {
		return errors.New("not a response")
	}
	if v.response, err = v.signed(root); err != nil {
		return err
	}
	if !xmlsec.Is(v.response, nsProtocol, "Response") {
		return errors.New("something else than the response is signed")
	}
	if err := checkVersion(v.response); err != nil {
		return err
	}
	if err := checkIssuer(v.response, v.idp.EntityID); err != nil {
		return err
	}
	s, err := readStatus(v.response)
	if err != nil {
		return err
	}
	if !s.success() {
		return errors.New("a failure")
	}
	return nil
}

func (v *verification) decrypt() error {
	if v.response == nil || v.plain != nil {
		return nil
	}
	el, err := theAssertion(v.response)
	if err != nil {
		return err
	}
	if xmlsec.Is(el, nsAssertion, "Assertion") {
		v.plain = xmlsec.Bytes(xmlsec.Detach(el))
		return nil
	}
	e, err := parseEncrypted(el, DefaultCiphers())
	if err != nil {
		return err
	}
	v.plain, err = e.openWith(v.evidence.ContentKey)
	return err
}

func (v *verification) readAssertion() (err error) {
	if v.assertion != nil { // live: it was looked at already
		return nil
	}
	raw := v.plain
	if v.response == nil {
		raw = v.evidence.Assertion
	}
	v.assertion, err = xmlsec.Parse(raw, maxResponse)
	return err
}

// verifyAssertion: a signature of its own must be right, even where the response
// around it has been verified.
func (v *verification) verifyAssertion() (err error) {
	if !xmlsec.Is(v.assertion, nsAssertion, "Assertion") {
		return errors.New("not an assertion")
	}
	if v.response != nil && v.expected.Kind != providers.KindSign && !xmlsec.Signed(v.assertion) {
		return nil
	}
	v.assertion, err = v.signed(v.assertion)
	return err
}

func (v *verification) checkAssertion() error {
	if !xmlsec.Is(v.assertion, nsAssertion, "Assertion") {
		return errors.New("not an assertion")
	}
	if n := assertions(v.assertion); n != 1 {
		return errors.New("another assertion inside it")
	}
	if xmlsec.Attr(v.assertion, "ID") == "" {
		return errors.New("no ID")
	}
	return checkVersion(v.assertion)
}

// skew is how far clocks may differ.
func (v *verification) skew() time.Duration {
	if v.live != nil {
		return v.live.skew
	}
	return skew
}

// checkTime: made while the order was open, and before now.
func (v *verification) checkTime() (err error) {
	if v.issued, err = instant(xmlsec.Attr(v.assertion, "IssueInstant")); err != nil {
		return err
	}
	if v.expected.Started.IsZero() {
		return errors.New("not known when the order began")
	}
	to := v.at
	if !v.expected.Ended.IsZero() && v.expected.Ended.Before(to) {
		to = v.expected.Ended
	}
	switch {
	case v.issued.Before(v.expected.Started.Add(-v.skew())):
		return errors.New("made before the order began")
	case v.issued.After(to.Add(v.skew())):
		return errors.New("made after the order ended")
	}
	if until := v.idp.ValidUntil; !until.IsZero() && v.issued.After(until) {
		return errors.New("made when the metadata no longer held")
	}
	return nil
}

// moment is the time at which the assertion's own limits must hold: now while it
// arrives, later the time when it was made.
func (v *verification) moment() time.Time {
	if v.live != nil {
		return v.at
	}
	return v.issued
}

// within checks limits of time; either may be missing where the step allows it.
func (v *verification) within(el *etree.Element) (ends time.Time, err error) {
	if s := xmlsec.Attr(el, "NotBefore"); s != "" {
		from, err := instant(s)
		if err != nil {
			return ends, err
		}
		if v.moment().Add(v.skew()).Before(from) {
			return ends, errors.New("not yet valid")
		}
	}
	if ends, err = instant(xmlsec.Attr(el, "NotOnOrAfter")); err != nil {
		return ends, fmt.Errorf("its end: %w", err)
	}
	if !v.moment().Add(-v.skew()).Before(ends) {
		return ends, errors.New("no longer valid")
	}
	return ends, nil
}

// checkSubject: exactly one confirmation, which says that whoever brings the
// assertion is the person, for a while.
func (v *verification) checkSubject() error {
	subject, err := one(v.assertion, nsAssertion, "Subject")
	if err != nil {
		return err
	}
	c, err := one(subject, nsAssertion, "SubjectConfirmation")
	if err != nil {
		return err
	}
	if xmlsec.Attr(c, "Method") != bearer {
		return errors.New("not confirmed by bringing it")
	}
	if v.confirmation, err = one(c, nsAssertion, "SubjectConfirmationData"); err != nil {
		return err
	}
	v.ends, err = v.within(v.confirmation)
	return err
}

func (v *verification) checkRecipient() error {
	recipient := xmlsec.Attr(v.confirmation, "Recipient")
	if recipient == "" || v.live != nil && recipient != v.live.acs {
		return errors.New("meant for another address")
	}
	return nil
}

// checkBinding: the assertion answers the request of this order. Its ID is a
// digest of the order's binding, which proves so to strangers too.
func (v *verification) checkBinding() error {
	id := xmlsec.Attr(v.confirmation, "InResponseTo")
	if len(v.expected.Binding) < minBinding || id != requestID(v.expected.Binding, v.evidence.Salt) || v.live != nil && id != v.live.id {
		return errors.New("answers the request of another order, or none")
	}
	return nil
}

func (v *verification) checkConditions() error {
	c, err := one(v.assertion, nsAssertion, "Conditions")
	if err != nil {
		return err
	}
	if xmlsec.Attr(c, "NotBefore") == "" {
		return errors.New("no beginning")
	}
	ends, err := v.within(c)
	if err != nil {
		return err
	}
	if ends.After(v.ends) {
		v.ends = ends
	}
	for _, el := range c.ChildElements() {
		switch {
		case xmlsec.Is(el, nsAssertion, "AudienceRestriction"), xmlsec.Is(el, nsAssertion, "OneTimeUse"), xmlsec.Is(el, nsAssertion, "ProxyRestriction"):
		default:
			return errors.New("a condition that is not understood")
		}
	}
	return nil
}

// checkAudience: every restriction must allow us.
func (v *verification) checkAudience() error {
	c, err := one(v.assertion, nsAssertion, "Conditions")
	if err != nil {
		return err
	}
	all := xmlsec.Children(c, nsAssertion, "AudienceRestriction")
	if len(all) == 0 {
		return errors.New("meant for nobody in particular")
	}
	for _, r := range all {
		audiences := xmlsec.Children(r, nsAssertion, "Audience")
		if len(audiences) == 0 {
			return errors.New("meant for nobody")
		}
		if !v.trust.AnyAudience && !slices.ContainsFunc(audiences, func(a *etree.Element) bool {
			return slices.Contains(v.trust.Audiences, text(a))
		}) {
			return errors.New("meant for somebody else")
		}
		if !slices.ContainsFunc(audiences, func(a *etree.Element) bool { return text(a) == v.evidence.SP }) {
			return errors.New("meant for another service than the evidence names")
		}
	}
	return nil
}

func (v *verification) checkStatement() (err error) {
	v.statement, err = one(v.assertion, nsAssertion, "AuthnStatement")
	return err
}

// checkLevel compares names, to the letter.
func (v *verification) checkLevel() error {
	c, err := one(v.statement, nsAssertion, "AuthnContext")
	if err != nil {
		return err
	}
	ref, err := one(c, nsAssertion, "AuthnContextClassRef")
	if err != nil {
		return err
	}
	v.policy = ref.Text()
	if v.live != nil && len(v.live.asked) > 0 && !slices.Contains(v.live.asked, v.policy) {
		return errors.New("another level than was asked for")
	}
	if v.level = v.trust.Levels[v.policy]; v.level == providers.LevelNone {
		return errors.New("a level that is not accepted")
	}
	return nil
}

// checkAuthority: where a proxy was told whom to ask, it must have asked one of
// them, or be one itself.
func (v *verification) checkAuthority() error {
	if len(v.trust.IDPList) == 0 {
		return nil
	}
	c, err := one(v.statement, nsAssertion, "AuthnContext")
	if err != nil {
		return err
	}
	asked := []string{v.idp.EntityID}
	if named := xmlsec.Children(c, nsAssertion, "AuthenticatingAuthority"); len(named) > 0 {
		asked = nil
		for _, el := range named {
			asked = append(asked, text(el))
		}
	}
	if !slices.ContainsFunc(asked, func(id string) bool { return slices.Contains(v.trust.IDPList, id) }) {
		return errors.New("by another e-ID than was asked for, or by none that is named")
	}
	return nil
}

// checkInstant: for a signature, and where a login may not be answered from an
// earlier one, the person acted after being asked.
func (v *verification) checkInstant() (err error) {
	if v.authenticated, err = instant(xmlsec.Attr(v.statement, "AuthnInstant")); err != nil {
		return err
	}
	forced := v.expected.Kind == providers.KindSign || v.live != nil && v.live.forced
	switch {
	case v.authenticated.After(v.moment().Add(v.skew())):
		return errors.New("in the future")
	case forced && v.authenticated.Before(v.expected.Started.Add(-v.skew())):
		return errors.New("before the person was asked")
	}
	if s := xmlsec.Attr(v.statement, "SessionNotOnOrAfter"); s != "" {
		ends, err := instant(s)
		if err != nil {
			return err
		}
		if !v.moment().Add(-v.skew()).Before(ends) {
			return errors.New("the session is over")
		}
	}
	return nil
}

// checkAge: an earlier login says who somebody was then, and that they are still
// there only for a while.
func (v *verification) checkAge() error {
	if v.live != nil && v.authenticated.Before(v.expected.Started.Add(-v.live.age-v.skew())) {
		return errors.New("from too long before the person was asked")
	}
	return nil
}

// readAttributes reads the one statement of attributes. No name may come twice: of
// two values nobody could say which is meant.
func (v *verification) readAttributes() error {
	statement, err := one(v.assertion, nsAssertion, "AttributeStatement")
	if err != nil {
		return err
	}
	byName := map[string][]string{}
	for _, el := range statement.ChildElements() {
		if !xmlsec.Is(el, nsAssertion, "Attribute") {
			return errors.New("something else than attributes")
		}
		name := xmlsec.Attr(el, "Name")
		if _, twice := byName[name]; twice || name == "" {
			return errors.New("an attribute twice, or without a name")
		}
		byName[name] = []string{}
		for _, value := range xmlsec.Children(el, nsAssertion, "AttributeValue") {
			if s := text(value); s != "" {
				byName[name] = append(byName[name], s)
			}
		}
	}
	if v.values, err = claims(v.trust.Attributes, byName); err != nil {
		return err
	}
	for claim, names := range v.trust.otherwise.Names {
		if len(v.values[claim]) > 0 {
			continue
		}
		found, err := claims(Attributes{Names: map[Claim][]string{claim: names}}, byName)
		if err != nil {
			return err
		}
		v.values[claim] = found[claim]
	}
	for _, claim := range v.trust.Attributes.Required {
		if len(v.values[claim]) == 0 && claim != Number { // which has a step of its own
			return fmt.Errorf("%s is missing", claim)
		}
	}
	return nil
}

// claims are the values by their names, which must agree.
func claims(a Attributes, byName map[string][]string) (map[Claim][]string, error) {
	found := map[Claim][]string{}
	for claim, names := range a.Names {
		for _, name := range names {
			values := byName[name]
			if len(values) > 1 {
				return nil, fmt.Errorf("%s has %d values", claim, len(values))
			}
			if len(values) == 1 && len(found[claim]) == 1 && found[claim][0] != values[0] {
				return nil, fmt.Errorf("%s is one thing by one name and another by another", claim)
			}
			if len(values) == 1 {
				found[claim] = values
			}
		}
	}
	return found, nil
}

func (v *verification) value(c Claim) string {
	if all := v.values[c]; len(all) == 1 {
		return all[0]
	}
	return ""
}

// checkHasNumber: a number that stands behind a foreign e-ID counts where the way
// in which it was found is good enough.
func (v *verification) checkHasNumber() error {
	if v.value(Number) != "" {
		return nil
	}
	if v.value(MappedNumber) != "" && slices.ContainsFunc(strings.Split(v.value(MappedBy), ";"), func(by string) bool {
		return slices.Contains(v.trust.MappedBy, strings.TrimSpace(by))
	}) {
		v.values[Number] = v.values[MappedNumber]
		return nil
	}
	return errors.New("no personal identity number")
}

func (v *verification) checkNumber() (err error) {
	v.number, err = personnummer.FromDigits(v.value(Number))
	return err
}

func (v *verification) checkCoordination() error {
	if v.trust.NoCoordNumbers && v.number.Coordination() {
		return errors.New("a coordination number")
	}
	return nil
}

func (v *verification) checkPerson() error {
	if !v.expected.Number.IsZero() && v.expected.Number != v.number {
		return errors.New("another person than the one asked")
	}
	return nil
}

// checkText: what was signed is named by its digest. A login has none.
func (v *verification) checkText() error {
	digest := v.value(Digest)
	if v.expected.Kind != providers.KindSign {
		if digest != "" {
			return errors.New("a text was signed where nobody asked for that")
		}
		return nil
	}
	switch {
	case digest == "":
		return errors.New("no text was shown")
	case v.expected.Text == "" || digest != messageDigest(v.expected.Text):
		return errors.New("another text was shown")
	}
	return nil
}

// messageDigest is the value of the attribute signMessageDigest.
func messageDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return digestSHA256 + ";" + base64.StdEncoding.EncodeToString(sum[:])
}

// key names the assertion among all assertions.
func (v *verification) key() string {
	sum := sha256.Sum256([]byte(v.idp.EntityID + "\x00" + xmlsec.Attr(v.assertion, "ID")))
	return "saml:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func (v *verification) identity() providers.Identity {
	id := providers.Identity{
		Number: v.number, GivenName: printable(v.value(GivenName)), Surname: printable(v.value(Surname)), Name: printable(v.value(Name)),
		Provider: v.trust.Provider, Level: v.level, Policy: v.policy, At: v.authenticated,
		Transaction: printable(v.value(Transaction)),
	}
	if id.Name == "" {
		id.Name = printable(id.GivenName + " " + id.Surname)
	}
	if id.Transaction == "" {
		id.Transaction = xmlsec.Attr(v.assertion, "ID")
	}
	if ip, err := netip.ParseAddr(xmlsec.Attr(v.confirmation, "Address")); err == nil {
		id.DeviceIP = ip.Unmap().String()
	}
	return id
}
