package portal

import (
	"context"
	"time"

	"sigill/providers/personnummer"
)

// Verifier verifies a sealed PDF offline. cmd fills it with the same verifier
// that a stranger uses; the portal imports nothing of it.
type Verifier interface {
	Verify(ctx context.Context, pdf []byte) (Report, error)
}

// Report is what a sealed PDF proves.
type Report struct {
	Valid     bool
	Code      string // why not
	Order     string
	Client    string
	Completed time.Time
	Documents []ReportDocument
	Signed    []ReportSignature
}

// ReportDocument is a document that was signed.
type ReportDocument struct{ Name, SHA256 string }

// ReportSignature is who signed.
type ReportSignature struct {
	Number personnummer.Number
	Name   string
	At     time.Time
}
