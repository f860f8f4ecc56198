package freja

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

func (b *bench) fault(modes ...string) {
	b.faults.Clear()
	for _, m := range modes {
		b.faults.Set(control.Fault{Provider: Name, Fault: m, Rate: 1})
	}
}

const signedText = "Jag intygar att uppgifterna är riktiga.\nAlla & <inga>."

// A kind is a transaction that the fault tests make.
type kind string

const (
	plainLogin kind = "INFERRED"
	ssnLogin   kind = "SSN"
	simple     kind = "SIMPLE"
	extendedly kind = "EXTENDED"
)

// done makes a transaction, has it approved by a person and judges it.
func (b *bench) done(k kind, p persons.Person) (o outcome, payload map[string]any, err error) {
	b.t.Helper()
	from := b.sim.now()
	e := expected{infoType: "INFERRED", info: "N/A", level: "PLUS"}
	path, document := initAuth, inferred
	switch k {
	case ssnLogin:
		document = bySSN(p)
		e.infoType, e.info, e.level = "SSN", `{"country":"SE","ssn":"`+p.Number+`"}`, "EXTENDED"
	case simple:
		path, document = initSign, signing(signedText, "")
		e.signatureType, e.text = "SIMPLE", signedText
	case extendedly:
		path, document = initSign, signing(signedText, "bindning")
		e.signatureType, e.text, e.binary = "EXTENDED", signedText, b64("bindning")
	}
	s := b.start(path, document)
	b.approve(s, p)
	o = b.result(s)
	if o.Details == nil {
		return o, nil, errForm
	}
	m, merr := b.sim.Material("", "Testkommunen")
	if merr != nil {
		b.t.Fatal(merr)
	}
	j, jerr := newJudge(m, m.JWSExpired, m.JWSForeign)
	if jerr != nil {
		b.t.Fatal(jerr)
	}
	e.ref, e.from, e.to = s.ref(), from, b.sim.now()
	payload, err = j.check(*o.Details, e)
	return o, payload, err
}

func attributesIn(payload map[string]any) map[string]any {
	a, _ := payload["requestedAttributes"].(map[string]any)
	return a
}

// seenElsewhere are the fault modes with tests of their own below.
var seenElsewhere = []string{
	http400, http401, http500, http503, slow, drop, dropStart, garbage, foreignEcho, statusOpened, unknownStatus, textDetails,
	stringCode, lost, slowStarted, oldReference, code1005, code1012, code2000, codeUnknown,
	lowerLevel, missingLevel, missingSSN, missingNumber, missingName, notSwedish, wrongPerson, attributesDiff, replay, unknownFields,
}

// TestStatementFaults demands that each mode is caught for what it is and for
// nothing else.
func TestStatementFaults(t *testing.T) {
	b := newBench(t, nil)
	type row struct {
		kind  kind
		fault string
		want  error
	}
	rows := []row{
		{plainLogin, "", nil}, {ssnLogin, "", nil}, {simple, "", nil}, {extendedly, "", nil},
		{plainLogin, wrongX5t, errX5t}, {plainLogin, otherX5t, errSignature}, {plainLogin, noX5t, errX5t}, {plainLogin, critHeader, errCrit},
		{plainLogin, algNone, errAlg}, {plainLogin, algHS256, errAlg}, {plainLogin, badSignature, errSignature}, {simple, badSignature, errSignature},
		{plainLogin, brokenSignature, errSignature}, {plainLogin, expiredCert, errExpired}, {plainLogin, wrongRoot, errChain}, {plainLogin, rollover, nil},
		{plainLogin, foreignRef, errReference}, {simple, foreignRef, errReference}, {plainLogin, innerStatus, errStatus},
		{plainLogin, oldTimestamp, errTime}, {plainLogin, futureTimestamp, errTime},
		{plainLogin, wrongUserInfo, errAsked}, {ssnLogin, wrongUserInfo, errAsked}, {plainLogin, wrongInfoType, errAsked}, {ssnLogin, wrongInfoType, errAsked},
		{plainLogin, lowerMinimum, errAsked}, {ssnLogin, base64UserInfo, errAsked}, {ssnLogin, jsonUserInfo, nil},
		{plainLogin, emptyDetails, errForm}, {plainLogin, hugeDetails, errForm},
		{simple, textDiffers, errSigned}, {extendedly, textDiffers, errSigned}, {extendedly, binaryDiffers, errSigned}, {extendedly, missingBinary, errSigned},
		{extendedly, plainInnerText, nil}, {simple, wrongSignatureType, errSigned}, {extendedly, wrongSignatureType, errSigned}, {simple, missingSignature, errSigned},
		{simple, badOCSP, errOCSP}, {simple, ocspRevoked, errOCSP}, {simple, ocspStale, errOCSP}, {simple, ocspGarbage, errOCSP}, {simple, userCertificate, nil},
		// Without the user's certificate nobody can tell.
		{simple, badUserSignature, nil},
	}
	covered := slices.Clone(seenElsewhere)
	for _, r := range rows {
		t.Run(string(r.kind)+"/"+r.fault, func(t *testing.T) {
			b.t = t
			b.faults.Clear()
			if r.fault != "" {
				b.fault(r.fault)
			}
			if _, _, err := b.done(r.kind, b.people[1]); !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
				t.Errorf("the judge says %v, want %v", err, r.want)
			}
		})
		covered = append(covered, r.fault)
	}
	for _, m := range b.sim.FaultModes() {
		if !slices.Contains(covered, m) {
			t.Errorf("%s is in no test", m)
		}
	}
	b.t = t
	b.fault(userCertificate, badUserSignature)
	if _, _, err := b.done(extendedly, b.people[1]); !errors.Is(err, errUser) {
		t.Errorf("with the user's certificate: %v", err)
	}
}

