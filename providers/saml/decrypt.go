package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // linked for the padding of RSA-OAEP; no signature
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/beevik/etree"
	"github.com/crewjam/saml/xmlenc"

	"sigill/providers/xmlsec"
)

// Algorithms of XML Encryption. What is not among them is refused: RSA with
// PKCS #1 v1.5 padding and Triple DES above all.
const (
	algCBC128   = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
	algCBC192   = "http://www.w3.org/2001/04/xmlenc#aes192-cbc"
	algCBC256   = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
	algGCM128   = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
	algGCM192   = "http://www.w3.org/2009/xmlenc11#aes192-gcm"
	algGCM256   = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	algOAEP     = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p" // MGF1 with SHA-1, whatever the digest
	algOAEP11   = "http://www.w3.org/2009/xmlenc11#rsa-oaep"        // MGF1 as named
	digestSHA1  = "http://www.w3.org/2000/09/xmldsig#sha1"
	typeElement = "http://www.w3.org/2001/04/xmlenc#Element"
)

// DefaultCiphers are the block ciphers that can be read, by URI.
func DefaultCiphers() []string {
	return []string{algGCM128, algGCM192, algGCM256, algCBC128, algCBC192, algCBC256}
}

// cipherURI is the URI of a block cipher that may be given by its short name.
func cipherURI(name string) string {
	for _, uri := range DefaultCiphers() {
		if _, short, _ := strings.Cut(uri, "#"); short == name {
			return uri
		}
	}
	return name
}

// errDecrypt is all that is ever said of why something cannot be decrypted: a
// reason would help whoever sends one changed ciphertext after the other.
var errDecrypt = errors.New("cannot be decrypted")

// Encrypted is an xenc:EncryptedData, taken apart.
type encrypted struct {
	cipher  string
	content []byte
	keys    []*etree.Element // the EncryptedKeys that might be for us
}

// parseEncrypted takes an EncryptedAssertion apart. The signature over it has
// been verified.
func parseEncrypted(el *etree.Element, ciphers []string) (encrypted, error) {
	var e encrypted
	data := xmlsec.Children(el, nsXMLEnc, "EncryptedData")
	if len(data) != 1 {
		return e, errors.New("not one EncryptedData")
	}
	var err error
	if e.cipher, err = method(data[0]); err != nil {
		return e, err
	}
	if !slices.Contains(ciphers, e.cipher) {
		return e, errors.New("encrypted with a cipher that is not allowed")
	}
	if e.content, err = cipherValue(data[0]); err != nil {
		return e, err
	}
	if short := len(e.content) < 2*aes.BlockSize; short || isCBC(e.cipher) && len(e.content)%aes.BlockSize != 0 {
		return e, errors.New("ciphertext of an impossible length")
	}
	// A key lies in the KeyInfo of the data, or beside the data and is referred to.
	for _, info := range xmlsec.Children(data[0], nsDSig, "KeyInfo") {
		e.keys = append(e.keys, xmlsec.Children(info, nsXMLEnc, "EncryptedKey")...)
	}
	e.keys = append(e.keys, xmlsec.Children(el, nsXMLEnc, "EncryptedKey")...)
	switch n := len(e.keys); {
	case n == 0:
		return e, errors.New("no EncryptedKey")
	case n > maxKeys:
		return e, errors.New("too many EncryptedKeys")
	}
	for _, key := range e.keys {
		alg, err := method(key)
		if err != nil {
			return e, err
		}
		if alg != algOAEP && alg != algOAEP11 {
			return e, errors.New("key encrypted with an algorithm that is not allowed")
		}
	}
	return e, nil
}

const maxKeys = 8

func isCBC(alg string) bool { return strings.HasSuffix(alg, "-cbc") }

func method(el *etree.Element) (string, error) {
	m := xmlsec.Children(el, nsXMLEnc, "EncryptionMethod")
	if len(m) != 1 {
		return "", errors.New("not one EncryptionMethod")
	}
	return xmlsec.Attr(m[0], "Algorithm"), nil
}

func cipherValue(el *etree.Element) ([]byte, error) {
	data := xmlsec.Children(el, nsXMLEnc, "CipherData")
	if len(data) != 1 {
		return nil, errors.New("not one CipherData")
	}
	value := xmlsec.Children(data[0], nsXMLEnc, "CipherValue")
	if len(value) != 1 {
		return nil, errors.New("not one CipherValue")
	}
	return unspaced(value[0].Text())
}

