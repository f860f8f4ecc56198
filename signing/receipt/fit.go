package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sigill/signing"
)

// Limits of a receipt. What is beyond them is refused with a *TooLarge.
const (
	MaxPages    = 1000
	MaxSize     = 100 << 20 // bytes, of all attached files together
	MaxKvittens = 16 << 20  // bytes, of kvittens.json
	MaxFiles    = 500
)

// TooLarge says that a receipt would be larger than the limits.
type TooLarge struct {
	What  string // "pages", "bytes", "files"
	Limit int
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("receipt: more than %d %s", e.Limit, e.What)
}

// Invalid says that a Kvittens is not well-formed, or that it, its manifest and
// the attached files do not belong together.
type Invalid struct {
	Reason string // has nothing of the contents in it
}

func (e *Invalid) Error() string { return "receipt: " + e.Reason }

// UnknownLayout says that a receipt was drawn by rules that this program does not
// know: nothing can be said about its pages.
type UnknownLayout struct {
	Layout string
}

func (e *UnknownLayout) Error() string { return fmt.Sprintf("receipt: unknown layout %.40q", e.Layout) }

func invalid(format string, args ...any) error {
	return &Invalid{fmt.Sprintf(format, args...)}
}

// digestOf is a SHA-256 in lower-case hex.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// attach lists the files, or says what is wrong with them.
func attach(files []File) ([]Attachment, error) {
	if len(files) > MaxFiles {
		return nil, &TooLarge{"files", MaxFiles}
	}
	list := make([]Attachment, 0, len(files))
	names := make(map[string]bool, len(files)+1)
	names[KvittensName] = true
	size := 0
	for i := range files {
		f := &files[i]
		lower := strings.ToLower(f.Name)
		switch {
		case !safeName(f.Name):
			return nil, invalid("attachment %d has a name that is not safe", i+1)
		case names[lower]:
			return nil, invalid("attachment %d has the name of another", i+1)
		case !mediaType(f.Type):
			return nil, invalid("attachment %d has no media type, or one with parameters", i+1)
		case !relationship(f.Relationship):
			return nil, invalid("attachment %d has an unknown relationship", i+1)
		}
		names[lower] = true
		if size += len(f.Bytes); size > MaxSize {
			return nil, &TooLarge{"bytes", MaxSize}
		}
		list = append(list, Attachment{Name: f.Name, Type: f.Type, Relationship: f.Relationship, Size: len(f.Bytes), SHA256: digestOf(f.Bytes)})
	}
	return list, nil
}

// safeName says that a name is one on every file system.
func safeName(name string) bool {
	if name == "" || len(name) > 100 || name[0] == '.' || name[0] == '-' || name[len(name)-1] == '.' {
		return false
	}
	return only(name, "._-")
}

// mediaType says that a text is type/subtype (RFC 6838), as PDF/A wants it.
func mediaType(s string) bool {
	kind, sub, _ := strings.Cut(s, "/")
	return len(s) <= 100 && kind != "" && sub != "" && only(kind, "+.-") && only(sub, "+.-")
}

// only says that a text has nothing but letters, digits and some others.
func only(s, others string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte(others, c) >= 0) {
			return false
		}
	}
	return true
}

func relationship(s string) bool {
	switch s {
	case "Source", "Data", "Alternative", "Supplement", "Unspecified":
		return true
	}
	return false
}

// fit says whether a Kvittens is well-formed and true to its manifest and to its
// list of attachments, and gives the manifest.
func (k *Kvittens) fit() (*signing.Manifest, error) {
	if k.Layout != Layout {
		return nil, &UnknownLayout{k.Layout}
	}
	if k.Language != "sv" && k.Language != "en" {
		return nil, invalid("unknown language")
	}
	for _, t := range []time.Time{k.Created, k.CompletedAt} {
		if err := plausible(t); err != nil {
			return nil, err
		}
	}
	if k.CompletedAt.Nanosecond() != 0 {
		return nil, invalid("completed_at is not in whole seconds")
	}
	if !isDigest(k.TrustSHA256) {
		return nil, invalid("trust_sha256 is no SHA-256")
	}
	if len(k.VerifyURL) > 500 {
		return nil, invalid("verify_url is longer than 500 bytes")
	}

	m := &signing.Manifest{}
	if err := json.Unmarshal(k.Manifest, m); err != nil {
		return nil, invalid("the manifest cannot be read")
	}
	if m.Format != signing.ManifestFormat {
		return nil, invalid("unknown format of the manifest")
	}
	e := encoder{out: make([]byte, 0, len(k.Manifest))}
	if e.manifest(m); !bytes.Equal(e.out, k.Manifest) {
		return nil, invalid("the manifest is not canonical")
	}
	if digestOf(k.Manifest) != k.ManifestSHA256 {
		return nil, invalid("manifest_sha256 is not that of the manifest")
	}

	attached := make(map[string]*Attachment, len(k.Attachments))
	for i := range k.Attachments {
		attached[k.Attachments[i].Name] = &k.Attachments[i]
	}
	if err := k.fitDocuments(m, attached); err != nil {
		return nil, err
	}
	return m, k.fitSignatures(m, attached)
}

