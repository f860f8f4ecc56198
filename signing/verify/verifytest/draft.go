package verifytest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/evidence"
	"sigill/signing/pades"
	"sigill/signing/pdf"
	"sigill/signing/receipt"
	"sigill/signing/trust"
)

// Draft is a receipt that is being made, of which everything may be changed
// before it is sealed.
type Draft struct {
	Kit      *Kit
	Manifest signing.Manifest
	Kvittens receipt.Kvittens // its manifest is written when it is sealed
	Files    []receipt.File
	Numbers  []string // of the signatories, in the order of the manifest
	Proofs   []Proof  // their signatures
	Language string   // of the text in the app
	Markup   providers.Markup

	SealedAt time.Time // zero: now
	Info     pades.Info
	Sealer   *pades.Sealer // nil: the kit's
}

// Issuer is the installation that receipts are of.
const Issuer = "https://sign.example.se"

// NewDraft is a receipt without documents and signatures.
func (k *Kit) NewDraft() *Draft {
	return &Draft{
		Kit: k, Language: "sv", Markup: providers.SimpleMarkdownV1,
		Manifest: signing.Manifest{
			Format: signing.ManifestFormat, Issuer: Issuer, Client: "exempel", Order: "01JD3Q8ZK4T7V9", Revision: 1,
			Title: "Ansökan om plats i förskola", Message: "Båda vårdnadshavarna behöver skriva under ansökan.", Reference: "BUN 2026-1182",
			Sequence: signing.Parallel, Documents: []signing.ManifestDocument{}, Signatories: []signing.ManifestSignatory{},
		},
		Kvittens: receipt.Kvittens{
			Layout: receipt.Layout, ClientName: "Exempelkommunens förskolor", Language: "sv", Created: time.Now().UTC(),
			NumberKey: []byte(strings.Repeat("k", 32)), SealedBy: k.Sealer.Organisation(), VerifyURL: Issuer + "/verify",
			TrustSHA256: strings.Repeat("ab", 32), Signatures: []receipt.Signature{},
		},
	}
}

// Text adds a document that is text.
func (d *Draft) Text(t testing.TB, name, text string) *Draft {
	return d.document(t, signing.Document{Name: name, Kind: signing.KindText, Type: signing.TextType, Text: text}, receipt.Document{Text: &text})
}

// Content adds a document of headings and answers.
func (d *Draft) Content(t testing.TB, name string, c signing.Content) *Draft {
	return d.document(t, signing.Document{Name: name, Kind: signing.KindContent, Type: signing.ContentType, Content: c}, receipt.Document{Content: c})
}

// File adds a document that is attached.
func (d *Draft) File(t testing.TB, name, mediaType string, b []byte) *Draft {
	attached := fmt.Sprintf("handling-%d.%s", len(d.Manifest.Documents)+1, mediaType[strings.IndexByte(mediaType, '/')+1:])
	d.Files = append(d.Files, receipt.File{Name: attached, Type: mediaType, Relationship: "Source", Bytes: b})
	return d.document(t, signing.Document{Name: name, Kind: signing.KindFile, Type: mediaType, File: b}, receipt.Document{Attachment: attached})
}

func (d *Draft) document(t testing.TB, doc signing.Document, in receipt.Document) *Draft {
	t.Helper()
	entry, err := doc.Entry()
	if err != nil {
		t.Fatal(err)
	}
	d.Manifest.Documents = append(d.Manifest.Documents, entry)
	d.Kvittens.Documents = append(d.Kvittens.Documents, in)
	return d
}

// Signatory adds somebody who shall sign.
func (d *Draft) Signatory(t testing.TB, number string) *Draft {
	t.Helper()
	n, err := personnummer.FromDigits(number)
	if err != nil {
		t.Fatal(err)
	}
	d.Numbers = append(d.Numbers, number)
	d.Manifest.Signatories = append(d.Manifest.Signatories, signing.ManifestSignatory{
		N: len(d.Numbers), Number: signing.NumberDigest(d.Kvittens.NumberKey, n), Group: 1,
	})
	return d
}

