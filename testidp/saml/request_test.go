package saml

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/testidp/control"
)

// TestRequestsRefused is what becomes no order, and why. Each is a good request
// but for one thing.
func TestRequestsRefused(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name   string
		change func(*node)         // of the request, before it is signed
		query  func(string) string // of the query, afterwards
		why    string
	}{
		{"another root", func(n *node) { n.local = "LogoutRequest" }, nil, "not an AuthnRequest"},
		{"Issuer of nobody", func(n *node) { n.kids[0].kids[0].text = b.login.web.URL + "/nothing" }, nil, "HTTP status 404"},
		{"Issuer elsewhere", func(n *node) { n.kids[0].kids[0].text = "https://sp.example.com/metadata" }, nil, "not an address of this machine"},
		{"Issuer with another Format", func(n *node) { n.kids[0].set("Format", persistent) }, nil, "Format"},
		{"Issuer of somebody else", func(n *node) { n.kids[0].kids[0].text = b.sign.entityID() }, nil, errSignature.Error()},
		{"no Issuer", func(n *node) { n.take(nsAssertion, "Issuer") }, nil, "not an address of this machine"},
		{"signature in the message", func(n *node) { (&seal{by: b.login.signer}).sign(n, 1) }, nil, "in the query alone"},
		{"Version", func(n *node) { n.set("Version", "1.1") }, nil, "Version"},
		{"ID", func(n *node) { n.set("ID", "0 1") }, nil, "NCName"},
		{"old", func(n *node) { n.set("IssueInstant", instant(b.now().Add(-6*time.Minute))) }, nil, "too old"},
		{"future", func(n *node) { n.set("IssueInstant", instant(b.now().Add(2*time.Minute))) }, nil, "future"},
		{"local time", func(n *node) { n.set("IssueInstant", b.now().Format("2006-01-02T15:04:05+02:00")) }, nil, "UTC"},
		{"Destination", func(n *node) { n.set("Destination", b.idp.EntityID()) }, nil, "Destination"},
		{"no Destination", func(n *node) { n.attrs = n.attrs[:3]; n.set("ForceAuthn", "true") }, nil, "Destination"},
		{"ACS", func(n *node) { n.set("AssertionConsumerServiceURL", b.login.acs()+"/3") }, nil, "not in the metadata"},
		{"ACS of another", func(n *node) { n.set("AssertionConsumerServiceURL", b.sign.acs()) }, nil, "not in the metadata"},
		{"ACS twice", func(n *node) { n.set("AssertionConsumerServiceIndex", "0") }, nil, "together"},
		{"ProtocolBinding", func(n *node) { n.set("ProtocolBinding", bindingRedirect) }, nil, "ProtocolBinding"},
		{"no ForceAuthn", func(n *node) {
			for i, a := range n.attrs {
				if a.local == "ForceAuthn" {
					n.attrs = append(n.attrs[:i:i], n.attrs[i+1:]...)
					break
				}
			}
		}, nil, "ForceAuthn"},
		{"order of elements", func(n *node) { n.kids[1], n.kids[2] = n.kids[2], n.kids[1] }, nil, "wrong place"},
		{"element twice", func(n *node) { n.add(n.kids[2].clone()) }, nil, "wrong place"},
		{"unknown element", func(n *node) { n.add(el("foo:x")) }, nil, "wrong place"},
		{"no class", func(n *node) { n.kids[2].kids = nil }, nil, "RequestedAuthnContext"},
		{"message that is not UTF-8", func(n *node) {
			n.insert(1, el("samlp:Extensions").add(el("umsg:UserMessage").add(el("umsg:Message", "xml:lang", "sv").say("5Q=="))))
		}, nil, "UserMessage"},
		{"message in HTML", func(n *node) {
			n.insert(1, el("samlp:Extensions").add(el("umsg:UserMessage", "mimeType", "text/html").add(el("umsg:Message", "xml:lang", "sv").say("QQ=="))))
		}, nil, "mimeType"},

		{"unsigned", nil, func(q string) string { q, _, _ = strings.Cut(q, "&Sig"); return q }, "not signed"},
		{"no signature", nil, func(q string) string { q, _, _ = strings.Cut(q, "&Signature="); return q }, "not signed"},
		{"SHA-1", nil, func(q string) string {
			q, _, _ = strings.Cut(q, "&SigAlg=")
			q += "&SigAlg=" + url.QueryEscape(algRSASHA1)
			value, _ := b.login.signer.value(algRSASHA1, []byte(q))
			return q + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
		}, "signature method"},
		{"RelayState changed", nil, func(q string) string { return strings.Replace(q, "RelayState=relay", "RelayState=other", 1) }, errSignature.Error()},
		{"RelayState written otherwise", nil, func(q string) string { return strings.Replace(q, "RelayState=relay", "RelayState=%72elay", 1) }, errSignature.Error()},
		{"RelayState left out", nil, func(q string) string { return strings.Replace(q, "&RelayState=relay", "", 1) }, errSignature.Error()},
		{"RelayState twice", nil, func(q string) string { return q + "&RelayState=other" }, "twice"},
		{"RelayState twice, encoded", nil, func(q string) string { return q + "&Relay%53tate=other" }, "twice"},
		{"SAMLRequest twice", nil, func(q string) string { return "SAMLRequest=x&" + q }, "twice"},
		{"SAMLRequest encoded name", nil, func(q string) string { return strings.Replace(q, "SAMLRequest", "SAML%52equest", 1) }, "encoded"},
		{"SAMLEncoding", nil, func(q string) string { return q + "&SAMLEncoding=none" }, "SAMLEncoding"},
		{"not base64", nil, func(q string) string { return strings.Replace(q, "SAMLRequest=", "SAMLRequest=*", 1) }, "base64"},
		{"not deflated", nil, func(q string) string {
			_, rest, _ := strings.Cut(q, "&")
			return "SAMLRequest=" + base64.URLEncoding.EncodeToString([]byte("xxxxxx")) + "&" + rest
		}, "inflated"},
		{"bomb", nil, func(string) string { return b.login.query(t, make([]byte, 10<<20), "relay") }, "too big"},
		{"long RelayState", nil, func(string) string { return b.login.query(t, b.ask(b.login).document(), strings.Repeat("x", 81)) }, "80 bytes"},
		{"DTD", nil, func(string) string {
			return b.login.query(t, append([]byte("<!DOCTYPE x>"), b.ask(b.login).document()...), "relay")
		}, "DTD"},
		{"comment", nil, func(string) string {
			return b.login.query(t, append(b.ask(b.login).document(), "<!-- x -->"...), "relay")
		}, "comments"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			n := b.ask(b.login)
			if c.change != nil {
				c.change(n)
			}
			q := b.login.query(t, n.document(), "relay")
			if c.query != nil {
				q = c.query(q)
			}
			r := b.get(q)
			why := notice(t, r)
			if r.StatusCode != http.StatusBadRequest || !strings.Contains(why, c.why) {
				t.Errorf("status %d: %q", r.StatusCode, why)
			}
		})
	}
	if n := len(b.idp.Orders()); n != 0 {
		t.Errorf("%d orders of refused requests", n)
	}
}

