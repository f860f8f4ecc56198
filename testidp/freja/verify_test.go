package freja

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
)

// A judge checks statements as freja.md section 3 asks a relying party to. It
// knows nothing of the simulator but the material.
type judge struct {
	pinned map[string]*x509.Certificate // by x5t
	root   *x509.CertPool
	middle *x509.CertPool
	userCA []byte
}

func newJudge(m Material, pins ...[]byte) (*judge, error) {
	j := &judge{pinned: map[string]*x509.Certificate{}, root: x509.NewCertPool(), middle: x509.NewCertPool(), userCA: m.UserCA}
	j.root.AppendCertsFromPEM(m.JWSRoot)
	j.middle.AppendCertsFromPEM(m.Intermediate)
	for _, p := range append([][]byte{m.JWS}, pins...) {
		list, err := parseCertificates(p)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			sum := sha1.Sum(c.Raw)
			j.pinned[base64.RawURLEncoding.EncodeToString(sum[:])] = c
		}
	}
	return j, nil
}

func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return out, nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out, data = append(out, c), rest
	}
}

// The reasons to refuse a statement.
var (
	errForm      = errors.New("form")
	errAlg       = errors.New("alg")
	errCrit      = errors.New("crit")
	errX5t       = errors.New("x5t")
	errExpired   = errors.New("expired")
	errChain     = errors.New("chain")
	errSignature = errors.New("signature")
	errReference = errors.New("reference")
	errStatus    = errors.New("status")
	errAsked     = errors.New("asked")
	errTime      = errors.New("time")
	errSigned    = errors.New("signed")
	errUser      = errors.New("user's signature")
	errOCSP      = errors.New("ocsp")
)

// expected is what the relying party asked for.
type expected struct {
	ref, infoType, info, level  string
	from, to                    time.Time
	signatureType, text, binary string // binary as Base64
}

// check returns the payload of a statement that is in order.
func (j *judge) check(details string, e expected) (map[string]any, error) {
	parts := strings.Split(details, ".")
	if len(parts) != 3 || len(details) > 20<<20 {
		return nil, errForm
	}
	var h struct {
		X5T, Alg string
		Crit     []string
	}
	payload, signature := []byte(nil), []byte(nil)
	if err := decodeParts(parts, &h, &payload, &signature); err != nil {
		return nil, err
	}
	if h.Alg != "RS256" {
		return nil, errAlg
	}
	if h.Crit != nil {
		return nil, errCrit
	}
	cert := j.pinned[h.X5T]
	if cert == nil {
		return nil, errX5t
	}
	var p struct {
		AuthRef, SignRef, Status, UserInfoType, UserInfo, MinRegistrationLevel string
		Timestamp                                                              int64
		SignatureType                                                          string
		SignatureData                                                          *struct{ UserSignature, CertificateStatus string }
	}
	var all map[string]any
	if json.Unmarshal(payload, &p) != nil || json.Unmarshal(payload, &all) != nil {
		return nil, errForm
	}
	at := time.UnixMilli(p.Timestamp)
	_, err := cert.Verify(x509.VerifyOptions{Roots: j.root, Intermediates: j.middle, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return nil, errExpired
	} else if err != nil {
		return nil, errChain
	}
	if !verifies(cert, parts, signature) {
		return nil, errSignature
	}
	switch {
	case p.AuthRef+p.SignRef != e.ref || (p.SignRef != "") != (e.signatureType != ""):
		return nil, errReference
	case p.Status != "APPROVED":
		return nil, errStatus
	case p.UserInfoType != e.infoType || p.MinRegistrationLevel != e.level || p.UserInfo != e.info:
		return nil, errAsked
	case at.Before(e.from.Truncate(time.Millisecond)) || at.After(e.to):
		return nil, errTime
	case e.signatureType == "":
		return all, nil
	case p.SignatureType != e.signatureType || p.SignatureData == nil:
		return nil, errSigned
	}
	return all, j.checkInner(p.SignatureData.UserSignature, p.SignatureData.CertificateStatus, at, e)
}

func decodeParts(parts []string, header any, payload, signature *[]byte) error {
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || json.Unmarshal(head, header) != nil {
		return errForm
	}
	if *payload, err = base64.RawURLEncoding.DecodeString(parts[1]); err != nil {
		return errForm
	}
	if *signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return errForm
	}
	return nil
}

func verifies(cert *x509.Certificate, parts []string, signature []byte) bool {
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature) == nil
}

// checkInner checks what the user signed; with the user's certificate the
// signature and the OCSP answer too.
func (j *judge) checkInner(jws, status string, at time.Time, e expected) error {
	parts := strings.Split(jws, ".")
	var h struct {
		KID, Alg string
		X5C      []string
	}
	payload, signature := []byte(nil), []byte(nil)
	if len(parts) != 3 || decodeParts(parts, &h, &payload, &signature) != nil || h.Alg != "RS256" || len(h.KID) != 40 {
		return errForm
	}
	if e.signatureType == "SIMPLE" {
		if string(payload) != e.text {
			return errSigned
		}
	} else {
		var inner struct{ Text, BinaryData string }
		if json.Unmarshal(payload, &inner) != nil || inner.Text != b64(e.text) && inner.Text != e.text || inner.BinaryData != e.binary {
			return errSigned
		}
	}
	list, err := parseCertificates(j.userCA)
	if err != nil || len(list) != 1 {
		return fmt.Errorf("no user CA: %v", err)
	}
	der, err := base64.StdEncoding.DecodeString(status)
	if err != nil {
		return errOCSP
	}
	answer, err := ocsp.ParseResponse(der, list[0])
	if err != nil || answer.Status != ocsp.Good || answer.ProducedAt.Sub(at).Abs() > time.Minute {
		return errOCSP
	}
	if h.X5C == nil {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(h.X5C[0])
	if err != nil {
		return errUser
	}
	user, err := x509.ParseCertificate(raw)
	if err != nil || user.CheckSignatureFrom(list[0]) != nil || !verifies(user, parts, signature) {
		return errUser
	}
	if answer.SerialNumber.Cmp(user.SerialNumber) != 0 || !bytes.Contains([]byte(h.KID), []byte(fmt.Sprintf("%x", user.SubjectKeyId))) {
		return errUser
	}
	return nil
}
