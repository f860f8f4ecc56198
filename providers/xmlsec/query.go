package xmlsec

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // linked for crypto.Hash
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/url"
	"slices"
	"strings"

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

// VerifyQuery checks a signed redirect: raw is the query as it came. The message
// is at most limit bytes of XML, for Parse.
func VerifyQuery(raw, param string, keys []*x509.Certificate, limit int) (message []byte, relayState string, err error) {
	defer contain(&err)
	pieces := map[string]string{}
	for _, piece := range strings.Split(raw, "&") {
		name, value, _ := strings.Cut(piece, "=")
		switch name {
		case param, "RelayState", "SigAlg", "Signature":
			if _, twice := pieces[name]; twice {
				return nil, "", refuse("query", "a parameter twice")
			}
			pieces[name] = value
		default:
			// Written otherwise, a name could be ours to another reader.
			plain, err := url.QueryUnescape(name)
			if err != nil || plain != name || name == Request || name == Response || name == "SAMLEncoding" {
				return nil, "", refuse("query", "a parameter that does not belong")
			}
		}
	}
	if err := verifyPieces(pieces, param, keys); err != nil {
		return nil, "", err
	}
	if relayState, err = url.QueryUnescape(pieces["RelayState"]); err != nil {
		return nil, "", refuse("query", "RelayState cannot be read")
	}
	message, err = inflate(pieces[param], limit)
	return message, relayState, err
}

// verifyPieces checks the signature, which is over the pieces as they were sent.
func verifyPieces(pieces map[string]string, param string, keys []*x509.Certificate) error {
	for _, name := range []string{param, "SigAlg", "Signature"} {
		if pieces[name] == "" {
			return refuse("signature-missing", "the redirect lacks %s", name)
		}
	}
	content := param + "=" + pieces[param]
	if state, ok := pieces["RelayState"]; ok {
		content += "&RelayState=" + state
	}
	content += "&SigAlg=" + pieces["SigAlg"]

	alg, err := url.QueryUnescape(pieces["SigAlg"])
	if err != nil {
		return refuse("query", "SigAlg cannot be read")
	}
	kind, ok := signatureMethods[alg]
	if !ok {
		return refuse("algorithm", "a signature method that is not believed")
	}
	escaped, err := url.QueryUnescape(pieces["Signature"])
	if err != nil {
		return refuse("query", "the signature cannot be read")
	}
	signature, err := decode(escaped)
	if err != nil {
		return refuse("query", "the signature is not base64")
	}
	hash := hashOf(alg)
	h := hash.New()
	h.Write([]byte(content))
	digest := h.Sum(nil)
	if !slices.ContainsFunc(keys, func(c *x509.Certificate) bool {
		return c != nil && c.PublicKeyAlgorithm == kind && Usable(c) == nil && signedBy(c, hash, digest, signature)
	}) {
		return refuse("signature", "by none of the %d known keys, or changed since", len(keys))
	}
	return nil
}

func hashOf(alg string) crypto.Hash {
	switch {
	case strings.HasSuffix(alg, "384"):
		return crypto.SHA384
	case strings.HasSuffix(alg, "512"):
		return crypto.SHA512
	}
	return crypto.SHA256
}

// signedBy accepts both forms of an ECDSA signature: the binding names none, and
// both are in use.
func signedBy(c *x509.Certificate, hash crypto.Hash, digest, signature []byte) bool {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		if der, err := toDER(signature, key); err == nil && ecdsa.VerifyASN1(key, digest, der) {
			return true
		}
		return ecdsa.VerifyASN1(key, digest, signature)
	}
	return false
}

// inflate reads at most limit bytes out of a message that may hold far more.
func inflate(escaped string, limit int) ([]byte, error) {
	plain, err := url.QueryUnescape(escaped)
	if err != nil {
		return nil, refuse("query", "the message cannot be read")
	}
	deflated, err := decode(plain)
	if err != nil {
		return nil, refuse("query", "the message is not base64")
	}
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(deflated)), int64(limit)+1))
	if err != nil {
		return nil, refuse("query", "the message is not deflated")
	}
	if len(out) > limit {
		return nil, refuse("size", "the message is longer than %d bytes", limit)
	}
	return out, nil
}
