package saml

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/testidp/control"
)

// raw is what an element says, to the letter.
func (n *node) raw() string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for _, k := range n.kids {
		b.WriteString(k.text)
	}
	return b.String()
}

// accept is a service provider that is as strict as telia-saml.md 4.4; it says what
// it finds first.
func (b *bench) accept(sp *testSP, request *node, d delivery, signed string) error {
	if d.relay != "relay" {
		return errors.New("RelayState")
	}
	document, err := base64.StdEncoding.Strict().DecodeString(d.field)
	if err != nil {
		return errors.New("base64")
	}
	if len(document) > 256<<10 {
		return errors.New("too big")
	}
	response, err := parse(document)
	if err != nil {
		return err
	}
	if !response.is(nsProtocol, "Response") {
		return errors.New("not a Response")
	}
	var signers []crypto.PublicKey
	for _, c := range b.idp.SigningCertificates() {
		signers = append(signers, c.PublicKey)
	}
	if err := verify(response, signers); err != nil {
		return err
	}
	now := b.now()
	at := func(s string) time.Time { t, _ := time.Parse(time.RFC3339, s); return t }
	switch issued := at(response.attr("IssueInstant")); {
	case response.child(nsAssertion, "Issuer").raw() != b.idp.EntityID():
		return errors.New("Issuer")
	case response.attr("Destination") != sp.acs():
		return errors.New("Destination")
	case response.attr("InResponseTo") != request.attr("ID"):
		return errors.New("InResponseTo")
	case issued.After(now.Add(skew)):
		return errors.New("IssueInstant in the future")
	case issued.Before(now.Add(-skew - 90*time.Second)):
		return errors.New("IssueInstant too old")
	}
	if c := codes(response); !slices.Equal(c, []string{statusSuccess}) {
		return fmt.Errorf("status %s", c[len(c)-1])
	}
	if response.child(nsAssertion, "Assertion") != nil {
		return errors.New("not encrypted")
	}
	sealed := response.all(nsAssertion, "EncryptedAssertion")
	if len(sealed) != 1 {
		return fmt.Errorf("%d assertions", len(sealed))
	}
	plain, err := b.open(sp, sealed[0].child(nsEncryption, "EncryptedData"))
	if err != nil {
		return err
	}
	assertion, err := parse(plain)
	if err != nil {
		return fmt.Errorf("assertion: %w", err)
	}
	if sp.wantSigned {
		if err := verify(assertion, signers); err != nil {
			return fmt.Errorf("assertion: %w", err)
		}
	}
	confirmed := assertion.child(nsAssertion, "Subject").child(nsAssertion, "SubjectConfirmation")
	data := confirmed.child(nsAssertion, "SubjectConfirmationData")
	limits := assertion.child(nsAssertion, "Conditions")
	switch {
	case assertion.child(nsAssertion, "Issuer").raw() != b.idp.EntityID():
		return errors.New("assertion's Issuer")
	case confirmed.attr("Method") != methodBearer || data == nil:
		return errors.New("SubjectConfirmation")
	case data.attr("InResponseTo") != request.attr("ID"):
		return errors.New("confirmed InResponseTo")
	case data.attr("Recipient") != sp.acs():
		return errors.New("Recipient")
	case !now.Before(at(data.attr("NotOnOrAfter")).Add(skew)):
		return errors.New("confirmation expired")
	case limits == nil:
		return errors.New("Conditions")
	case now.Before(at(limits.attr("NotBefore")).Add(-skew)):
		return errors.New("not yet")
	case !now.Before(at(limits.attr("NotOnOrAfter")).Add(skew)):
		return errors.New("expired")
	}
	if !slices.ContainsFunc(limits.child(nsAssertion, "AudienceRestriction").all(nsAssertion, "Audience"), func(a *node) bool { return a.raw() == sp.entityID() }) {
		return errors.New("Audience")
	}
	statements := assertion.all(nsAssertion, "AuthnStatement")
	if len(statements) != 1 {
		return fmt.Errorf("%d AuthnStatements", len(statements))
	}
	level := statements[0].child(nsAssertion, "AuthnContext").child(nsAssertion, "AuthnContextClassRef").raw()
	authn := at(statements[0].attr("AuthnInstant"))
	switch {
	case level != UncertifiedThree && level != LevelThree:
		return errors.New("level")
	case authn.Before(at(request.attr("IssueInstant")).Add(-skew)) || authn.After(now.Add(skew)):
		return errors.New("AuthnInstant")
	}
	return b.attributes(assertion, signed)
}

