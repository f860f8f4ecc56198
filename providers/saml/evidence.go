package saml

import (
	"encoding/json"
	"errors"
	"time"

	"sigill/providers"
)

// MediaType is the media type of SAML evidence.
const MediaType = "application/vnd.sigill.saml+json"

const (
	evidenceVersion = 1
	maxResponse     = 256 << 10
	maxEntry        = 1 << 20 // of metadata, of one identity provider
	maxEvidence     = 2 * (maxResponse + maxEntry)
)

// evidence is everything a stranger needs to verify an order, beside whom to
// believe and what was expected. Only Assertion or Response and Metadata prove
// anything, each by its own signature.
type evidence struct {
	Version  int       `json:"version"`
	IdP      string    `json:"idp"`
	SP       string    `json:"sp"`
	Started  time.Time `json:"started"`
	Received time.Time `json:"received"`
	// Salt and the order's binding make the ID of the request that was answered.
	Salt []byte `json:"salt"`
	// Assertion is the signed assertion, byte for byte as it was decrypted. Where
	// it has no signature of its own, Response is the signed response that it came
	// in, and ContentKey what its assertion can be decrypted with.
	Assertion  []byte `json:"assertion,omitempty"`
	Response   []byte `json:"response,omitempty"`
	ContentKey []byte `json:"content_key,omitempty"`
	// Metadata is what the identity provider said of itself at the time.
	Metadata []byte `json:"metadata"`
}

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
		return v, errors.New("not SAML evidence")
	case len(e.Bytes) > maxEvidence:
		return v, errors.New("too large")
	}
	if err := json.Unmarshal(e.Bytes, &v); err != nil {
		return v, errors.New("not JSON of the right form") // err may quote the input
	}
	switch {
	case v.Version != evidenceVersion:
		return v, errors.New("unknown version")
	case (len(v.Assertion) == 0) == (len(v.Response) == 0):
		return v, errors.New("not one of an assertion and a response")
	case len(v.Salt) != saltBytes:
		return v, errors.New("no salt")
	case len(v.Metadata) == 0 || len(v.Metadata) > maxEntry:
		return v, errors.New("no metadata, or too much")
	}
	return v, nil
}

// Parts takes the two things that prove something out of evidence, in the formats
// that other programs read: the assertion (of a login whose assertion has no
// signature of its own: the signed response), and the identity provider's entry in
// the metadata. Both are XML documents. Nothing is verified.
func Parts(e providers.Evidence) (assertion, entry []byte, err error) {
	v, err := parseEvidence(e)
	if err != nil {
		return nil, nil, err
	}
	if len(v.Assertion) > 0 {
		return v.Assertion, v.Metadata, nil
	}
	return v.Response, v.Metadata, nil
}
