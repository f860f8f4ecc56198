package metadata

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/providers/xmlsec"
)

// whole is an identity provider with everything that is read, as a federation
// writes it.
func whole() string {
	c := theCast()
	return `<md:EntityDescriptor entityID="` + idpID + `" validUntil="2000-01-03T01:00:00.5+01:00">
  <md:Extensions>
    <mdattr:EntityAttributes xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:attribute" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">
      <saml:Attribute Name="http://macedir.org/entity-category" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">
        <saml:AttributeValue>
          http://id.elegnamnden.se/ec/1.0/loa3-pnr
        </saml:AttributeValue>
        <saml:AttributeValue>http://id.swedenconnect.se/general-ec/1.0/supports-user-message</saml:AttributeValue>
      </saml:Attribute>
      <saml:Attribute Name="urn:oasis:names:tc:SAML:attribute:assurance-certification">
        <saml:AttributeValue>http://id.swedenconnect.se/loa/1.0/uncertified-loa3 </saml:AttributeValue>
      </saml:Attribute>
    </mdattr:EntityAttributes>
  </md:Extensions>
  <md:IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol urn:oasis:names:tc:SAML:2.0:protocol">
    <md:Extensions>
      <mdui:UIInfo xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui">
        <mdui:DisplayName xml:lang="sv"> Testets
          e-legitimation</mdui:DisplayName>
        <mdui:DisplayName xml:lang="en">The test's eID</mdui:DisplayName>
        <mdui:DisplayName xml:lang="fi">Testi</mdui:DisplayName>
      </mdui:UIInfo>
      <psc:RequestedPrincipalSelection xmlns:psc="http://id.swedenconnect.se/authn/1.0/principal-selection/ns">
        <psc:MatchValue Name="urn:oid:1.2.752.29.4.13"/><psc:MatchValue Name=""/>
      </psc:RequestedPrincipalSelection>
      <shibmd:Scope xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" regexp="false">idp.example</shibmd:Scope>
      <shibmd:Scope xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" regexp="true">.*</shibmd:Scope>
    </md:Extensions>` +
		keyDescriptorXML("signing", c.idp.cert) + keyDescriptorXML("", c.idpNext.cert) + keyDescriptorXML("encryption", c.rsa.cert) +
		sso("urn:oasis:names:tc:SAML:2.0:profiles:holder-of-key:SSO:browser", "https://idp.example/hok") +
		sso(BindingRedirect, " https://idp.example/redirect ") + sso(BindingPOST, "https://idp.example/post") + sso(BindingPOST, "https://idp.example/post2") + `
  </md:IDPSSODescriptor>
  <md:Organization><md:OrganizationName xml:lang="sv">Testet</md:OrganizationName></md:Organization>
</md:EntityDescriptor>`
}

func TestWhatAnIdPSays(t *testing.T) {
	c := theCast()
	raw := sign(t, group(now.Add(7*24*time.Hour), plain("https://other.example/"), whole()), c.feed)
	set, err := Parse(raw, Trust{Certificates: certs(c.feed)}, now)
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != 2 {
		t.Errorf("%d identity providers", set.Len())
	}
	got, err := set.IdP(idpID)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(got.Raw, []byte(`<md:EntityDescriptor `)) {
		t.Errorf("raw begins %.60s", got.Raw)
	}
	want := &IdP{
		EntityID:                    idpID,
		SSO:                         map[string]string{BindingRedirect: "https://idp.example/redirect", BindingPOST: "https://idp.example/post"},
		SigningCertificates:         certs(c.idp, c.idpNext),
		EncryptionCertificates:      certs(c.idpNext, c.rsa),
		RequestedPrincipalSelection: []string{"urn:oid:1.2.752.29.4.13"},
		EntityCategories:            []string{"http://id.elegnamnden.se/ec/1.0/loa3-pnr", catUserMessage},
		AssuranceCertifications:     []string{"http://id.swedenconnect.se/loa/1.0/uncertified-loa3"},
		SupportsUserMessage:         true,
		ValidUntil:                  time.Date(2000, 1, 3, 0, 0, 0, 5e8, time.UTC),
		Raw:                         got.Raw,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	again, err := Parse(raw, Trust{Certificates: certs(c.feed)}, now)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.IdP(idpID)
	if err != nil || !bytes.Equal(second.Raw, got.Raw) {
		t.Error("the same entry gives other bytes")
	}
	// What was kept of it says the same, without the feed.
	kept, err := Entry(got.Raw, certs(c.feed))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, &kept); d != "" {
		t.Error(d)
	}
}

