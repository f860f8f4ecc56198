package bankid

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sigill/providers"
)

// MediaType is the media type of BankID evidence.
const MediaType = "application/vnd.sigill.bankid+json"

const maxEvidence = maxAnswer + 64<<10

// evidence is everything a stranger needs to verify an order, beside the root
// and what was expected. Only signature and ocspResponse prove anything: the
// rest is compared with what they say, or helps people to find their way.
type evidence struct {
	Version      int       `json:"version"`
	Environment  string    `json:"environment"`
	RelyingParty string    `json:"relyingParty"`
	OrderRef     string    `json:"orderRef"`
	Started      time.Time `json:"started"`
	Collected    time.Time `json:"collected"`
	completionData
}

const evidenceVersion = 1

func (e evidence) seal() (providers.Evidence, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return providers.Evidence{}, err
	}
	return providers.Evidence{MediaType: MediaType, Bytes: b}, nil
}

func parseEvidence(e providers.Evidence) (evidence, error) {
	var v evidence
	switch {
	case e.MediaType != MediaType:
		return v, errors.New("not BankID evidence")
	case len(e.Bytes) > maxEvidence:
		return v, errors.New("too large")
	}
	if err := json.Unmarshal(e.Bytes, &v); err != nil {
		return v, errors.New("not JSON of the right form") // err may quote the input
	}
	if v.Version != evidenceVersion {
		return v, errors.New("unknown version")
	}
	return v, nil
}

// Parts takes the two things that prove something out of evidence, in the formats
// that other programs read: the person's signature, an XML document, and the
// answer about revocation in DER (RFC 6960). Nothing is verified.
func Parts(e providers.Evidence) (signature, ocsp []byte, err error) {
	v, err := parseEvidence(e)
	if err != nil {
		return nil, nil, err
	}
	if signature, err = strictBase64(v.Signature, maxSignature); err != nil {
		return nil, nil, fmt.Errorf("signature: %w", err)
	}
	if ocsp, err = strictBase64(v.OCSPResponse, maxOCSP); err != nil {
		return nil, nil, fmt.Errorf("revocation answer: %w", err)
	}
	return signature, ocsp, nil
}

// All gives every policy of the kinds of BankID.
func (p Policies) All() []string { return p.of(providers.BankID) }