func (b *bench) open(sp *testSP, data *node) ([]byte, error) {
	if d := data.child(nsSignature, "KeyInfo").child(nsEncryption, "EncryptedKey").child(nsEncryption, "EncryptionMethod").child(nsSignature, "DigestMethod"); d.attr("Algorithm") == algSHA256 {
		return b.openSHA256(sp, data)
	}
	return decrypt(data, []*rsa.PrivateKey{sp.enc.key.(*rsa.PrivateKey)})
}

// openSHA256 knows OAEP with SHA-256, which the IdP's own decryption refuses.
func (b *bench) openSHA256(sp *testSP, data *node) ([]byte, error) {
	wrapped := data.child(nsSignature, "KeyInfo").child(nsEncryption, "EncryptedKey")
	sealed, err := decode64(wrapped.child(nsEncryption, "CipherData").child(nsEncryption, "CipherValue").content())
	if err != nil {
		return nil, err
	}
	key, err := sp.enc.key.(*rsa.PrivateKey).Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1})
	if err != nil {
		return nil, err
	}
	text, err := decode64(data.child(nsEncryption, "CipherData").child(nsEncryption, "CipherValue").content())
	if err != nil {
		return nil, err
	}
	return unseal(data.child(nsEncryption, "EncryptionMethod").attr("Algorithm"), key, text)
}

func (b *bench) attributes(assertion *node, signed string) error {
	values := map[string][]string{}
	for _, a := range assertion.child(nsAssertion, "AttributeStatement").all(nsAssertion, "Attribute") {
		if _, ok := values[a.attr("Name")]; ok {
			return errors.New("an attribute twice")
		}
		for _, v := range a.all(nsAssertion, "AttributeValue") {
			values[a.attr("Name")] = append(values[a.attr("Name")], v.raw())
		}
	}
	number := values[oidNumber]
	switch {
	case len(number) != 1:
		return fmt.Errorf("%d numbers", len(number))
	case len(number[0]) != 12 || strings.Trim(number[0], "0123456789") != "":
		return errors.New("form of the number")
	case number[0][6] > '3':
		return errors.New("co-ordination number")
	case number[0] != b.people.First().Number:
		return errors.New("another person")
	}
	if want := values[oidDigest]; signed != "" && (len(want) != 1 || want[0] != signed) {
		return errors.New("signMessageDigest")
	}
	return nil
}

