package pades

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"sigill/signing/pdf"
)

// Seal is what a seal says, once it is verified.
type Seal struct {
	Certificate   *x509.Certificate
	Chain         []*x509.Certificate // from the certificate to the root; nil where no chain was found
	Organisation  string              // in the certificate
	OrgIdentifier string              // in the certificate; may be empty
	Info          Info                // as the sealer wrote it
	// ClaimedAt is the time that the sealer wrote. Nobody else vouches for it:
	// level B-B has no timestamp.
	ClaimedAt time.Time
	ByteRange [4]int
	Digest    [32]byte // SHA-256 of the bytes in the ByteRange
	Unsealed  []byte   // the file as it was before it was sealed
}

// Level is the PAdES level of the seals of this package.
const Level = "PAdES B-B"

const (
	maxText = 1000 // bytes of a name or a reason
	// clockSkew is how far ahead of the verifier's clock the sealer's may be.
	clockSkew = 5 * time.Minute
)

// maxRevisions is one more than a sealed file has, so that the refusal can say
// what happened. Timestamps and long-term validation will need more.
const maxRevisions = 3

func limits() pdf.Limits {
	l := pdf.DefaultLimits()
	l.Revisions = maxRevisions
	return l
}

// Verify says whether the file has exactly one seal, covers all of it, and was
// made by someone the trust allows. Every error is a *Refused. Where its code is
// indeterminate the Seal holds what the seal says, and the file is unchanged
// since; there is just no reason to believe who made it.
//
// The chain is checked for the time that the seal claims, and not for at: the
// certificate of a seal expires, and a receipt is kept longer than that. At
// level B-B nothing proves the time, and nothing says whether the certificate
// had been revoked; whoever has the key, or had it once, can claim any time in
// the certificate's validity. A claimed time after at is refused.
func Verify(file []byte, trust Trust, at time.Time) (Seal, error) {
	parsed, err := parse(file)
	if err != nil {
		return Seal{}, err
	}
	statement, hole, err := readRevision(parsed)
	if err != nil {
		return Seal{}, err
	}
	if err := checkByteRange(parsed, statement, hole); err != nil {
		return Seal{}, err
	}
	der, err := firstValue(statement.contents)
	if err != nil {
		return Seal{}, err
	}
	cms, err := readCMS(der)
	if err != nil {
		return Seal{}, err
	}
	digest := digestAround(file, hole)
	if !bytes.Equal(digest[:], cms.digest) {
		return Seal{}, refuse(HashFailure, 4, "the file is not the one that was sealed")
	}

	// From here on the file is as its signer sealed it.
	seal := Seal{
		Certificate: cms.certificate, Organisation: organisation(cms.certificate), OrgIdentifier: orgIdentifier(cms.certificate),
		Info: statement.Info, ClaimedAt: statement.at, ByteRange: statement.byteRange, Digest: digest,
		Unsealed: file[:parsed.Revisions[0].End:parsed.Revisions[0].End],
	}
	if statement.at.After(at.Add(clockSkew)) {
		return seal, refuse(SigConstraintsFailure, 5, "the seal claims a time that has not come")
	}
	seal.Chain, err = verifyChain(cms, trust, statement.at)
	return seal, err
}

// parse reads the file (rules 1 and 10).
func parse(file []byte) (*pdf.File, error) {
	const rule = 1
	parsed, err := pdf.Parse(file, limits())
	switch {
	case err == nil:
		return parsed, nil
	case !bytes.HasPrefix(file, []byte(pdf.Header)), len(file) > limits().FileSize:
		return nil, refuse(Unreadable, rule, "%w", err)
	}
	return nil, refuse(FormatFailure, rule, "%w", err)
}

var errNotOurs = errors.New("the update of the file is no seal of ours")

// readRevision finds the seal and holds its revision, byte for byte, against
// the one that Seal would have written (rule 2). It gives the place of the
// seal's Contents in the file.
func readRevision(file *pdf.File) (s statement, hole [2]int, err error) {
	const rule = 2
	u, err := newUnsealed(file.At(0))
	if err != nil {
		return s, hole, refuse(FormatFailure, rule, "before the seal: %w", err)
	}
	switch n := len(file.Revisions); {
	case n == 1:
		return s, hole, refuse(NoSeal, rule, "nobody has sealed the file")
	case n > 2:
		return s, hole, refuse(FormatFailure, rule, "the file was changed after it was sealed")
	}
	revision := file.Revisions[1]
	catalog, _ := file.Dict(1, revision.Trailer.Root)
	perms, _ := catalog["Perms"].(pdf.Dict)
	ref, _ := perms["DocMDP"].(pdf.Ref)
	sig, ok := file.Dict(1, ref)
	if !ok || revision.Objects[int(ref)] == nil {
		return s, hole, refuse(FormatFailure, rule, "%w", errNotOurs)
	}
	if s, err = readStatement(sig); err != nil {
		return s, hole, refuse(FormatFailure, rule, "%w", err)
	}
	expected, hole, err := u.revision(s)
	if err != nil || !bytes.Equal(expected, file.Bytes[revision.Start:revision.End]) {
		return s, hole, refuse(FormatFailure, rule, "%w", errNotOurs)
	}
	return s, hole, nil
}

// readStatement reads from a signature dictionary what differs from seal to
// seal. What it passes over makes a difference when the revision is written
// again.
func readStatement(sig pdf.Dict) (s statement, err error) {
	at, _ := sig["M"].(pdf.String)
	if s.at, err = pdf.ParseDate(at); err != nil {
		return s, err
	}
	for key, text := range map[pdf.Name]*string{"Name": &s.Name, "Reason": &s.Reason} {
		encoded, _ := sig[key].(pdf.String)
		if *text, err = encoded.Decode(); err != nil {
			return s, err
		}
	}
	numbers, _ := sig["ByteRange"].(pdf.Array)
	if len(numbers) != len(s.byteRange) {
		return s, errors.New("a ByteRange that is not four numbers")
	}
	for i, number := range numbers {
		n, ok := number.(pdf.Int)
		if !ok {
			return s, errors.New("a ByteRange that is not four numbers")
		}
		s.byteRange[i] = int(n)
	}
	contents, _ := sig["Contents"].(pdf.String)
	s.contents = []byte(contents)
	return s, nil
}

// checkByteRange says that the ByteRange is all of the file but the value of
// the seal's Contents, which is in hexadecimal (rule 3).
func checkByteRange(file *pdf.File, s statement, hole [2]int) error {
	const rule = 3
	if s.byteRange != rangeAround(len(file.Bytes), hole) {
		return refuse(FormatFailure, rule, "the ByteRange is not the file around the seal's Contents")
	}
	if file.Bytes[hole[0]] != '<' {
		return refuse(FormatFailure, rule, "the seal's Contents are not hexadecimal")
	}
	return nil
}

// firstValue takes the CMS out of the Contents: one value, then zeros (rule 3).
func firstValue(contents []byte) ([]byte, error) {
	rest := cryptobyte.String(contents)
	var value cryptobyte.String
	var tag asn1.Tag
	if !rest.ReadAnyASN1Element(&value, &tag) || !isZero(rest) {
		return nil, refuse(FormatFailure, 3, "the seal's Contents are not one value and zeros")
	}
	return value, nil
}
