package pki

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"time"
)

// frejaFile is the hierarchy's file in the cache. A new number makes everybody
// make a new one.
const frejaFile = "freja-1"

// The members of the hierarchy of freja.md section 11.
const (
	frejaRoot           = "freja-root"
	frejaIssuing        = "freja-issuing-ca"
	frejaServer         = "freja-tls-server"
	frejaSigner         = "freja-jws"
	frejaNextSigner     = "freja-jws-next"
	frejaExpiredSigner  = "freja-jws-expired"
	frejaClientCA       = "freja-client-ca"
	frejaUserCA         = "freja-user-ca"
	frejaResponder      = "freja-ocsp"
	frejaForeignRoot    = "freja-foreign-root"
	frejaForeignIssuing = "freja-foreign-issuing-ca"
	frejaForeignSigner  = "freja-foreign-jws"
)

func frejaNames() []string {
	return []string{
		frejaRoot, frejaIssuing, frejaServer, frejaSigner, frejaNextSigner, frejaExpiredSigner,
		frejaClientCA, frejaUserCA, frejaResponder, frejaForeignRoot, frejaForeignIssuing, frejaForeignSigner,
	}
}

// A Freja is the hierarchy of the simulated Freja: one root over everything but
// the relying parties, whose certificates have a root of their own. It is safe
// for concurrent use.
type Freja struct {
	pki       *PKI
	home      hierarchy
	responder *entity

	mu    sync.Mutex
	users map[Holder]*frejaSlot
}

type frejaSlot struct {
	mu   sync.Mutex
	user *FrejaUser
}

// A FrejaSigner is a certificate of Freja with its key.
type FrejaSigner struct {
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
}

