// Package verify tells a stranger whether a receipt can be believed, offline and
// without any of our databases: the seal, then the receipt itself, then every
// e-ID signature in it, each bound to the same manifest.
//
// It owns the order of the checks and the report. The seal is checked by
// signing/pades, the drawing by signing/receipt, each e-ID's proof by its own
// provider through signing/evidence; what is believed beforehand is the trust
// file's. The same code decides, before a receipt is released, whether it may
// be.
package verify

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/evidence"
	"sigill/signing/pades"
	"sigill/signing/receipt"
	"sigill/signing/trust"
)

// Verdict is the outcome of a verification (EN 319 102-1 section 5.1.2, and one
// more for what is no receipt of ours).
type Verdict string

const (
	Valid         Verdict = "valid"
	Invalid       Verdict = "invalid"
	Indeterminate Verdict = "indeterminate" // no fault found, and not everything could be checked
	Unreadable    Verdict = "unreadable"
)

// Report is everything that was found. A receipt that is not Valid tells of
// nothing but what is wrong: its other words are nobody's.
type Report struct {
	Verdict Verdict `json:"verdict"`
	// Code says why not, in the words of EN 319 102-1 where it has one: empty
	// when Valid.
	Code       string      `json:"code,omitempty"`
	Checks     []Check     `json:"checks"`
	Seal       *Seal       `json:"seal,omitempty"`
	Order      *Order      `json:"order,omitempty"`
	Signatures []Signature `json:"signatures,omitempty"`
	At         time.Time   `json:"verified_at"`
}

// Check is one thing that was looked at. Names are from a closed list.
type Check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	// Problem is for programmers; people read the words for Name.
	Problem string `json:"problem,omitempty"`
}

// The checks, in the order in which they are made.
const (
	CheckSeal        = "seal"        // one seal, over the whole file, unbroken, by a trusted key
	CheckReceipt     = "receipt"     // the pages say what kvittens.json says, and nothing is hidden
	CheckManifest    = "manifest"    // documents and attachments are those of the manifest
	CheckSignatories = "signatories" // exactly one signature of each signatory
	CheckEvidence    = "evidence"    // an e-ID's own proof: signature, certificates, revocation, text, binding
	CheckText        = "text"        // the text in the e-ID's app says what the manifest says
	CheckPerson      = "person"      // the proof's person is the manifest's signatory
	CheckStatement   = "statement"   // name, e-ID, level and time on the page are the proof's
)

// Seal is the seal that was found.
type Seal struct {
	Organisation string    `json:"organisation"`
	Certificate  string    `json:"certificate"` // its subject
	ClaimedAt    time.Time `json:"claimed_at"`  // by the sealer's own clock
}

// Order is what was signed.
type Order struct {
	ID          string             `json:"id"`
	Issuer      string             `json:"issuer"`
	Client      string             `json:"client"`
	Title       string             `json:"title"`
	Reference   string             `json:"reference,omitempty"`
	Created     time.Time          `json:"created"`
	CompletedAt time.Time          `json:"completed_at"`
	SHA256      string             `json:"sha256"`
	Documents   []receipt.Document `json:"-"`
	Names       []string           `json:"documents"`
}

// Signature is one e-ID signature.
type Signature struct {
	N            int                 `json:"n"`
	Name         string              `json:"name"`
	Number       personnummer.Number `json:"-"`
	Person       string              `json:"person"` // the number, masked unless asked for in full
	Provider     providers.ID        `json:"provider"`
	ProviderName string              `json:"provider_name"`
	Level        string              `json:"level"`
	At           time.Time           `json:"at"`
	Text         string              `json:"text"`
	Checks       []Check             `json:"checks"`
}

// Verifier verifies receipts. It may be used by many goroutines.
type Verifier struct {
	seals    pades.Trust
	evidence *evidence.Verifier
	receipts *receipt.Writer
}

// New makes a verifier that believes what a trust file says.
func New(t trust.Trust, receipts *receipt.Writer) *Verifier {
	return &Verifier{
		seals:    pades.Trust{Roots: t.Seal.Roots, Organisation: t.Seal.Organisation, OrgIdentifier: t.Seal.OrgIdentifier},
		evidence: evidence.New(t), receipts: receipts,
	}
}

