package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"sigill/providers"
	"sigill/signing/trust"
	"sigill/testidp"
	"sigill/testidp/freja"
)

// The files of the demo's seal, below DATA/seal.
const (
	sealChain = "chain.pem"
	sealKey   = "key.pem"
	sealRoot  = "root.pem"
)

// trustFile is what verifiers of the demo's receipts believe, below DATA.
const trustFile = "trust.yaml"

// signerHook holds the secret with which webhooks to demo-signer are signed.
const signerHook = "clients/demo-signer.webhook"

// smsPassword is the simulated gateway's.
const smsPassword = "demo-sms-password"

// makeSigning makes what the signing room of the demo needs besides its
// configuration: the seal, whom to believe, and secrets.
func makeSigning(data string, eid eids, now time.Time) error {
	seal := filepath.Join(data, "seal")
	if err := makeSeal(seal, now); err != nil {
		return err
	}
	sealed, err := readCertificates(filepath.Join(seal, sealRoot))
	if err != nil {
		return err
	}
	simulated, err := readCertificates(filepath.Join(data, "bankid", testidp.SignatureRootFile))
	if err != nil {
		return err
	}
	var roots, signers, federation []*x509.Certificate
	for _, f := range []struct {
		to   *[]*x509.Certificate
		file string
	}{
		{&roots, filepath.Join(frejaFolder, freja.JWSRootFile)}, {&signers, filepath.Join(frejaFolder, freja.JWSFile)}, {&federation, filepath.Join(samlFolder, testidp.FederationFile)},
	} {
		list, err := readCertificates(filepath.Join(data, f.file))
		if err != nil {
			return err
		}
		*f.to = list
	}
	believed, err := trust.Write(trust.Trust{
		Seal: trust.Seal{Roots: sealed},
		BankID: []trust.BankID{{
			Name: "simulator", Roots: simulated, Policies: []string{"1.2.3.4.5", "1.2.3.4.10", "1.2.3.4.25"},
		}},
		Freja: trust.Freja{Roots: roots, Certificates: signers},
		SAML:  trust.SAML{Metadata: federation, IdPs: []trust.IdP{{EntityID: eid.idp, Provider: providers.Telia}}},
	})
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(data, trustFile), believed); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(data, "sms.password"), []byte(smsPassword)); err != nil {
		return err
	}
	hook := filepath.Join(data, signerHook)
	if _, err := os.Stat(hook); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	return replaceFile(hook, []byte("whsec_"+base64.StdEncoding.EncodeToString(secret)))
}

// readCertificates reads one or more, in PEM.
func readCertificates(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return list, nil
}

// organisationIdentifier is the attribute that says which organisation a seal is
// of (ETSI EN 319 412-1 section 5.1.4).
var organisationIdentifier = asn1.ObjectIdentifier{2, 5, 4, 97}

// makeSeal makes an authority and a seal certificate of the demo's own at the
// first start. A real installation buys its seal.
func makeSeal(dir string, now time.Time) error {
	if _, err := os.Stat(filepath.Join(dir, sealChain)); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return err
	}
	root := &x509.Certificate{
		Subject:   pkix.Name{Country: []string{"SE"}, Organization: []string{"Sigill Demo"}, CommonName: "Sigill Demo Seal Root"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	rootDER, err := certify(root, root, rootKey.Public(), rootKey)
	if err != nil {
		return err
	}
	if root, err = x509.ParseCertificate(rootDER); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leafDER, err := certify(&x509.Certificate{
		Subject: pkix.Name{
			Country: []string{"SE"}, Organization: []string{"Sigill Demo"}, CommonName: "Sigill Demo Seal",
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: organisationIdentifier, Value: "NTRSE-0000000000"}},
		},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(5, 0, 0),
		KeyUsage: x509.KeyUsageContentCommitment | x509.KeyUsageDigitalSignature,
	}, root, key.Public(), rootKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The chain last: it is what tells that everything is there.
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{sealRoot, "CERTIFICATE", rootDER}, {sealKey, "PRIVATE KEY", private}, {sealChain, "CERTIFICATE", leafDER}} {
		if err := replaceFile(filepath.Join(dir, f.name), pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})); err != nil {
			return err
		}
	}
	return nil
}

func certify(c, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	c.SerialNumber = serial
	return x509.CreateCertificate(rand.Reader, c, parent, public, signer)
}
