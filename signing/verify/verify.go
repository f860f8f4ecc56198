// Package verify tells a stranger whether a receipt can be believed, offline and
// without any of our databases: the seal, then the receipt itself, then every
// e-ID signature in it, each bound to the same manifest.
//
// It owns the order of the checks and the report. The seal is checked by
// signing/pades, the drawing by signing/receipt, each e-ID's proof by its own
// provider through signing/evidence; what is believed beforehand is the trust
// file's. The same code decides, before a receipt is released, whether it may
// be.
//
// A seal says who vouches for a receipt, and not that its sealer is honest or
// free of bugs: whatever an e-ID's proof can say is taken from the proof, and a
// receipt that says it otherwise is refused. See Report for what then remains
// the sealer's word.
package verify

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigill/signing"
	"sigill/signing/evidence"
	"sigill/signing/pades"
	"sigill/signing/pdf"
	"sigill/signing/receipt"
	"sigill/signing/trust"
)

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

// read is a receipt whose pages say what its kvittens.json says.
type read struct {
	seal     pades.Seal
	k        receipt.Kvittens
	files    []receipt.File
	m        signing.Manifest
	manifest [32]byte // its digest
}

func (r *read) file(name string) (receipt.File, bool) {
	i := slices.IndexFunc(r.files, func(f receipt.File) bool { return f.Name == name })
	if i < 0 {
		return receipt.File{}, false
	}
	return r.files[i], true
}

// Verify looks at a file. It never fails: what cannot be read is a verdict too.
func (v *Verifier) Verify(file []byte, at time.Time) Report {
	r := Report{Verdict: Valid, Checks: []Check{}, At: at.UTC().Truncate(time.Second)}
	var in read
	var err error
	if in.seal, err = pades.Verify(file, v.seals, at); err != nil {
		return r.ended(sealFault(file, err))
	}
	r.passed(CheckSeal)
	certificate := in.seal.Certificate
	r.Seal = &Seal{
		Organisation: in.seal.Organisation, OrgIdentifier: in.seal.OrgIdentifier, Certificate: certificate.Subject.CommonName,
		Issuer: certificate.Issuer.CommonName, Level: pades.Level, ClaimedAt: in.seal.ClaimedAt,
	}

	if in.k, in.files, err = v.receipts.Check(in.seal.Unsealed); err != nil {
		verdict, code := Invalid, ContentFailure
		var unknown *receipt.UnknownLayout
		if errors.As(err, &unknown) {
			verdict, code = Indeterminate, UnknownLayout
		}
		return r.ended(&fault{verdict, code, CheckReceipt, err})
	}
	r.passed(CheckReceipt)
	for _, c := range []struct {
		check, code string
		run         func(*read) error
	}{
		{CheckSealer, StatementFailure, sealer},
		{CheckManifest, ContentFailure, v.manifest},
		{CheckSignatories, SignatoryFailure, everybody},
		{CheckTimes, StatementFailure, times},
	} {
		if err := c.run(&in); err != nil {
			return r.ended(&fault{Invalid, c.code, c.check, err})
		}
		r.passed(c.check)
	}

	k, m := &in.k, &in.m
	r.Order = &Order{
		ID: m.Order, Issuer: m.Issuer, Client: k.ClientName, Title: m.Title, Reference: m.Reference, Created: k.Created,
		CompletedAt: k.CompletedAt, SHA256: k.ManifestSHA256, TrustSHA256: k.TrustSHA256, Documents: k.Documents, Manifest: m.Documents, ClientID: m.Client, Names: []string{},
	}
	for _, d := range m.Documents {
		r.Order.Names = append(r.Order.Names, d.Name)
	}
	for i := range k.Signatures {
		s, f := v.signature(&in, i, at)
		r.Signatures = append(r.Signatures, s)
		// The first of the worst.
		if f != nil && (r.Verdict == Valid || r.Verdict == Indeterminate && f.verdict == Invalid) {
			r.Verdict, r.Code = f.verdict, f.code
		}
	}
	if r.Verdict == Invalid {
		r.forget()
	}
	return r
}

func sealFault(file []byte, err error) *fault {
	f := &fault{Unreadable, string(pades.Unreadable), CheckSeal, err}
	var refused *pades.Refused
	if !errors.As(err, &refused) {
		return f
	}
	f.code = string(refused.Code)
	switch refused.Code.Indication() {
	case pades.TotalFailed:
		f.verdict = Invalid
	case pades.Indeterminate:
		f.verdict = Indeterminate
	case pades.NotReadable:
		// What another program saved anew, or what has something before its
		// beginning, was a receipt of ours and was changed.
		if bytes.Contains(file, []byte(pdf.Header)) || bytes.Contains(file, []byte(receipt.KvittensName)) {
			f.verdict, f.code = Invalid, string(pades.FormatFailure)
		}
	}
	return f
}