// Verify looks at a file. It never fails: what cannot be read is a verdict too.
func (v *Verifier) Verify(file []byte, at time.Time) Report {
	r := Report{Verdict: Valid, At: at.UTC().Truncate(time.Second)}
	seal, err := pades.Verify(file, v.seals, at)
	if err != nil {
		verdict, code := sealFailure(err)
		return r.ended(verdict, code, CheckSeal, err)
	}
	r.passed(CheckSeal)
	r.Seal = &Seal{Organisation: seal.Organisation, Certificate: seal.Certificate.Subject.String(), ClaimedAt: seal.ClaimedAt}

	k, files, err := v.receipts.Check(seal.Unsealed)
	if err != nil {
		var unknown *receipt.UnknownLayout
		if errors.As(err, &unknown) {
			return r.ended(Indeterminate, "UNKNOWN_LAYOUT", CheckReceipt, err)
		}
		return r.ended(Invalid, "CONTENT_FAILURE", CheckReceipt, err)
	}
	r.passed(CheckReceipt)
	m, err := k.ReadManifest()
	if err != nil {
		return r.ended(Invalid, "CONTENT_FAILURE", CheckManifest, err)
	}
	r.passed(CheckManifest)
	r.Order = &Order{
		ID: m.Order, Issuer: m.Issuer, Client: k.ClientName, Title: m.Title, Reference: m.Reference,
		Created: k.Created, CompletedAt: k.CompletedAt, SHA256: k.ManifestSHA256, Documents: k.Documents, Names: []string{},
	}
	for _, d := range m.Documents {
		r.Order.Names = append(r.Order.Names, d.Name)
	}

	if err := everybody(m, k); err != nil {
		return r.ended(Invalid, "SIGNATORY_FAILURE", CheckSignatories, err)
	}
	r.passed(CheckSignatories)
	last := time.Time{}
	for _, claim := range k.Signatures {
		s, verdict, code := v.signature(m, k, claim, files, seal.ClaimedAt, at)
		r.Signatures = append(r.Signatures, s)
		if verdict == Invalid || verdict == Indeterminate && r.Verdict == Valid {
			r.Verdict, r.Code = verdict, code
		}
		if s.At.After(last) {
			last = s.At
		}
	}
	if len(k.Signatures) > 0 && r.Verdict == Valid && !last.Truncate(time.Second).Equal(k.CompletedAt) {
		return r.ended(Invalid, "SIGNATORY_FAILURE", CheckStatement, errors.New("the time of completion is not that of the last signature"))
	}
	return r
}

func (r *Report) passed(name string) { r.Checks = append(r.Checks, Check{Name: name, Passed: true}) }

func (r Report) ended(verdict Verdict, code, check string, err error) Report {
	r.Verdict, r.Code = verdict, code
	r.Checks = append(r.Checks, Check{Name: check, Problem: err.Error()})
	r.Order, r.Signatures = nil, nil
	return r
}

func sealFailure(err error) (Verdict, string) {
	var refused *pades.Refused
	if !errors.As(err, &refused) {
		return Unreadable, string(pades.Unreadable)
	}
	switch refused.Code.Indication() {
	case pades.NotReadable:
		return Unreadable, string(refused.Code)
	case pades.Indeterminate:
		return Indeterminate, string(refused.Code)
	}
	return Invalid, string(refused.Code)
}

// everybody: each signatory of the manifest once, and nobody else; no proof used
// twice.
func everybody(m signing.Manifest, k receipt.Kvittens) error {
	if len(k.Signatures) != len(m.Signatories) {
		return fmt.Errorf("%d signatures of %d signatories", len(k.Signatures), len(m.Signatories))
	}
	proofs := map[string]bool{}
	for i, s := range k.Signatures {
		if s.Signatory != m.Signatories[i].N {
			return fmt.Errorf("signature %d is of signatory %d, not %d", i+1, s.Signatory, m.Signatories[i].N)
		}
		if proofs[s.Evidence] || proofs["order "+s.EIDOrder] {
			return fmt.Errorf("signature %d uses the proof of another", i+1)
		}
		proofs[s.Evidence], proofs["order "+s.EIDOrder] = true, true
	}
	return nil
}

// skew is how far the clocks of issuer and sealer may be apart.
const skew = 2 * time.Minute

