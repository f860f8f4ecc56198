package freja

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/pki"
)

// An approval is what a person has agreed to: enough to sign without looking at
// the transaction again.
type approval struct {
	ref     string
	demand  demand
	rp      string
	user    user
	started time.Time
	at      time.Time
}

// A header is that of a JWS; the inner one has a key's name in place of a
// certificate's.
type header struct {
	X5T  string   `json:"x5t,omitempty"`
	KID  string   `json:"kid,omitempty"`
	Alg  string   `json:"alg"`
	Crit []string `json:"crit,omitempty"`
	Exp  int64    `json:"exp,omitempty"`
	X5C  []string `json:"x5c,omitempty"`
}

// A statement is the payload of the outer JWS (freja.md section 3).
type statement struct {
	AuthRef              string         `json:"authRef,omitempty"`
	SignRef              string         `json:"signRef,omitempty"`
	Status               string         `json:"status"`
	UserInfoType         string         `json:"userInfoType"`
	UserInfo             string         `json:"userInfo"`
	MinRegistrationLevel string         `json:"minRegistrationLevel"`
	SignatureType        string         `json:"signatureType,omitempty"`
	SignatureData        *signatureData `json:"signatureData,omitempty"`
	RequestedAttributes  *attributes    `json:"requestedAttributes,omitempty"`
	Timestamp            int64          `json:"timestamp"`
}

type signatureData struct {
	UserSignature     string `json:"userSignature"`
	CertificateStatus string `json:"certificateStatus"`
}

// complete makes the result of an approved transaction with the faults that
// were drawn for it.
func (s *Simulator) complete(a approval, f control.Drawn) (*result, error) {
	stated, outer, err := s.state(a, f)
	if err != nil {
		return nil, err
	}
	r := &result{attributes: outer, huge: f[hugeDetails]}
	switch {
	case f[emptyDetails]:
		return r, nil
	case f[replay]:
		if earlier, ok := s.history.earlier(a); ok {
			r.details = earlier
			return r, nil
		}
		// The person has approved nothing yet: make up what was approved some
		// minutes before this began.
		a.ref, a.at = newReference(), a.started.Add(-10*time.Minute)
		if stated, _, err = s.state(a, f); err != nil {
			return nil, err
		}
	}
	if r.details, err = s.seal(a, stated, f); err != nil {
		return nil, err
	}
	if len(f) == 0 {
		s.history.add(a, r.details)
	}
	return r, nil
}

// state says what Freja knows: what is signed, and the attributes that the
// answer repeats.
func (s *Simulator) state(a approval, f control.Drawn) (statement, *attributes, error) {
	who := a.user
	if f[wrongPerson] {
		who = s.users.other(who)
	}
	if f[lowerLevel] {
		who.level = extended
	}
	signed, outer, err := s.users.attributesOf(who, a.rp, a.demand.wanted, a.at)
	if err != nil {
		return statement{}, nil, err
	}
	if signed != nil {
		// An altered copy for both, so that the answer repeats what is signed.
		alter(signed, f)
		if outer != signed {
			alter(outer, f)
		}
	}
	if f[attributesDiff] {
		if _, outer, err = s.users.attributesOf(s.users.other(a.user), a.rp, a.demand.wanted, a.at); err != nil {
			return statement{}, nil, err
		}
	}
	st := statement{
		Status: statusApproved, UserInfoType: a.demand.infoType, MinRegistrationLevel: a.demand.level.String(),
		RequestedAttributes: signed, Timestamp: a.at.UnixMilli(),
	}
	if st.UserInfo, err = s.userInfo(a, f); err != nil {
		return statement{}, nil, err
	}
	if f[innerStatus] {
		st.Status = statusCanceled
	}
	if f[wrongInfoType] {
		st.UserInfoType, st.UserInfo = infoEmail, a.user.email
		if a.demand.infoType == infoEmail {
			st.UserInfoType, st.UserInfo = infoInferred, "N/A"
		}
	}
	if f[lowerMinimum] {
		st.MinRegistrationLevel = basic.String()
		if a.demand.level == basic {
			st.MinRegistrationLevel = plus.String()
		}
	}
	switch {
	case f[oldTimestamp]:
		st.Timestamp = a.started.Add(-time.Hour).UnixMilli()
	case f[futureTimestamp]:
		st.Timestamp = a.at.Add(time.Hour).UnixMilli()
	}
	ref := a.ref
	if f[foreignRef] {
		ref = newReference()
	}
	if !a.demand.sign {
		st.AuthRef = ref
		return st, outer, nil
	}
	st.SignRef = ref
	st.SignatureType = a.demand.signatureType
	if f[wrongSignatureType] {
		st.SignatureType = typeExtended
		if a.demand.signatureType == typeExtended {
			st.SignatureType = typeSimple
		}
	}
	if !f[missingSignature] {
		if st.SignatureData, err = s.signatureData(a, f); err != nil {
			return statement{}, nil, err
		}
	}
	return st, outer, nil
}