// refusals says what accept finds in each fault: each is refused for its own
// reason, and for no other.
var refusals = map[string]string{
	"wrongPerson": "another person", "tenDigits": "form of the number", "hyphen": "form of the number", "coordination": "co-ordination number",
	"twoValues": "2 numbers", "twoAttributes": "an attribute twice", "friendlyNameSpoof": "0 numbers", "missingNumber": "0 numbers",
	"nameIdOnly": "0 numbers", "noAttributeStatement": "0 numbers", "noSignMessageDigest": "signMessageDigest", "wrongSignMessageDigest": "signMessageDigest",

	"foreignInResponseTo": "InResponseTo", "noInResponseTo": "InResponseTo", "wrongConfirmedRequest": "confirmed InResponseTo",
	"wrongDestination": "Destination", "noDestination": "Destination", "wrongRecipient": "Recipient", "noRecipient": "Recipient",
	"wrongAudience": "Audience", "noAudience": "Audience", "wrongIssuer": "Issuer", "otherIdP": errSignature.Error(), "noIssuer": "Issuer",
	"wrongAssertionIssuer": "assertion's Issuer",

	"expired": "confirmation expired", "notYet": "not yet", "oldIssue": "IssueInstant too old", "futureIssue": "IssueInstant in the future",
	"oldAuthnInstant": "AuthnInstant", "futureAuthnInstant": "AuthnInstant", "clockAhead90": "IssueInstant in the future",

	"noSubject": "SubjectConfirmation", "noSubjectConfirmation": "SubjectConfirmation", "noConfirmationData": "SubjectConfirmation", "senderVouches": "SubjectConfirmation",
	"noConditions": "Conditions", "noAuthnStatement": "0 AuthnStatements", "twoAuthnStatements": "2 AuthnStatements", "twoAssertions": "2 assertions",
	"successWithoutAssertion": "0 assertions", "errorWithAssertion": "status " + statusCancel, "unsignedError": "not exactly one signature",
	"wrongLevel": "level", "levelWithSpaces": "level", "levelCase": "level", "noLevel": "level",

	"unsignedResponse": "not exactly one signature", "unsignedAssertion": "assertion: there is not exactly one signature",
	"badSignature": errSignature.Error(), "badAssertionSignature": "assertion: " + errSignature.Error(), "sha1": "digest method", "sha1Digest": "digest method",
	"foreignKey": errSignature.Error(), "hmac": "signature method", "emptyReference": "reference is not to the root", "noReference": "SignedInfo has other parts",
	"twoReferences": "SignedInfo has other parts", "twoSignedInfo": "other parts than SignedInfo", "xpathTransform": "other transforms", "xsltTransform": "other transforms",
	"c14nComments": "other transforms", "signatureObject": "other parts than SignedInfo", "ecdsaDER": errSignature.Error(), "twoSignatures": "not exactly one signature",
	"commentInDigest": "comments are not allowed",

	"badCiphertext": "cannot be decrypted", "shortCiphertext": "cannot be decrypted", "oddCiphertext": "cannot be decrypted", "rsa15": "key transport",
	"tripleDes": "encryption method", "encryptedForOther": "cannot be decrypted", "unencrypted": "not exactly one signature", "swappedAssertion": "digest is not that",

	// What is wrapped has its signature elsewhere, or none that is the root's.
	"xsw1": "other parts than SignedInfo", "xsw2": "reference is not to the root", "fooId": "an ID that stands there twice",
	"xsw3": "not exactly one signature", "xsw4": "not exactly one signature", "xsw5": "not exactly one signature", "xsw6": "not exactly one signature",
	"xsw7": "not exactly one signature", "xsw8": "not exactly one signature",
	"xsw8SameId": "an ID that stands there twice", "duplicateId": "an ID that stands there twice", "duplicateIdAfter": "an ID that stands there twice",

	"doctype": "DTD", "billionLaughs": "DTD", "comment": "comments are not allowed", "commentInNumber": "assertion: comments", "deepNesting": "too deep",
	"huge": "too big", "notResponse": "not a Response", "garbageResponse": "base64", "notXML": "not well-formed",
	"replay": "InResponseTo", "relayStateMangled": "RelayState", "relayStateMissing": "RelayState", "relayStateLong": "RelayState",
}

const vector = "I hereby confirm that I want to join example.com as a customer" // telia-saml.md 2.7

const vectorDigest = algSHA256 + ";0yKaSVsYeh+PX2Q6diqO2w89+a3Dm303tp3AVjgxwj0="

func TestFaultsOfResponses(t *testing.T) {
	b := newBench(t)
	for _, f := range responseFaults() {
		t.Run(f.name, func(t *testing.T) {
			b.t = t
			want, known := refusals[f.name]
			if known == f.harmless || slices.Contains(Harmless(), f.name) != f.harmless {
				t.Fatal("a fault is either refused or harmless")
			}
			// Somebody else has a request under way, for faults that take from it.
			b.fault("")
			b.order(b.sign, b.ask(b.sign), "relay")
			b.fault(f.name)
			request := b.ask(b.sign, textToSign(vector))
			id := b.order(b.sign, request, "relay")
			if _, err := b.idp.Act(id, control.Action{Action: "approve", Pnr: b.people.First().Number}); err != nil {
				t.Fatal(err)
			}
			err := b.accept(b.sign, request, b.deliver(id), vectorDigest)
			switch {
			case f.harmless && err != nil:
				t.Errorf("it is harmless and yet refused: %v", err)
			case !f.harmless && err == nil:
				t.Error("it is accepted")
			case !f.harmless && !strings.Contains(err.Error(), want):
				t.Errorf("it is refused because of %q, not of %q", err, want)
			}
		})
	}
	b.t = t
	b.fault("")
	request := b.ask(b.sign, textToSign(vector))
	if err := b.accept(b.sign, request, b.approved(b.sign, request), vectorDigest); err != nil {
		t.Errorf("without a fault: %v", err)
	}
}