// An entity may carry a signature of its own, in a feed too: then what is kept of
// it proves something by itself.
func TestOwnSignature(t *testing.T) {
	c := theCast()
	own := string(sign(t, lone(plain(idpID)), c.feed))
	feed := sign(t, group(now.Add(time.Hour), own, string(sign(t, strings.Replace(lone(plain("https://b.example/")), `"_e"`, `"_b"`, 1), c.stranger))), c.next)
	trust := Trust{Certificates: certs(c.feed, c.next)}
	for name, raw := range map[string][]byte{"alone": []byte(own), "in a feed": feed} {
		t.Run(name, func(t *testing.T) {
			set, err := Parse(raw, trust, now)
			if err != nil {
				t.Fatal(err)
			}
			idp, err := set.IdP(idpID)
			if err != nil || !idp.OwnSignature {
				t.Fatalf("no signature of its own, %v", err)
			}
			kept, err := Entry(idp.Raw, certs(c.feed))
			if err != nil || !kept.OwnSignature || kept.EntityID != idpID {
				t.Errorf("what was kept: %v, %v", kept.OwnSignature, err)
			}
			if kept, err := Entry(idp.Raw, certs(c.stranger)); err != nil || kept.OwnSignature {
				t.Errorf("signed by a stranger: %v, %v", kept.OwnSignature, err)
			}
			changed := bytes.Replace(idp.Raw, []byte("/sso"), []byte("/evil"), 1)
			if kept, err := Entry(changed, certs(c.feed)); err != nil || kept.OwnSignature {
				t.Errorf("changed: %v, %v", kept.OwnSignature, err)
			}
		})
	}
	set, err := Parse(feed, trust, now)
	if err != nil {
		t.Fatal(err)
	}
	if idp, err := set.IdP("https://b.example/"); err != nil || idp.OwnSignature {
		t.Errorf("a stranger's signature counts as own, %v", err)
	}
}

