package freja

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Material is what a relying party must be given to use the simulator. All
// members but the first three are PEM.
type Material struct {
	BaseURL       string // of the REST services
	AppURL        string // where app links point; takes ?action=
	RelyingParty  string // the name in the client certificate
	TLSRoot       []byte // the root of BaseURL's certificate
	JWSRoot       []byte // the root of those who sign statements; also of the users' certificates
	Intermediate  []byte // the issuer between JWSRoot and those who sign
	JWS           []byte // who signs statements now and after the rollover: what to pin
	RPCertificate []byte // the client certificate and its issuer
	RPKey         []byte // PKCS #8

	// For tests alone: what nobody should pin today.
	JWSCurrent []byte // the first half of JWS
	JWSExpired []byte // who signed statements before
	JWSForeign []byte // who signs under another root, with the same names
	UserCA     []byte // the issuer between JWSRoot and the users
}

// Material lets a relying party in and returns its material; its certificate is
// made when it is first asked for.
func (s *Simulator) Material(baseURL, relyingParty string) (Material, error) {
	chain, key, err := s.keys.RelyingParty(relyingParty)
	if err != nil {
		return Material{}, err
	}
	return s.material(baseURL, relyingParty, chain, key)
}

// Renewed returns the material of a relying party with another certificate. It
// sees the transactions that it made with the one before.
func (s *Simulator) Renewed(baseURL, relyingParty string) (Material, error) {
	chain, key, err := s.keys.RenewRelyingParty(relyingParty)
	if err != nil {
		return Material{}, err
	}
	return s.material(baseURL, relyingParty, chain, key)
}

func (s *Simulator) material(baseURL, relyingParty string, chain []*x509.Certificate, key *rsa.PrivateKey) (Material, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Material{}, fmt.Errorf("freja: %w", err)
	}
	s.parties.add(chain[0], relyingParty)
	now, next := s.keys.Signer().Certificate, s.keys.NextSigner().Certificate
	return Material{
		BaseURL: baseURL, AppURL: s.appURL, RelyingParty: relyingParty,
		TLSRoot:       certificates(s.keys.Root()),
		JWSRoot:       certificates(s.keys.Root()),
		Intermediate:  certificates(s.keys.Issuing()),
		JWS:           certificates(now, next),
		RPCertificate: certificates(chain...),
		RPKey:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		JWSCurrent:    certificates(now),
		JWSExpired:    certificates(s.keys.ExpiredSigner().Certificate),
		JWSForeign:    certificates(s.keys.ForeignSigner().Certificate),
		UserCA:        certificates(s.keys.UserCA()),
	}, nil
}

func certificates(list ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range list {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}

// The names of the files that WriteFiles makes.
const (
	TLSRootFile       = "freja-tls-root.pem"
	JWSRootFile       = "freja-jws-root.pem"
	IntermediateFile  = "freja-jws-intermediate.pem"
	JWSFile           = "freja-jws.pem"
	RPCertificateFile = "freja-rp.pem"
	RPKeyFile         = "freja-rp.key"
)

// WriteFiles puts the material into a folder, for a relying party in another
// process.
func (m Material) WriteFiles(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("freja: %w", err)
	}
	for name, data := range map[string][]byte{
		TLSRootFile: m.TLSRoot, JWSRootFile: m.JWSRoot, IntermediateFile: m.Intermediate, JWSFile: m.JWS,
		RPCertificateFile: m.RPCertificate, RPKeyFile: m.RPKey,
	} {
		if err := writeFile(filepath.Join(dir, name), data); err != nil {
			return fmt.Errorf("freja: %w", err)
		}
	}
	return nil
}

// writeFile replaces a file in one step, so that nobody reads half of it.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
