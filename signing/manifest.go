package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"sigill/providers/personnummer"
)

// ManifestFormat names the rules of this file. A receipt says by which it was
// made.
const ManifestFormat = "sigill-manifest-1"

// Manifest is everything that a signature of an order covers (invariant I2):
// what is signed, and who the signatories are. Its canonical form has one
// SHA-256, which every signature carries.
type Manifest struct {
	Format      string              `json:"format"`
	Issuer      string              `json:"issuer"` // the installation
	Client      string              `json:"client"` // who asks
	Order       string              `json:"order"`
	Revision    int                 `json:"revision"` // grows with every change of content or signatories
	Title       string              `json:"title"`
	Message     string              `json:"message"`
	Reference   string              `json:"reference"`
	Sequence    Sequence            `json:"sequence"`
	Documents   []ManifestDocument  `json:"documents"`
	Signatories []ManifestSignatory `json:"signatories"`
}

// ManifestDocument names a document and the digest of its bytes.
type ManifestDocument struct {
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	Type   string `json:"type"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"` // hex
}

// ManifestSignatory names a signatory without saying who it is.
type ManifestSignatory struct {
	N      int    `json:"n"`
	Number string `json:"number"` // NumberDigest
	Group  int    `json:"group"`  // who may sign when; see Sequence
}

// Sequence is in which order the signatories sign.
type Sequence string

const (
	Parallel   Sequence = "parallel"
	Sequential Sequence = "sequential" // one after the other
	Groups     Sequence = "groups"     // group after group, each group parallel
)

// Encode gives the canonical form and its digest.
func (m Manifest) Encode() (canonical []byte, digest [32]byte, err error) {
	if canonical, err = Canonical(m); err != nil {
		return nil, digest, err
	}
	return canonical, sha256.Sum256(canonical), nil
}

// NumberDigest is a personal number as the manifest has it: HMAC-SHA256 over
// its 12 digits, with 32 random bytes made for the order. The key stands in the
// receipt, so that a stranger can compute it again from the e-ID's own evidence.
func NumberDigest(key []byte, n personnummer.Number) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(n.Digits()))
	return hex.EncodeToString(mac.Sum(nil))
}

// Binding is what goes into the e-ID's non-visible data: readable by whoever
// finds it there.
func Binding(digest [32]byte) []byte {
	return []byte(ManifestFormat + " sha256 " + hex.EncodeToString(digest[:]))
}
