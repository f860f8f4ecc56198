package bankid

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// skew is how far the issuer's clock and ours may differ.
const skew = 60 * time.Second

// What bounds the signature's XML and the revocation answer.
const (
	maxSignature = 1 << 20
	maxOCSP      = 64 << 10
)

// Trust is what a verifier believes beforehand.
type Trust struct {
	// Roots are the pinned roots of the environment's signature hierarchy.
	Roots []*x509.Certificate
	// Policies are the certificate policies that are good enough.
	Policies []string
	// RelyingParties are the names under which we ask. An order that was
	// started by anybody else proves nothing to us.
	RelyingParties []RelyingParty
	// AnyRelyingParty accepts every name: for a stranger who verifies a
	// signature that somebody else asked for.
	AnyRelyingParty bool

	Provider providers.ID // goes into the Identity
	Approved bool         // the service that asked is approved for level 3
	Cache    *Cache       // may be nil
}

// Verify checks evidence against what was expected of it and says who made it.
// Everything in the Identity comes from the person's certificate and the
// signed data; Transaction and DeviceIP, which no signature covers, are left
// empty. The time is the verifier's own: nothing made later is believed.
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
	document  string
	signature *signature
	certs     []*x509.Certificate // as sent, leaf first
	ocsp      *ocspAnswer
	number    personnummer.Number
}

// steps is the whole verification, in the order of the signature profile. The
// answer about revocation is read before the chain is checked, since its time
// is the time of the signature; it is trusted only after its own steps, and
// nothing is used before all steps have passed.
func steps() []step {
	return []step{
		{"encoding", (*verification).checkEncoding},
		{"structure", (*verification).checkStructure},
		{"algorithms", (*verification).checkAlgorithms},
		{"references", (*verification).checkReferences},
		{"digest", (*verification).checkDigests},
		{"certificate", (*verification).checkCertificates},
		{"key", func(v *verification) error { return rsaKey(v.certs[0]) }},
		{"signature", (*verification).checkSignature},
		{"ocsp-structure", (*verification).checkOCSPStructure},
		{"chain", (*verification).checkChain},
		{"policy", (*verification).checkPolicy},
		{"key-usage", (*verification).checkKeyUsage},
		{"function", (*verification).checkFunction},
		{"person", (*verification).checkPerson},
		{"text", (*verification).checkText},
		{"nonvisible", (*verification).checkNonVisible},
		{"relying-party", (*verification).checkRelyingParty},
		{"device", (*verification).checkDevice},
		{"ocsp-serial", func(v *verification) error { return v.ocsp.about(v.certs[0], v.certs[1]) }},
		{"ocsp-status", func(v *verification) error { return v.ocsp.good() }},
		{"ocsp-responder", func(v *verification) error { return v.ocsp.answeredBy(v.certs[1], v.trust.Cache) }},
		{"ocsp-signature", func(v *verification) error { return v.ocsp.signed() }},
		{"ocsp-nonce", func(v *verification) error { return v.ocsp.bound(v.evidence.Signature) }},
		{"ocsp-time", (*verification).checkTime},
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
	doc, err := strictBase64(v.evidence.Signature, maxSignature)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if !utf8.Valid(doc) {
		return errors.New("signature: not UTF-8")
	}
	v.document = string(doc)
	return nil
}

func (v *verification) checkStructure() (err error) {
	v.signature, err = parseSignature(v.document)
	return err
}

func (v *verification) checkAlgorithms() error {
	s := v.signature
	if s.canonicalization != algC14N || s.method != algRSA256 {
		return errors.New("not the algorithms of the profile")
	}
	for _, r := range s.references {
		if r.transform != algC14N || r.digest != algSHA256 {
			return errors.New("not the algorithms of the profile")
		}
	}
	return nil
}

func (v *verification) checkReferences() error {
	refs := v.signature.references
	if len(refs) != 2 ||
		refs[0].typ != nsBID || refs[0].uri != "#bidSignedData" ||
		refs[1].typ != "" || refs[1].uri != "#bidKeyInfo" {
		return errors.New("not the two references of the profile")
	}
	return nil
}

func (v *verification) checkDigests() error {
	s := v.signature
	for _, part := range []struct{ uri, bytes string }{
		{"#bidSignedData", s.signedData},
		{"#bidKeyInfo", s.keyInfo},
	} {
		i := slices.IndexFunc(s.references, func(r reference) bool { return r.uri == part.uri })
		if i < 0 {
			return fmt.Errorf("nothing refers to %s", part.uri)
		}
		stated, err := strictBase64(s.references[i].value, sha256.Size)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256([]byte(part.bytes)); subtle.ConstantTimeCompare(sum[:], stated) != 1 {
			return fmt.Errorf("%s is not what was signed", part.uri)
		}
	}
	return nil
}

func (v *verification) checkCertificates() error {
	for i, text := range v.signature.certificates {
		der, err := strictBase64(text, 64<<10)
		if err != nil {
			return fmt.Errorf("certificate %d: %w", i, err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("certificate %d cannot be read", i)
		}
		v.certs = append(v.certs, c)
	}
	if len(v.certs) < 2 {
		return errors.New("no certificate of the leaf's issuer")
	}
	return nil
}

func (v *verification) checkSignature() error {
	key, ok := v.certs[0].PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("not an RSA key")
	}
	value, err := strictBase64(v.signature.value, 4<<10)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(v.signature.signedInfo))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], value)
}

