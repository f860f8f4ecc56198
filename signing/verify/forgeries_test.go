package verify_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/pdf"
	"sigill/signing/receipt"
	"sigill/signing/verify"
	"sigill/signing/verify/verifytest"
)

// genuine is what forgeries are made of. Whoever makes them has the key of the
// seal, and so has a sealer with a fault: the seals are good.
type genuine struct {
	*verifytest.Kit
	application *verifytest.Draft // two have signed it
	text        *verifytest.Draft // one has signed it
	other       *verifytest.Draft // another order of the same two
}

func newGenuine(t testing.TB, k *verifytest.Kit) *genuine {
	t.Helper()
	g := &genuine{Kit: k}
	g.application = application(t, k).Signatory(t, one).Signatory(t, two).Sign(t)
	g.text = text(t, k).Signatory(t, one).Sign(t)
	g.other = application(t, k).Signatory(t, one).Signatory(t, two)
	g.other.Manifest.Order, g.other.Manifest.Title = "01JD3Q8ZK4T7VB", "Ansökan om en annan plats"
	g.other.Sign(t)
	return g
}

// inside is a forgery that somebody sealed.
type inside struct {
	name        string
	verdict     verify.Verdict
	code, check string
	// Either change, of a copy of the application, or build.
	change func(t *testing.T, g *genuine, d *verifytest.Draft)
	build  func(t *testing.T, g *genuine) []byte
}

func kvittens(change func(*receipt.Kvittens)) func(*testing.T, *genuine, *verifytest.Draft) {
	return func(_ *testing.T, _ *genuine, d *verifytest.Draft) { change(&d.Kvittens) }
}

func manifest(change func(*signing.Manifest)) func(*testing.T, *genuine, *verifytest.Draft) {
	return func(_ *testing.T, _ *genuine, d *verifytest.Draft) { change(&d.Manifest) }
}

// signature changes what the receipt says of the second signature.
func signature(change func(*receipt.Signature)) func(*testing.T, *genuine, *verifytest.Draft) {
	return func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
		change(&d.Kvittens.Signatures[1])
		d.Complete()
	}
}

// redraw writes the unsealed application with another object, and seals it.
func redraw(change func(t *testing.T, number int, o pdf.Object) pdf.Object) func(*testing.T, *genuine) []byte {
	return func(t *testing.T, g *genuine) []byte {
		t.Helper()
		changed := false
		base := g.application.Clone().Unsealed(t)
		forged := verifytest.Rewrite(t, base, func(number int, o pdf.Object) pdf.Object {
			again := change(t, number, o)
			changed = changed || again != nil
			if again == nil {
				return o
			}
			return again
		})
		if !changed || bytes.Equal(base, forged) {
			t.Fatal("nothing was changed")
		}
		return g.application.Seal(t, forged)
	}
}

// json replaces kvittens.json in the application, and leaves the pages.
func json(old, replacement string) func(*testing.T, *genuine) []byte {
	return func(t *testing.T, g *genuine) []byte {
		t.Helper()
		d := g.application.Clone()
		text := d.JSON(t)
		if bytes.Count(text, []byte(old)) == 0 {
			t.Fatalf("no %s in %s", old, text)
		}
		return d.Seal(t, verifytest.Embedded(t, d.Unsealed(t), text, bytes.Replace(text, []byte(old), []byte(replacement), 1)))
	}
}