func TestPostsRefused(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name string
		seal *seal
		text func([]byte) []byte
		why  string
	}{
		{"unsigned", nil, nil, "not exactly one signature"},
		{"SHA-1", &seal{by: b.login.signer, method: algRSASHA1, digest: algSHA1}, nil, "digest method"},
		{"SHA-1 of SignedInfo", &seal{by: b.login.signer, method: algRSASHA1}, nil, "signature method"},
		{"another key", &seal{by: b.sign.signer}, nil, errSignature.Error()},
		{"bad", &seal{by: b.login.signer, bend: flipSignature}, nil, errSignature.Error()},
		{"whole document", &seal{by: b.login.signer, uri: new(string)}, nil, "reference"},
		{"two references", &seal{by: b.login.signer, references: func(r *node) []*node { return []*node{r, r.clone()} }}, nil, "SignedInfo"},
		{"XPath", &seal{by: b.login.signer, transforms: []string{algXPath}}, nil, "transforms"},
		{"object", &seal{by: b.login.signer, bend: func(n *node) { n.add(el("ds:Object")) }}, nil, "other parts"},
		{"changed", &seal{by: b.login.signer}, func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `AllowCreate="true"`, `AllowCreate="false"`, 1))
		}, "digest"},
		{"too big", &seal{by: b.login.signer}, func([]byte) []byte { return make([]byte, maxRequest+1) }, "too big"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			n := b.ask(b.login)
			if err := c.seal.sign(n, 1); err != nil {
				t.Fatal(err)
			}
			text := n.document()
			if c.text != nil {
				text = c.text(text)
			}
			r := b.post(text, "relay")
			if why := notice(t, r); r.StatusCode != http.StatusBadRequest || !strings.Contains(why, c.why) {
				t.Errorf("status %d: %q", r.StatusCode, why)
			}
		})
	}
	b.t = t
	good := func() url.Values {
		n := b.ask(b.login)
		if err := (&seal{by: b.login.signer}).sign(n, 1); err != nil {
			t.Fatal(err)
		}
		return url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(n.document())}, "RelayState": {"a"}}
	}
	for _, c := range []struct {
		name, query string
		change      func(url.Values)
		status      int
	}{
		{"good", "", func(url.Values) {}, http.StatusSeeOther},
		{"field twice", "", func(v url.Values) { v.Add("RelayState", "b") }, http.StatusBadRequest},
		{"signature in the form", "", func(v url.Values) { v.Set("SigAlg", algRSASHA256) }, http.StatusBadRequest},
		{"query", "?RelayState=b", func(url.Values) {}, http.StatusBadRequest},
		{"nothing", "", func(v url.Values) { v.Del("SAMLRequest") }, http.StatusBadRequest},
	} {
		v := good()
		c.change(v)
		r, err := b.client.PostForm(b.idp.ssoURL()+c.query, v)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != c.status {
			t.Errorf("%s: status %d", c.name, r.StatusCode)
		}
	}
}

