package verify_test

import (
	"crypto/elliptic"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/receipt"
	"sigill/signing/verify"
	"sigill/signing/verify/verifytest"
	"sigill/testidp"
)

// The people.
const (
	one   = "196608182942"
	two   = "198006299252"
	three = "198101199282"
)

func newKit(t testing.TB) (*verifytest.Kit, *testidp.Server) {
	t.Helper()
	sim := testidp.Start(t)
	m, err := sim.Material()
	if err != nil {
		t.Fatal(err)
	}
	return verifytest.New(t, verifytest.Simulator{
		URL: m.BankIDURL, AppURL: m.AppURL, TLSRoot: m.TLSRoot, SignatureRoot: m.SignatureRoot, RPCertificate: m.RPCertificate, RPKey: m.RPKey,
		Scan: sim.Scan, Open: sim.Open,
		Approve: func(order, number string) error {
			_, err := sim.Approve(order, number)
			return err
		},
	}), sim
}

// application is a draft as they come: a form, a text, a file.
func application(t testing.TB, k *verifytest.Kit) *verifytest.Draft {
	t.Helper()
	return k.NewDraft().
		Content(t, "Ansökan", signing.Content{
			{Heading: "Barnet"},
			{Rows: []signing.Row{{Label: "Namn", Value: "Testbarn Ett"}, {Label: "Önskad start", Value: "2027-01-11"}}},
			{Text: "Uppgifterna är riktiga."},
		}).
		Text(t, "Villkor", "Plats erbjuds inom fyra månader.\n\nAvgiften följer kommunens taxa.").
		File(t, "Hyresavtal", "application/pdf", []byte("%PDF-1.4 not really\n"))
}

// text is a draft with one document.
func text(t testing.TB, k *verifytest.Kit) *verifytest.Draft {
	t.Helper()
	return k.NewDraft().Text(t, "Fullmakt", "Jag ger Testperson Två fullmakt att hämta mitt paket.")
}

// failing is the check that a report ended with.
func failing(r verify.Report) string {
	lists := [][]verify.Check{r.Checks}
	for _, s := range r.Signatures {
		lists = append(lists, s.Checks)
	}
	for _, list := range lists {
		for _, c := range list {
			if !c.Passed {
				return c.Name
			}
		}
	}
	return ""
}

func problems(r verify.Report) string {
	var b strings.Builder
	b.WriteString(string(r.Verdict) + " " + r.Code)
	for _, c := range r.Checks {
		b.WriteString("\n  " + c.Name + ": " + c.Problem)
	}
	for _, s := range r.Signatures {
		for _, c := range s.Checks {
			b.WriteString("\n  " + strconv.Itoa(s.N) + " " + c.Name + ": " + c.Problem)
		}
	}
	return b.String()
}