// resigned has everybody sign the changed draft, so that only the change is
// wrong with it.
func resigned(change func(*testing.T, *verifytest.Draft)) func(*testing.T, *genuine) []byte {
	return func(t *testing.T, g *genuine) []byte {
		t.Helper()
		d := application(t, g.Kit).Signatory(t, one).Signatory(t, two)
		change(t, d)
		return d.Sign(t).Sealed(t)
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (g *genuine) number(t testing.TB, digits string) string {
	t.Helper()
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		t.Fatal(err)
	}
	return signing.NumberDigest(g.application.Kvittens.NumberKey, n)
}

func insides() []inside {
	const (
		no    = verify.Invalid
		maybe = verify.Indeterminate
	)
	return []inside{
		// Whose proofs, and of what.
		{"evidence of another order", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			d.Attach(t, 1, g.other.Proofs[1].Evidence)
		}, nil},
		{"signature of another order, its text and all", no, verify.TextFailure, verify.CheckText, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			d.Kvittens.Signatures[1] = g.other.Kvittens.Signatures[1]
			d.Attach(t, 1, g.other.Proofs[1].Evidence)
			d.Complete() // the other may have been made in another second
		}, nil},
		{"evidence of another person", no, verify.PersonFailure, verify.CheckPerson, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			ask := d.Ask(t, 2)
			ask.Number = three
			d.Attach(t, 1, g.Prove(t, ask).Evidence)
		}, nil},
		{"signature of another person, name and all", no, verify.PersonFailure, verify.CheckPerson, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			ask := d.Ask(t, 2)
			ask.Number = three
			d.Kvittens.Signatures = d.Kvittens.Signatures[:1]
			d.Files = d.Files[:len(d.Files)-3]
			d.Add(t, 2, ask, g.Prove(t, ask))
			d.Complete()
		}, nil},
		{"proofs of the two exchanged", no, verify.PersonFailure, verify.CheckPerson, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			d.Attach(t, 0, g.application.Proofs[1].Evidence)
			d.Attach(t, 1, g.application.Proofs[0].Evidence)
		}, nil},
		{"evidence of a login", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			ask := d.Ask(t, 2)
			ask.Kind = providers.KindAuth
			d.Attach(t, 1, g.Prove(t, ask).Evidence)
		}, nil},
		{"the same evidence twice", no, verify.SignatoryFailure, verify.CheckSignatories, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			d.Attach(t, 1, g.application.Proofs[0].Evidence)
		}, nil},
		{"one attached proof for two", no, verify.ContentFailure, verify.CheckManifest, kvittens(func(k *receipt.Kvittens) {
			k.Signatures[1].Evidence, k.Signatures[1].Parts = k.Signatures[0].Evidence, k.Signatures[0].Parts
		}), nil},
		{"the same e-ID order for two", no, verify.SignatoryFailure, verify.CheckSignatories, signature(func(s *receipt.Signature) { s.EIDOrder = "eid-1" }), nil},
		{"one person as two signatories", no, verify.SignatoryFailure, verify.CheckSignatories, nil, func(t *testing.T, g *genuine) []byte {
			return application(t, g.Kit).Signatory(t, one).Signatory(t, one).Sign(t).Sealed(t)
		}},
		{"signed before one's turn", no, verify.SignatoryFailure, verify.CheckSignatories, nil, func(t *testing.T, g *genuine) []byte {
			d := text(t, g.Kit).Signatory(t, one).Signatory(t, two)
			d.Manifest.Sequence, d.Manifest.Signatories[0].Group = signing.Sequential, 2
			d.Sign(t)
			// Both are proven moments apart, so the one whose turn was later is put where only its proof denies it.
			d.Kvittens.Signatures[1].At = d.Kvittens.Signatures[1].At.Add(time.Hour)
			return d.Complete().Sealed(t)
		}},
		{"a signatory without a number of order", no, verify.SignatoryFailure, verify.CheckSignatories, nil, func(t *testing.T, g *genuine) []byte {
			d := text(t, g.Kit).Signatory(t, one)
			d.Manifest.Signatories[0].N = 0
			ask := d.Ask(t, 1)
			d.Add(t, 0, ask, g.Prove(t, ask))
			return d.Complete().Sealed(t)
		}},
		{"evidence altered", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			e := g.application.Proofs[1].Evidence
			at := bytes.Index(e.Bytes, []byte(`"signature":"`)) + 5000
			e.Bytes = slices.Clone(e.Bytes)
			e.Bytes[at] ^= 1
			if e.Bytes[at]|0x21 != g.application.Proofs[1].Evidence.Bytes[at]|0x21 {
				t.Fatal("not a bit")
			}
			d.Attach(t, 1, e)
		}, nil},
		{"revocation answer of another signature", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			ocsp := func(p verifytest.Proof) string {
				_, rest, _ := strings.Cut(string(p.Evidence.Bytes), `"ocspResponse":"`)
				value, _, _ := strings.Cut(rest, `"`)
				return value
			}
			e := g.application.Proofs[1].Evidence
			e.Bytes = bytes.Replace(e.Bytes, []byte(ocsp(g.application.Proofs[1])), []byte(ocsp(g.other.Proofs[1])), 1)
			d.Attach(t, 1, e)
		}, nil},
		{"evidence of a kind that is not known here", maybe, verify.NoChain, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			s := &d.Kvittens.Signatures[1]
			d.Named(t, s.Evidence).Type = "application/vnd.example.eid"
			s.EvidenceType = "application/vnd.example.eid"
		}, nil},

		// What was shown in the app.
		{"the text altered in the receipt", no, verify.TextFailure, verify.CheckText, signature(func(s *receipt.Signature) {
			s.Text = strings.Replace(s.Text, "förskola", "fritidshem", 1)
		}), nil},
		{"another text really signed", no, verify.TextFailure, verify.CheckText, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			ask := d.Ask(t, 2)
			ask.Text = "Jag godkänner."
			d.Kvittens.Signatures[1].Text = ask.Text
			d.Attach(t, 1, g.Prove(t, ask).Evidence)
		}, nil},
		{"another text signed than the receipt says", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			ask := d.Ask(t, 2)
			ask.Text = "Jag godkänner."
			d.Attach(t, 1, g.Prove(t, ask).Evidence)
		}, nil},
		{"no text", no, verify.TextFailure, verify.CheckText, signature(func(s *receipt.Signature) { s.Text = "" }), nil},
		{"the text in another language than was shown", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			e := d.Clone()
			e.Language = "en"
			d.Kvittens.Signatures[1].Text = e.Ask(t, 2).Text
		}, nil},
		{"the text in another format than was shown", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			e := d.Clone()
			e.Markup = providers.Plain
			d.Kvittens.Signatures[1].Text, d.Kvittens.Signatures[1].Markup = e.Ask(t, 2).Text, ""
		}, nil},
		{"the format altered", no, verify.TextFailure, verify.CheckText, signature(func(s *receipt.Signature) { s.Markup = "" }), nil},
		{"the client's name altered", no, verify.TextFailure, verify.CheckText, kvittens(func(k *receipt.Kvittens) { k.ClientName = "Annankommunen" }), nil},

		// What everybody signed.
		{"the title altered", no, verify.TextFailure, verify.CheckText, manifest(func(m *signing.Manifest) { m.Title = "Ansökan om lån" }), nil},
		{"the message altered", no, verify.TextFailure, verify.CheckText, manifest(func(m *signing.Manifest) { m.Message = "" }), nil},
		{"the reference altered", no, verify.TextFailure, verify.CheckText, manifest(func(m *signing.Manifest) { m.Reference = "BUN 2026-1183" }), nil},
		{"the order's id altered", no, verify.EvidenceFailure, verify.CheckEvidence, manifest(func(m *signing.Manifest) { m.Order = "01JD3Q8ZK4T7VC" }), nil},
		{"the issuer altered", no, verify.EvidenceFailure, verify.CheckEvidence, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Manifest.Issuer, d.Kvittens.VerifyURL = "https://other.example.se", "https://other.example.se/verify"
		}, nil},
		{"the client altered", no, verify.EvidenceFailure, verify.CheckEvidence, manifest(func(m *signing.Manifest) { m.Client = "other" }), nil},
		{"the revision altered", no, verify.EvidenceFailure, verify.CheckEvidence, manifest(func(m *signing.Manifest) { m.Revision = 2 }), nil},
		{"the sequence altered", no, verify.EvidenceFailure, verify.CheckEvidence, manifest(func(m *signing.Manifest) { m.Sequence = signing.Sequential }), nil},
		{"a document altered, and the manifest with it", no, verify.TextFailure, verify.CheckText, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			other := "Plats erbjuds inom fem månader."
			d.Kvittens.Documents[1].Text = &other
			d.Manifest.Documents[1].Size, d.Manifest.Documents[1].SHA256 = len(other), digest([]byte(other))
		}, nil},
		{"an attached document exchanged, and the manifest with it", no, verify.TextFailure, verify.CheckText, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			f := d.Named(t, "handling-3.pdf")
			f.Bytes = []byte("%PDF-1.4 another\n")
			d.Manifest.Documents[2].Size, d.Manifest.Documents[2].SHA256 = len(f.Bytes), digest(f.Bytes)
		}, nil},
		{"a document added", no, verify.TextFailure, verify.CheckText, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Text(t, "Tillägg", "Och dessutom.")
		}, nil},
		{"a document taken away", no, verify.TextFailure, verify.CheckText, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Manifest.Documents, d.Kvittens.Documents = slices.Delete(d.Manifest.Documents, 1, 2), slices.Delete(d.Kvittens.Documents, 1, 2)
		}, nil},
		{"a document renamed", no, verify.TextFailure, verify.CheckText, manifest(func(m *signing.Manifest) { m.Documents[2].Name = "Köpeavtal" }), nil},
		{"a signatory removed", no, verify.TextFailure, verify.CheckText, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Manifest.Signatories, d.Kvittens.Signatures = d.Manifest.Signatories[:1], d.Kvittens.Signatures[:1]
			d.Files = d.Files[:len(d.Files)-3]
			d.Complete()
		}, nil},
		{"all signatories removed, their words kept", no, verify.ContentFailure, verify.CheckManifest, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Manifest.Signatories, d.Kvittens.Signatures, d.Kvittens.NumberKey = []signing.ManifestSignatory{}, []receipt.Signature{}, nil
		}, nil},
		{"a signatory added", no, verify.TextFailure, verify.CheckText, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			d.Signatory(t, three)
			ask := d.Ask(t, 3)
			d.Add(t, 3, ask, g.Prove(t, ask))
			d.Complete()
		}, nil},
		{"a signatory exchanged", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, g *genuine, d *verifytest.Draft) {
			d.Manifest.Signatories[1].Number = g.number(t, three)
			ask := d.Ask(t, 2)
			ask.Number = three
			d.Kvittens.Signatures = d.Kvittens.Signatures[:1]
			d.Files = d.Files[:len(d.Files)-3]
			d.Add(t, 2, ask, g.Prove(t, ask)) // of the new manifest; the first is still of the old one
			d.Complete()
		}, nil},
		{"another key of the numbers", no, verify.PersonFailure, verify.CheckPerson, kvittens(func(k *receipt.Kvittens) { k.NumberKey[0] ^= 1 }), nil},

		// What is said of the signatures and of the order.
		{"another name", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Name = "Testperson Tre" }), nil},
		{"no name", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Name = "" }), nil},
		{"another masked number", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Masked = "19810119-****" }), nil},
		{"another e-ID", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Provider, s.ProviderName = "freja", "Freja eID+" }), nil},
		{"an e-ID nobody knows", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Provider, s.ProviderName = "x", "x" }), nil},
		{"another name of the e-ID", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.ProviderName = "BankID på kort" }), nil},
		{"a level that is none", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Level = "loa4" }), nil},
		{"a higher level", maybe, verify.LevelNotConfirmed, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Level = "loa3" }), nil},
		{"a higher level, and another name for the other", no, verify.StatementFailure, verify.CheckStatement, kvittens(func(k *receipt.Kvittens) {
			k.Signatures[0].Level, k.Signatures[1].Name = "loa3", "Testperson Tre"
		}), nil},
		{"another name, and another text for the other", no, verify.StatementFailure, verify.CheckStatement, kvittens(func(k *receipt.Kvittens) {
			k.Signatures[0].Name, k.Signatures[1].Text = "Testperson Tre", "Jag godkänner."
		}), nil},
		{"another policy", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.Policy = "1.2.3.4.10" }), nil},
		{"another time", no, verify.StatementFailure, verify.CheckStatement, signature(func(s *receipt.Signature) { s.At = s.At.Add(-time.Second) }), nil},
		{"begun after it was signed", no, verify.StatementFailure, verify.CheckTimes, signature(func(s *receipt.Signature) { s.Started = s.At.Add(time.Hour) }), nil},
		{"begun before the order was made", no, verify.StatementFailure, verify.CheckTimes, signature(func(s *receipt.Signature) { s.Started = s.At.Add(-time.Hour) }), nil},
		{"made after it was signed", no, verify.StatementFailure, verify.CheckTimes, kvittens(func(k *receipt.Kvittens) { k.Created = k.Created.Add(time.Hour) }), nil},
		{"completed at another time", no, verify.StatementFailure, verify.CheckTimes, kvittens(func(k *receipt.Kvittens) { k.CompletedAt = k.CompletedAt.Add(-time.Second) }), nil},
		{"completed in a summer long ago", no, verify.StatementFailure, verify.CheckTimes, kvittens(func(k *receipt.Kvittens) { k.CompletedAt = time.Date(2020, 7, 1, 0, 0, 0, 0, time.UTC) }), nil},
		{"signed after the seal", no, verify.StatementFailure, verify.CheckTimes, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.SealedAt = time.Now().Add(-time.Hour)
		}, nil},
		{"sealed only, before it was made", no, verify.StatementFailure, verify.CheckTimes, nil, func(t *testing.T, g *genuine) []byte {
			d := application(t, g.Kit).Sign(t)
			d.Kvittens.CompletedAt = d.Kvittens.CompletedAt.Add(-time.Hour)
			return d.Sealed(t)
		}},
		{"another sealer on the pages", no, verify.StatementFailure, verify.CheckSealer, kvittens(func(k *receipt.Kvittens) { k.SealedBy = "Annankommunen" }), nil},
		{"another sealer in the seal's words", no, verify.StatementFailure, verify.CheckSealer, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Info = pades.Info{Name: "Annankommunen"}
		}, nil},
		{"a reason in the seal's words", no, verify.StatementFailure, verify.CheckSealer, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Info = pades.Info{Reason: "Godkänd av nämnden"}
		}, nil},
		{"another address for verification", no, verify.ContentFailure, verify.CheckManifest, kvittens(func(k *receipt.Kvittens) { k.VerifyURL = verifytest.Issuer + ".example.com/verify" }), nil},

		// What is attached.
		{"a file more", no, verify.ContentFailure, verify.CheckManifest, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Files = append(d.Files, receipt.File{Name: "avtal.pdf", Type: "application/pdf", Relationship: "Source", Bytes: []byte("%PDF-1.4 nobody signed this\n")})
		}, nil},
		{"a document that is not a source", no, verify.ContentFailure, verify.CheckManifest, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Named(t, "handling-3.pdf").Relationship = "Alternative"
		}, nil},
		{"no document at all", no, verify.ContentFailure, verify.CheckManifest, nil, func(t *testing.T, g *genuine) []byte {
			d := g.NewDraft().Signatory(t, one)
			d.Kvittens.Documents = []receipt.Document{}
			return d.Sign(t).Sealed(t)
		}},
		{"two documents of one file", no, verify.ContentFailure, verify.CheckManifest, nil, resigned(func(t *testing.T, d *verifytest.Draft) {
			d.Manifest.Documents = append(d.Manifest.Documents, d.Manifest.Documents[2])
			d.Kvittens.Documents = append(d.Kvittens.Documents, d.Kvittens.Documents[2])
		})},
		{"a proof renamed", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Named(t, "signatur-2.json").Name = "kvitto.json"
			d.Kvittens.Signatures[1].Evidence = "kvitto.json"
		}, nil},
		{"a proof's part renamed", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Named(t, "signatur-2.xml").Name = "underskrift.xml"
			d.Kvittens.Signatures[1].Parts[0] = "underskrift.xml"
		}, nil},
		{"a proof's part missing", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Files = slices.DeleteFunc(d.Files, func(f receipt.File) bool { return f.Name == "signatur-2.xml" })
			d.Kvittens.Signatures[1].Parts = d.Kvittens.Signatures[1].Parts[1:]
		}, nil},
		{"a proof's part more", no, verify.EvidenceFailure, verify.CheckEvidence, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Files = append(d.Files, receipt.File{Name: "bevis.xml", Type: "application/xml", Relationship: "Source", Bytes: []byte("<x/>")})
			d.Kvittens.Signatures[1].Parts = append(d.Kvittens.Signatures[1].Parts, "bevis.xml")
		}, nil},
		{"the XML that of another proof", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Named(t, "signatur-2.xml").Bytes = d.Named(t, "signatur-1.xml").Bytes
		}, nil},
		{"the revocation answer that of another proof", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Named(t, "signatur-2-ocsp.der").Bytes = d.Named(t, "signatur-1-ocsp.der").Bytes
		}, nil},
		{"the relationship of a proof's part altered", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Named(t, "signatur-2.xml").Relationship = "Supplement"
		}, nil},
		{"the type of a proof's part altered", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, _ *genuine, d *verifytest.Draft) {
			d.Named(t, "signatur-2.xml").Type = "text/html"
		}, nil},

		// Pages and kvittens.json apart.
		{"the pages altered", no, verify.ContentFailure, verify.CheckReceipt, nil, redraw(func(t *testing.T, _ int, o pdf.Object) pdf.Object {
			s, ok := o.(pdf.Stream)
			if !ok || s.Dict["Filter"] == nil {
				return nil
			}
			data, err := s.Decode(1 << 24)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(data, []byte("BDC\n")) {
				return nil
			}
			var d pdf.Deflater
			return d.Stream(s.Dict, append(data, "BT ET\n"...))
		})},
		{"pages of another receipt", no, verify.ContentFailure, verify.CheckReceipt, nil, func(t *testing.T, g *genuine) []byte {
			d, other := g.application.Clone(), g.other.Clone()
			return d.Seal(t, verifytest.Embedded(t, d.Unsealed(t), d.JSON(t), other.JSON(t)))
		}},
		{"an action added", no, verify.ContentFailure, verify.CheckReceipt, nil, redraw(func(_ *testing.T, _ int, o pdf.Object) pdf.Object {
			d, ok := o.(pdf.Dict)
			if !ok || d["Type"] != pdf.Name("Catalog") {
				return nil
			}
			d["OpenAction"] = pdf.Dict{"S": pdf.Name("JavaScript"), "JS": pdf.Text("app.alert(1)")}
			return d
		})},
		{"an annotation added", no, verify.ContentFailure, verify.CheckReceipt, nil, redraw(func(_ *testing.T, _ int, o pdf.Object) pdf.Object {
			d, ok := o.(pdf.Dict)
			if !ok || d["Type"] != pdf.Name("Page") {
				return nil
			}
			d["Annots"] = pdf.Array{pdf.Dict{"Type": pdf.Name("Annot"), "Subtype": pdf.Name("Stamp"), "Rect": pdf.Array{pdf.Int(0), pdf.Int(0), pdf.Int(90), pdf.Int(90)}}}
			return d
		})},
		{"the title of the window altered", no, verify.ContentFailure, verify.CheckReceipt, nil, redraw(func(_ *testing.T, _ int, o pdf.Object) pdf.Object {
			d, ok := o.(pdf.Dict)
			if !ok || d["Producer"] == nil {
				return nil
			}
			d["Title"] = pdf.Text("Beviljat lån")
			return d
		})},
		{"a hidden object", no, string(pades.FormatFailure), verify.CheckSeal, nil, func(t *testing.T, g *genuine) []byte {
			// A sealer refuses it, so somebody writes the revision by hand.
			d := padestest.Open(t, g.application.Clone().Sealed(t))
			d.AddOriginal(pdf.Stream{Raw: []byte("BT (hidden) Tj ET")})
			return resign(t, g, d)
		}},
		{"kvittens.json with a space", no, verify.ContentFailure, verify.CheckReceipt, nil, json(`,"client_name"`, `, "client_name"`)},
		{"kvittens.json with an unknown member", no, verify.ContentFailure, verify.CheckReceipt, nil, json(`,"client_name"`, `,"approved":true,"client_name"`)},
		{"kvittens.json with a member twice", no, verify.ContentFailure, verify.CheckReceipt, nil, json(`"client_name":`, `"client_name":"Annankommunen","client_name":`)},
		{"kvittens.json with another name", no, verify.ContentFailure, verify.CheckReceipt, nil, json(`"name":"Testperson Två"`, `"name":"Testperson Tre"`)},
		{"kvittens.json with another digest of the manifest", no, verify.ContentFailure, verify.CheckReceipt, nil, json(`"manifest_sha256":"`, `"manifest_sha256":"0`)},
		{"kvittens.json with another document", no, verify.ContentFailure, verify.CheckReceipt, nil, json(`fyra månader`, `fem månader`)},
		{"kvittens.json of an unknown layout", maybe, verify.UnknownLayout, verify.CheckReceipt, nil, json(receipt.Layout, "sigill-receipt-9")},
		{"an attached document exchanged", no, verify.ContentFailure, verify.CheckReceipt, nil, func(t *testing.T, g *genuine) []byte {
			d := g.application.Clone()
			return d.Seal(t, verifytest.Embedded(t, d.Unsealed(t), d.Named(t, "handling-3.pdf").Bytes, []byte("%PDF-1.4 another\n")))
		}},
		{"an attached proof exchanged", no, verify.ContentFailure, verify.CheckReceipt, nil, func(t *testing.T, g *genuine) []byte {
			d := g.application.Clone()
			return d.Seal(t, verifytest.Embedded(t, d.Unsealed(t), g.application.Proofs[1].Evidence.Bytes, g.other.Proofs[1].Evidence.Bytes))
		}},
		{"an attached file renamed", no, verify.ContentFailure, verify.CheckReceipt, nil, redraw(func(_ *testing.T, _ int, o pdf.Object) pdf.Object {
			d, ok := o.(pdf.Dict)
			if !ok || d["UF"] == nil || !strings.Contains(string(d["UF"].(pdf.String)), "handling") {
				return nil
			}
			d["F"], d["UF"] = pdf.String("hyra.pdf"), pdf.String("hyra.pdf")
			return d
		})},
		{"an attached file missing", no, verify.ContentFailure, verify.CheckReceipt, nil, redraw(func(_ *testing.T, _ int, o pdf.Object) pdf.Object {
			d, ok := o.(pdf.Dict)
			if !ok || d["AF"] == nil {
				return nil
			}
			d["AF"] = d["AF"].(pdf.Array)[:2]
			return d
		})},
		{"nothing of a receipt but the seal", no, verify.ContentFailure, verify.CheckReceipt, nil, func(t *testing.T, g *genuine) []byte {
			return g.application.Seal(t, padestest.Unsealed(t))
		}},

		// The seal.
		{"never sealed", no, string(pades.NoSeal), verify.CheckSeal, nil, func(t *testing.T, g *genuine) []byte { return g.application.Clone().Unsealed(t) }},
		{"sealed for another organisation", maybe, string(pades.ChainConstraintsFailure), verify.CheckSeal, nil, func(t *testing.T, g *genuine) []byte {
			d := g.application.Clone()
			d.Sealer = g.NewSealer(t, padestest.Leaf{Organisation: "Annankommunen", OrgIdentifier: "NTRSE-2120000159"})
			d.Kvittens.SealedBy = "Annankommunen"
			return d.Sealed(t)
		}},
		{"sealed by a stranger of the same name", maybe, verify.NoChain, verify.CheckSeal, nil, func(t *testing.T, g *genuine) []byte {
			d := g.application.Clone()
			stranger := *g.Kit
			stranger.PKI = padestest.NewPKI(t)
			d.Sealer = stranger.NewSealer(t, padestest.Leaf{})
			return d.Sealed(t)
		}},
		{"sealed in the future", maybe, string(pades.SigConstraintsFailure), verify.CheckSeal, func(_ *testing.T, _ *genuine, d *verifytest.Draft) {
			d.SealedAt = time.Now().Add(time.Hour)
		}, nil},
	}
}