// Ask is what signatory n (from 1) is asked to sign.
func (d *Draft) Ask(t testing.TB, n int) Ask {
	t.Helper()
	_, digest, err := d.Manifest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return Ask{
		Number: d.Numbers[n-1], Markup: d.Markup, Binding: signing.Binding(digest),
		Text: signing.VisibleText(d.Kvittens.ClientName, d.Manifest, digest, d.Language, d.Markup, false),
	}
}

// AskFor is what signatory n is asked to sign with another e-ID than BankID.
func (d *Draft) AskFor(t testing.TB, n int, e *EID) Ask {
	t.Helper()
	a := d.Ask(t, n)
	_, digest, err := d.Manifest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	a.Markup = providers.Plain
	a.Text = signing.VisibleText(d.Kvittens.ClientName, d.Manifest, digest, d.Language, a.Markup, e.Info.NonVisible < len(a.Binding))
	return a
}

// SignWith has signatory n sign with another e-ID than BankID.
func (d *Draft) SignWith(t testing.TB, n int, e *EID) *Draft {
	t.Helper()
	ask := d.AskFor(t, n, e)
	d.Add(t, n, ask, e.Prove(t, ask))
	return d
}

// Sign has all signatories sign, and completes the order.
func (d *Draft) Sign(t testing.TB) *Draft {
	t.Helper()
	if len(d.Numbers) == 0 {
		d.Kvittens.NumberKey, d.Kvittens.CompletedAt = nil, d.Kvittens.Created.Truncate(time.Second)
	}
	for n := range d.Numbers {
		ask := d.Ask(t, n+1)
		d.Add(t, n+1, ask, d.Kit.Prove(t, ask))
	}
	return d.Complete()
}

// Add takes a signature in as that of signatory n, stating what it proves.
func (d *Draft) Add(t testing.TB, n int, ask Ask, p Proof) {
	t.Helper()
	id, eid := p.Identity, p.Provider
	if eid == "" {
		eid = providers.MBankID
	}
	s := receipt.Signature{
		Signatory: n, Name: id.Name, Masked: receipt.Mask(id.Number), Provider: string(eid), ProviderName: eid.Name(),
		Level: receipt.LevelName(id.Level), Policy: id.Policy, Started: p.Started, At: id.At.UTC(), Text: ask.Text, Markup: string(ask.Markup),
		EIDOrder: "eid-" + strconv.Itoa(n), Transaction: id.Transaction,
	}
	if id.Name == "" { // of ProveUnseen: what an honest answer would have said
		number, err := personnummer.FromDigits(ask.Number)
		if err != nil {
			t.Fatal(err)
		}
		s.Name, s.Masked, s.Level = "Testperson", receipt.Mask(number), receipt.LevelName(providers.LevelUncertified3)
		s.Policy, s.At = Policies().Mobile[0], p.Started
	}
	d.Proofs = append(d.Proofs, p)
	d.Kvittens.Signatures = append(d.Kvittens.Signatures, s)
	d.Attach(t, len(d.Kvittens.Signatures)-1, p.Evidence)
}

// Attach makes evidence the proof of the signature with an index, in the place
// of the one that was there.
func (d *Draft) Attach(t testing.TB, i int, e providers.Evidence) {
	t.Helper()
	s := &d.Kvittens.Signatures[i]
	d.Files = slices.DeleteFunc(d.Files, func(f receipt.File) bool { return f.Name == s.Evidence || slices.Contains(s.Parts, f.Name) })
	v := evidence.New(trust.Trust{})
	file := v.File(e, s.Signatory)
	parts, err := v.Parts(e, s.Signatory)
	if err != nil {
		t.Fatal(err)
	}
	s.Evidence, s.EvidenceType, s.Parts = file.Name, file.Type, nil
	for _, p := range parts {
		s.Parts = append(s.Parts, p.Name)
	}
	d.Files = append(append(d.Files, file), parts...)
}