// TestPeers is which service providers are spoken to at all.
func TestPeers(t *testing.T) {
	b := newBench(t)
	role := func(n *node) *node { return n.child(nsMetadata, "SPSSODescriptor") }
	for _, c := range []struct {
		name string
		bend func(*node)
		why  string
	}{
		{"other entityID", func(n *node) { n.set("entityID", n.attr("entityID")+"x") }, "this entityID"},
		{"expired", func(n *node) { n.set("validUntil", instant(b.now().Add(-time.Minute))) }, "no longer valid"},
		{"no role", func(n *node) { n.take(nsMetadata, "SPSSODescriptor") }, "exactly one SPSSODescriptor"},
		{"SAML 1.1", func(n *node) { role(n).set("protocolSupportEnumeration", "urn:oasis:names:tc:SAML:1.1:protocol") }, "protocolSupportEnumeration"},
		{"does not sign", func(n *node) { role(n).set("AuthnRequestsSigned", "false") }, "AuthnRequestsSigned"},
		{"no keys", func(n *node) {
			role(n).take(nsMetadata, "KeyDescriptor")
			role(n).take(nsMetadata, "KeyDescriptor")
		}, "key for signing"},
		{"no name", func(n *node) {
			role(n).child(nsMetadata, "Extensions").child(nsUI, "UIInfo").take(nsUI, "DisplayName")
		}, "DisplayName"},
		{"no category", func(n *node) { n.take(nsMetadata, "Extensions") }, "category"},
		{"ACS elsewhere", func(n *node) {
			role(n).child(nsMetadata, "AssertionConsumerService").set("Location", "https://sp.example.com/acs")
		}, "no web address of this machine"},
		{"ACS in script", func(n *node) {
			role(n).child(nsMetadata, "AssertionConsumerService").set("Location", "javascript:alert(1)")
		}, "no web address of this machine"},
		{"no POST", func(n *node) {
			for _, s := range role(n).all(nsMetadata, "AssertionConsumerService") {
				s.set("Binding", bindingRedirect)
			}
		}, "HTTP-POST"},
		{"signed by another", func(n *node) { (&seal{by: b.sign.signer}).sign(n, 0) }, "its own signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.later(time.Minute) // what is known is old by then
			b.login.bend = c.bend
			r := b.get(b.login.query(t, b.ask(b.login).document(), "r"))
			if why := notice(t, r); r.StatusCode != http.StatusBadRequest || !strings.Contains(why, c.why) {
				t.Errorf("status %d: %q", r.StatusCode, why)
			}
		})
	}
	b.t, b.login.bend = t, nil
	b.later(time.Minute)
	b.order(b.login, b.ask(b.login), "r")
	b.login.web.Close()
	b.order(b.login, b.ask(b.login), "r") // known for some seconds
	b.later(time.Minute)
	if r := b.get(b.login.query(t, b.ask(b.login).document(), "r")); r.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d though the peer is gone", r.StatusCode)
	}
}

// Comments in metadata are for people, and under nobody's signature.
func TestPeerWithComments(t *testing.T) {
	b := newBench(t)
	data := bytes.Replace(b.login.metadata(t), []byte("<md:SPSSODescriptor"), []byte("<!-- x --><md:SPSSODescriptor"), 1)
	if _, err := readPeer(append([]byte("<!-- x -->"), data...), b.login.entityID(), nil, b.now()); err != nil {
		t.Error(err)
	}
}