// alter takes out or changes what a fault says.
func alter(a *attributes, f control.Drawn) {
	if f[missingSSN] {
		a.SSN = nil
	}
	if f[missingName] {
		a.BasicUserInfo = nil
	}
	if f[missingLevel] {
		a.RegistrationLevel, a.LOALevel = "", ""
	}
	if a.SSN != nil {
		if f[missingNumber] {
			a.SSN = &ssn{Country: a.SSN.Country}
		}
		if f[notSwedish] {
			a.SSN = &ssn{"NO", a.SSN.SSN}
		}
	}
}

// userInfo repeats who was asked for; a personal number as JSON.
func (s *Simulator) userInfo(a approval, f control.Drawn) (string, error) {
	named := a.user
	if f[wrongUserInfo] {
		named = s.users.other(named)
	}
	switch a.demand.infoType {
	case infoSSN:
		document, err := encode(ssn{"SE", named.Number})
		if err == nil && f[base64UserInfo] && !f[jsonUserInfo] {
			return base64.StdEncoding.EncodeToString(document), nil
		}
		return string(document), err
	case infoEmail:
		return named.email, nil
	case infoPhone:
		return named.phone, nil
	case infoUPI:
		return named.upi, nil
	}
	if f[wrongUserInfo] {
		return named.email, nil // nobody was asked for
	}
	return "N/A", nil
}

// seal signs a statement.
func (s *Simulator) seal(a approval, st statement, f control.Drawn) (string, error) {
	signer := s.keys.Signer()
	switch {
	case f[expiredCert]:
		signer = s.keys.ExpiredSigner()
	case f[wrongRoot]:
		signer = s.keys.ForeignSigner()
	case f[rollover]:
		signer = s.keys.NextSigner()
	}
	h := header{X5T: signer.X5T(), Alg: "RS256"}
	switch {
	case f[wrongX5t]:
		h.X5T = base64.RawURLEncoding.EncodeToString(random(20))
	case f[otherX5t]:
		h.X5T = s.keys.NextSigner().X5T()
	case f[noX5t]:
		h.X5T = ""
	}
	if f[critHeader] {
		h.Crit, h.Exp = []string{"exp"}, a.at.Add(time.Hour).Unix()
	}
	payload, err := encode(st)
	if err == nil && f[unknownFields] {
		payload, err = withUnknownFields(payload)
	}
	if err != nil {
		return "", fmt.Errorf("freja: statement: %w", err)
	}
	switch {
	case f[algNone]:
		h.Alg = "none"
		return compact(h, payload, func([]byte) ([]byte, error) { return nil, nil })
	case f[algHS256]:
		h.Alg = "HS256"
		return compact(h, payload, func(input []byte) ([]byte, error) { return hmacOf(signer, input), nil })
	}
	jws, err := compact(h, payload, rs256(signer.Key, f[brokenSignature]))
	if err != nil || !f[badSignature] {
		return jws, err
	}
	if st.RequestedAttributes, _, err = s.users.attributesOf(s.users.other(a.user), a.rp, a.demand.wanted, a.at); err != nil {
		return "", err
	}
	st.Timestamp++ // another payload even where no attribute was asked for
	if payload, err = encode(st); err != nil {
		return "", fmt.Errorf("freja: statement: %w", err)
	}
	parts := strings.Split(jws, ".")
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[2], nil
}

// hmacOf takes the PEM of the certificate for a secret, as a library does that
// lets the header choose.
func hmacOf(signer pki.FrejaSigner, input []byte) []byte {
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signer.Certificate.Raw}))
	mac.Write(input)
	return mac.Sum(nil)
}

// compact writes a JWS.
func compact(h header, payload []byte, sign func(input []byte) ([]byte, error)) (string, error) {
	head, err := encode(h)
	if err != nil {
		return "", fmt.Errorf("freja: header: %w", err)
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := sign([]byte(input))
	if err != nil {
		return "", fmt.Errorf("freja: sign: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// rs256 signs, and flips a bit of the signature when asked to.
func rs256(key *rsa.PrivateKey, spoil bool) func([]byte) ([]byte, error) {
	return func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		if err == nil && spoil {
			signature[len(signature)/2] ^= 1
		}
		return signature, err
	}
}
