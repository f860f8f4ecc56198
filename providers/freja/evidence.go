package freja

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sigill/providers"
)

// MediaType is the media type of Freja evidence.
const MediaType = "application/vnd.sigill.freja+json"

const maxEvidence = maxAnswer + 64<<10

// evidence is everything a stranger needs to verify an order, beside the root and
// what was expected. Only the JWS proves anything: the rest is compared with what it
// says, or helps people to find their way.
type evidence struct {
	Version     int       `json:"version"`
	Environment string    `json:"environment"`
	Reference   string    `json:"reference"`
	UserInfo    string    `json:"userInfoType"`    // how we told whom the order was for
	Email       string    `json:"email,omitempty"` // where we told by that
	Started     time.Time `json:"started"`
	Collected   time.Time `json:"collected"`
	JWS         string    `json:"jws"`
	// Certificates are that of the signer and those between it and the root, in DER.
	Certificates [][]byte `json:"certificates"`
}

const (
	evidenceVersion = 1
	maxCertificates = 6
)

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
		return v, errors.New("not Freja evidence")
	case len(e.Bytes) > maxEvidence:
		return v, errors.New("too large")
	}
	if err := json.Unmarshal(e.Bytes, &v); err != nil {
		return v, errors.New("not JSON of the right form") // err may quote the input
	}
	switch {
	case v.Version != evidenceVersion:
		return v, errors.New("unknown version")
	case len(v.Certificates) > maxCertificates:
		return v, errors.New("too many certificates")
	}
	return v, nil
}

// chain reads the certificates.
func (e evidence) chain() ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for i, der := range e.Certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read", i)
		}
		list = append(list, c)
	}
	return list, nil
}

// Parts takes what proves something out of evidence, in the formats that other
// programs read: Freja's JWS in compact form and, of a signature, what it says
// about the person's certificate in DER (RFC 6960), else nil. Nothing is verified.
func Parts(e providers.Evidence) (jws, ocsp []byte, err error) {
	v, err := parseEvidence(e)
	if err != nil {
		return nil, nil, err
	}
	t, err := parseToken(v.JWS)
	if err != nil {
		return nil, nil, fmt.Errorf("JWS: %w", err)
	}
	statement, err := members(t.payload)
	if err != nil {
		return nil, nil, fmt.Errorf("JWS: %w", err)
	}
	if statement["signatureData"] == nil {
		return []byte(v.JWS), nil, nil
	}
	i, err := parseInner(statement)
	if err != nil {
		return nil, nil, fmt.Errorf("JWS: %w", err)
	}
	return []byte(v.JWS), i.status, nil
}