// TestFaultsTogether throws everything at once; what is made then is anybody's
// guess, as long as it is made. Errors stay errors.
func TestFaultsTogether(t *testing.T) {
	b := newBench(t)
	all := responseFaults()
	for i := range all {
		b.faults.Clear()
		for j := range all {
			if f := all[(i+j)%len(all)].name; j%3 != 1 && f != "garbageResponse" && f != "replay" {
				b.faults.Set(control.Fault{Provider: "telia", Fault: f, Rate: 1})
			}
		}
		for _, a := range []control.Action{{Action: "approve", Pnr: b.people.First().Number}, {Action: "cancel"}} {
			id := b.order(b.login, b.ask(b.login), "relay")
			if _, err := b.idp.Act(id, a); err != nil {
				t.Fatal(err)
			}
			b.idp.mu.Lock()
			o := b.idp.find(id)
			b.idp.mu.Unlock()
			if field, _, err := b.idp.deliver(o); err != nil && !errors.Is(err, errNoSignature) || field == "" && err == nil {
				t.Errorf("%s: %v", a.Action, err)
			}
		}
	}
	for _, f := range all {
		b.fault(f.name)
		id := b.order(b.login, b.ask(b.login), "relay")
		if _, err := b.idp.Act(id, control.Action{Action: "cancel"}); err != nil {
			t.Fatal(err)
		}
		d := b.deliver(id)
		if strings.HasPrefix(f.name, "xsw") || f.name == "replay" || f.name == "successWithoutAssertion" {
			continue // whoever has a signature may try with that
		}
		if response, err := parse(d.document); err == nil && slices.Contains(codes(response), statusSuccess) {
			t.Errorf("%s makes a login of a cancellation", f.name)
		}
	}
}

func TestReplay(t *testing.T) {
	b := newBench(t)
	first := b.approved(b.login, b.ask(b.login))
	b.fault("replay")
	if again := b.approved(b.login, b.ask(b.login)); again.field != first.field {
		t.Error("it is not the answer of before")
	}
	if other := b.approved(b.sign, b.ask(b.sign)); other.field == first.field || other.field == "" {
		t.Error("one peer gets what another got")
	}
}

func TestSwappedRequest(t *testing.T) {
	b := newBench(t)
	theirs := b.ask(b.login)
	b.order(b.login, theirs, "relay")
	b.fault("foreignInResponseTo")
	response, _ := b.opened(b.login, b.approved(b.login, b.ask(b.login)))
	if response.attr("InResponseTo") != theirs.attr("ID") {
		t.Error("it answers no request of another browser")
	}
}

