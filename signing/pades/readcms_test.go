package pades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

// testCMS makes a CMS, alone.
func testCMS(t testing.TB) (der []byte, certificate *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x80), Subject: pkix.Name{CommonName: "Test", Organization: []string{"Exempelkommunen"}},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageContentCommitment,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	s, err := New(key, []*x509.Certificate{certificate})
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := s.signer.signedAttributes(sha256.Sum256([]byte("hello")))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.sign(attributes)
	if err != nil {
		t.Fatal(err)
	}
	if der, err = s.signer.encode(attributes, signature); err != nil {
		t.Fatal(err)
	}
	return der, certificate
}

func TestReadCMS(t *testing.T) {
	der, certificate := testCMS(t)
	c, err := readCMS(der)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("hello"))
	if !c.certificate.Equal(certificate) || len(c.others) != 0 || !bytes.Equal(c.digest, digest[:]) {
		t.Errorf("%+v", c)
	}
	// Every bit counts.
	for i := range der {
		for bit := range 8 {
			other := bytes.Clone(der)
			other[i] ^= 1 << bit
			if _, err := readCMS(other); err == nil {
				t.Fatalf("bit %d of byte %d makes no difference", bit, i)
			}
		}
	}
}

func TestCheckDER(t *testing.T) {
	deep := []byte{0x05, 0x00}
	for range maxCMSDepth {
		deep = append([]byte{0x30, byte(len(deep))}, deep...)
	}
	for _, c := range []struct {
		name string
		in   []byte
		good bool
	}{
		{"null", []byte{0x05, 0x00}, true},
		{"a list", []byte{0x30, 0x04, 0x05, 0x00, 0x05, 0x00}, true},
		{"as deep as allowed", deep[2:], true},
		{"deeper", deep, false},
		{"without a length", []byte{0x30, 0x80, 0x05, 0x00, 0x00, 0x00}, false},
		{"without a length, inside", []byte{0x30, 0x06, 0x30, 0x80, 0x05, 0x00, 0x00, 0x00}, false},
		{"a long length", []byte{0x30, 0x81, 0x02, 0x05, 0x00}, false},
		{"longer than it is", []byte{0x30, 0x03, 0x05, 0x00}, false},
		{"a high tag", []byte{0x1f, 0x81, 0x00, 0x00}, false},
		{"cut", []byte{0x30}, false},
		{"too large", append([]byte{0x04, 0x83, 0x01, 0x00, 0x00}, make([]byte, 1<<16)...), false},
	} {
		if err := checkDER(c.in); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestOnlyDERIsParsed: what the parser would choke on never gets to it.
func TestOnlyDERIsParsed(t *testing.T) {
	der, _ := testCMS(t)
	ber := append(append([]byte{0x30, 0x80}, der[4:]...), 0, 0)
	if _, err := readCMS(ber); err == nil || !strings.Contains(err.Error(), "not DER") {
		t.Errorf("got %v", err)
	}
}

// TestSignedAttributes walks through the bytes with another parser than wrote
// them.
func TestSignedAttributes(t *testing.T) {
	der, certificate := testCMS(t)
	type attribute struct {
		Type   asn1.ObjectIdentifier
		Values asn1.RawValue
	}
	var info struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version    int
			Algorithms asn1.RawValue
			Content    asn1.RawValue
			Certs      asn1.RawValue `asn1:"tag:0"`
			Signers    []struct {
				Version   int
				SID       asn1.RawValue
				Digest    pkix.AlgorithmIdentifier
				Signed    asn1.RawValue `asn1:"tag:0"`
				Algorithm pkix.AlgorithmIdentifier
				Signature []byte
			} `asn1:"set"`
		} `asn1:"explicit,tag:0"`
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) != 0 {
		t.Fatal(err)
	}
	if len(info.Content.Signers) != 1 || info.Content.Version != 1 || info.Content.Signers[0].Version != 1 {
		t.Fatalf("%+v", info.Content)
	}
	if !bytes.Equal(info.Content.Content.Bytes, []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")) {
		t.Errorf("content %x", info.Content.Content.Bytes)
	}
	signer := info.Content.Signers[0]
	if signer.Digest.Algorithm.String() != "2.16.840.1.101.3.4.2.1" || signer.Algorithm.Algorithm.String() != "1.2.840.10045.4.3.2" {
		t.Errorf("%v, %v", signer.Digest, signer.Algorithm)
	}
	hash := sha256.Sum256(certificate.Raw)
	digest := sha256.Sum256([]byte("hello"))
	want := map[string][]byte{
		"1.2.840.113549.1.9.3":       []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"),
		"1.2.840.113549.1.9.4":       append([]byte{0x04, 0x20}, digest[:]...),
		"1.2.840.113549.1.9.16.2.47": append([]byte{0x30, 0x26, 0x30, 0x24, 0x30, 0x22, 0x04, 0x20}, hash[:]...),
	}
	got := map[string][]byte{}
	var before []byte
	for rest := signer.Signed.Bytes; len(rest) > 0; {
		start := rest
		var a attribute
		var err error
		if rest, err = asn1.Unmarshal(rest, &a); err != nil {
			t.Fatal(err)
		}
		this := start[:len(start)-len(rest)]
		if bytes.Compare(before, this) >= 0 {
			t.Error("the attributes are not in the order of DER")
		}
		before = this
		got[a.Type.String()] = a.Values.Bytes
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	set := append([]byte{0x31, byte(len(signer.Signed.Bytes))}, signer.Signed.Bytes...)
	if len(signer.Signed.Bytes) > 0x7f {
		set = append([]byte{0x31, 0x81, byte(len(signer.Signed.Bytes))}, signer.Signed.Bytes...)
	}
	sum := crypto.SHA256.New()
	sum.Write(set)
	if !ecdsa.VerifyASN1(certificate.PublicKey.(*ecdsa.PublicKey), sum.Sum(nil), signer.Signature) {
		t.Error("the signature is not over the attributes")
	}
}

func FuzzCMS(f *testing.F) {
	der, _ := testCMS(f)
	f.Add(der)
	f.Add([]byte{0x30, 0x80, 0x00, 0x00})
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := readCMS(in)
		var refused *Refused
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if err == nil && (c.certificate == nil || len(c.digest) != sha256.Size || !bytes.Contains(in, c.certificate.Raw)) {
			t.Fatalf("accepted without what it needs: %x", in)
		}
	})
}