// TestRequestsAnswered is what ends at once, with a status for the sender.
func TestRequestsAnswered(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name   string
		sp     *testSP
		change func(*node)
		want   string
	}{
		{"IsPassive", b.login, func(n *node) { n.set("IsPassive", "true") }, statusResponder + " " + statusNoPassive},
		{"other level", b.login, func(n *node) { n.kids[2].kids = []*node{el("saml:AuthnContextClassRef").say(LevelTwo)} }, statusRequester + " " + statusNoContext},
		{"level but for case", b.login, func(n *node) {
			n.kids[2].kids = []*node{el("saml:AuthnContextClassRef").say(strings.ToUpper(LevelThree))}
		}, statusRequester + " " + statusNoContext},
		{"Comparison minimum", b.login, func(n *node) { n.kids[2].set("Comparison", "minimum") }, statusRequester + " " + statusUnsupported},
		{"NameID", b.login, func(n *node) {
			n.kids[1].set("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")
		}, statusRequester + " " + statusNameID},
		{"Subject", b.login, func(n *node) { n.insert(1, el("saml:Subject")) }, statusRequester + " " + statusUnsupported},
		{"IDPList", b.login, func(n *node) {
			n.add(el("samlp:Scoping").add(el("samlp:IDPList").add(el("samlp:IDPEntry", "ProviderID", "https://idp.example.com"))))
		}, statusRequester + " " + statusNoIDP},
		{"signature by who may not", b.login, func(n *node) { n.insert(1, el("samlp:Extensions").add(textToSign("Jag."))) }, statusRequester + " " + statusUnsupported},
		{"DisplayEntity", b.sign, func(n *node) {
			n.insert(1, el("samlp:Extensions").add(textToSign("Jag.").set("DisplayEntity", "https://idp.example.com")))
		}, statusRequester + " " + statusUnsupported},
		{"HTML", b.sign, func(n *node) {
			n.insert(1, el("samlp:Extensions").add(textToSign("Jag.").set("MimeType", "text/html")))
		}, statusRequester + " " + statusUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			n := b.ask(c.sp)
			c.change(n)
			d := b.deliver(b.order(c.sp, n, "relay"))
			response, assertion := b.opened(c.sp, d)
			if got := strings.Join(codes(response), " "); got != c.want || assertion != nil || response.attr("InResponseTo") != n.attr("ID") || d.relay != "relay" {
				t.Errorf("status %s", got)
			}
		})
	}
}

func TestSignatureNeedsForceAuthn(t *testing.T) {
	b := newBench(t)
	n := b.ask(b.sign, textToSign("Jag.")).set("ForceAuthn", "false")
	if r := b.get(b.sign.query(t, n.document(), "r")); r.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", r.StatusCode)
	}
	b.order(b.login, b.ask(b.login).set("ForceAuthn", "false"), "r")
}

func TestTransient(t *testing.T) {
	b := newBench(t)
	nameID := func(format string) string {
		n := b.ask(b.login)
		n.kids[1].set("Format", format)
		_, assertion := b.opened(b.login, b.approved(b.login, n))
		id := assertion.child(nsAssertion, "Subject").child(nsAssertion, "NameID")
		if id.attr("Format") != format || strings.Contains(id.content(), b.people.First().Number) {
			t.Error("the format is another, or the pseudonym is none")
		}
		return id.content()
	}
	first := nameID(persistent)
	if nameID(persistent) != first {
		t.Error("a persistent pseudonym changes")
	}
	if once := nameID(transient); nameID(transient) == once {
		t.Error("a transient pseudonym stays")
	}
	n := b.ask(b.sign)
	_, assertion := b.opened(b.sign, b.approved(b.sign, n))
	if assertion.child(nsAssertion, "Subject").child(nsAssertion, "NameID").content() == first {
		t.Error("two peers get the same pseudonym")
	}
}

func TestSameRequestAgain(t *testing.T) {
	b := newBench(t)
	q := b.login.query(t, b.ask(b.login).document(), "relay")
	id := b.orderOf(b.get(q))
	if again := b.orderOf(b.get(q)); again != id {
		t.Error("the same browser gets another order")
	}
	if _, err := b.idp.Act(id, control.Action{Action: "cancel"}); err != nil {
		t.Fatal(err)
	}
	if again := b.orderOf(b.get(q)); again != id {
		t.Error("and when it is over")
	}
	b.client = b.newBrowser()
	if r := b.get(q); r.StatusCode != http.StatusBadRequest || !strings.Contains(notice(t, r), errReplayed.Error()) {
		t.Error("another browser may come with it")
	}
}