// X5T is what the header of a JWS calls the certificate.
func (s FrejaSigner) X5T() string {
	sum := sha1.Sum(s.Certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// A FrejaUser is a user's own key, which signs the inner JWS.
type FrejaUser struct {
	ID    string // the key's name: kid
	Key   *rsa.PrivateKey
	Chain []*x509.Certificate // the user's and the user CA's
}

// Freja loads the hierarchy of this year and makes it if need be.
func (p *PKI) Freja(ctx context.Context) (*Freja, error) {
	h, err := p.cache.read(frejaFile)
	if errors.Is(err, fs.ErrNotExist) {
		h, err = p.makeFreja(ctx)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range frejaNames() {
		if h[name] == nil {
			return nil, fmt.Errorf("pki: cache file %s lacks %s; remove the folder", frejaFile, name)
		}
	}
	f := &Freja{pki: p, home: h, users: map[Holder]*frejaSlot{}}
	// Responders live for half a year, too short for the cache.
	if f.responder, err = issueFrejaResponder(h[frejaResponder].key, h[frejaUserCA], p.begun); err != nil {
		return nil, err
	}
	return f, nil
}

func (p *PKI) makeFreja(ctx context.Context) (hierarchy, error) {
	release, err := p.cache.lock(ctx, frejaFile)
	if err != nil {
		return nil, err
	}
	defer release()
	h, err := p.cache.read(frejaFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	p.log.Info("making the keys of the simulated Freja, once for this user")
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		keys  = map[string]*rsa.PrivateKey{}
		fails []error
	)
	for _, name := range frejaNames() {
		wg.Go(func() {
			bits := 2048
			if name == frejaRoot {
				bits = 4096
			}
			key, err := rsa.GenerateKey(rand.Reader, bits)
			mu.Lock()
			defer mu.Unlock()
			keys[name] = key
			fails = append(fails, err)
		})
	}
	wg.Wait()
	if err := errors.Join(fails...); err != nil {
		return nil, fmt.Errorf("pki: keys: %w", err)
	}
	if h, err = certifyFreja(keys, p.epoch); err != nil {
		return nil, err
	}
	return p.cache.publish(frejaFile, h)
}

// certifyFreja issues the certificates, issuers first. The foreign ones bear
// the same names as the genuine.
func certifyFreja(keys map[string]*rsa.PrivateKey, epoch time.Time) (hierarchy, error) {
	h := hierarchy{}
	for _, c := range []struct {
		name, issuer string
		make         func(key *rsa.PrivateKey, issuer *entity) (*entity, error)
	}{
		{frejaRoot, "", frejaAuthority("Simulator Freja Root CA", epoch)},
		{frejaIssuing, frejaRoot, frejaAuthority("Simulator Freja Issuing CA", epoch)},
		{frejaUserCA, frejaRoot, frejaAuthority("Simulator Freja User CA", epoch)},
		{frejaClientCA, "", frejaAuthority("Simulator Freja Client CA", epoch)},
		{frejaForeignRoot, "", frejaAuthority("Simulator Freja Root CA", epoch)},
		{frejaForeignIssuing, frejaForeignRoot, frejaAuthority("Simulator Freja Issuing CA", epoch)},
		{frejaServer, frejaIssuing, func(key *rsa.PrivateKey, ca *entity) (*entity, error) { return issueFrejaServer(key, ca, epoch) }},
		// Three years each, with overlap (freja.md section 3).
		{frejaSigner, frejaIssuing, frejaStatements("v1", epoch.AddDate(-1, 0, 0))},
		{frejaNextSigner, frejaIssuing, frejaStatements("v2", epoch.AddDate(0, -1, 0))},
		{frejaExpiredSigner, frejaIssuing, frejaStatements("v0", epoch.AddDate(-3, 0, -2))},
		{frejaForeignSigner, frejaForeignIssuing, frejaStatements("v1", epoch.AddDate(-1, 0, 0))},
		{frejaResponder, frejaUserCA, func(key *rsa.PrivateKey, ca *entity) (*entity, error) { return issueFrejaResponder(key, ca, epoch) }},
	} {
		e, err := c.make(keys[c.name], h[c.issuer])
		if err != nil {
			return nil, fmt.Errorf("pki: %s: %w", c.name, err)
		}
		h[c.name] = e
	}
	return h, nil
}

func frejaName(cn string) []attribute {
	return []attribute{
		country(),
		organization("Simulator Freja AB"),
		{asn1.ObjectIdentifier{2, 5, 4, 97}, "organizationIdentifier", "111111-1111"},
		commonName(cn),
	}
}

// frejaAuthority makes a CA; without an issuer, a root.
func frejaAuthority(cn string, epoch time.Time) func(*rsa.PrivateKey, *entity) (*entity, error) {
	return func(key *rsa.PrivateKey, issuer *entity) (*entity, error) {
		subject, err := encodeName(frejaName(cn))
		if err != nil {
			return nil, err
		}
		t := &x509.Certificate{
			SerialNumber:          newSerial(),
			RawSubject:            subject,
			NotBefore:             epoch.AddDate(-4, 0, 0),
			NotAfter:              epoch.AddDate(20, 0, 0),
			SignatureAlgorithm:    x509.SHA256WithRSA,
			IsCA:                  true,
			BasicConstraintsValid: true,
			MaxPathLen:            -1,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			SubjectKeyId:          keyID(&key.PublicKey),
			AuthorityKeyId:        keyID(&key.PublicKey),
		}
		if issuer == nil {
			issuer = &entity{cert: t, key: key}
		}
		return issue(t, &key.PublicKey, issuer, key)
	}
}

// frejaStatements makes a certificate that signs statements, with the profile
// of freja.md section 3: no extended key usage, and a critical one that has
// both bits.
func frejaStatements(version string, from time.Time) func(*rsa.PrivateKey, *entity) (*entity, error) {
	return func(key *rsa.PrivateKey, ca *entity) (*entity, error) {
		subject, err := encodeName(frejaName("Simulator Freja JWS Signing " + version))
		if err != nil {
			return nil, err
		}
		return issue(&x509.Certificate{
			SerialNumber:          newSerial(),
			RawSubject:            subject,
			NotBefore:             from,
			NotAfter:              from.AddDate(3, 0, 0),
			SignatureAlgorithm:    x509.SHA256WithRSA,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
			SubjectKeyId:          keyID(&key.PublicKey),
			IssuingCertificateURL: []string{"http://freja.simulator.example.se/issuing-ca.cer"},
		}, &key.PublicKey, ca, key)
	}
}

func issueFrejaServer(key *rsa.PrivateKey, ca *entity, epoch time.Time) (*entity, error) {
	subject, err := encodeName(frejaName("localhost"))
	if err != nil {
		return nil, err
	}
	return issue(&x509.Certificate{
		SerialNumber:          newSerial(),
		RawSubject:            subject,
		NotBefore:             epoch.AddDate(0, -1, 0),
		NotAfter:              epoch.AddDate(2, 0, 0),
		SignatureAlgorithm:    x509.SHA256WithRSA,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		SubjectKeyId:          keyID(&key.PublicKey),
	}, &key.PublicKey, ca, key)
}

// issueFrejaResponder makes the certificate of the OCSP responder of the user
// CA, valid for three months before and after now.
func issueFrejaResponder(key *rsa.PrivateKey, ca *entity, now time.Time) (*entity, error) {
	subject, err := encodeName(frejaName("Simulator Freja OCSP Signing"))
	if err != nil {
		return nil, err
	}
	return issue(&x509.Certificate{
		SerialNumber:          newSerial(),
		RawSubject:            subject,
		NotBefore:             now.UTC().AddDate(0, -3, 0),
		NotAfter:              now.UTC().AddDate(0, 3, 0),
		SignatureAlgorithm:    x509.SHA256WithRSA,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		SubjectKeyId:          keyID(&key.PublicKey),
		// id-pkix-ocsp-nocheck: nobody asks about the responder itself.
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}},
	}, &key.PublicKey, ca, key)
}

// Root is over the server's certificate, the statements' and the users'.
func (f *Freja) Root() *x509.Certificate { return f.home[frejaRoot].cert }

// Issuing is between the root and those who sign statements.
func (f *Freja) Issuing() *x509.Certificate { return f.home[frejaIssuing].cert }

// UserCA issues the users' certificates.
func (f *Freja) UserCA() *x509.Certificate { return f.home[frejaUserCA].cert }

// Server is the certificate for localhost with its issuer.
func (f *Freja) Server() tls.Certificate {
	e := f.home[frejaServer]
	return tls.Certificate{Certificate: [][]byte{e.cert.Raw, f.Issuing().Raw}, PrivateKey: e.key, Leaf: e.cert}
}

// RelyingParties is the pool that client certificates must chain to.
func (f *Freja) RelyingParties() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(f.home[frejaClientCA].cert)
	return pool
}

