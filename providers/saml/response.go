package saml

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/beevik/etree"

	"sigill/providers"
	"sigill/providers/saml/metadata"
	"sigill/providers/xmlsec"
)

// arrival is the work on what the browser brought, up to the assertion: what is
// true only now, and of the response around it. What is true of the assertion at
// any time is the work of verification.
type arrival struct {
	p     *Provider
	s     state
	sp    SP
	idp   *metadata.IdP
	event providers.Event
	now   time.Time

	raw        []byte
	root       *etree.Element // as it came: only its signature is looked at
	response   *etree.Element // what was signed
	failure    *providers.Failed
	encrypted  encrypted
	assertion  []byte // as decrypted
	contentKey []byte
}

// arrivals are the steps in their order. Each relies on those before it.
func arrivals() []step[*arrival] {
	return []step[*arrival]{
		{"acs", (*arrival).checkPlace},
		{"form", (*arrival).checkForm},
		{"encoding", (*arrival).decode},
		{"xml", (*arrival).parse},
		{"response", (*arrival).checkRoot},
		{"signature", (*arrival).verify},
		{"issuer", func(a *arrival) error { return checkIssuer(a.response, a.idp.EntityID) }},
		{"version", func(a *arrival) error { return checkVersion(a.response) }},
		{"destination", (*arrival).checkDestination},
		{"in-response-to", (*arrival).checkInResponseTo},
		{"issue-instant", (*arrival).checkIssueInstant},
		{"status", (*arrival).checkStatus},
		{"assertion-count", func(a *arrival) error { _, err := theAssertion(a.response); return err }},
		{"encryption", (*arrival).checkEncryption},
		{"decryption", (*arrival).decrypt},
	}
}

// checkPlace: each of our service providers has its own address, and neither takes
// what was sent to the other.
func (a *arrival) checkPlace() error {
	if _, at := a.p.sp(a.s.Kind); a.event.At != at {
		return errors.New("came to the address of the other service provider")
	}
	return nil
}

// checkForm: one response and one RelayState, and no more fields than programs in
// between may have added.
func (a *arrival) checkForm() error {
	if len(a.event.Form) > maxFields {
		return errors.New("too many fields")
	}
	if a.event.Form[xmlsec.Request] != nil {
		return errors.New("a request where a response should be")
	}
	if len(a.event.Form[xmlsec.Response]) != 1 {
		return errors.New("not one response")
	}
	handle := a.event.Form["RelayState"]
	if len(handle) != 1 || subtle.ConstantTimeCompare([]byte(handle[0]), []byte(a.s.Handle)) != 1 {
		return errors.New("another RelayState than was sent along")
	}
	return nil
}

const maxFields = 16

func (a *arrival) decode() (err error) {
	text := a.event.Form[xmlsec.Response][0]
	if base64.StdEncoding.DecodedLen(len(text)) > maxResponse+maxResponse/16 { // lines may be broken
		return errors.New("too large")
	}
	if a.raw, err = unspaced(text); err != nil {
		return err
	}
	if len(a.raw) > maxResponse {
		return errors.New("too large")
	}
	return nil
}

func (a *arrival) parse() (err error) {
	a.root, err = xmlsec.Parse(a.raw, maxResponse)
	return err
}

func (a *arrival) checkRoot() error {
	if !xmlsec.Is(a.root, nsProtocol, "Response") {
		return errors.New("not a response")
	}
	return nil
}

// verify: from here on nothing is read but what was signed. An unsigned failure
// could be anybody's, so it says only that something went wrong.
func (a *arrival) verify() (err error) {
	if !xmlsec.Signed(a.root) {
		if s, err := readStatus(a.root); err == nil && !s.success() {
			f := failedOurs("unsigned")
			a.failure = &f
			return errEnded
		}
	}
	a.response, err = verifyResponse(a.root, a.idp)
	return err
}

// errEnded ends the steps with a failure that is no refusal.
var errEnded = errors.New("ended")

func verifyResponse(root *etree.Element, idp *metadata.IdP) (*etree.Element, error) {
	el, err := xmlsec.Verify(root, idp.SigningCertificates)
	if err != nil {
		return nil, err
	}
	if !xmlsec.Is(el, nsProtocol, "Response") {
		return nil, errors.New("something else than the response is signed")
	}
	return el, nil
}

func checkIssuer(el *etree.Element, entityID string) error {
	issuer, err := one(el, nsAssertion, "Issuer")
	if err != nil {
		return err
	}
	if f := xmlsec.Attr(issuer, "Format"); f != "" && f != entityFormat {
		return errors.New("the issuer is not named as an entity")
	}
	if text(issuer) != entityID {
		return errors.New("by another identity provider")
	}
	return nil
}

const entityFormat = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"

func checkVersion(el *etree.Element) error {
	if xmlsec.Attr(el, "Version") != "2.0" {
		return errors.New("not SAML 2.0")
	}
	return nil
}

func (a *arrival) checkDestination() error {
	if xmlsec.Attr(a.response, "Destination") != a.sp.ACS {
		return errors.New("meant for another address")
	}
	return nil
}

func (a *arrival) checkInResponseTo() error {
	if xmlsec.Attr(a.response, "InResponseTo") != a.s.ID {
		return errors.New("answers another request, or none")
	}
	return nil
}

func (a *arrival) checkIssueInstant() error {
	at, err := instant(xmlsec.Attr(a.response, "IssueInstant"))
	switch {
	case err != nil:
		return err
	case at.After(a.now.Add(a.p.Skew)):
		return errors.New("made in the future")
	case at.Before(a.now.Add(-a.p.MaxAge - a.p.Skew)):
		return errors.New("too old")
	case at.Before(a.s.Started.Add(-a.p.Skew)):
		return errors.New("older than the request")
	}
	return nil
}

func (a *arrival) checkStatus() error {
	s, err := readStatus(a.response)
	if err != nil {
		return err
	}
	if s.success() {
		return nil
	}
	if n := assertions(a.response); n > 0 {
		return errors.New("a failure with an assertion")
	}
	f := s.failed(a.s.Kind)
	a.failure = &f
	return errEnded
}

// assertions counts assertions of any kind anywhere.
func assertions(el *etree.Element) int {
	return count(el, nsAssertion, "Assertion") + count(el, nsAssertion, "EncryptedAssertion")
}

// theAssertion is the only assertion in a response, encrypted or not.
func theAssertion(response *etree.Element) (*etree.Element, error) {
	if n := assertions(response); n != 1 {
		return nil, fmt.Errorf("%d assertions where one should be", n)
	}
	for _, c := range response.ChildElements() {
		if xmlsec.Is(c, nsAssertion, "Assertion") || xmlsec.Is(c, nsAssertion, "EncryptedAssertion") {
			return c, nil
		}
	}
	return nil, errors.New("the assertion is hidden in something else")
}

func (a *arrival) checkEncryption() error {
	el, err := theAssertion(a.response)
	if err != nil {
		return err
	}
	if xmlsec.Is(el, nsAssertion, "Assertion") {
		if !a.p.AllowUnencrypted {
			return errors.New("the assertion is not encrypted")
		}
		a.assertion = xmlsec.Bytes(xmlsec.Detach(el))
		return nil
	}
	a.encrypted, err = parseEncrypted(el, a.p.Ciphers)
	return err
}

func (a *arrival) decrypt() (err error) {
	if a.assertion != nil {
		return nil
	}
	a.assertion, a.contentKey, err = a.encrypted.open(a.sp.Decrypt)
	if err == nil && len(a.assertion) > maxResponse {
		return errors.New("too large")
	}
	return err
}