// resign seals a draft of a file with a CMS that the kit's issuer stands behind.
func resign(t *testing.T, g *genuine, d *padestest.Draft) []byte {
	t.Helper()
	key := padestest.NewKey(t, p256())
	chain := g.PKI.Issue(t, key, padestest.Leaf{})
	cms := padestest.CMS{Key: key, Signer: chain[0], Certificates: chain}
	return d.Resign(t, func(covered []byte) []byte { return cms.Sign(t, covered) })
}

// TestForgedInside: whoever has the key of the seal cannot make a receipt say
// what nobody signed.
func TestForgedInside(t *testing.T) {
	k, _ := newKit(t)
	g := newGenuine(t, k)
	v := k.Verifier()
	// Taken apart and put together in the same ways, without an attack.
	same := g.application.Clone()
	for name, file := range map[string][]byte{
		"made":              same.Sealed(t),
		"attached anew":     func() []byte { d := same.Clone(); d.Attach(t, 1, d.Proofs[1].Evidence); return d.Sealed(t) }(),
		"rewritten":         same.Seal(t, verifytest.Rewrite(t, same.Unsealed(t), func(_ int, o pdf.Object) pdf.Object { return o })),
		"json replaced":     same.Seal(t, verifytest.Embedded(t, same.Unsealed(t), same.JSON(t), same.JSON(t))),
		"resigned":          resign(t, g, padestest.Open(t, same.Sealed(t))),
		"signed again":      resigned(func(*testing.T, *verifytest.Draft) {})(t, g),
		"by another key":    func() []byte { d := same.Clone(); d.Sealer = k.NewSealer(t, padestest.Leaf{}); return d.Sealed(t) }(),
		"the one, alone":    g.text.Sealed(t),
		"the other's order": g.other.Sealed(t),
	} {
		if r := v.Verify(file, time.Now()); r.Verdict != verify.Valid {
			t.Fatalf("%s: %s", name, problems(r))
		}
	}

	all := insides()
	t.Logf("%d forgeries with a good seal", len(all))
	names := map[string]bool{}
	for _, f := range all {
		if names[f.name] {
			t.Errorf("the name %q is taken", f.name)
		}
		names[f.name] = true
		t.Run(f.name, func(t *testing.T) {
			var file []byte
			if f.build != nil {
				file = f.build(t, g)
			} else {
				d := g.application.Clone()
				f.change(t, g, d)
				file = d.Sealed(t)
			}
			refused(t, v.Verify(file, time.Now()), f.verdict, f.code, f.check)
		})
	}
}