func TestGenuine(t *testing.T) {
	k, _ := newKit(t)
	v := k.Verifier()
	for _, c := range []struct {
		name  string
		draft func() *verifytest.Draft
	}{
		{"one signs a text", func() *verifytest.Draft { return text(t, k).Signatory(t, one) }},
		{"two sign an application", func() *verifytest.Draft { return application(t, k).Signatory(t, one).Signatory(t, two) }},
		{"three sign, in English", func() *verifytest.Draft {
			d := application(t, k).Signatory(t, one).Signatory(t, two).Signatory(t, three)
			d.Language, d.Kvittens.Language = "en", "en"
			return d
		}},
		{"in an app without mark-up", func() *verifytest.Draft {
			d := application(t, k).Signatory(t, one)
			d.Markup = providers.Plain
			return d
		}},
		{"one after the other", func() *verifytest.Draft {
			d := text(t, k).Signatory(t, one).Signatory(t, two)
			d.Manifest.Sequence, d.Manifest.Signatories[1].Group = signing.Sequential, 2
			return d
		}},
		{"one was replaced", func() *verifytest.Draft {
			d := text(t, k).Signatory(t, one).Signatory(t, two)
			d.Manifest.Signatories[1].N = 3
			return d
		}},
		{"the issuer's lines, and what looks like mark-up", func() *verifytest.Draft {
			d := text(t, k).Signatory(t, one)
			d.Manifest.Title, d.Manifest.Message = "# *Lön* \\ [x]", "| a | b |\n\n+ c\n\x1b[31m"
			return d
		}},
		{"nothing said but the title", func() *verifytest.Draft {
			d := text(t, k).Signatory(t, one)
			d.Manifest.Message, d.Manifest.Reference, d.Kvittens.VerifyURL = "", "", ""
			return d
		}},
		{"sealed in the name of the sealer", func() *verifytest.Draft {
			d := text(t, k).Signatory(t, one)
			d.Info = pades.Info{Name: padestest.Organisation}
			return d
		}},
		{"sealed only", func() *verifytest.Draft { return application(t, k) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.draft()
			for n := range d.Numbers {
				ask := d.Ask(t, n+1)
				d.Add(t, d.Manifest.Signatories[n].N, ask, k.Prove(t, ask))
			}
			if len(d.Numbers) == 0 {
				d.Sign(t)
			}
			at := time.Now()
			r := v.Verify(d.Complete().Sealed(t), at)
			if r.Verdict != verify.Valid || r.Code != "" || failing(r) != "" {
				t.Fatal(problems(r))
			}
			wantChecks(t, r.Checks, verify.CheckSeal, verify.CheckReceipt, verify.CheckSealer, verify.CheckManifest, verify.CheckSignatories, verify.CheckTimes)
			if !r.At.Equal(at.UTC().Truncate(time.Second)) {
				t.Errorf("verified at %s", r.At)
			}
			if s := r.Seal; s.Organisation != padestest.Organisation || !strings.Contains(s.Certificate, "e-stämpel") || s.Level != "PAdES B-B" || at.Sub(s.ClaimedAt).Abs() > time.Minute {
				t.Errorf("seal %+v", s)
			}
			o, m := r.Order, d.Manifest
			if o.ID != m.Order || o.Issuer != m.Issuer || o.Client != d.Kvittens.ClientName || o.Title != m.Title || o.Reference != m.Reference ||
				!o.Created.Equal(d.Kvittens.Created) || !o.CompletedAt.Equal(d.Kvittens.CompletedAt) || o.SHA256 != d.Kvittens.ManifestSHA256 ||
				o.TrustSHA256 != d.Kvittens.TrustSHA256 || len(o.Names) != len(m.Documents) || o.Names[0] != m.Documents[0].Name {
				t.Errorf("order %+v", o)
			}
			if len(r.Signatures) != len(d.Numbers) {
				t.Fatalf("%d signatures", len(r.Signatures))
			}
			for i, s := range r.Signatures {
				number, err := personnummer.FromDigits(d.Numbers[i])
				if err != nil {
					t.Fatal(err)
				}
				id := d.Proofs[i].Identity
				if s.N != m.Signatories[i].N || s.Name != id.Name || s.Name == "" || s.Number != number || s.Person != d.Numbers[i][:8]+"-****" ||
					s.Provider != providers.MBankID || s.ProviderName != "Mobilt BankID" || s.Level != "uncertified-loa3" || s.Policy != "1.2.3.4.25" ||
					!s.At.Equal(id.At) || s.Text != d.Ask(t, i+1).Text {
					t.Errorf("signature %+v", s)
				}
				wantChecks(t, s.Checks, verify.CheckText, verify.CheckEvidence, verify.CheckPerson, verify.CheckStatement)
			}
			r.Full()
			for i, s := range r.Signatures {
				if s.Person != d.Numbers[i] {
					t.Errorf("in full: %d digits", len(s.Person))
				}
			}
		})
	}
}

func wantChecks(t *testing.T, got []verify.Check, names ...string) {
	t.Helper()
	var b strings.Builder
	for _, c := range got {
		b.WriteString(c.Name + " ")
		if !c.Passed || c.Problem != "" {
			t.Errorf("%+v", c)
		}
	}
	if want := strings.Join(names, " ") + " "; b.String() != want {
		t.Errorf("checks %s, want %s", b.String(), want)
	}
}

// TestOtherTimes: a receipt outlives the certificates of its signatures and of
// its seal; how good a service is may be seen otherwise then.
func TestOtherTimes(t *testing.T) {
	k, _ := newKit(t)
	d := text(t, k).Signatory(t, one).Sign(t)
	file := d.Sealed(t)
	later := time.Now().AddDate(30, 0, 0)
	if r := k.Verifier().Verify(file, later); r.Verdict != verify.Valid {
		t.Error(problems(r))
	}

	// A clock that is a little slow.
	if r := k.Verifier().Verify(file, time.Now().Add(-4*time.Minute)); r.Verdict != verify.Valid {
		t.Error(problems(r))
	}

	approved := *k
	approved.Trust.BankID[0].Approved = true
	if r := approved.Verifier().Verify(file, later); r.Verdict != verify.Valid || r.Signatures[0].Level != "uncertified-loa3" {
		t.Errorf("approved later: %s", problems(r))
	}
	high := d.Clone()
	high.Kvittens.Signatures[0].Level = receipt.LevelName(providers.Level3)
	file = high.Sealed(t)
	if r := approved.Verifier().Verify(file, later); r.Verdict != verify.Valid || r.Signatures[0].Level != "loa3" {
		t.Errorf("approved: %s", problems(r))
	}
	approved.Trust.BankID[0].Approved = false
	r := approved.Verifier().Verify(file, later)
	if r.Verdict != verify.Indeterminate || r.Code != verify.LevelNotConfirmed || failing(r) != verify.CheckStatement || r.Order == nil {
		t.Errorf("approved no longer: %s", problems(r))
	}
}

func p256() elliptic.Curve { return elliptic.P256() }