func plausible(t time.Time) error {
	if y := t.UTC().Year(); y < 2000 || y > 9998 {
		return invalid("a time is missing or absurd")
	}
	return nil
}

func isDigest(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// IsName says that a text is one that a program gave. No proof holds the names
// of an e-ID order, so on the page they must not be able to say anything.
func IsName(s string) bool {
	return s != "" && len(s) <= 100 && only(s, "-_")
}

func (k *Kvittens) fitDocuments(m *signing.Manifest, attached map[string]*Attachment) error {
	if len(k.Documents) != len(m.Documents) {
		return invalid("not the documents of the manifest")
	}
	for i := range k.Documents {
		d, entry := &k.Documents[i], &m.Documents[i]
		size, digest := -1, ""
		switch entry.Kind {
		case signing.KindText:
			if d.Text != nil && len(d.Content) == 0 && d.Attachment == "" {
				size, digest = len(*d.Text), digestOf([]byte(*d.Text))
			}
		case signing.KindContent:
			if d.Text == nil && d.Attachment == "" && wellFormed(d.Content) {
				e := encoder{out: make([]byte, 0, min(max(entry.Size, 0), MaxKvittens))}
				e.content(d.Content)
				size, digest = len(e.out), digestOf(e.out)
			}
		case signing.KindFile:
			if a := attached[d.Attachment]; a != nil && a.Type == entry.Type && d.Text == nil && len(d.Content) == 0 {
				size, digest = a.Size, a.SHA256
			}
		default:
			return invalid("document %d is of an unknown kind", i+1)
		}
		if size != entry.Size || digest != entry.SHA256 {
			return invalid("document %d is not the one in the manifest", i+1)
		}
	}
	return nil
}

// wellFormed says that a content has blocks, and each block is one thing.
func wellFormed(c signing.Content) bool {
	for i := range c {
		n := 0
		if c[i].Heading != "" {
			n++
		}
		if c[i].Text != "" {
			n++
		}
		if len(c[i].Rows) > 0 {
			n++
		}
		if n != 1 {
			return false
		}
	}
	return len(c) > 0
}

func (k *Kvittens) fitSignatures(m *signing.Manifest, attached map[string]*Attachment) error {
	if len(k.Signatures) != len(m.Signatories) {
		return invalid("not a signature for each signatory of the manifest")
	}
	key := sha256.Size
	if len(m.Signatories) == 0 {
		key = 0
	}
	if len(k.NumberKey) != key {
		return invalid("number_key has not %d bytes", key)
	}
	signatories := make(map[int]bool, len(m.Signatories))
	for i := range m.Signatories {
		signatories[m.Signatories[i].N] = true
	}
	for i := range k.Signatures {
		s := &k.Signatures[i]
		if !signatories[s.Signatory] {
			return invalid("signature %d is not by a signatory of the manifest", i+1)
		}
		if i > 0 && s.Signatory <= k.Signatures[i-1].Signatory {
			return invalid("the signatures are not in the order of the signatories")
		}
		if !strings.HasSuffix(s.Masked, "****") {
			return invalid("signature %d has a number that is not masked", i+1)
		}
		if !IsName(s.EIDOrder) || s.Transaction != "" && !IsName(s.Transaction) { // not every issuer has one
			return invalid("signature %d has a transaction or an order that is no name", i+1)
		}
		for _, t := range []time.Time{s.Started, s.At} {
			if err := plausible(t); err != nil {
				return err
			}
		}
		if a := attached[s.Evidence]; a == nil || a.Type != s.EvidenceType {
			return invalid("the evidence of signature %d is not attached", i+1)
		}
		for _, part := range s.Parts {
			if attached[part] == nil {
				return invalid("a part of the evidence of signature %d is not attached", i+1)
			}
		}
	}
	return nil
}
