package oidc

import (
	"encoding/json"
	"errors"
	"time"

	"sigill/providers"
)

// MediaType is the media type of OpenID Connect evidence.
const MediaType = "application/vnd.sigill.oidc+json"

const (
	evidenceVersion = 1
	maxEvidence     = 4 * maxToken
)

// evidence is everything a stranger needs to verify a login, beside whom to trust
// and what was expected. Only the tokens prove anything: the rest is compared with
// them, or helps people to find their way.
type evidence struct {
	Version int    `json:"version"`
	Issuer  string `json:"issuer"`
	Client  string `json:"client"`
	// Salt makes the token's nonce out of the binding of the order.
	Salt    []byte `json:"salt"`
	IDToken string `json:"idToken"`
	Key     jwk    `json:"key"` // that the ID Token is signed with
	// Userinfo is signed userinfo, and UserinfoKey its key, where there was any.
	Userinfo    string `json:"userinfo,omitempty"`
	UserinfoKey *jwk   `json:"userinfoKey,omitempty"`

	Started   time.Time `json:"started"`
	Collected time.Time `json:"collected"`
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
		return v, errors.New("not OpenID Connect evidence")
	case len(e.Bytes) > maxEvidence:
		return v, errors.New("too large")
	}
	if _, err := parseObject(e.Bytes); err != nil {
		return v, err
	}
	if err := json.Unmarshal(e.Bytes, &v); err != nil {
		return v, errors.New("not JSON of the right form") // err may quote the input
	}
	if v.Version != evidenceVersion {
		return v, errors.New("unknown version")
	}
	return v, nil
}