func (v *verification) checkOCSPStructure() error {
	der, err := strictBase64(v.evidence.OCSPResponse, maxOCSP)
	if err != nil {
		return err
	}
	v.ocsp, err = parseOCSP(der)
	return err
}

func (v *verification) checkChain() error {
	return verifyChain(v.certs, v.trust.Roots, v.ocsp.data.ProducedAt, v.trust.Cache)
}

// leafPolicy is the one policy of the person's certificate.
func (v *verification) leafPolicy() string {
	p := v.certs[0].PolicyIdentifiers
	if len(p) != 1 {
		return ""
	}
	return p[0].String()
}

func (v *verification) checkPolicy() error {
	policy := v.leafPolicy()
	if policy == "" {
		return errors.New("the certificate has not exactly one policy")
	}
	if !slices.Contains(v.trust.Policies, policy) {
		return fmt.Errorf("policy %s is not accepted", policy)
	}
	fulfilled, err := v.signature.policy()
	if err != nil {
		return err
	}
	if fulfilled != policy {
		return errors.New("the policy that was fulfilled is not the certificate's")
	}
	return nil
}

// checkKeyUsage: every BankID has two certificates, one that identifies and one
// that signs.
func (v *verification) checkKeyUsage() error {
	leaf := v.certs[0]
	var want x509.KeyUsage
	switch v.expected.Kind {
	case providers.KindAuth:
		want = x509.KeyUsageDigitalSignature
	case providers.KindSign:
		want = x509.KeyUsageContentCommitment
	default:
		return errors.New("unknown kind of order")
	}
	if leaf.KeyUsage&want == 0 || leaf.IsCA {
		return errors.New("the certificate is not for this")
	}
	return nil
}

func (v *verification) checkFunction() error {
	want := ""
	switch v.expected.Kind {
	case providers.KindAuth:
		want = "Identification"
	case providers.KindSign:
		want = "Signing"
	}
	if v.signature.function != want || want == "" {
		return errors.New("made for another purpose")
	}
	return nil
}

func (v *verification) checkPerson() error {
	subject := v.certs[0].Subject
	number, err := personnummer.FromDigits(subject.SerialNumber)
	if err != nil {
		return err
	}
	switch {
	case v.evidence.User.PersonalNumber != number.Digits():
		return errors.New("the certificate is another person's than the answer says")
	case !v.expected.Number.IsZero() && v.expected.Number != number:
		return errors.New("another person than the one asked")
	case v.evidence.User.Name != "" && !sameWords(v.evidence.User.Name, subject.CommonName):
		return errors.New("the certificate has another name than the answer says")
	}
	v.number = number
	return nil
}

