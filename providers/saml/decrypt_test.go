package saml

import (
	"crypto"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"sigill/providers"
)

// Every cipher and every padding that may be used.
func TestCiphers(t *testing.T) {
	paddings := map[string]enc{
		"OAEP":                   {transport: algOAEP, hash: crypto.SHA1, mgfHash: crypto.SHA1},
		"OAEP, named SHA-1":      {transport: algOAEP, digest: digestSHA1, hash: crypto.SHA1, mgfHash: crypto.SHA1},
		"OAEP, SHA-256":          {transport: algOAEP, digest: digestSHA256, hash: crypto.SHA256, mgfHash: crypto.SHA1},
		"OAEP, SHA-512":          {transport: algOAEP, digest: "http://www.w3.org/2001/04/xmlenc#sha512", hash: crypto.SHA512, mgfHash: crypto.SHA1},
		"OAEP 1.1, SHA-256":      {transport: algOAEP11, digest: digestSHA256, hash: crypto.SHA256, mgfHash: crypto.SHA1},
		"OAEP 1.1, SHA-256 both": {transport: algOAEP11, digest: digestSHA256, mgf: "http://www.w3.org/2009/xmlenc11#mgf1sha256", hash: crypto.SHA256, mgfHash: crypto.SHA256},
	}
	for name, padding := range paddings {
		for _, alg := range DefaultCiphers() {
			t.Run(name+" "+alg[strings.LastIndexByte(alg, '#')+1:], func(t *testing.T) {
				w := open(t)
				s, _ := w.begin(login)
				e := padding
				e.cipher = alg
				d := done(t, w.ends(s, w.answers(s, answer{encrypt: func(plain []byte) *etree.Element {
					return e.encrypt(t, plain, w.config.Login.Decrypt[0].Certificate)
				}})))
				if d.Identity.Number != number(t, person) {
					t.Error("somebody else")
				}
				if _, err := Verify(d.Evidence, w.expected(login), w.trusts(), w.now); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for name, e := range map[string]enc{
		"PKCS #1 v1.5": {cipher: algGCM256, transport: "http://www.w3.org/2001/04/xmlenc#rsa-1_5"},
		"Triple DES":   {cipher: "http://www.w3.org/2001/04/xmlenc#tripledes-cbc", transport: algOAEP, hash: crypto.SHA1, mgfHash: crypto.SHA1},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			s, _ := w.begin(login)
			refusedAt(t, w.ends(s, w.answers(s, answer{encrypt: func(plain []byte) *etree.Element {
				return e.encrypt(t, plain, w.config.Login.Decrypt[0].Certificate)
			}})), "encryption")
		})
	}
}

// Keys change: what was encrypted to the previous one is read, and so is what has
// somebody else's key first, or the keys beside the data, or broken lines.
func TestDecryptionKeys(t *testing.T) {
	k := keys()
	gcm := enc{cipher: algGCM128, transport: algOAEP, hash: crypto.SHA1, mgfHash: crypto.SHA1}
	for name, a := range map[string]answer{
		"the previous key": {encrypt: func(plain []byte) *etree.Element { return gcm.encrypt(t, plain, k["old"].Certificate) }},
		"somebody else's key first": {encrypt: func(plain []byte) *etree.Element {
			el := gcm.encrypt(t, plain, k["login"].Certificate)
			other := at(gcm.encrypt(t, plain, k["other"].Certificate), "KeyInfo", "EncryptedKey")
			at(el, "KeyInfo").InsertChildAt(0, other)
			return el
		}},
		"keys beside the data": {encrypt: func(plain []byte) *etree.Element { return gcm.encrypt(t, plain, k["login"].Certificate) },
			encrypted: func(el *etree.Element) {
				info := at(el, "EncryptedData", "KeyInfo")
				key := at(info, "EncryptedKey")
				remove(info)
				key.CreateAttr("xmlns:xenc", nsXMLEnc)
				el.AddChild(key)
			}},
		"broken lines": {encrypted: func(el *etree.Element) {
			v := at(el, "EncryptedData", "CipherData", "CipherValue")
			text := v.Text()
			v.SetText("\n    " + text[:40] + "\n    " + text[40:] + "\n  ")
		}},
		"a certificate of another key": {encrypted: func(el *etree.Element) {
			at(el, "EncryptedData", "KeyInfo", "EncryptedKey", "KeyInfo", "X509Data", "X509Certificate").SetText("nonsense")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			s, _ := w.begin(login)
			done(t, w.ends(s, w.answers(s, a)))
		})
	}
	// The keys of one service provider are not those of the other.
	w := open(t)
	s, _ := w.begin(sign)
	refusedAt(t, w.ends(s, w.answers(s, answer{encrypt: func(plain []byte) *etree.Element { return gcm.encrypt(t, plain, k["login"].Certificate) }})), "decryption")
}

// Whatever is wrong with a ciphertext, the same is said of it.
func TestOneErrorOfDecryption(t *testing.T) {
	w := open(t)
	s, _ := w.begin(login)
	texts := map[providers.Text]bool{}
	for _, change := range []func([]byte){
		func(b []byte) { b[0] ^= 1 }, func(b []byte) { b[len(b)-1] ^= 1 }, func(b []byte) { b[len(b)-17] ^= 0xff }, func(b []byte) { clearBytes(b[16:]) },
	} {
		f, ok := w.ends(s, w.answers(s, answer{encrypted: func(el *etree.Element) {
			v := at(el, "EncryptedData", "CipherData", "CipherValue")
			b, err := unspaced(v.Text())
			must(t, err)
			change(b)
			v.SetText(b64(b))
		}})).(providers.Failed)
		if !ok {
			t.Fatal("took a changed ciphertext")
		}
		texts[f.Text] = true
	}
	if len(texts) != 1 {
		t.Errorf("%d different texts", len(texts))
	}
}

func clearBytes(b []byte) {
	for i := range b {
		b[i] = 0
	}
}
