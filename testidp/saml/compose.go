package saml

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// proofLife is how long an assertion may be used.
const proofLife = 5 * time.Minute

// deliver makes the answer to an order that is over, once, and returns what the
// browser takes to the peer.
func (p *IdP) deliver(o *order) (field, relay string, err error) {
	o.once.Do(func() {
		a := p.answer(o)
		a.relay = o.request.relay
		for _, f := range responseFaults() {
			if o.drawn[f.name] {
				f.change(a)
			}
		}
		if o.field, o.err = a.encoded(); o.err != nil {
			return
		}
		o.relay = a.relay
		if len(o.drawn) == 0 && o.state == control.Complete {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.last[o.request.peer.entityID] = o.field
		}
	})
	return o.field, o.relay, o.err
}

// answer says what became of an order, as it should.
func (p *IdP) answer(o *order) *answer {
	now, q := p.config.Now(), o.request
	a := &answer{
		id: newID(), issuer: p.EntityID(), destination: q.acs, inResponseTo: q.id, issued: now,
		status: []string{statusSuccess}, seal: &seal{by: p.signing(o.drawn)}, keys: p.keys,
	}
	a.earlier = func() string { return p.earlier(o) }
	a.someone = func() *answer { return p.aboutSomeoneElse(o) }
	a.otherRequest = func() string { return p.otherRequest(o) }
	if o.state != control.Complete {
		a.status, a.message = []string{o.failure.top}, o.failure.why
		if o.failure.second != "" {
			a.status = append(a.status, o.failure.second)
		}
		return a
	}
	a.envelope = p.envelope(q.peer)
	a.assertions = []*assertion{p.assertion(o, *o.person, now)}
	if q.peer.wantSigned {
		a.assertions[0].seal = &seal{by: p.signing(o.drawn)}
	}
	return a
}

// signing is the key of the moment.
func (p *IdP) signing(f control.Drawn) signer {
	if f[metadataRollover] {
		return p.keys.next
	}
	return p.keys.current
}

func (p *IdP) envelope(sp *peer) *envelope {
	e := &envelope{to: sp.encryption, recipient: sp.entityID, algorithm: algCBC256}
	for _, m := range sp.methods {
		if keyLength(m) > 0 && m != algTripleDES {
			e.algorithm = m // the first that both have
			break
		}
	}
	return e
}

func (p *IdP) assertion(o *order, who persons.Person, now time.Time) *assertion {
	q := o.request
	s := &assertion{
		id: newID(), issuer: p.EntityID(), issued: now,
		subject: &subject{
			nameID: random(), format: q.format,
			confirmation: &confirmation{method: methodBearer, inResponseTo: q.id, recipient: q.acs, address: o.address, notOnOrAfter: now.Add(proofLife)},
		},
		conditions: &conditions{notBefore: now, notOnOrAfter: now.Add(proofLife), audiences: []string{q.peer.entityID}},
		statements: []statement{{instant: o.decided, index: newID(), address: o.address, level: q.levels[0]}},
		attributes: p.attributes(who),
	}
	if q.format == persistent {
		s.subject.nameID, s.subject.qualifier, s.subject.spQualifier = p.pseudonym(who, q.peer), p.EntityID(), q.peer.entityID
	}
	if q.signed != "" {
		sum := sha256.Sum256([]byte(q.signed))
		s.attributes = append(s.attributes, attribute{oidDigest, formatURI, "signMessageDigest", []string{algSHA256 + ";" + base64.StdEncoding.EncodeToString(sum[:])}})
	}
	return s
}

// pseudonym is the same each time that a person comes to a peer, and another at
// another.
func (p *IdP) pseudonym(who persons.Person, sp *peer) string {
	key, ok := p.keys.current.key.(*rsa.PrivateKey)
	if !ok {
		return random()
	}
	mac := hmac.New(sha256.New, key.D.Bytes())
	mac.Write([]byte(who.Number + "\x00" + sp.entityID))
	return hex.EncodeToString(mac.Sum(nil))[:32]
}