// sealer: whoever stands on the pages as the sealer is whose certificate the
// seal has, and so is whoever the seal's own words name, which other programs
// show.
func sealer(in *read) error {
	switch info := in.seal.Info; {
	case in.k.SealedBy != in.seal.Organisation:
		return errors.New("sealed by another organisation than the pages say")
	case info.Name != "" && info.Name != in.seal.Organisation, info.Reason != "":
		return errors.New("the seal has words of its own")
	}
	return nil
}

// manifest: the documents are those of the manifest, each attached file is one
// of them or a proof, and the address for verification is the issuer's.
func (v *Verifier) manifest(in *read) error {
	var err error
	if in.m, err = in.k.ReadManifest(); err != nil {
		return err
	}
	if _, in.manifest, err = in.m.Encode(); err != nil {
		return err
	}
	if len(in.m.Documents) == 0 {
		return errors.New("there is no document")
	}
	if url := in.k.VerifyURL; url != "" && !strings.HasPrefix(url, in.m.Issuer+"/") {
		return errors.New("the address for verification is not the issuer's")
	}
	used := map[string]bool{}
	use := func(name string) error {
		if used[name] {
			return fmt.Errorf("attachment %s is there for two things", name)
		}
		used[name] = true
		return nil
	}
	for _, d := range in.k.Documents {
		if d.Attachment == "" {
			continue
		}
		if err := use(d.Attachment); err != nil {
			return err
		}
		if f, _ := in.file(d.Attachment); f.Relationship != "Source" {
			return fmt.Errorf("attachment %s is not a source", d.Attachment)
		}
	}
	for _, s := range in.k.Signatures {
		for _, name := range append([]string{s.Evidence}, s.Parts...) {
			if err := use(name); err != nil {
				return err
			}
		}
	}
	for _, f := range in.files {
		if !used[f.Name] {
			return fmt.Errorf("attachment %s is neither a document nor a proof", f.Name)
		}
	}
	return nil
}

// everybody: each signatory of the manifest once, and nobody else, nobody twice
// as two; no proof used twice; and nobody before those who sign before.
func everybody(in *read) error {
	k, m := &in.k, &in.m
	if len(k.Signatures) != len(m.Signatories) {
		return fmt.Errorf("%d signatures of %d signatories", len(k.Signatures), len(m.Signatories))
	}
	seen := map[string]bool{}
	once := func(what, value string) bool {
		key := what + " " + value
		defer func() { seen[key] = true }()
		return !seen[key]
	}
	for i, s := range k.Signatures {
		evidence, _ := in.file(s.Evidence)
		switch who := m.Signatories[i]; {
		case s.Signatory != who.N || who.N < 1:
			return fmt.Errorf("signature %d is of signatory %d, not %d", i+1, s.Signatory, who.N)
		case !once("number", who.Number):
			return fmt.Errorf("signatory %d is the person of another", who.N)
		case !once("evidence", string(evidence.Bytes)), !once("e-ID order", s.EIDOrder):
			return fmt.Errorf("signature %d uses the proof of another", i+1)
		}
	}
	for i, s := range k.Signatures {
		for j, before := range k.Signatures {
			if m.Signatories[j].Group < m.Signatories[i].Group && s.At.Before(before.At.Add(-skew)) {
				return fmt.Errorf("signatory %d has signed before signatory %d, whose turn was first", s.Signatory, before.Signatory)
			}
		}
	}
	return nil
}

// skew is how far the clocks of issuers and sealer may be apart.
const skew = 2 * time.Minute

// times: what is said of the order's course can have been, and it was completed
// with the last signature. That the times of the signatures are the proofs' is
// checked with each.
func times(in *read) error {
	k := &in.k
	last := k.CompletedAt
	for i, s := range k.Signatures {
		switch {
		case s.Started.Before(k.Created.Add(-skew)):
			return fmt.Errorf("signature %d was begun before the order was made", i+1)
		case s.At.Before(s.Started.Add(-skew)):
			return fmt.Errorf("signature %d was made before it was begun", i+1)
		}
		if at := s.At.UTC().Truncate(time.Second); i == 0 || at.After(last) {
			last = at
		}
	}
	sealed := in.seal.ClaimedAt.Add(skew)
	switch {
	case !k.CompletedAt.Equal(last):
		return errors.New("the time of completion is not that of the last signature")
	case last.After(sealed):
		return errors.New("signed after the seal")
	case k.Created.After(k.CompletedAt.Add(skew)):
		return errors.New("completed before the order was made")
	}
	return nil
}