func TestWhoIsBelieved(t *testing.T) {
	c := theCast()
	until := now.Add(24 * time.Hour)
	feed := group(until, plain(idpID))
	one := lone(plain(idpID))
	bySomebody := string(sign(t, feed, c.stranger))
	signed := string(sign(t, feed, c.feed))
	evil := group(until, plain("https://evil.example/"))
	for _, x := range []struct {
		name    string
		raw     string
		trust   Trust
		refused string
	}{
		{"feed", signed, Trust{Certificates: certs(c.feed)}, ""},
		{"feed while its key changes, the old one", signed, Trust{Certificates: certs(c.feed, c.next)}, ""},
		{"feed while its key changes, the new one", string(sign(t, feed, c.next)), Trust{Certificates: certs(c.feed, c.next)}, ""},
		{"feed after its key changed", string(sign(t, feed, c.next)), Trust{Certificates: certs(c.feed)}, "xml signature"},
		{"single", string(sign(t, one, c.feed)), Trust{Certificates: certs(c.feed), Single: true}, ""},
		{"unsigned single, as configured", one, Trust{Unsigned: true, Single: true}, ""},
		{"unsigned feed in a pinned file", feed, Trust{Unsigned: true}, ""},

		{"tampered", strings.Replace(signed, "/sso", "/evil", 1), Trust{Certificates: certs(c.feed)}, "xml signature"},
		{"unknown signer", bySomebody, Trust{Certificates: certs(c.feed)}, "xml signature"},
		{"not signed", feed, Trust{Certificates: certs(c.feed)}, "xml signature-missing"},
		{"not signed, nobody configured", feed, Trust{}, "xml signature-missing"},
		{"signed, nobody configured", signed, Trust{}, "xml key"},
		{"unsigned and certificates", one, Trust{Unsigned: true, Certificates: certs(c.feed)}, "xml signature-missing"},
		{"unsigned feed where one entity is expected", feed, Trust{Unsigned: true, Single: true}, "root"},
		{"signed feed in a foreign one", strings.Replace(evil, "<md:EntityDescriptor", strings.Replace(signed, `"_f"`, `"_g"`, 1)+"<md:EntityDescriptor", 1), Trust{Certificates: certs(c.feed)}, "xml signature-missing"},
		{"foreign feed keeps the signature", strings.Replace(evil, "<md:EntityDescriptor", signed[strings.Index(signed, "<ds:Signature"):strings.Index(signed, "<md:EntityDescriptor")]+"<md:EntityDescriptor", 1), Trust{Certificates: certs(c.feed)}, "xml signature"},
		{"document type", `<!DOCTYPE a>` + signed, Trust{Certificates: certs(c.feed)}, "xml dtd"},
		{"comments", "<!-- a -->" + strings.Replace(strings.Replace(signed, "</md:IDP", "<!-- b --></md:IDP", 1), "/sso", "/s<!---->so", 1), Trust{Certificates: certs(c.feed)}, "xml syntax"},
		{"comments between elements and in a text", "<!-- a -->" + strings.Replace(strings.Replace(signed, "</md:IDP", "<!-- b --></md:IDP", 1), "</ds:DigestValue>", "<!-- c --></ds:DigestValue>", 1), Trust{Certificates: certs(c.feed)}, ""},
		{"comment that hides an entity", strings.Replace(signed, "<md:EntityDescriptor", "<!--<md:EntityDescriptor", 1) + "-->", Trust{Certificates: certs(c.feed)}, "xml syntax"},
		{"something else", `<a xmlns="urn:a"/>`, Trust{Unsigned: true}, "root"},
		{"without a namespace", `<EntityDescriptor entityID="a"/>`, Trust{Unsigned: true}, "xml namespace"},
		{"a web page", `<html xmlns="http://www.w3.org/1999/xhtml"><body><br></body></html>`, Trust{Unsigned: true}, "xml syntax"},
		{"nothing", ``, Trust{Unsigned: true}, "xml syntax"},
	} {
		t.Run(x.name, func(t *testing.T) {
			set, err := Parse([]byte(x.raw), x.trust, now)
			if check(err) != x.refused {
				t.Fatalf("refused at %q, want %q: %v", check(err), x.refused, err)
			}
			if err != nil {
				return
			}
			if _, err := set.IdP(idpID); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHowLongItHolds(t *testing.T) {
	trust := Trust{Unsigned: true}
	hour := now.Add(time.Hour)
	without := strings.Replace(group(hour, plain(idpID)), ` validUntil="2000-01-01T01:00:00Z"`, "", 1)
	for _, x := range []struct {
		name, raw        string
		refused, idp     string
		ends, wholeUntil time.Time
	}{
		{"feed", group(hour, plain(idpID)), "", "", hour, hour},
		{"feed that is over", group(now, plain(idpID)), "valid-until", "", now, now},
		{"feed that does not say", without, "valid-until", "", now, now},
		{"feed that says nonsense", strings.Replace(without, " ID=", ` validUntil="soon" ID=`, 1), "valid-until", "", now, now},
		{"feed that names no zone", strings.Replace(without, " ID=", ` validUntil="2000-01-01T01:00:00" ID=`, 1), "valid-until", "", now, now},
		{"single that does not say", lone(plain(idpID)), "", "", time.Time{}, time.Time{}},
		{"single", lone(strings.Replace(plain(idpID), "entityID", `validUntil="2000-01-01T01:00:00Z" entityID`, 1)), "", "", hour, hour},
		{"single that is over", lone(strings.Replace(plain(idpID), "entityID", `validUntil="1999-12-31T23:59:59Z" entityID`, 1)), "valid-until", "", now, now},
		{"single that says nonsense", lone(strings.Replace(plain(idpID), "entityID", `validUntil="x" entityID`, 1)), "valid-until", "", now, now},
		{"role that says nonsense", group(hour, strings.Replace(plain(idpID), "<md:IDPSSODescriptor", `<md:IDPSSODescriptor validUntil="x"`, 1)), "", "valid-until", hour, hour},
		{"entity ends before its feed", group(now.Add(2*time.Hour), strings.Replace(plain(idpID), "entityID", `validUntil="2000-01-01T01:00:00Z" entityID`, 1)), "", "", hour, now.Add(2 * time.Hour)},
		{"entity would outlive its feed", group(hour, strings.Replace(plain(idpID), "entityID", `validUntil="2001-01-01T00:00:00Z" entityID`, 1)), "", "", hour, hour},
		{"role ends before", group(now.Add(2*time.Hour), strings.Replace(plain(idpID), "<md:IDPSSODescriptor", `<md:IDPSSODescriptor validUntil="2000-01-01T01:00:00Z"`, 1)), "", "", hour, now.Add(2 * time.Hour)},
		{"entity that is over", group(hour, strings.Replace(plain(idpID), "entityID", `validUntil="1999-01-01T00:00:00Z" entityID`, 1)), "", "valid-until", hour, hour},
		{"entity that says nonsense", group(hour, strings.Replace(plain(idpID), "entityID", `validUntil="x" entityID`, 1)), "", "valid-until", hour, hour},
		{"inner group that ends before", group(now.Add(2*time.Hour), strings.Replace(group(hour, plain(idpID)), `"_f"`, `"_g"`, 1)), "", "", hour, now.Add(2 * time.Hour)},
		{"inner group that is over", group(hour, strings.Replace(group(now, plain(idpID)), `"_f"`, `"_g"`, 1)), "", "valid-until", hour, hour},
		{"inner group that says nonsense", group(hour, `<md:EntitiesDescriptor validUntil="x"/>`, plain(idpID)), "valid-until", "", hour, hour},
	} {
		t.Run(x.name, func(t *testing.T) {
			set, err := Parse([]byte(x.raw), trust, now)
			if check(err) != x.refused {
				t.Fatalf("refused at %q, want %q: %v", check(err), x.refused, err)
			}
			if err != nil {
				return
			}
			if !set.ValidUntil.Equal(x.wholeUntil) {
				t.Errorf("holds until %v, want %v", set.ValidUntil, x.wholeUntil)
			}
			idp, err := set.IdP(idpID)
			if check(err) != x.idp {
				t.Fatalf("identity provider refused at %q, want %q: %v", check(err), x.idp, err)
			}
			if err == nil && !idp.ValidUntil.Equal(x.ends) {
				t.Errorf("ends %v, want %v", idp.ValidUntil, x.ends)
			}
		})
	}
}

// What is wrong with one entity is its own misfortune, but two of one name are a
// lie about everything.
func TestEntities(t *testing.T) {
	c := theCast()
	until := now.Add(time.Hour)
	key := keyDescriptorXML("signing", c.idp.cert)
	good := key + sso(BindingRedirect, "https://idp.example/sso")
	in := func(entities ...string) string {
		return group(until, append(entities, plain("https://other.example/"))...)
	}
	for _, x := range []struct{ name, raw, refused, idp string }{
		{"plain", in(plain(idpID)), "", ""},
		{"in a group in a group", in(`<md:EntitiesDescriptor><md:EntitiesDescriptor>` + plain(idpID) + `</md:EntitiesDescriptor></md:EntitiesDescriptor>`), "", ""},
		{"two certificates while its key changes", in(plain(idpID, c.idp.cert, c.idpNext.cert)), "", ""},
		{"http on loopback", in(entity(idpID, "", key+sso(BindingPOST, "http://127.0.0.1:8082/sso"))), "", ""},
		{"http on localhost", in(entity(idpID, "", key+sso(BindingPOST, "http://localhost/sso"))), "", ""},
		{"http on loopback of IPv6", in(entity(idpID, "", key+sso(BindingPOST, "http://[::1]:1/sso"))), "", ""},
		{"a bad address beside a good one", in(entity(idpID, "", good+sso(BindingPOST, "javascript:alert(1)"))), "", ""},
		{"a bad key beside a good one", in(entity(idpID, "", keyDescriptorXML("signing", c.weak.cert)+good)), "", ""},
		{"a key that cannot be read beside a good one", in(entity(idpID, "", strings.Replace(key, "MII", "***", 1)+good)), "", ""},

		{"twice", in(plain(idpID), plain(idpID)), "entity-twice", ""},
		{"twice, in another group", in(plain(idpID), `<md:EntitiesDescriptor>`+plain(idpID)+`</md:EntitiesDescriptor>`), "entity-twice", ""},
		{"twice, once as service provider", in(plain(idpID), `<md:EntityDescriptor entityID="`+idpID+`"/>`), "entity-twice", ""},
		{"without a name", in(`<md:EntityDescriptor/>`), "entity-id", ""},
		{"with an endless name", in(plain("https://" + strings.Repeat("a", 1024))), "entity-id", ""},
		{"not there", in(), "", "unknown"},
		{"name written otherwise", in(plain(strings.ToUpper(idpID))), "", "unknown"},
		{"only a service provider", in(`<md:EntityDescriptor entityID="` + idpID + `"><md:SPSSODescriptor/></md:EntityDescriptor>`), "", "unknown"},
		{"of an old protocol", in(strings.Replace(plain(idpID), "SAML:2.0:protocol", "SAML:1.1:protocol", 1)), "", "unknown"},
		{"of another namespace", in(strings.NewReplacer("<md:Ent", `<x:Ent`, "</md:Ent", "</x:Ent", " entityID", ` xmlns:x="urn:x" entityID`).Replace(plain(idpID))), "", "unknown"},
		{"in something else", in(`<md:Extensions>` + plain(idpID) + `</md:Extensions>`), "", "unknown"},
		{"javascript address", in(entity(idpID, "", key+sso(BindingPOST, "javascript:alert(1)"))), "", "endpoint"},
		{"javascript address with slashes", in(entity(idpID, "", key+sso(BindingPOST, "javascript://idp.example/%0aalert(1)"))), "", "endpoint"},
		{"data address", in(entity(idpID, "", key+sso(BindingPOST, "data:text/html,x"))), "", "endpoint"},
		{"http address", in(entity(idpID, "", key+sso(BindingRedirect, "http://idp.example/sso"))), "", "endpoint"},
		{"http address that looks like loopback", in(entity(idpID, "", key+sso(BindingRedirect, "http://127.0.0.1.idp.example/sso"))), "", "endpoint"},
		{"address with a password", in(entity(idpID, "", key+sso(BindingRedirect, "https://localhost@idp.example/sso"))), "", "endpoint"},
		{"address with a fragment", in(entity(idpID, "", key+sso(BindingRedirect, "https://idp.example/#sso"))), "", "endpoint"},
		{"address without a host", in(entity(idpID, "", key+sso(BindingRedirect, "https:///sso"))), "", "endpoint"},
		{"path only", in(entity(idpID, "", key+sso(BindingRedirect, "/sso"))), "", "endpoint"},
		{"no address", in(entity(idpID, "", key+sso(BindingRedirect, ""))), "", "endpoint"},
		{"broken address", in(entity(idpID, "", key+sso(BindingRedirect, "https://idp.example:port/"))), "", "endpoint"},
		{"endless address", in(entity(idpID, "", key+sso(BindingRedirect, "https://idp.example/"+strings.Repeat("a", 2048)))), "", "endpoint"},
		{"only for holders of a key", in(entity(idpID, "", key+sso("urn:oasis:names:tc:SAML:2.0:profiles:holder-of-key:SSO:browser", "https://idp.example/hok"))), "", "endpoint"},
		{"no endpoint", in(entity(idpID, "", key)), "", "endpoint"},
		{"no key", in(entity(idpID, "", sso(BindingRedirect, "https://idp.example/sso"))), "", "key"},
		{"only for encryption", in(entity(idpID, "", strings.Replace(good, "signing", "encryption", 1))), "", "key"},
		{"only a short key", in(entity(idpID, "", keyDescriptorXML("signing", c.weak.cert)+sso(BindingRedirect, "https://idp.example/sso"))), "", "key"},
		{"only a key without certificate", in(entity(idpID, "", `<md:KeyDescriptor/><md:KeyDescriptor><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></md:KeyDescriptor>`+sso(BindingRedirect, "https://idp.example/sso"))), "", "key"},
		{"only a key that is no certificate", in(entity(idpID, "", `<md:KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`+sso(BindingRedirect, "https://idp.example/sso"))), "", "key"},
		{"larger than it may be", in(strings.Replace(plain(idpID), "</md:EntityDescriptor>", "<md:Organization>"+strings.Repeat("a", maxEntity)+"</md:Organization></md:EntityDescriptor>", 1)), "", "size"},
	} {
		t.Run(x.name, func(t *testing.T) {
			set, err := Parse(sign(t, x.raw, c.feed), Trust{Certificates: certs(c.feed)}, now)
			if check(err) != x.refused {
				t.Fatalf("refused at %q, want %q: %v", check(err), x.refused, err)
			}
			if err != nil {
				return
			}
			if _, err := set.IdP(idpID); check(err) != x.idp {
				t.Errorf("identity provider refused at %q, want %q: %v", check(err), x.idp, err)
			}
			if _, err := set.IdP("https://other.example/"); err != nil {
				t.Errorf("took another along: %v", err)
			}
		})
	}
}

func TestEntryRefuses(t *testing.T) {
	for _, x := range []struct{ name, raw, refused string }{
		{"good", lone(plain(idpID)), ""},
		{"over, which is not asked here", lone(strings.Replace(plain(idpID), "entityID", `validUntil="1999-01-01T00:00:00Z" entityID`, 1)), ""},
		{"many", group(now, plain(idpID)), "root"},
		{"no identity provider", lone(`<md:EntityDescriptor entityID="a"/>`), "role"},
		{"nonsense", lone(strings.Replace(plain(idpID), "entityID", `validUntil="x" entityID`, 1)), "valid-until"},
		{"no endpoint", lone(entity(idpID, "", "")), "endpoint"},
		{"not XML", "{}", "xml syntax"},
		{"too large", lone(plain(idpID)) + strings.Repeat(" ", maxEntity), "xml size"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if _, err := Entry([]byte(x.raw), nil); check(err) != x.refused {
				t.Errorf("refused at %q, want %q: %v", check(err), x.refused, err)
			}
		})
	}
}

// FuzzMetadata: nothing panics; what is used has a key and an address that may be
// used; what is kept of an entity says the same again.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(lone(whole())))
	f.Add([]byte(group(now.Add(time.Hour), whole(), plain("https://other.example/"))))
	f.Add([]byte(group(now.Add(time.Hour), `<md:EntitiesDescriptor validUntil="2000-01-01T00:30:00Z">`+plain(idpID)+`</md:EntitiesDescriptor>`)))
	f.Add([]byte(lone(entity(idpID, "", keyDescriptorXML("", theCast().idp.cert)+sso(BindingPOST, "javascript:alert(1)")))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := Parse(raw, Trust{Unsigned: true}, now)
		if err != nil {
			if c := check(err); c == "xml panic" || strings.HasPrefix(c, "untyped") {
				t.Errorf("refused at %q", c)
			}
			return
		}
		for id, idp := range set.idps {
			if idp.EntityID != id || len(idp.SigningCertificates) == 0 || len(idp.SSO) == 0 || over(idp.ValidUntil, now) {
				t.Errorf("%q is used with %d keys, %d addresses, until %v", id, len(idp.SigningCertificates), len(idp.SSO), idp.ValidUntil)
			}
			for _, a := range idp.SSO {
				if !strings.HasPrefix(strings.ToLower(a), "http") {
					t.Errorf("%q leads to %q", id, a)
				}
			}
			kept, err := Entry(idp.Raw, nil)
			if err != nil {
				t.Fatalf("what is kept cannot be read: %v\n%s", err, idp.Raw)
			}
			// How long it holds may have been said around it.
			kept.ValidUntil = idp.ValidUntil
			if d := cmp.Diff(*idp, kept); d != "" {
				t.Error(d)
			}
			if root, err := xmlsec.Parse(idp.Raw, maxEntity); err != nil || root.Tag != "EntityDescriptor" {
				t.Error("what is kept is no entity")
			}
		}
	})
}