// Signer signs statements today.
func (f *Freja) Signer() FrejaSigner { return f.signer(frejaSigner) }

// NextSigner will sign them after the rollover; both are valid now.
func (f *Freja) NextSigner() FrejaSigner { return f.signer(frejaNextSigner) }

// ExpiredSigner signed them until two days before this year's set was made.
func (f *Freja) ExpiredSigner() FrejaSigner { return f.signer(frejaExpiredSigner) }

// ForeignSigner has the names of Signer and belongs to another root.
func (f *Freja) ForeignSigner() FrejaSigner { return f.signer(frejaForeignSigner) }

// Responder answers for the user CA.
func (f *Freja) Responder() FrejaSigner {
	return FrejaSigner{Certificate: f.responder.cert, Key: f.responder.key}
}

func (f *Freja) signer(name string) FrejaSigner {
	return FrejaSigner{Certificate: f.home[name].cert, Key: f.home[name].key}
}

// RelyingParty makes or finds the client certificate of a relying party. It
// returns the chain (client certificate, client CA) and the key.
func (f *Freja) RelyingParty(display string) ([]*x509.Certificate, *rsa.PrivateKey, error) {
	sum := sha256.Sum256([]byte(display))
	e, err := f.pki.cache.entity("freja-rp-"+hex.EncodeToString(sum[:8]), func(key *rsa.PrivateKey) (*entity, error) {
		return f.issueRelyingParty(display, key)
	})
	if err != nil {
		return nil, nil, err
	}
	return []*x509.Certificate{e.cert, f.home[frejaClientCA].cert}, e.key, nil
}

// RenewRelyingParty makes another client certificate of a relying party, with a
// key of its own.
func (f *Freja) RenewRelyingParty(display string) ([]*x509.Certificate, *rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, fmt.Errorf("pki: %w", err)
	}
	e, err := f.issueRelyingParty(display, key)
	if err != nil {
		return nil, nil, err
	}
	return []*x509.Certificate{e.cert, f.home[frejaClientCA].cert}, key, nil
}

func (f *Freja) issueRelyingParty(display string, key *rsa.PrivateKey) (*entity, error) {
	subject, err := encodeName([]attribute{country(), organization(display), commonName(display)})
	if err != nil {
		return nil, err
	}
	return issue(&x509.Certificate{
		SerialNumber:          newSerial(),
		RawSubject:            subject,
		NotBefore:             f.pki.epoch.AddDate(0, -1, 0),
		NotAfter:              f.pki.epoch.AddDate(2, 0, 0),
		SignatureAlgorithm:    x509.SHA256WithRSA,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		SubjectKeyId:          keyID(&key.PublicKey),
	}, &key.PublicKey, f.home[frejaClientCA], key)
}

// User makes or finds a user's key and certificate.
func (f *Freja) User(h Holder) (*FrejaUser, error) {
	f.mu.Lock()
	slot, ok := f.users[h]
	if !ok {
		slot = &frejaSlot{}
		f.users[h] = slot
	}
	f.mu.Unlock()
	// A lock per user: making a key must not hold up the others.
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.user != nil {
		return slot.user, nil
	}
	sum := sha256.Sum256([]byte(h.Number + "\x00" + h.Given + "\x00" + h.Surname))
	ca := f.home[frejaUserCA]
	e, err := f.pki.cache.entity("freja-user-"+hex.EncodeToString(sum[:8]), func(key *rsa.PrivateKey) (*entity, error) {
		subject, err := encodeName([]attribute{
			country(), surname(h.Surname), given(h.Given), serial(h.Number), commonName(h.Given + " " + h.Surname),
		})
		if err != nil {
			return nil, err
		}
		from := f.pki.epoch.AddDate(0, 0, -30)
		return issue(&x509.Certificate{
			SerialNumber:          newSerial(),
			RawSubject:            subject,
			NotBefore:             from,
			NotAfter:              from.AddDate(5, 0, 0),
			SignatureAlgorithm:    x509.SHA256WithRSA,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
			SubjectKeyId:          keyID(&key.PublicKey),
		}, &key.PublicKey, ca, key)
	})
	if err != nil {
		return nil, err
	}
	slot.user = &FrejaUser{ID: hex.EncodeToString(e.cert.SubjectKeyId), Key: e.key, Chain: []*x509.Certificate{e.cert, ca.cert}}
	return slot.user, nil
}
