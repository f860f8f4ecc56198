package xmlsec

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"net/url"

	dsig "github.com/russellhaering/goxmldsig"
)

// The parameters that carry a message.
const (
	Request  = "SAMLRequest"
	Response = "SAMLResponse"
)

// SignQuery writes a message, as XML, into the query of a redirect, signed. Join
// it to the query that the address may have already, which is not signed.
func SignQuery(param string, message []byte, relayState string, key crypto.Signer) (string, error) {
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(message); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	alg := dsig.RSASHA256SignatureMethod
	if _, ok := key.Public().(*ecdsa.PublicKey); ok {
		alg = dsig.ECDSASHA256SignatureMethod
	}
	q := param + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes()))
	if relayState != "" {
		q += "&RelayState=" + url.QueryEscape(relayState)
	}
	q += "&SigAlg=" + url.QueryEscape(alg)
	h := crypto.SHA256.New()
	h.Write([]byte(q))
	signature, err := key.Sign(rand.Reader, h.Sum(nil), crypto.SHA256)
	if err != nil {
		return "", err
	}
	return q + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature)), nil
}