// sameWords compares names loosely: some banks write them in capitals.
func sameWords(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

func (v *verification) checkText() error {
	s := v.signature
	if v.expected.Text == "" {
		if s.visible != nil {
			return errors.New("shows a text that nobody asked for")
		}
		return nil
	}
	switch {
	case s.visible == nil:
		return errors.New("shows no text")
	case *s.visible != base64.StdEncoding.EncodeToString([]byte(v.expected.Text)):
		return errors.New("shows another text")
	case s.visibleCharset != "UTF-8":
		return errors.New("shows the text in another character set")
	case s.visibleFormat != string(v.expected.Markup):
		return errors.New("shows the text in another format")
	}
	return nil
}

func (v *verification) checkNonVisible() error {
	got := v.signature.nonVisible
	if len(v.expected.Binding) == 0 {
		if got != nil {
			return errors.New("bound to something")
		}
		return nil
	}
	if got == nil || *got != base64.StdEncoding.EncodeToString(v.expected.Binding) {
		return errors.New("bound to something else")
	}
	return nil
}

func (v *verification) checkRelyingParty() error {
	if v.trust.AnyRelyingParty {
		return nil
	}
	name, err := strictBase64(v.signature.rpName, 8<<10)
	if err != nil {
		return err
	}
	display, err := strictBase64(v.signature.rpDisplayName, 8<<10)
	if err != nil {
		return err
	}
	for _, rp := range v.trust.RelyingParties {
		if rp.DisplayName != "" && rp.DisplayName == string(display) && (rp.Name == "" || sameName(rp.Name, string(name))) {
			return nil
		}
	}
	return errors.New("asked for by somebody else")
}

func (v *verification) checkDevice() error {
	if v.signature.uhi == "" || v.evidence.Device.UHI != v.signature.uhi {
		return errors.New("made on another device than the answer says")
	}
	return nil
}

func (v *verification) checkTime() error {
	if v.expected.Started.IsZero() {
		return errors.New("not known when the order began")
	}
	to := v.at
	if !v.expected.Ended.IsZero() && v.expected.Ended.Before(to) {
		to = v.expected.Ended
	}
	return v.ocsp.within(v.expected.Started.Add(-skew), to.Add(skew))
}

func (v *verification) identity() providers.Identity {
	leaf := v.certs[0]
	id := providers.Identity{
		Number:      v.number,
		Name:        leaf.Subject.CommonName,
		Provider:    v.trust.Provider,
		Level:       level(v.trust.Approved),
		Policy:      v.leafPolicy(),
		At:          v.ocsp.data.ProducedAt,
		ValidFrom:   leaf.NotBefore,
		ValidTo:     leaf.NotAfter,
		Certificate: bytes.Clone(leaf.Raw),
	}
	for _, a := range leaf.Subject.Names {
		value, _ := a.Value.(string)
		switch a.Type.String() {
		case "2.5.4.4":
			id.Surname = value
		case "2.5.4.42":
			id.GivenName = value
		}
	}
	return id
}

// level is what BankID gives: all its kinds are approved for level 3.
func level(approved bool) providers.Level {
	if approved {
		return providers.Level3
	}
	return providers.LevelUncertified3
}

// strictBase64 decodes the standard alphabet with padding, and nothing else: no
// line breaks, no stray bits.
func strictBase64(text string, limit int) ([]byte, error) {
	switch {
	case text == "":
		return nil, errors.New("empty")
	case base64.StdEncoding.DecodedLen(len(text)) > limit+2:
		return nil, errors.New("too large")
	case strings.ContainsAny(text, "\r\n"):
		return nil, errors.New("line break in base64")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return b, nil
}
