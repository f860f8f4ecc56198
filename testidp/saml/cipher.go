package saml

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // MGF1 and the digest of OAEP
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
)

// An envelope says how something is encrypted. The zero value of all but to is
// right.
type envelope struct {
	to        *x509.Certificate
	algorithm string              // default AES-256-CBC
	rsa15     bool                // the key by rsa-1_5
	sha256    bool                // OAEP with SHA-256, MGF1 with SHA-1
	recipient string              // its entityID; needed beside a decoy
	decoy     *x509.Certificate   // another recipient, who comes first
	bend      func([]byte) []byte // what is changed in the cipher text
	indented  bool                // spaces within CipherValue
}

func keyLength(algorithm string) int {
	switch algorithm {
	case algCBC128, algGCM128:
		return 16
	case algCBC192, algGCM192, algTripleDES:
		return 24
	case algCBC256, algGCM256:
		return 32
	}
	return 0
}

func isGCM(algorithm string) bool {
	return algorithm == algGCM128 || algorithm == algGCM192 || algorithm == algGCM256
}

// encrypt makes an EncryptedData in place of an element.
func (e envelope) encrypt(plain []byte) (*node, error) {
	algorithm := e.algorithm
	if algorithm == "" {
		algorithm = algCBC256
	}
	key := make([]byte, keyLength(algorithm))
	rand.Read(key)
	text, err := enclose(algorithm, key, plain)
	if err != nil {
		return nil, err
	}
	if e.bend != nil {
		text = e.bend(text)
	}
	info := el("ds:KeyInfo")
	if e.decoy != nil {
		other, err := e.wrap(key, e.decoy)
		if err != nil {
			return nil, err
		}
		info.add(other.set("Recipient", "https://sp.example.com/metadata"))
	}
	wrapped, err := e.wrap(key, e.to)
	if err != nil {
		return nil, err
	}
	if e.decoy != nil {
		wrapped.set("Recipient", e.recipient) // whose key is whose (SAML errata, E43)
	}
	return el("xenc:EncryptedData", "Type", typeElement).add(
		el("xenc:EncryptionMethod", "Algorithm", algorithm), info.add(wrapped), e.cipherData(text)), nil
}

// wrap makes an EncryptedKey.
func (e envelope) wrap(key []byte, to *x509.Certificate) (*node, error) {
	public, ok := to.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("saml: encrypt: the recipient's key is not RSA")
	}
	method := el("xenc:EncryptionMethod", "Algorithm", algOAEP)
	options := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	digest := algSHA1
	if e.sha256 {
		options.Hash, digest = crypto.SHA256, algSHA256
	}
	var wrapped []byte
	var err error
	if e.rsa15 {
		method.set("Algorithm", algRSA15)
		//lint:ignore SA1019 a service provider must refuse it
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, public, key)
	} else {
		method.add(el("ds:DigestMethod", "Algorithm", digest))
		wrapped, err = rsa.EncryptOAEPWithOptions(rand.Reader, public, key, options)
	}
	if err != nil {
		return nil, fmt.Errorf("saml: encrypt: %w", err)
	}
	return el("xenc:EncryptedKey").add(method, keyInfo(to), e.cipherData(wrapped)), nil
}

func (e envelope) cipherData(data []byte) *node {
	text := base64.StdEncoding.EncodeToString(data)
	if e.indented {
		var b bytes.Buffer
		for line := 0; line < len(text); line += 64 {
			b.WriteString("\n      " + text[line:min(line+64, len(text))])
		}
		text = b.String() + "\n    "
	}
	return el("xenc:CipherData").add(el("xenc:CipherValue").say(text))
}

// enclose encrypts as XML Encryption says: the IV or nonce goes first.
func enclose(algorithm string, key, plain []byte) ([]byte, error) {
	var block cipher.Block
	var err error
	if algorithm == algTripleDES {
		block, err = des.NewTripleDESCipher(key)
	} else {
		block, err = aes.NewCipher(key)
	}
	if err != nil {
		return nil, fmt.Errorf("saml: encrypt: %w", err)
	}
	if isGCM(algorithm) {
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("saml: encrypt: %w", err)
		}
		nonce := make([]byte, gcm.NonceSize())
		rand.Read(nonce)
		return gcm.Seal(nonce, nonce, plain, nil), nil
	}
	size := block.BlockSize()
	pad := make([]byte, size-len(plain)%size)
	rand.Read(pad)
	pad[len(pad)-1] = byte(len(pad))
	out := make([]byte, size+len(plain)+len(pad))
	rand.Read(out[:size])
	cipher.NewCBCEncrypter(block, out[:size]).CryptBlocks(out[size:], append(bytes.Clone(plain), pad...))
	return out, nil
}

// errDecrypt says no more, as a real one must not.
var errDecrypt = errors.New("it cannot be decrypted")

// decrypt opens an EncryptedData with one of some keys. Only RSA-OAEP with SHA-1
// and AES are accepted, which is what the metadata promises.
func decrypt(data *node, keys []*rsa.PrivateKey) ([]byte, error) {
	algorithm := data.child(nsEncryption, "EncryptionMethod").attr("Algorithm")
	if keyLength(algorithm) == 0 || algorithm == algTripleDES {
		return nil, fmt.Errorf("the encryption method %q is not allowed", algorithm)
	}
	text, err := decode64(data.child(nsEncryption, "CipherData").child(nsEncryption, "CipherValue").content())
	if err != nil {
		return nil, errDecrypt
	}
	info := data.child(nsSignature, "KeyInfo")
	if info == nil {
		return nil, errors.New("EncryptedData has no KeyInfo with an EncryptedKey")
	}
	for _, wrapped := range info.all(nsEncryption, "EncryptedKey") {
		method := wrapped.child(nsEncryption, "EncryptionMethod")
		if method.attr("Algorithm") != algOAEP {
			return nil, errors.New("the key transport is not rsa-oaep-mgf1p")
		}
		if d := method.child(nsSignature, "DigestMethod"); d != nil && d.attr("Algorithm") != algSHA1 {
			return nil, errors.New("the digest of OAEP is not SHA-1")
		}
		sealed, err := decode64(wrapped.child(nsEncryption, "CipherData").child(nsEncryption, "CipherValue").content())
		if err != nil {
			continue
		}
		for _, k := range keys {
			key, err := k.Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1})
			if err == nil && len(key) == keyLength(algorithm) {
				return unseal(algorithm, key, text)
			}
		}
	}
	return nil, errDecrypt
}

func unseal(algorithm string, key, text []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errDecrypt
	}
	if isGCM(algorithm) {
		gcm, err := cipher.NewGCM(block)
		if err != nil || len(text) < gcm.NonceSize() {
			return nil, errDecrypt
		}
		plain, err := gcm.Open(nil, text[:gcm.NonceSize()], text[gcm.NonceSize():], nil)
		if err != nil {
			return nil, errDecrypt
		}
		return plain, nil
	}
	if len(text) < 2*aes.BlockSize || len(text)%aes.BlockSize != 0 {
		return nil, errDecrypt
	}
	plain := make([]byte, len(text)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, text[:aes.BlockSize]).CryptBlocks(plain, text[aes.BlockSize:])
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, errDecrypt
	}
	return plain[:len(plain)-pad], nil
}