// TestAttributeFaults looks at what a genuine signature says.
func TestAttributeFaults(t *testing.T) {
	b := newBench(t, nil)
	who, other := b.people[2], b.people[0]
	ssn := map[string]any{"country": "SE", "ssn": who.Number}
	name := map[string]any{"name": who.Given, "surname": who.Surname}
	genuine := map[string]any{"ssn": ssn, "basicUserInfo": name, "registrationLevel": "PLUS", "loaLevel": "LOA3"}
	with := func(key string, value any) map[string]any {
		m := map[string]any{}
		for k, v := range genuine {
			m[k] = v
		}
		if m[key] = value; value == nil {
			delete(m, key)
		}
		return m
	}
	theirs := map[string]any{"ssn": map[string]any{"country": "SE", "ssn": other.Number},
		"basicUserInfo": map[string]any{"name": other.Given, "surname": other.Surname}, "registrationLevel": "PLUS", "loaLevel": "LOA3"}
	lower := with("registrationLevel", "EXTENDED")
	lower["loaLevel"] = "LOA2"
	unlevelled := with("registrationLevel", nil)
	delete(unlevelled, "loaLevel")
	for fault, want := range map[string]struct{ signed, outer map[string]any }{
		"":             {genuine, genuine},
		lowerLevel:     {lower, lower},
		missingLevel:   {unlevelled, unlevelled},
		missingSSN:     {with("ssn", nil), with("ssn", nil)},
		missingName:    {with("basicUserInfo", nil), with("basicUserInfo", nil)},
		missingNumber:  {with("ssn", map[string]any{"country": "SE"}), with("ssn", map[string]any{"country": "SE"})},
		notSwedish:     {with("ssn", map[string]any{"country": "NO", "ssn": who.Number}), with("ssn", map[string]any{"country": "NO", "ssn": who.Number})},
		wrongPerson:    {theirs, theirs},
		attributesDiff: {genuine, theirs},
	} {
		t.Run("fault="+fault, func(t *testing.T) {
			b.t = t
			b.faults.Clear()
			if fault != "" {
				b.fault(fault)
			}
			o, payload, err := b.done(plainLogin, who)
			if err != nil {
				t.Fatal(err)
			}
			// The values are numbers: they are compared and not printed.
			if !reflect.DeepEqual(attributesIn(payload), want.signed) {
				t.Errorf("the statement has other attributes")
			}
			if !reflect.DeepEqual(o.RequestedAttributes, want.outer) {
				t.Errorf("the answer has other attributes")
			}
		})
	}
	b.t = t
	b.fault(wrongPerson)
	if _, payload, err := b.done(ssnLogin, who); err != nil || attributesIn(payload)["ssn"].(map[string]any)["ssn"] != other.Number {
		t.Errorf("for SSN: %v, userInfo as asked and the other's number expected", err)
	}
}

func TestReplay(t *testing.T) {
	b := newBench(t, nil)
	b.fault(replay)
	// Nothing to replay yet.
	if _, _, err := b.done(plainLogin, b.people[0]); !errors.Is(err, errReference) {
		t.Errorf("made up: %v", err)
	}
	b.faults.Clear()
	first, _, err := b.done(plainLogin, b.people[0])
	if err != nil {
		t.Fatal(err)
	}
	b.fault(replay)
	second, _, err := b.done(plainLogin, b.people[0])
	if !errors.Is(err, errReference) || *second.Details != *first.Details {
		t.Errorf("replayed: %v", err)
	}
	if third, _, err := b.done(simple, b.people[0]); !errors.Is(err, errReference) || *third.Details == *first.Details {
		t.Errorf("a signature: %v", err)
	}
}

