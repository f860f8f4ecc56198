package signing

import (
	"crypto/sha256"
	"encoding/hex"
)

// Kind is how a document is shown to those who sign it.
type Kind string

const (
	KindText    Kind = "text"    // plain text, shown as it is
	KindContent Kind = "content" // headings and answers, shown as accessible HTML and in the receipt
	KindFile    Kind = "file"    // an attachment: offered for download, embedded in the receipt byte for byte
)

// Media types of documents that are not files.
const (
	TextType    = "text/plain; charset=utf-8"
	ContentType = "application/vnd.sigill.content+json"
)

// Document is one thing that an order has signed. Which of Text, Content and
// File holds it follows from Kind.
type Document struct {
	Name    string  `json:"name"`
	Kind    Kind    `json:"kind"`
	Type    string  `json:"type"` // media type
	Text    string  `json:"text,omitempty"`
	Content Content `json:"content,omitempty"`
	File    []byte  `json:"-"`
}

// Content is a structured document.
type Content []Block

// Block is exactly one of a heading, a paragraph, and rows of labels and values.
type Block struct {
	Heading string `json:"heading,omitempty"`
	Text    string `json:"text,omitempty"`
	Rows    []Row  `json:"rows,omitempty"`
}

// Row is a question and its answer. A value may have several lines.
type Row struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Bytes is what the document's digest is over: the text in UTF-8, the content
// as canonical JSON, the file itself.
func (d Document) Bytes() ([]byte, error) {
	switch d.Kind {
	case KindText:
		return []byte(d.Text), nil
	case KindContent:
		return Canonical(d.Content)
	default:
		return d.File, nil
	}
}

// Entry is the document as the manifest names it.
func (d Document) Entry() (ManifestDocument, error) {
	b, err := d.Bytes()
	if err != nil {
		return ManifestDocument{}, err
	}
	sum := sha256.Sum256(b)
	return ManifestDocument{Name: d.Name, Kind: d.Kind, Type: d.Type, Size: len(b), SHA256: hex.EncodeToString(sum[:])}, nil
}