// refused: for the right reason, and with nobody's words.
func refused(t *testing.T, r verify.Report, verdict verify.Verdict, code, check string) {
	t.Helper()
	if r.Verdict != verdict || r.Code != code || failing(r) != check {
		t.Errorf("got %s\nwant %s %s at %s", problems(r), verdict, code, check)
	}
	if r.Verdict == verify.Indeterminate {
		return
	}
	if r.Order != nil {
		t.Error("it tells of the order")
	}
	for _, s := range r.Signatures {
		if s.Name+s.Person+s.Text+s.Level+string(s.Provider) != "" || !s.At.IsZero() || !s.Number.IsZero() {
			t.Errorf("it tells of a signature: %+v", s)
		}
	}
}

// TestForgedProofs: proofs that the simulated BankID got wrong on purpose, in
// receipts that are right in all else.
func TestForgedProofs(t *testing.T) {
	k, sim := newKit(t)
	v := k.Verifier()
	make := func() verify.Report {
		d := text(t, k).Signatory(t, one)
		ask := d.Ask(t, 1)
		d.Add(t, 1, ask, k.ProveUnseen(t, ask))
		return v.Verify(d.Complete().Sealed(t), time.Now())
	}
	// Nobody told the receipt what the proof says, so even a good one ends at the
	// statement.
	refused(t, make(), verify.Invalid, verify.StatementFailure, verify.CheckStatement)
	for _, f := range []struct {
		fault, code, check string
	}{
		{"badSignature", verify.EvidenceFailure, verify.CheckEvidence},
		{"badDigest", verify.EvidenceFailure, verify.CheckEvidence},
		{"wrongKey", verify.EvidenceFailure, verify.CheckEvidence},
		{"expiredLeaf", verify.EvidenceFailure, verify.CheckEvidence},
		{"wrongKU", verify.EvidenceFailure, verify.CheckEvidence},
		{"wrongFuncId", verify.EvidenceFailure, verify.CheckEvidence},
		{"alteredText", verify.EvidenceFailure, verify.CheckEvidence},
		{"alteredNonVisible", verify.EvidenceFailure, verify.CheckEvidence},
		{"wrapped", verify.EvidenceFailure, verify.CheckEvidence},
		{"comment", verify.EvidenceFailure, verify.CheckEvidence},
		{"dtd", verify.EvidenceFailure, verify.CheckEvidence},
		{"ocspRevoked", verify.EvidenceFailure, verify.CheckEvidence},
		{"ocspUnknown", verify.EvidenceFailure, verify.CheckEvidence},
		{"ocspOtherPerson", verify.EvidenceFailure, verify.CheckEvidence},
		{"ocspNoEKU", verify.EvidenceFailure, verify.CheckEvidence},
		{"ocspNonceOther", verify.EvidenceFailure, verify.CheckEvidence},
		{"ocspStale", verify.EvidenceFailure, verify.CheckEvidence},
		{"ocspFuture", verify.EvidenceFailure, verify.CheckEvidence},
		{"userMismatch", verify.EvidenceFailure, verify.CheckEvidence},
		{"wrongPerson", verify.PersonFailure, verify.CheckPerson},
		{"wrongRoot", verify.EvidenceFailure, verify.CheckEvidence}, // it has the names of ours
	} {
		t.Run(f.fault, func(t *testing.T) {
			sim.Fault("bankid", f.fault)
			defer sim.ClearFaults()
			refused(t, make(), verify.Invalid, f.code, f.check)
		})
	}
}

