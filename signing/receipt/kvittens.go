package receipt

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
)

// Layout names the rules by which a receipt is drawn: texts, fonts, positions. A
// released layout is never changed, only followed by another: verifiers draw a
// receipt again, with the layout that it names, and compare.
const Layout = "sigill-receipt-1"

// KvittensName is the name of the attachment that holds a Kvittens.
const KvittensName = "kvittens.json"

// Kvittens (Swedish: receipt) is all that the pages of a receipt say, as
// canonical JSON that a machine reads. The pages are drawn from it and from
// nothing else.
type Kvittens struct {
	Layout string `json:"layout"`
	// Manifest is the canonical manifest that everybody signed, byte for byte
	// when written canonically again; ManifestSHA256 (hex) is its digest.
	Manifest       json.RawMessage `json:"manifest"`
	ManifestSHA256 string          `json:"manifest_sha256"`
	// NumberKey is the key of the manifest's digests of numbers.
	NumberKey   []byte      `json:"number_key"` // 32 bytes; absent in a receipt that nobody signs
	ClientName  string      `json:"client_name"`
	Language    string      `json:"language"` // "sv" or "en": of the pages
	Created     time.Time   `json:"created"`
	CompletedAt time.Time   `json:"completed_at"` // of the last signature, whole seconds, UTC
	SealedBy    string      `json:"sealed_by"`    // the organisation in the seal's certificate
	VerifyURL   string      `json:"verify_url"`
	TrustSHA256 string      `json:"trust_sha256"` // of the installation's published trust file
	Documents   []Document  `json:"documents"`    // in the manifest's order
	Signatures  []Signature `json:"signatures"`   // in the order of the signatories' n
	// Attachments are all the other attached files; Make fills it in.
	Attachments []Attachment `json:"attachments"`
}

// Document is a document of the manifest: in full, or where it is attached.
type Document struct {
	Text       *string         `json:"text,omitempty"`
	Content    signing.Content `json:"content,omitempty"`
	Attachment string          `json:"attachment,omitempty"` // the name of the attached file
}

// Signature is one e-ID signature: what it should be found to say when the
// attached evidence is verified.
type Signature struct {
	Signatory    int       `json:"signatory"` // n in the manifest
	Name         string    `json:"name"`      // as the e-ID has it
	Masked       string    `json:"masked"`    // the number as printed: "19900101-****"
	Provider     string    `json:"provider"`  // id: "mbankid"
	ProviderName string    `json:"provider_name"`
	Level        string    `json:"level"`  // "loa3" or "uncertified-loa3"
	Policy       string    `json:"policy"` // the issuer's word for the kind of e-ID
	Started      time.Time `json:"started"`
	At           time.Time `json:"at"`             // by the issuer's clock
	Text         string    `json:"text"`           // what the e-ID's app showed
	Markup       string    `json:"markup"`         // its format
	EIDOrder     string    `json:"eid_order"`      // our name for the e-ID order
	Transaction  string    `json:"transaction"`    // the issuer's
	Evidence     string    `json:"evidence"`       // the name of the attachment that proves it
	EvidenceType string    `json:"evidence_type"`  // its media type
	Parts        []string  `json:"evidence_parts"` // attachments that hold parts of it in formats that other programs read
}

// Attachment is an attached file as kvittens.json lists it.
type Attachment struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	Relationship string `json:"relationship"` // AFRelationship: Source, Data, Supplement …
	Size         int    `json:"size"`
	SHA256       string `json:"sha256"`
}

// File is a file to attach. Names are ASCII, unique, and safe as file names.
type File struct {
	Name, Type, Relationship string
	Bytes                    []byte
}

// Mask is a number as a receipt prints it: the date of birth.
func Mask(n personnummer.Number) string {
	if n.IsZero() {
		return ""
	}
	return n.Digits()[:8] + "-****"
}

// LevelName is a level as a Kvittens names it.
func LevelName(l providers.Level) string {
	switch l {
	case providers.Level3:
		return "loa3"
	case providers.LevelUncertified3:
		return "uncertified-loa3"
	}
	return ""
}

// ReadManifest reads the manifest and checks it against its digest and against
// the documents as they stand here. Files are checked by their attachments.
func (k Kvittens) ReadManifest() (signing.Manifest, error) {
	var m signing.Manifest
	d := json.NewDecoder(bytes.NewReader(k.Manifest))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, errors.New("the manifest cannot be read")
	}
	canonical, digest, err := m.Encode()
	switch {
	case err != nil:
		return m, err
	case !bytes.Equal(canonical, k.Manifest):
		return m, errors.New("the manifest is not in its canonical form")
	case m.Format != signing.ManifestFormat:
		return m, errors.New("the manifest is of an unknown format")
	case hex.EncodeToString(digest[:]) != k.ManifestSHA256:
		return m, errors.New("the manifest has another digest")
	case len(m.Documents) != len(k.Documents):
		return m, errors.New("the manifest has other documents")
	}
	attached := map[string]Attachment{}
	for _, a := range k.Attachments {
		attached[a.Name] = a
	}
	for i, doc := range k.Documents {
		want := m.Documents[i]
		got := signing.ManifestDocument{Name: want.Name, Kind: want.Kind, Type: want.Type}
		switch a, ok := attached[doc.Attachment]; {
		case want.Kind == signing.KindFile && ok && doc.Text == nil && doc.Content == nil:
			got.Type, got.Size, got.SHA256 = a.Type, a.Size, a.SHA256
		case want.Kind == signing.KindText && doc.Text != nil && doc.Content == nil && doc.Attachment == "":
			got, err = signing.Document{Name: want.Name, Kind: want.Kind, Type: signing.TextType, Text: *doc.Text}.Entry()
		case want.Kind == signing.KindContent && doc.Content != nil && doc.Text == nil && doc.Attachment == "":
			got, err = signing.Document{Name: want.Name, Kind: want.Kind, Type: signing.ContentType, Content: doc.Content}.Entry()
		default:
			return m, errors.New("a document is not of the kind that the manifest says")
		}
		if err != nil || got != want {
			return m, errors.New("a document is not the one that the manifest names")
		}
	}
	return m, nil
}
