package pades

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigill/signing/pdf"
)

// Sealer seals with one key. Several goroutines may use it if the key allows
// that.
type Sealer struct {
	key     crypto.Signer
	signer  *signer
	reserve int // bytes kept for a CMS
}

// maxChain is how many certificates a seal carries at most.
const maxChain = 8

// New makes a Sealer. The chain begins with the certificate of the key and goes
// towards the root, which may be left out. All that can be checked is checked
// here, with a first signature, and not again for each seal.
func New(key crypto.Signer, chain []*x509.Certificate) (*Sealer, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return nil, fmt.Errorf("pades: a chain of %d certificates, want 1 to %d", len(chain), maxChain)
	}
	leaf := chain[0]
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, errors.New("pades: the certificate is not that of the key")
	}
	if err := mayBeSealer(leaf); err != nil {
		return nil, fmt.Errorf("pades: %w", err)
	}
	for i, c := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(c); err != nil {
			return nil, fmt.Errorf("pades: certificate %d of the chain did not issue the one before it: %w", i+2, err)
		}
	}
	s := &Sealer{key: key}
	var err error
	if s.signer, err = newSigner(leaf, chain[1:]); err != nil {
		return nil, fmt.Errorf("pades: %w", err)
	}

	attributes, err := s.signer.signedAttributes([32]byte{})
	if err != nil {
		return nil, err
	}
	signature, err := s.sign(attributes)
	if err != nil {
		return nil, err
	}
	if err := leaf.CheckSignature(s.signer.algorithm, attributes, signature); err != nil {
		return nil, fmt.Errorf("pades: the key's first signature: %w", err)
	}
	longest, err := s.signer.encode(attributes, make([]byte, s.signer.longest))
	if err != nil {
		return nil, err
	}
	// Rounded up, so that the size of a file does not depend on the last byte of
	// a certificate.
	s.reserve = (len(longest) + 255) / 256 * 256
	return s, nil
}

// Certificate is the certificate of the key.
func (s *Sealer) Certificate() *x509.Certificate { return s.signer.certificate }

// Organisation is the name that the certificate gives the sealer.
func (s *Sealer) Organisation() string { return organisation(s.signer.certificate) }

func (s *Sealer) sign(attributes []byte) ([]byte, error) {
	digest := sha256.Sum256(attributes)
	signature, err := s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("pades: sign: %w", err)
	}
	return signature, nil
}

// Seal gives the file with a seal after it. The file must be one revision in
// the profile of signing/pdf, and have no seal. The time, in whole seconds, is
// what the seal claims; it must lie in the validity of the certificate.
func (s *Sealer) Seal(file []byte, at time.Time, info Info) ([]byte, error) {
	at = at.UTC().Truncate(time.Second)
	if leaf := s.signer.certificate; at.Before(leaf.NotBefore) || at.After(leaf.NotAfter) {
		return nil, fmt.Errorf("pades: the certificate is not valid at %s", at.Format(time.RFC3339))
	}
	for _, text := range []string{info.Name, info.Reason} {
		if decoded, err := pdf.Text(text).Decode(); err != nil || decoded != text || len(text) > maxText {
			return nil, errors.New("pades: a name or reason that is no text, or too long")
		}
	}
	parsed, err := pdf.Parse(file, limits())
	if err != nil {
		return nil, fmt.Errorf("pades: %w", err)
	}
	if len(parsed.Revisions) != 1 {
		return nil, fmt.Errorf("pades: the file has %d revisions, and can be sealed only when it has one", len(parsed.Revisions))
	}
	u, err := newUnsealed(parsed)
	if err != nil {
		return nil, fmt.Errorf("pades: cannot be sealed: %w", err)
	}

	statement := statement{Info: info, at: at, contents: make([]byte, s.reserve)}
	revision, hole, err := u.place(&statement)
	if err != nil {
		return nil, err
	}
	sealed := slices.Concat(file, revision)
	attributes, err := s.signer.signedAttributes(digestAround(sealed, hole))
	if err != nil {
		return nil, err
	}
	signature, err := s.sign(attributes)
	if err != nil {
		return nil, err
	}
	cms, err := s.signer.encode(attributes, signature)
	if err != nil {
		return nil, err
	}
	if len(cms) > s.reserve {
		return nil, fmt.Errorf("pades: a CMS of %d bytes, and room for %d", len(cms), s.reserve)
	}
	hex.Encode(sealed[hole[0]+1:hole[1]-1], cms)
	return sealed, nil
}

// place finds the ByteRange. Its digits move what it describes, so it is written
// until it says where things are, from a guess with as many digits: two rounds,
// and more only where a number gains one.
func (u *unsealed) place(s *statement) (revision []byte, hole [2]int, err error) {
	size := len(u.file.Bytes)
	s.byteRange = rangeAround(size+2*len(s.contents)+2000, [2]int{size + 100, size + 100 + 2*len(s.contents)})
	for range 8 {
		revision, hole, err = u.revision(*s)
		if err != nil {
			return nil, hole, err
		}
		found := rangeAround(len(u.file.Bytes)+len(revision), hole)
		if found == s.byteRange {
			return revision, hole, nil
		}
		s.byteRange = found
	}
	return nil, hole, errors.New("pades: no ByteRange fits")
}

// rangeAround is the ByteRange of a file of this size with this hole.
func rangeAround(size int, hole [2]int) [4]int {
	return [4]int{0, hole[0], hole[1], size - hole[1]}
}

func digestAround(file []byte, hole [2]int) [32]byte {
	h := sha256.New()
	h.Write(file[:hole[0]])
	h.Write(file[hole[1]:])
	return [32]byte(h.Sum(nil))
}

// isZero says that nothing but zeros is left.
func isZero(b []byte) bool {
	return len(bytes.Trim(b, "\x00")) == 0
}