// TestForgedOutside: files that anybody can make of a genuine one, or that were
// sealed with a key for something else.
func TestForgedOutside(t *testing.T) {
	k, _ := newKit(t)
	sealed := application(t, k).Signatory(t, one).Signatory(t, two).Sign(t).Sealed(t)
	v := k.Verifier()
	verdicts := map[pades.Indication]verify.Verdict{
		pades.NotReadable: verify.Unreadable, pades.TotalFailed: verify.Invalid, pades.Indeterminate: verify.Indeterminate,
	}
	forgeries := append(padestest.Forgeries(t, sealed), padestest.Impostures(t, sealed, k.PKI)...)
	t.Logf("%d forgeries of the seal", len(forgeries)-1)
	for _, f := range forgeries {
		t.Run(f.Name, func(t *testing.T) {
			r := v.Verify(f.File, time.Now())
			if f.Code == "" {
				if r.Verdict != verify.Valid {
					t.Error(problems(r))
				}
				return
			}
			want, code := verdicts[f.Code.Indication()], f.Code
			if code == pades.Unreadable && len(f.File) > 1000 {
				want, code = verify.Invalid, pades.FormatFailure // there is a receipt in it
			}
			refused(t, r, want, string(code), verify.CheckSeal)
		})
	}
}

// TestNotAReceipt: what was never a receipt is told from one that was changed.
func TestNotAReceipt(t *testing.T) {
	k, _ := newKit(t)
	sealed := text(t, k).Signatory(t, one).Sign(t).Sealed(t)
	v := k.Verifier()
	foreign := "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n"
	for _, c := range []struct {
		name    string
		file    []byte
		verdict verify.Verdict
		code    pades.Code
	}{
		{"nothing", nil, verify.Unreadable, pades.Unreadable},
		{"no PDF", []byte("kvittens"), verify.Unreadable, pades.Unreadable},
		{"another program's PDF", []byte(foreign), verify.Unreadable, pades.Unreadable},
		{"a picture of one", append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 4000)...), verify.Unreadable, pades.Unreadable},
		{"a receipt that another program saved", append([]byte(foreign), "(kvittens.json)"...), verify.Invalid, pades.FormatFailure},
		{"the beginning of one", sealed[:200], verify.Invalid, pades.FormatFailure},
		{"half of one", sealed[:len(sealed)/2], verify.Invalid, pades.FormatFailure},
		{"all but the last byte", sealed[:len(sealed)-1], verify.Invalid, pades.FormatFailure},
		{"one and a line break", append(slices.Clone(sealed), '\n'), verify.Invalid, pades.FormatFailure},
		{"a line break and one", append([]byte{'\n'}, sealed...), verify.Invalid, pades.FormatFailure},
		{"a line break and the beginning of one", append([]byte{'\n'}, sealed[:200]...), verify.Invalid, pades.FormatFailure},
		{"two", append(slices.Clone(sealed), sealed...), verify.Invalid, pades.FormatFailure},
		{"one in base64", []byte(base64.StdEncoding.EncodeToString(sealed)), verify.Unreadable, pades.Unreadable},
		{"one whose first byte was changed", append([]byte{'&'}, sealed[1:]...), verify.Invalid, pades.FormatFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, v.Verify(c.file, time.Now()), c.verdict, string(c.code), verify.CheckSeal)
		})
	}
}

