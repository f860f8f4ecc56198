package verify

import (
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/receipt"
)

// Verdict is the outcome of a verification (EN 319 102-1 section 5.1.2, and one
// more for what is no receipt of ours).
type Verdict string

const (
	Valid         Verdict = "valid"
	Invalid       Verdict = "invalid"
	Indeterminate Verdict = "indeterminate" // no fault found, and not everything could be checked
	Unreadable    Verdict = "unreadable"    // nothing that was ever a receipt of ours
)

// Codes besides those of signing/pades, which are the words of EN 319 102-1. The
// list is closed, and scripts rely on it.
const (
	UnknownLayout     = "UNKNOWN_LAYOUT"             // indeterminate: drawn by rules that this program does not know
	ContentFailure    = "CONTENT_FAILURE"            // pages, kvittens.json, documents and attachments do not agree
	SignatoryFailure  = "SIGNATORY_FAILURE"          // not everybody, somebody twice, or out of turn
	EvidenceFailure   = "EVIDENCE_FAILURE"           // an e-ID's proof is bad, or of something else
	TextFailure       = "TEXT_FAILURE"               // the text in the app is not the one of this manifest
	PersonFailure     = "PERSON_FAILURE"             // the proof is another person's
	StatementFailure  = "STATEMENT_FAILURE"          // the receipt states what the proofs do not
	NoChain           = "NO_CERTIFICATE_CHAIN_FOUND" // indeterminate: of a seal or an e-ID that nobody here trusts
	LevelNotConfirmed = "LEVEL_NOT_CONFIRMED"        // indeterminate: a higher level than the trust file supports
)

// Report is everything that was found. An Invalid one tells only what is wrong:
// what such a receipt says is nobody's word.
//
// In a Valid one each person's name, number, e-ID, level, time and text are
// proven by the e-ID; the order, its title, message, reference, documents and
// signatories by every signature. The sealer alone vouches for the rest: the
// client's name where nobody signed, when the order was made, whether BankID was
// begun as Mobilt BankID (where the policy does not tell), and the time of the
// seal. Nothing tells whether the seal's certificate was revoked then.
type Report struct {
	Verdict Verdict `json:"verdict"`
	// Code says why not: empty when Valid. It is that of the worst thing found.
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

// The checks, in the order in which they are made: first those of the receipt,
// then those of each signature.
const (
	CheckSeal        = "seal"        // one seal, over the whole file, unbroken, by a trusted key
	CheckReceipt     = "receipt"     // the pages say what kvittens.json says, and nothing is hidden
	CheckSealer      = "sealer"      // the sealer on the pages is the seal's
	CheckManifest    = "manifest"    // documents and attachments are those of the manifest, and no others
	CheckSignatories = "signatories" // exactly one signature of each signatory, in their turn
	CheckTimes       = "times"       // made, begun, signed, completed, sealed

	CheckText      = "text"      // the text in the e-ID's app says what the manifest says
	CheckEvidence  = "evidence"  // the e-ID's own proof: signature, certificates, revocation, text, binding
	CheckPerson    = "person"    // the proof's person is the manifest's signatory
	CheckStatement = "statement" // name, e-ID, level and time on the page are the proof's
)

// Seal is the seal that was found.
type Seal struct {
	Organisation  string    `json:"organisation"`
	OrgIdentifier string    `json:"organisation_identifier,omitempty"`
	Certificate   string    `json:"certificate"` // the common name of its subject
	Issuer        string    `json:"issuer"`      // that of its issuer
	Level         string    `json:"level"`
	ClaimedAt     time.Time `json:"claimed_at"` // by the sealer's own clock
}

// Order is what was signed.
type Order struct {
	ID          string    `json:"id"`
	Issuer      string    `json:"issuer"`
	Client      string    `json:"client"`
	Title       string    `json:"title"`
	Reference   string    `json:"reference,omitempty"`
	Created     time.Time `json:"created"`
	CompletedAt time.Time `json:"completed_at"`
	SHA256      string    `json:"sha256"`
	// TrustSHA256 is of the trust file that the installation published then; the
	// one used now may be a later one.
	TrustSHA256 string             `json:"trust_sha256"`
	Documents   []receipt.Document `json:"-"`
	// ClientID is who asked, as the manifest names it.
	ClientID string `json:"-"`
	// Manifest names the documents with their digests, in the same order.
	Manifest []signing.ManifestDocument `json:"-"`
	Names    []string                   `json:"documents"`
}

// Signature is one e-ID signature. Where a check failed only N and Checks are
// filled in.
type Signature struct {
	N            int                 `json:"n"`
	Name         string              `json:"name,omitempty"`
	Number       personnummer.Number `json:"-"`
	Person       string              `json:"person,omitempty"` // the number, masked unless asked for in full
	Provider     providers.ID        `json:"provider,omitempty"`
	ProviderName string              `json:"provider_name,omitempty"`
	Level        string              `json:"level,omitempty"`
	Policy       string              `json:"policy,omitempty"` // the issuer's word for the kind of e-ID
	At           time.Time           `json:"at,omitzero"`      // by the issuer's clock
	Text         string              `json:"text,omitempty"`   // that the app showed, as it was sent
	Shown        string              `json:"-"`                // the same without marks of a format
	// Held is what the e-ID's proof holds besides and nobody here could verify,
	// such as a signature inside it whose certificate is not known. The proof holds
	// without it.
	Held   *providers.Text `json:"held_not_verified,omitempty"`
	Checks []Check         `json:"checks"`
}

// Full puts the whole numbers in the place of the masked ones.
func (r *Report) Full() {
	for i := range r.Signatures {
		if s := &r.Signatures[i]; !s.Number.IsZero() {
			s.Person = s.Number.Digits()
		}
	}
}

func (r *Report) passed(name string) { r.Checks = append(r.Checks, Check{Name: name, Passed: true}) }

// ended is a report that a fault of the whole receipt ended.
func (r Report) ended(f *fault) Report {
	r.Verdict, r.Code = f.verdict, f.code
	r.Checks = append(r.Checks, Check{Name: f.check, Problem: f.Error()})
	r.Order, r.Signatures = nil, nil
	return r
}

// forget takes back what a receipt says that turned out not to be one.
func (r *Report) forget() {
	r.Order = nil
	for i, s := range r.Signatures {
		r.Signatures[i] = Signature{N: s.N, Checks: s.Checks}
	}
}

// fault is why a check failed.
type fault struct {
	verdict     Verdict
	code, check string
	err         error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }
