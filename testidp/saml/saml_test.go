package saml

import (
	"crypto/rsa"
	"strings"
	"testing"

	"sigill/testidp/control"
)

var _ control.Simulator = (*IdP)(nil)

// opened is a Response with its assertion decrypted, signatures verified.
func (b *bench) opened(sp *testSP, d delivery) (response, assertion *node) {
	b.t.Helper()
	response, err := parse(d.document)
	if err != nil {
		b.t.Fatal(err)
	}
	signers := publicKeys(b.idp.keys.current, b.idp.keys.next, b.idp.keys.elliptic)
	if err := verify(response, signers); err != nil {
		b.t.Fatal(err)
	}
	sealed := response.child(nsAssertion, "EncryptedAssertion")
	if sealed == nil {
		return response, nil
	}
	plain, err := decrypt(sealed.child(nsEncryption, "EncryptedData"), []*rsa.PrivateKey{sp.enc.key.(*rsa.PrivateKey)})
	if err != nil {
		b.t.Fatal(err)
	}
	if assertion, err = parse(plain); err != nil {
		b.t.Fatal(err)
	}
	if assertion.child(nsSignature, "Signature") != nil {
		if err := verify(assertion, signers); err != nil {
			b.t.Fatal(err)
		}
	}
	return response, assertion
}

// released are the attributes of an assertion.
func released(assertion *node) map[string]string {
	out := map[string]string{}
	for _, a := range assertion.child(nsAssertion, "AttributeStatement").all(nsAssertion, "Attribute") {
		out[a.attr("Name")] = a.child(nsAssertion, "AttributeValue").content()
	}
	return out
}

// codes are the statuses, outermost first.
func codes(response *node) []string {
	var out []string
	for c := response.child(nsProtocol, "Status").child(nsProtocol, "StatusCode"); c != nil; c = c.child(nsProtocol, "StatusCode") {
		out = append(out, c.attr("Value"))
	}
	return out
}

func TestLogin(t *testing.T) {
	b := newBench(t)
	for _, binding := range []string{"redirect", "post"} {
		t.Run(binding, func(t *testing.T) {
			b.t = t
			q := b.ask(b.login)
			var id string
			if binding == "redirect" {
				id = b.order(b.login, q, "a&b=c")
			} else {
				if err := (&seal{by: b.login.signer}).sign(q, 1); err != nil {
					t.Fatal(err)
				}
				id = b.orderOf(b.post(q.document(), "a&b=c"))
			}
			who := b.people.First()
			if page := b.show(id); !strings.Contains(page, "Exempelby kommun") || !strings.Contains(page, "TEST") || !strings.Contains(page, who.Name()) {
				t.Error("the page does not show who asks, that it is a test, or whom to be")
			}
			o, ok := b.idp.Order(id)
			if !ok || o.State != control.Pending || o.Kind != "auth" || o.ReturnURL != b.idp.orderURL(id) || o.Reference != q.attr("ID") {
				t.Errorf("order %s of kind %s, back at %s", o.State, o.Kind, o.ReturnURL)
			}
			result, err := b.idp.Act(id, control.Action{Action: "approve", Pnr: who.Number})
			if err != nil || result.State != control.Complete {
				t.Fatalf("%+v, %v", result, err)
			}
			d := b.deliver(id)
			if d.acs != b.login.acs() || d.relay != "a&b=c" {
				t.Errorf("goes to %s with %s", d.acs, d.relay)
			}
			if again := b.deliver(id); again.field != d.field {
				t.Error("shown again it is another answer")
			}
			response, assertion := b.opened(b.login, d)
			if response.attr("InResponseTo") != q.attr("ID") || response.attr("Destination") != d.acs || strings.Join(codes(response), " ") != statusSuccess {
				t.Error("the response is to something else")
			}
			values := released(assertion)
			if values[oidNumber] != who.Number || values[oidSurname] != who.Surname || values[oidGivenName] != who.Given ||
				values[oidDisplayName] != who.Name() || values[oidBirth] == "" || len(values) != 5 {
				t.Errorf("%d attributes, or of somebody else", len(values))
			}
			level := assertion.child(nsAssertion, "AuthnStatement").child(nsAssertion, "AuthnContext").child(nsAssertion, "AuthnContextClassRef").content()
			if level != UncertifiedThree {
				t.Errorf("level %s", level)
			}
			if assertion.child(nsSignature, "Signature") != nil {
				t.Error("the assertion is signed though nobody wants that")
			}
		})
	}
}