func TestFaultsOfHTTP(t *testing.T) {
	b := newBench(t)
	id := b.order(b.login, b.ask(b.login), "relay")
	for fault, want := range map[string]string{http503: "503", garbage: "<<<", drop: "EOF", slow: "303"} {
		b.fault(fault)
		r, err := b.client.Get(b.idp.ssoURL() + "?" + b.login.query(t, b.ask(b.login).document(), "relay"))
		got := fmt.Sprint(err)
		if err == nil {
			data, _ := io.ReadAll(r.Body)
			r.Body.Close()
			got = fmt.Sprint(r.StatusCode, string(data))
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %.60s", fault, got)
		}
	}
	b.fault(dropAnswer)
	if _, err := b.idp.Act(id, control.Action{Action: "cancel"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.Get(b.idp.orderURL(id)); err == nil {
		t.Error("the answer comes")
	}
}

// entries are the IdPs of a document by entityID.
func entries(root *node) map[string][]*node {
	out := map[string][]*node{}
	list := []*node{root}
	if root.is(nsMetadata, "EntitiesDescriptor") {
		list = root.all(nsMetadata, "EntityDescriptor")
	}
	for _, e := range list {
		if e.child(nsMetadata, "IDPSSODescriptor") != nil {
			out[e.attr("entityID")] = append(out[e.attr("entityID")], e)
		}
	}
	return out
}

// describe says what is wrong with metadata, as one that reads it would.
func (b *bench) describe(document []byte, aggregate bool) string {
	root, err := parse(document)
	if err != nil {
		return err.Error()
	}
	keys := publicKeys(b.idp.keys.federation)
	signature := root.child(nsSignature, "Signature")
	if signature == nil {
		return "unsigned"
	}
	if err := verifyThis(root, signature, keys); err != nil {
		return "signature"
	}
	until, err := time.Parse(time.RFC3339, root.attr("validUntil"))
	if err != nil || b.now().After(until) {
		return "validUntil"
	}
	own := entries(root)[b.idp.EntityID()]
	if len(own) != 1 {
		return fmt.Sprint(len(own), " entries")
	}
	if aggregate && verify(own[0], keys) != nil {
		return "signature of the entry"
	}
	role := own[0].child(nsMetadata, "IDPSSODescriptor")
	var bindings []string
	for _, s := range role.all(nsMetadata, "SingleSignOnService") {
		if s.attr("Location") != b.idp.ssoURL() {
			return "endpoint"
		}
		bindings = append(bindings, s.attr("Binding"))
	}
	if !slices.Equal(bindings, []string{bindingRedirect, bindingPOST}) || role.attr("WantAuthnRequestsSigned") != "true" {
		return "bindings"
	}
	uses := map[string]int{}
	for _, k := range role.all(nsMetadata, "KeyDescriptor") {
		uses[k.attr("use")]++
		if uses[k.attr("use")] == 1 && k.attr("use") == "signing" && k.child(nsSignature, "KeyInfo").child(nsSignature, "X509Data").child(nsSignature, "X509Certificate").content() !=
			base64.StdEncoding.EncodeToString(b.idp.keys.current.cert.Raw) {
			return "another key"
		}
	}
	if uses["signing"] != 3 || uses["encryption"] != 1 {
		return "keys"
	}
	for _, want := range []string{UncertifiedThree, LevelThree, CategoryThree, categoryMessage, "RequestedPrincipalSelection", oidNumber, "Telia e-legitimation", "Telia e-ID"} {
		if !strings.Contains(string(own[0].document()), want) {
			return "lacks " + want
		}
	}
	return ""
}

func TestMetadata(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ fault, document, feed string }{
		{"", "", ""},
		{metadataBadSignature, "signature", "signature of the entry"},
		{metadataUnsigned, "unsigned", ""},
		{metadataExpired, "validUntil", ""},
		{metadataUnknownSigner, "signature", "signature of the entry"},
		{metadataRollover, "another key", "another key"},
		{javascriptEndpoint, "endpoint", "endpoint"},
		{plainEndpoint, "endpoint", "endpoint"},
		{feedBadSignature, "", "signature"},
		{feedUnsigned, "", "unsigned"},
		{feedExpired, "", "validUntil"},
		{feedNoValidUntil, "", "validUntil"},
		{feedUnknownSigner, "", "signature"},
		{entityTwice, "", "2 entries"},
		{entityMissing, "", "0 entries"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			b.t = t
			b.fault(c.fault)
			if got := b.describe(b.fetch("metadata"), false); got != c.document {
				t.Errorf("metadata: %q", got)
			}
			if got := b.describe(b.fetch("feed"), true); got != c.feed {
				t.Errorf("feed: %q", got)
			}
		})
	}
	b.t = t
	b.fault(metadataExpired)
	root, err := parse(b.fetch("feed"))
	if err != nil {
		t.Fatal(err)
	}
	if until := entries(root)[b.idp.EntityID()][0].attr("validUntil"); until > instant(b.now()) {
		t.Error("the entry in the feed has not expired")
	}
	if r, err := http.Get(b.web.URL + "/saml/telia/logo.svg"); err != nil || r.StatusCode != http.StatusOK {
		t.Error("the logo is not there")
	} else {
		r.Body.Close()
	}
}

func TestModesAreUnique(t *testing.T) {
	list := (&IdP{}).FaultModes()
	seen := map[string]bool{}
	for _, m := range list {
		if seen[m] {
			t.Errorf("%s is there twice", m)
		}
		seen[m] = true
	}
	for m := range refusals {
		if !seen[m] {
			t.Errorf("%s is not a mode", m)
		}
	}
}