// unspaced decodes base64 that people or programs have indented.
func unspaced(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("not base64")
	}
	return b, nil
}

// open decrypts with whichever of our keys fits, and says with which content key.
// After the first failure all other keys are tried all the same.
func (e encrypted) open(keys []Key) (plain, contentKey []byte, err error) {
	for _, k := range e.keys {
		for _, own := range keys {
			contentKey, err := unwrap(k, own)
			if err != nil {
				continue
			}
			if plain, err := e.openWith(contentKey); err == nil {
				return plain, contentKey, nil
			}
		}
	}
	return nil, nil, errDecrypt
}

// openWith decrypts with the content key.
func (e encrypted) openWith(key []byte) ([]byte, error) {
	if len(key) != keySize(e.cipher) {
		return nil, errDecrypt
	}
	if isCBC(e.cipher) {
		return e.openCBC(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errDecrypt
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, errDecrypt
	}
	nonce, sealed := e.content[:gcm.NonceSize()], e.content[gcm.NonceSize():]
	plain, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, errDecrypt
	}
	return plain, nil
}

// openCBC has the library do it, which reads an element: one with nothing in it
// but what we have read.
func (e encrypted) openCBC(key []byte) (plain []byte, err error) {
	var with xmlenc.Decrypter
	for _, c := range []xmlenc.BlockCipher{xmlenc.AES128CBC, xmlenc.AES192CBC, xmlenc.AES256CBC} {
		if d, ok := c.(xmlenc.Decrypter); ok && d.Algorithm() == e.cipher {
			with = d
		}
	}
	if with == nil {
		return nil, errDecrypt
	}
	el := etree.NewElement("EncryptedData")
	el.CreateElement("CipherData").CreateElement("CipherValue").SetText(base64.StdEncoding.EncodeToString(e.content))
	plain, err = with.Decrypt(key, el)
	if err != nil {
		return nil, errDecrypt
	}
	return plain, nil
}

func keySize(alg string) int {
	switch alg {
	case algCBC128, algGCM128:
		return 16
	case algCBC192, algGCM192:
		return 24
	case algCBC256, algGCM256:
		return 32
	}
	return -1
}

// unwrap decrypts a content key.
func unwrap(el *etree.Element, own Key) ([]byte, error) {
	m := xmlsec.Children(el, nsXMLEnc, "EncryptionMethod")[0]
	digest := digestSHA1
	if d := xmlsec.Children(m, nsDSig, "DigestMethod"); len(d) == 1 {
		digest = xmlsec.Attr(d[0], "Algorithm")
	}
	mgf := nsXMLEnc11 + "mgf1sha1"
	if g := xmlsec.Children(m, nsXMLEnc11, "MGF"); len(g) == 1 && xmlsec.Attr(m, "Algorithm") == algOAEP11 {
		mgf = xmlsec.Attr(g[0], "Algorithm")
	}
	options := rsa.OAEPOptions{Hash: digests(digest), MGFHash: digests(mgf)}
	if options.Hash == 0 || options.MGFHash == 0 {
		return nil, errDecrypt
	}
	if p := xmlsec.Children(m, nsXMLEnc, "OAEPparams"); len(p) == 1 {
		label, err := unspaced(p[0].Text())
		if err != nil {
			return nil, errDecrypt
		}
		options.Label = label
	}
	value, err := cipherValue(el)
	if err != nil {
		return nil, errDecrypt
	}
	decrypter, ok := own.Private.(crypto.Decrypter)
	if !ok {
		return nil, errDecrypt
	}
	key, err := decrypter.Decrypt(rand.Reader, value, &options)
	if err != nil {
		return nil, errDecrypt
	}
	return key, nil
}

const nsXMLEnc11 = "http://www.w3.org/2009/xmlenc11#"

// digests are the hashes that an OAEP padding may be made with. That SHA-1 is
// among them weakens nothing: the padding asks for no collision resistance, and
// the profile demands it.
func digests(uri string) crypto.Hash {
	switch uri {
	case digestSHA1, nsXMLEnc11 + "mgf1sha1":
		return crypto.SHA1
	case digestSHA256, nsXMLEnc11 + "mgf1sha256":
		return crypto.SHA256
	case "http://www.w3.org/2001/04/xmldsig-more#sha384", nsXMLEnc11 + "mgf1sha384":
		return crypto.SHA384
	case nsXMLEnc + "sha512", nsXMLEnc11 + "mgf1sha512":
		return crypto.SHA512
	}
	return 0
}