func TestUnknownFields(t *testing.T) {
	b := newBench(t, nil)
	b.fault(unknownFields)
	for _, k := range []kind{plainLogin, ssnLogin, simple, extendedly} {
		o, payload, err := b.done(k, b.people[0])
		if err != nil || payload["fromTheFuture"] == nil || o.RequestedAttributes["fromTheFuture"] == nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	if _, body := b.call(initAuth, `{}`); !strings.Contains(body, "fromTheFuture") {
		t.Errorf("a refusal: %s", body)
	}
}

func TestExchangeFaults(t *testing.T) {
	b := newBench(t, nil)
	for fault, want := range map[string]struct {
		status int
		body   string
	}{
		http400: {400, ""}, http401: {401, ""}, http500: {500, "<!DOCTYPE html>"}, http503: {503, "<!DOCTYPE html>"}, garbage: {200, "{{{"},
		code1005: {422, `{"code":1005,`}, code1012: {422, `{"code":1012,`}, code2000: {422, `{"code":2000,`}, codeUnknown: {422, `{"code":7777,`},
	} {
		b.fault(fault)
		if status, body := b.call(initAuth, inferred); status != want.status || !strings.HasPrefix(body, want.body) || want.body == "" && body != "" {
			t.Errorf("%s: %d %.60s", fault, status, body)
		}
		if n := len(b.sim.Orders()); n != 0 {
			t.Fatalf("%s: %d transactions were made", fault, n)
		}
	}
	b.fault(stringCode)
	if _, body := b.call(initAuth, `{}`); !strings.Contains(body, `"code":"1001"`) {
		t.Errorf("stringCode: %s", body)
	}
	b.faults.Clear()
	s := b.start(initAuth, inferred)
	for fault, want := range map[string]string{statusOpened: "OPENED", unknownStatus: "THINKING_ABOUT_IT", textDetails: "STARTED"} {
		b.fault(fault)
		if o := b.result(s); o.Status != want || (o.Details != nil) != (fault == textDetails) {
			t.Errorf("%s: status %s", fault, o.Status)
		}
	}
	one := `{"authRef":"` + s.AuthRef + `"}`
	b.fault(lost)
	if code := b.code(b.call(oneAuth, one)); code != 1100 {
		t.Errorf("lost: %d", code)
	}
	b.fault(foreignEcho)
	if status, body := b.call(oneAuth, one); status != 200 || strings.Contains(body, s.AuthRef) || !strings.Contains(body, `"authRef":"`) {
		t.Errorf("foreignEcho: %d %.100s", status, body)
	}
	b.fault(oldReference)
	if old := b.start(initAuth, inferred); !strings.HasPrefix(old.AuthRef, "+/") {
		t.Error("oldReference has no plus sign")
	}

	for _, c := range []struct{ fault, path, document string }{
		{dropStart, initAuth, inferred}, {drop, oneAuth, one}, {drop, cancelAuth, one},
	} {
		b.fault(c.fault)
		n := len(b.sim.Orders())
		if !broken(func() { b.call(c.path, c.document) }) {
			t.Errorf("%s %s: the connection lives", c.fault, c.path)
		}
		b.faults.Clear()
		if made := len(b.sim.Orders()) - n; (made == 1) != (c.fault == dropStart) {
			t.Errorf("%s: %d transactions were made", c.fault, made)
		}
	}
	b.want(s, "RP_CANCELED") // the second drop came after the work
}

// broken reports whether a handler breaks the connection.
func broken(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.fault(slow)
		before := time.Now()
		b.start(initAuth, inferred)
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestSlowStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.fault(slowStarted)
		s := b.start(initAuth, bySSN(b.people[0]))
		time.Sleep(time.Minute)
		b.want(s, "STARTED")
		b.approve(s, b.people[0])
		b.want(s, "APPROVED")
	})
}

func TestHugeDetailsAreHuge(t *testing.T) {
	b := newBench(t, nil)
	b.fault(hugeDetails)
	s := b.start(initAuth, inferred)
	b.approve(s, b.people[0])
	if _, body := b.call(oneAuth, `{"authRef":"`+s.AuthRef+`"}`); len(body) < hugeSize {
		t.Errorf("%d bytes", len(body))
	}
}

// TestShape keeps statement and headers to the members of freja.md section 3.
func TestShape(t *testing.T) {
	b := newBench(t, nil)
	o, _, err := b.done(extendedly, b.people[0])
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(*o.Details, ".")
	head, _ := base64.RawURLEncoding.DecodeString(parts[0])
	var h map[string]any
	if json.Unmarshal(head, &h) != nil || len(h) != 2 || h["alg"] != "RS256" || len(h["x5t"].(string)) != 27 {
		t.Errorf("header %s", head)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var p map[string]any
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"signRef", "status", "userInfoType", "userInfo", "minRegistrationLevel", "signatureType", "signatureData", "requestedAttributes", "timestamp"} {
		if p[member] == nil {
			t.Errorf("%s is missing", member)
		}
	}
	if len(p) != 9 {
		t.Errorf("%d members", len(p))
	}
	if ms, ok := p["timestamp"].(float64); !ok || ms < 1.7e12 {
		t.Error("timestamp is not in milliseconds")
	}
	inner := p["signatureData"].(map[string]any)["userSignature"].(string)
	head, _ = base64.RawURLEncoding.DecodeString(strings.Split(inner, ".")[0])
	if h = nil; json.Unmarshal(head, &h) != nil || len(h) != 2 || h["alg"] != "RS256" || h["kid"] == "" {
		t.Errorf("inner header %s", head)
	}
}
