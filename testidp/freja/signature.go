package freja

import (
	"encoding/base64"
	"fmt"
	"time"

	"sigill/testidp/control"
)

// Data that nobody agreed to.
var (
	otherText   = "En helt annan text."
	otherBinary = base64.StdEncoding.EncodeToString([]byte("other binary data"))
)

// signed is the inner payload of EXTENDED. Its shape is not documented; this
// one has the members of dataToSign as they were sent.
type signed struct {
	Text       string `json:"text"`
	BinaryData string `json:"binaryData,omitempty"`
}

// signatureData is what the user signs, and that the user's certificate was
// good then.
func (s *Simulator) signatureData(a approval, f control.Drawn) (*signatureData, error) {
	key, err := s.keys.User(a.user.holder())
	if err != nil {
		return nil, err
	}
	text, binary := a.demand.text, a.demand.binary
	if f[textDiffers] {
		text = otherText
	}
	if f[binaryDiffers] {
		binary = otherBinary
	}
	if f[missingBinary] {
		binary = ""
	}
	payload := []byte(text)
	if a.demand.signatureType == typeExtended {
		inner := signed{base64.StdEncoding.EncodeToString(payload), binary}
		if f[plainInnerText] {
			inner.Text = text
		}
		if payload, err = encode(inner); err != nil {
			return nil, fmt.Errorf("freja: signature: %w", err)
		}
	}
	h := header{KID: key.ID, Alg: "RS256"}
	if s.x5c || f[userCertificate] {
		for _, c := range key.Chain {
			h.X5C = append(h.X5C, base64.StdEncoding.EncodeToString(c.Raw))
		}
	}
	jws, err := compact(h, payload, rs256(key.Key, f[badUserSignature]))
	if err != nil {
		return nil, err
	}
	answer := ocspAnswer{issuer: key.Chain[1], serial: key.Chain[0].SerialNumber, produced: a.at, responder: s.keys.Responder()}
	answer.revoked, answer.spoil = f[ocspRevoked], f[badOCSP]
	if f[ocspStale] {
		answer.produced = a.at.Add(-time.Hour)
	}
	der, err := answer.der()
	if err != nil {
		return nil, err
	}
	if f[ocspGarbage] {
		der = []byte("not an OCSP answer")
	}
	return &signatureData{UserSignature: jws, CertificateStatus: base64.StdEncoding.EncodeToString(der)}, nil
}