// TestTrust: what a verifier believes decides, and nothing in the receipt.
func TestTrust(t *testing.T) {
	k, _ := newKit(t)
	sealed := text(t, k).Signatory(t, one).Sign(t).Sealed(t)
	for name, c := range map[string]struct {
		change      func(*verifytest.Kit)
		code, check string
	}{
		"nothing":          {func(k *verifytest.Kit) { k.Trust.Seal.Roots, k.Trust.BankID = nil, nil }, verify.NoChain, verify.CheckSeal},
		"no seal":          {func(k *verifytest.Kit) { k.Trust.Seal.Roots = nil }, verify.NoChain, verify.CheckSeal},
		"another's seal":   {func(k *verifytest.Kit) { k.Trust.Seal.Roots = []*x509.Certificate{padestest.NewPKI(t).Root} }, verify.NoChain, verify.CheckSeal},
		"another sealer":   {func(k *verifytest.Kit) { k.Trust.Seal.OrgIdentifier = "NTRSE-2120000159" }, string(pades.ChainConstraintsFailure), verify.CheckSeal},
		"no e-ID of tests": {func(k *verifytest.Kit) { k.Trust.BankID = nil }, verify.NoChain, verify.CheckEvidence},
		"another e-ID": {func(k *verifytest.Kit) {
			k.Trust.BankID = slices.Clone(k.Trust.BankID)
			k.Trust.BankID[0].Roots = k.Trust.Seal.Roots
		}, verify.NoChain, verify.CheckEvidence},
	} {
		t.Run(name, func(t *testing.T) {
			other := *k
			c.change(&other)
			r := other.Verifier().Verify(sealed, time.Now())
			refused(t, r, verify.Indeterminate, c.code, c.check)
			if c.check == verify.CheckEvidence && (r.Order == nil || len(r.Signatures) != 1 || r.Signatures[0].Name != "") {
				t.Errorf("%+v", r)
			}
			if c.check == verify.CheckSeal && (r.Order != nil || r.Seal != nil) {
				t.Errorf("%+v", r)
			}
		})
	}
	// A certificate policy that is not good enough is a refusal.
	other := *k
	other.Trust.BankID = slices.Clone(k.Trust.BankID)
	other.Trust.BankID[0].Policies = []string{"1.2.3.4.10"}
	refused(t, other.Verifier().Verify(sealed, time.Now()), verify.Invalid, verify.EvidenceFailure, verify.CheckEvidence)
}