// attributes is the set pnr-01, or what CGI's old IdP sent.
func (p *IdP) attributes(who persons.Person) []attribute {
	var out []attribute
	if p.config.Classic {
		for _, a := range [][2]string{
			{"Subject_SerialNumber", who.Number}, {"Subject_GivenName", who.Given}, {"Subject_Surname", who.Surname},
			{"Issuer_OrganizationName", "Simulator"}, {"Issuer_CommonName", "Simulator e-legitimation CA"}, {"SecurityLevel", "4"}, {"LoginMethod", "ccp8"},
		} {
			out = append(out, attribute{a[0], formatBasic, "", []string{a[1]}})
		}
		return out
	}
	for _, a := range [][3]string{
		{oidNumber, "personalIdentityNumber", who.Number}, {oidSurname, "sn", who.Surname}, {oidGivenName, "givenName", who.Given},
		{oidDisplayName, "displayName", who.Name()}, {oidBirth, "dateOfBirth", birth(who.Number)},
	} {
		out = append(out, attribute{a[0], formatURI, a[1], []string{a[2]}})
	}
	return out
}

// birth is the date in a number; co-ordination numbers add 60 to the day.
func birth(number string) string {
	day := number[6:8]
	if day > "60" {
		day = string([]byte{day[0] - 6, day[1]})
	}
	return strings.Join([]string{number[:4], number[4:6], day}, "-")
}

// aboutSomeoneElse is the answer had another person approved.
func (p *IdP) aboutSomeoneElse(o *order) *answer {
	q := *o.request
	other := &order{request: &q, address: o.address, state: control.Complete, decided: o.decided}
	number := ""
	if o.person != nil {
		number = o.person.Number
	}
	who := p.config.People.Other(number)
	other.person = &who
	if len(q.levels) == 0 {
		q.levels = p.config.Levels[:1]
	}
	if q.format == "" {
		q.format = persistent
	}
	return p.answer(other)
}

// earlier is the last genuine answer to the peer; if there is none, one that is
// made up and ten minutes old.
func (p *IdP) earlier(o *order) string {
	p.mu.Lock()
	last := p.last[o.request.peer.entityID]
	p.mu.Unlock()
	if last != "" {
		return last
	}
	a := p.aboutSomeoneElse(o)
	a.shift(-10 * time.Minute)
	a.inResponseTo = newID()
	a.each(func(s *assertion) { s.confirm(func(c *confirmation) { c.inResponseTo = a.inResponseTo }) })
	made, err := a.encoded()
	if err != nil {
		return ""
	}
	return made
}

// otherRequest is a request of the same peer that somebody else began; made up if
// there is none.
func (p *IdP) otherRequest(o *order) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.ledger.list.Back(); e != nil; e = e.Prev() {
		if other := e.Value.(*order); other != o && other.request.peer.entityID == o.request.peer.entityID && other.request.acs == o.request.acs {
			return other.request.id
		}
	}
	return newID()
}

// modes lists every fault.
func modes() []string {
	out := []string{
		http503, slow, drop, garbage, dropAnswer,
		metadataBadSignature, metadataUnsigned, metadataExpired, metadataUnknownSigner, metadataRollover, javascriptEndpoint, plainEndpoint,
		feedBadSignature, feedUnsigned, feedExpired, feedNoValidUntil, feedUnknownSigner, entityTwice, entityMissing,
	}
	for _, f := range responseFaults() {
		out = append(out, f.name)
	}
	return out
}

// FaultModes implements control.Simulator.
func (p *IdP) FaultModes() []string { return modes() }

// Harmless lists the modes that a service provider must get on with: they are
// unusual, not wrong.
func Harmless() []string {
	out := []string{metadataRollover}
	for _, f := range responseFaults() {
		if f.harmless {
			out = append(out, f.name)
		}
	}
	return slices.Clip(out)
}
