package pades

import "fmt"

// Code says why a file was refused. Those in capitals are the sub-indications of
// ETSI EN 319 102-1.
type Code string

const (
	// Unreadable: not a file of ours, or too large to read.
	Unreadable Code = "UNREADABLE"
	// NoSeal: a file of ours that nobody has sealed.
	NoSeal Code = "NO_SEAL"

	FormatFailure    Code = "FORMAT_FAILURE"     // the file or the CMS is not what a seal of ours looks like
	HashFailure      Code = "HASH_FAILURE"       // the file is not the one that was sealed
	SigCryptoFailure Code = "SIG_CRYPTO_FAILURE" // the signature was not made with the certificate's key

	NoSigningCertificateFound Code = "NO_SIGNING_CERTIFICATE_FOUND" // the seal does not carry its signer's certificate
	NoCertificateChainFound   Code = "NO_CERTIFICATE_CHAIN_FOUND"   // no path to a root that is trusted
	ChainConstraintsFailure   Code = "CHAIN_CONSTRAINTS_FAILURE"    // a path, but not for this use or not this sealer
	CryptoConstraintsFailure  Code = "CRYPTO_CONSTRAINTS_FAILURE"   // a kind or size of key that is not allowed
	OutOfBoundsNoPOE          Code = "OUT_OF_BOUNDS_NO_POE"         // a certificate was not valid at the claimed time
	SigConstraintsFailure     Code = "SIG_CONSTRAINTS_FAILURE"      // the claimed time cannot be
)

// Indication is the main indication of EN 319 102-1 for a refusal.
type Indication string

const (
	NotReadable   Indication = "UNREADABLE" // ours: there was nothing to validate
	TotalFailed   Indication = "TOTAL-FAILED"
	Indeterminate Indication = "INDETERMINATE"
)

// Indication says what follows from a code.
func (c Code) Indication() Indication {
	switch c {
	case Unreadable:
		return NotReadable
	case NoSeal, FormatFailure, HashFailure, SigCryptoFailure:
		return TotalFailed
	}
	return Indeterminate
}

// Refused is the error of Verify.
type Refused struct {
	Code Code
	Rule int // as the package comment numbers them
	Err  error
}

func (r *Refused) Error() string {
	return fmt.Sprintf("pades: %s (rule %d): %v", r.Code, r.Rule, r.Err)
}

func (r *Refused) Unwrap() error { return r.Err }

func refuse(code Code, rule int, format string, args ...any) error {
	return &Refused{Code: code, Rule: rule, Err: fmt.Errorf(format, args...)}
}