// Complete makes the time of completion that of the last signature.
func (d *Draft) Complete() *Draft {
	for i, s := range d.Kvittens.Signatures {
		if at := s.At.UTC().Truncate(time.Second); i == 0 || at.After(d.Kvittens.CompletedAt) {
			d.Kvittens.CompletedAt = at
		}
	}
	return d
}

// Clone gives another one to change.
func (d *Draft) Clone() *Draft {
	c := *d
	c.Manifest.Documents, c.Manifest.Signatories = slices.Clone(d.Manifest.Documents), slices.Clone(d.Manifest.Signatories)
	c.Kvittens.Documents, c.Kvittens.Signatures = slices.Clone(d.Kvittens.Documents), slices.Clone(d.Kvittens.Signatures)
	for i := range c.Kvittens.Signatures {
		c.Kvittens.Signatures[i].Parts = slices.Clone(c.Kvittens.Signatures[i].Parts)
	}
	c.Kvittens.NumberKey = slices.Clone(d.Kvittens.NumberKey)
	c.Files, c.Numbers, c.Proofs = slices.Clone(d.Files), slices.Clone(d.Numbers), slices.Clone(d.Proofs)
	return &c
}

// Named is the attached file with a name, to change.
func (d *Draft) Named(t testing.TB, name string) *receipt.File {
	t.Helper()
	i := slices.IndexFunc(d.Files, func(f receipt.File) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no file %s", name)
	}
	return &d.Files[i]
}

// Unsealed writes the receipt without a seal.
func (d *Draft) Unsealed(t testing.TB) []byte {
	t.Helper()
	canonical, digest, err := d.Manifest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	d.Kvittens.Manifest, d.Kvittens.ManifestSHA256 = canonical, hex.EncodeToString(digest[:])
	file, err := d.Kit.Receipts.Make(d.Kvittens, d.Files)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Sealed writes it with its seal.
func (d *Draft) Sealed(t testing.TB) []byte {
	t.Helper()
	return d.Seal(t, d.Unsealed(t))
}

// Seal seals a file as this draft is to be sealed.
func (d *Draft) Seal(t testing.TB, unsealed []byte) []byte {
	t.Helper()
	s, at := d.Sealer, d.SealedAt
	if s == nil {
		s = d.Kit.Sealer
	}
	if at.IsZero() {
		at = time.Now()
	}
	file, err := s.Seal(unsealed, at, d.Info)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Rewrite writes an unsealed file with other objects. Change gets each with its
// number and gives what takes its place; what it gives for number 0 comes after
// the last, unless it is nil.
func Rewrite(t testing.TB, unsealed []byte, change func(number int, o pdf.Object) pdf.Object) []byte {
	t.Helper()
	f, err := pdf.Parse(unsealed, pdf.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	w := pdf.NewWriter()
	for number := 1; number <= len(f.Revisions[0].Objects); number++ {
		w.Put(w.Reserve(), change(number, f.Revisions[0].Objects[number].Object))
	}
	if more := change(0, nil); more != nil {
		w.Add(more)
	}
	out, err := w.Finish(f.Revisions[0].Trailer)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Embedded replaces in an unsealed file the bytes of the attached file that has
// these, and leaves all else as it is.
func Embedded(t testing.TB, unsealed, old, replacement []byte) []byte {
	t.Helper()
	found := 0
	out := Rewrite(t, unsealed, func(_ int, o pdf.Object) pdf.Object {
		if s, ok := o.(pdf.Stream); ok && bytes.Equal(s.Raw, old) {
			found++
			s.Raw = replacement
			return s
		}
		return o
	})
	if found != 1 {
		t.Fatalf("%d such attached files", found)
	}
	return out
}

// JSON is the kvittens.json of a receipt that was made.
func (d *Draft) JSON(t testing.TB) []byte {
	t.Helper()
	k, _, err := receipt.Read(d.Unsealed(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signing.Canonical(k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// MediaType is that of the evidence of the simulated BankID.
const MediaType = bankid.MediaType
