package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// An entity is a certificate with its private key.
type entity struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

// The names of the authorities in the cache.
const (
	tlsRoot       = "tls-root"
	tlsServer     = "tls-server"
	rpCA          = "rp-ca"
	signatureRoot = "signature-root"
	bankCA        = "bank-ca"
	strangerKey   = "stranger"
)

// bankNumber is the organisation number of the simulated bank.
const bankNumber = "111111111111"

// bankName is the simulated bank that issues every e-ID.
const bankName = "Simulator Bank AB (publ)"

func caSubject(name string) []attribute {
	switch name {
	case tlsRoot:
		return []attribute{organization("Simulator"), unit("Simulator Infrastructure CA"), commonName("Simulator SSL Root CA v1")}
	case signatureRoot:
		return []attribute{organization("Simulator"), unit("Simulator Member Banks CA"), commonName("Simulator Root CA v1")}
	case rpCA:
		return []attribute{country(), organization(bankName), serial(bankNumber), commonName("Simulator Bank RP CA v1")}
	case bankCA:
		return []attribute{country(), organization(bankName), serial(bankNumber), commonName("Simulator Bank CA v1")}
	case customerCA(File):
		return []attribute{country(), organization(bankName), serial(bankNumber), commonName("Simulator Bank Customer CA1 v1")}
	case customerCA(Card):
		return []attribute{country(), organization(bankName), serial(bankNumber), commonName("Simulator Bank Customer CA2 v1")}
	default:
		return []attribute{country(), organization(bankName), serial(bankNumber), commonName("Simulator Bank Customer CA3 v1")}
	}
}

// customerCA is the cache name of the authority that issues one kind of e-ID.
func customerCA(k Kind) string { return "customer-ca-" + string(k) }

// responderName is the cache name of the OCSP responder of one Customer CA.
func responderName(k Kind) string { return "ocsp-" + string(k) }

// issueCA makes the certificate of an authority with the profile of
// bankid.md 7.1: RSA-4096, sha512WithRSA, no path length, one policy.
// A nil issuer makes a root.
func issueCA(name string, key *rsa.PrivateKey, issuer *entity, epoch time.Time) (*entity, error) {
	subject, err := encodeName(caSubject(name))
	if err != nil {
		return nil, err
	}
	policy := File.Policy()
	if name == customerCA(Card) {
		policy = Card.Policy()
	}
	if name == customerCA(Mobile) {
		policy = Mobile.Policy()
	}
	policies, err := policyExtension(policy)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          newSerial(),
		RawSubject:            subject,
		NotBefore:             epoch.AddDate(-1, 0, 0),
		NotAfter:              epoch.AddDate(15, 0, 0),
		SignatureAlgorithm:    x509.SHA512WithRSA,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLen:            -1,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:          keyID(&key.PublicKey),
		AuthorityKeyId:        keyID(&key.PublicKey),
		ExtraExtensions:       []pkix.Extension{policies},
	}
	self := &entity{cert: t, key: key}
	if issuer == nil {
		issuer = self
	}
	return issue(t, &key.PublicKey, issuer, key)
}

// issue signs a certificate. key is the subject's private key, when known.
func issue(t *x509.Certificate, public *rsa.PublicKey, issuer *entity, key *rsa.PrivateKey) (*entity, error) {
	parent := issuer.cert
	if len(parent.Raw) > 0 {
		t.AuthorityKeyId = parent.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, issuer.key)
	if err != nil {
		return nil, fmt.Errorf("pki: issue: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: issue: %w", err)
	}
	return &entity{cert: cert, key: key}, nil
}

func policyExtension(policy string) (pkix.Extension, error) {
	oid, err := parseOID(policy)
	if err != nil {
		return pkix.Extension{}, err
	}
	type information struct{ ID asn1.ObjectIdentifier }
	der, err := asn1.Marshal([]information{{oid}})
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("pki: policy: %w", err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: der}, nil
}

func parseOID(s string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			oid, n = append(oid, n), 0
		case c >= '0' && c <= '9' && n < 1<<24:
			n = n*10 + int(c-'0')
		default:
			return nil, fmt.Errorf("pki: %q is not an object identifier", s)
		}
	}
	return append(oid, n), nil
}

// keyID is the SHA-1 of the public key's bits, as in RFC 5280 section 4.2.1.2.
func keyID(k *rsa.PublicKey) []byte {
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(k))
	return sum[:]
}

// newSerial is a random positive serial number of 63 bits.
func newSerial() *big.Int {
	b := make([]byte, 8)
	rand.Read(b)
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

// swedishMidnight is the last midnight in Sweden at or before t.
func swedishMidnight(t time.Time) time.Time {
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		zone = time.FixedZone("CET", 3600)
	}
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)
}
