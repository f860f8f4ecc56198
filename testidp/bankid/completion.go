package bankid

import (
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// completionData is the result of an order as bankid.md 3.1 shows it.
type completionData struct {
	User          user         `json:"user"`
	Device        resultDevice `json:"device"`
	BankIDIssueAt string       `json:"bankIdIssueDate"`
	StepUp        stepUp       `json:"stepUp"`
	Signature     string       `json:"signature"`
	OCSPResponse  string       `json:"ocspResponse"`
	Risk          string       `json:"risk,omitempty"`
}

type user struct {
	PersonalNumber string `json:"personalNumber"`
	Name           string `json:"name"`
	GivenName      string `json:"givenName"`
	Surname        string `json:"surname"`
}

type resultDevice struct {
	IPAddress string `json:"ipAddress"`
	UHI       string `json:"uhi"`
}

type stepUp struct {
	MRTD bool `json:"mrtd"`
}

// An approval is what a person has agreed to: enough to sign without looking
// at the order again.
type approval struct {
	demand  demand
	rp      pki.RelyingParty
	person  persons.Person
	kind    pki.Kind
	started time.Time
	at      time.Time
}

func holder(p persons.Person) pki.Holder {
	return pki.Holder{Number: p.Number, Given: p.Given, Surname: p.Surname}
}

func userOf(p persons.Person) user {
	return user{PersonalNumber: p.Number, Name: p.Name(), GivenName: p.Given, Surname: p.Surname}
}

// Texts that nobody agreed to.
func otherText() string   { return base64.StdEncoding.EncodeToString([]byte("En helt annan text.")) }
func otherHidden() string { return base64.StdEncoding.EncodeToString([]byte("another hidden text")) }

// complete makes the result of an approved order with the faults that were
// drawn for it.
func (s *Simulator) complete(a approval, f control.Drawn) (*completionData, error) {
	switch {
	case f[replay]:
		return s.replayed(a, f)
	case f[swapped]:
		if other, ok := s.history.other(a); ok {
			return &other, nil
		}
		// No other order has been completed: make one up for another person.
		a.person = s.people.Other(a.person.Number)
		a.demand.nonVisible = randomLike(a.demand.nonVisible)
		return s.sign(a, f)
	case f[wrongPerson]:
		a.person = s.people.Other(a.person.Number)
	}
	c, err := s.sign(a, f)
	if err == nil && len(f) == 0 {
		s.history.add(a, *c)
	}
	return c, err
}

// replayed puts an earlier signature and OCSP answer into the result.
func (s *Simulator) replayed(a approval, f control.Drawn) (*completionData, error) {
	earlier, ok := s.history.earlier(a)
	if ok {
		return &earlier, nil
	}
	// The person has completed nothing yet: make up an order that was
	// completed some minutes before this one began.
	a.at = a.started.Add(-10 * time.Minute)
	a.demand.nonVisible = randomLike(a.demand.nonVisible)
	return s.sign(a, f)
}

// randomLike is random data where there was some, as another order of the same
// relying party would have had.
func randomLike(b64 string) string {
	if b64 == "" {
		return ""
	}
	b := make([]byte, 32)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

func (s *Simulator) sign(a approval, f control.Drawn) (*completionData, error) {
	spec := pki.LeafSpec{Holder: holder(a.person), Kind: a.kind, Use: pki.Identify, Expired: f[expiredLeaf], Foreign: f[wrongRoot]}
	funcID, otherFunc, otherUse := funcIdentification, funcSigning, pki.Sign
	if a.demand.sign {
		spec.Use = pki.Sign
		funcID, otherFunc, otherUse = funcSigning, funcIdentification, pki.Identify
	}
	if f[wrongFuncID] {
		funcID = otherFunc
	}
	if f[wrongKU] {
		spec.Use = otherUse
	}
	if f[wrongPolicy] {
		spec.Kind, spec.Policy = unacceptable(&a.demand, a.kind)
	}
	leaf, err := s.pki.Leaf(spec)
	if err != nil {
		return nil, err
	}
	data := signedData{
		visible:    a.demand.visible,
		format:     a.demand.format,
		nonVisible: a.demand.nonVisible,
		rp:         a.rp,
		funcID:     funcID,
		device:     deviceOf(a.person.Number, spec.Kind),
		condition:  leaf.Policy,
	}
	if a.kind == pki.Card {
		data.cardReader = a.demand.cardReader
	}
	if f[wrongCondition] {
		data.condition = "1.2.3.4.99"
	}
	if f[wrongRP] {
		data.rp = pki.RelyingParty{
			DisplayName: "Simulator Annan part",
			Name:        "cn=Simulator FP Annan part,name=Simulator Annan part,serialNumber=1111111111,o=Simulator Bank AB (publ),c=SE",
		}
	}
	var decoy *signedData
	if f[wrapped] {
		right := data
		decoy = &right
	}
	if f[alteredText] || f[wrapped] {
		data.visible = otherText()
	}
	if f[alteredHidden] {
		data.nonVisible = otherHidden()
	}
	document, err := signXML(data, decoy, leaf, s.pki.Stranger(), f)
	if err != nil {
		return nil, err
	}
	c := &completionData{
		User:          userOf(a.person),
		Device:        resultDevice{IPAddress: a.demand.endUserIP, UHI: data.device.uhi},
		BankIDIssueAt: leaf.IssueDate,
		StepUp:        stepUp{MRTD: a.demand.mrtd},
		Signature:     base64.StdEncoding.EncodeToString(document),
	}
	if c.Device.IPAddress == "" {
		c.Device.IPAddress = "127.0.0.1" // a call: the relying party sent no address
	}
	if a.demand.returnRisk {
		c.Risk = "low"
	}
	if f[userMismatch] {
		c.User = userOf(s.people.Other(a.person.Number))
	}
	if f[wrongUHI] {
		c.Device.UHI = deviceOf("another device", spec.Kind).uhi
	}
	answer, err := s.revocation(a, spec, leaf, c.Signature, f)
	if err != nil {
		return nil, err
	}
	c.OCSPResponse = base64.StdEncoding.EncodeToString(answer)
	return c, nil
}

// revocation makes the OCSP answer for a leaf and a signature.
func (s *Simulator) revocation(a approval, spec pki.LeafSpec, leaf *pki.Leaf, signature string, f control.Drawn) ([]byte, error) {
	answer := ocspAnswer{
		issuer:    leaf.Issuer(),
		serial:    leaf.Certificate().SerialNumber,
		produced:  a.at,
		nonce:     nonceFor(signature),
		responder: leaf.Responder,
		spoil:     f[badOCSP],
	}
	var err error
	switch {
	case f[ocspRevoked]:
		answer.status = revoked
	case f[ocspUnknown]:
		answer.status = unknown
	case f[ocspSerial]:
		answer.serial = new(big.Int).Add(answer.serial, big.NewInt(1))
	case f[ocspPerson]:
		other := spec
		other.Holder = holder(s.people.Other(a.person.Number))
		var theirs *pki.Leaf
		if theirs, err = s.pki.Leaf(other); err == nil {
			answer.serial = theirs.Certificate().SerialNumber
		}
	}
	switch {
	case f[ocspResponder]:
		k := pki.File
		if spec.Kind == pki.File {
			k = pki.Mobile
		}
		answer.responder = s.pki.Responder(k)
	case f[ocspNoEKU]:
		answer.responder, err = s.pki.ResponderWithoutEKU(spec.Kind)
	}
	switch {
	case f[ocspNoNonce]:
		answer.nonce = nil
	case f[ocspOtherNonce]:
		answer.nonce = nonceFor("another signature")
	case f[ocspNestedNonce]:
		answer.nonce, err = asn1.Marshal(answer.nonce)
	}
	switch {
	case f[ocspStale]:
		answer.produced = answer.produced.Add(-time.Hour)
	case f[ocspFuture]:
		answer.produced = answer.produced.Add(time.Hour)
	}
	if err != nil {
		return nil, fmt.Errorf("bankid: ocsp: %w", err)
	}
	return answer.der()
}

// unacceptable is an e-ID that the order does not accept: another kind if the
// order excludes one, else a policy that no issuer has.
func unacceptable(d *demand, k pki.Kind) (pki.Kind, string) {
	for _, other := range pki.Kinds() {
		if !d.accepts(other.Policy()) {
			return other, ""
		}
	}
	return k, "1.2.3.4.99"
}