// signature verifies one e-ID signature against what the receipt says of it.
func (v *Verifier) signature(m signing.Manifest, k receipt.Kvittens, claim receipt.Signature, files []receipt.File, sealed, at time.Time) (Signature, Verdict, string) {
	s := Signature{N: claim.Signatory}
	fail := func(verdict Verdict, code, check string, err error) (Signature, Verdict, string) {
		s.Checks = append(s.Checks, Check{Name: check, Problem: err.Error()})
		return s, verdict, code
	}
	_, digest, err := m.Encode()
	if err != nil {
		return fail(Invalid, "CONTENT_FAILURE", CheckManifest, err)
	}
	i := slices.IndexFunc(files, func(f receipt.File) bool { return f.Name == claim.Evidence })
	if i < 0 {
		return fail(Invalid, "EVIDENCE_FAILURE", CheckEvidence, errors.New("the proof is not attached"))
	}
	proof := providers.Evidence{MediaType: claim.EvidenceType, Bytes: files[i].Bytes}
	identity, err := v.evidence.Verify(proof, providers.Expected{
		Kind: providers.KindSign, Text: claim.Text, Markup: providers.Markup(claim.Markup), Binding: signing.Binding(digest),
		Started: claim.Started,
	}, at)
	var unknown *evidence.Unknown
	if errors.As(err, &unknown) {
		return fail(Indeterminate, "NO_CERTIFICATE_CHAIN_FOUND", CheckEvidence, err)
	}
	if err != nil {
		return fail(Invalid, "EVIDENCE_FAILURE", CheckEvidence, err)
	}
	if err := sameParts(v.evidence, proof, claim, files); err != nil {
		return fail(Invalid, "EVIDENCE_FAILURE", CheckEvidence, err)
	}
	s.Checks = append(s.Checks, Check{Name: CheckEvidence, Passed: true})

	if !saysTheManifest(k, m, digest, claim) {
		return fail(Invalid, "TEXT_FAILURE", CheckText, errors.New("the text that was signed is not the one of this manifest"))
	}
	s.Checks = append(s.Checks, Check{Name: CheckText, Passed: true})

	n := slices.IndexFunc(m.Signatories, func(e signing.ManifestSignatory) bool { return e.N == claim.Signatory })
	if n < 0 || identity.Number.IsZero() || signing.NumberDigest(k.NumberKey, identity.Number) != m.Signatories[n].Number {
		return fail(Invalid, "PERSON_FAILURE", CheckPerson, errors.New("the proof is another person's"))
	}
	s.Checks = append(s.Checks, Check{Name: CheckPerson, Passed: true})

	switch {
	case claim.Name != identity.Name:
		err = errors.New("the name is not the proof's")
	case claim.Masked != receipt.Mask(identity.Number):
		err = errors.New("the number is not the proof's")
	case !v.evidence.Speaks(proof.MediaType, providers.ID(claim.Provider)):
		err = errors.New("the e-ID is not the proof's")
	case claim.ProviderName != providers.ID(claim.Provider).Name():
		err = errors.New("the e-ID's name is not its own")
	case claim.Level != receipt.LevelName(identity.Level):
		err = errors.New("the level is not the proof's")
	case claim.Policy != identity.Policy:
		err = errors.New("the kind of e-ID is not the proof's")
	case !claim.At.Equal(identity.At):
		err = errors.New("the time is not the proof's")
	case identity.At.After(sealed.Add(skew)):
		err = errors.New("signed after the seal")
	}
	if err != nil {
		return fail(Invalid, "STATEMENT_FAILURE", CheckStatement, err)
	}
	s.Checks = append(s.Checks, Check{Name: CheckStatement, Passed: true})
	s.Name, s.Number, s.Person = identity.Name, identity.Number, receipt.Mask(identity.Number)
	s.Provider, s.ProviderName, s.Level = providers.ID(claim.Provider), claim.ProviderName, claim.Level
	s.At, s.Text = identity.At, claim.Text
	return s, Valid, ""
}

// saysTheManifest: the text is one that VisibleText makes of the manifest.
func saysTheManifest(k receipt.Kvittens, m signing.Manifest, digest [32]byte, claim receipt.Signature) bool {
	for _, lang := range []string{"sv", "en"} {
		for _, whole := range []bool{false, true} {
			if signing.VisibleText(k.ClientName, m, digest, lang, providers.Markup(claim.Markup), whole) == claim.Text {
				return true
			}
		}
	}
	return false
}

// sameParts: what is attached for other programs to read is what the proof
// holds.
func sameParts(v *evidence.Verifier, proof providers.Evidence, claim receipt.Signature, files []receipt.File) error {
	parts, err := v.Parts(proof, claim.Signatory)
	if err != nil {
		return err
	}
	names := []string{}
	for _, p := range parts {
		names = append(names, p.Name)
		i := slices.IndexFunc(files, func(f receipt.File) bool { return f.Name == p.Name })
		if i < 0 || files[i].Type != p.Type || string(files[i].Bytes) != string(p.Bytes) {
			return fmt.Errorf("attachment %s is not the proof's", p.Name)
		}
	}
	if !slices.Equal(names, append([]string{}, claim.Parts...)) {
		return errors.New("the proof has other parts than the receipt says")
	}
	return nil
}

// Full puts the whole numbers in the place of the masked ones.
func (r *Report) Full() {
	for i := range r.Signatures {
		if s := &r.Signatures[i]; !s.Number.IsZero() {
			s.Person = s.Number.Digits()
		}
	}
}