// TestParseRefuses is XML that is right, or nearly, and has no business here.
func TestParseRefuses(t *testing.T) {
	var many, deep, wide strings.Builder
	for i := range 150 {
		fmt.Fprintf(&many, ` xmlns:p%d="u"`, i)
	}
	for range maxDepth + 1 {
		deep.WriteString("<a>")
	}
	for range maxElements {
		wide.WriteString("<a></a>")
	}
	for name, c := range map[string][2]string{
		"nothing":               {"", "missing"},
		"text":                  {"a", "outside"},
		"open":                  {"<a>", "not well-formed"},
		"crossed":               {"<a><b></a></b>", "wrong end"},
		"end alone":             {"</a>", "end without a start"},
		"two roots":             {"<a></a><a></a>", "two root"},
		"text behind":           {"<a></a>x", "outside"},
		"DTD":                   {"<!DOCTYPE a><a></a>", "DTD"},
		"entity":                {"<a>&x;</a>", "not well-formed"},
		"comment":               {"<a><!-- --></a>", "comments"},
		"instruction":           {"<a><?x y?></a>", "instructions"},
		"instruction before":    {"<?x y?><a></a>", "instructions"},
		"late declaration":      {` <?xml version="1.0"?><a></a>`, "instructions"},
		"Latin-1":               {`<?xml version="1.0" encoding="ISO-8859-1"?><a></a>`, "not well-formed"},
		"undeclared":            {"<a:b></a:b>", "not declared"},
		"undeclared attribute":  {`<a b:c="d"></a>`, "not declared"},
		"colons":                {`<a:b:c xmlns:a="u"></a:b:c>`, "not well-formed"},
		"undeclared again":      {`<a xmlns:b="u"><c xmlns:b=""></c></a>`, "forbidden declaration"},
		"xml":                   {`<a xmlns:xml="u"></a>`, "forbidden declaration"},
		"namespace twice":       {`<a xmlns:b="u" xmlns:b="v"></a>`, "declared twice"},
		"attribute twice":       {`<a b="1" b="1"></a>`, "attribute that stands there twice"},
		"by two prefixes":       {`<a xmlns:b="u" xmlns:c="u" b:d="1" c:d="2"></a>`, "attribute that stands there twice"},
		"ID twice":              {`<a ID="1"><b id="1"></b></a>`, "an ID"},
		"ID twice, other space": {`<a ID="1" xmlns:x="u"><b x:Id="1"></b></a>`, "an ID"},
		"line break":            {"<a b=\"c\nd\"></a>", "line break"},
		"many namespaces":       {"<a" + many.String() + "></a>", "too many attributes"},
		"deep":                  {deep.String(), "too deep"},
		"wide":                  {"<a>" + wide.String() + "</a>", "too many"},
	} {
		if _, err := parse([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, good := range map[string]string{
		"declaration": `<?xml version="1.0" encoding="UTF-8"?>` + "\n<a></a>\n",
		"empty":       "<a/>",
		"shadow":      `<a xmlns:b="u"><b:c xmlns:b="v"></b:c></a>`,
	} {
		if _, err := parse([]byte(good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(strings.Replace(messy, "PREFIXES", "", 1)))
	f.Add([]byte(`<a xmlns="b" c="d&#xA;"><e xmlns=""/>f&amp;<![CDATA[g]]></a>`))
	f.Add([]byte(`<a:b xmlns:a="x"><a:c xmlns:a="y" a:d="1"/></a:b>`))
	f.Add([]byte(`<!DOCTYPE a><a/>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parse(data)
		if err != nil {
			return
		}
		first := n.canonical()
		again, err := parse(first)
		if err != nil {
			t.Fatalf("the canonical form cannot be read: %v", err)
		}
		if second := again.canonical(); string(second) != string(first) {
			t.Fatalf("the canonical form of the canonical form is another:\n%q\n%q", first, second)
		}
		verify(n, nil)
		decrypt(n, nil)
		readPeer(data, n.attr("entityID"), nil, time.Time{})
	})
}

func FuzzReceiveQuery(f *testing.F) {
	f.Add("SAMLRequest=a&RelayState=b&SigAlg=c&Signature=d")
	f.Add("SAMLRequest=%61&&SigAlg==&Signature=")
	f.Fuzz(func(t *testing.T, query string) {
		in, err := receiveQuery(query)
		if err == nil && (len(in.octets) == 0 || len(in.value) == 0 && in.alg == "") {
			t.Fatal("a request without a signature")
		}
	})
}
