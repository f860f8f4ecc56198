package node

import (
	"context"
	"crypto/x509"
	"errors"

	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/freja"
)

func openFreja(_ context.Context, c config.Provider, w workshop) (map[providers.ID]providers.Provider, []*renewal, error) {
	env, err := frejaEnvironment(c)
	if err != nil {
		return nil, nil, err
	}
	files := c.Freja.ClientCertificate
	certificate := newRenewal(whatRP+c.Name, w.now, w.log, files.CertificateFile, files.KeyFile, files.PKCS12File, files.PassphraseFile)
	cert, leaf, err := clientCertificate(files)
	if err != nil {
		return nil, nil, err
	}
	made := freja.Config{
		ID: providers.Freja, Instance: c.Name, Help: c.Help, Environment: env, Certificate: cert, RelyingPartyID: c.Freja.RelyingPartyID,
		StaticQR: c.Freja.StaticQR, Approved: c.Approved, SignatureExpiry: c.Freja.SignatureExpiry, PollInterval: w.collect, Clock: w.now, Log: w.log,
	}
	if c.Freja.FindByNumber {
		made.UserInfo = freja.Number
	}
	p, err := freja.New(made)
	if err != nil {
		return nil, nil, err
	}
	certificate.begin(leaf, func() (*x509.Certificate, func(), error) {
		cert, leaf, err := clientCertificate(files)
		if err != nil {
			return nil, nil, err
		}
		use, err := p.Renew(cert)
		return leaf, use, err
	})
	return map[providers.ID]providers.Provider{providers.Freja: p}, []*renewal{certificate}, nil
}

func frejaEnvironment(c config.Provider) (freja.Environment, error) {
	f := c.Freja
	e := freja.Environment{Name: c.Name, BaseURL: f.BaseURL, AppLink: f.AppLink, Policy: freja.Policy{QRKeyBase64: f.QRKeyBase64, QRPadding: f.QRPadding, DynamicLink: f.DynamicLink}}
	var faults []error
	read := func(file string) []*x509.Certificate {
		if file == "" {
			return nil
		}
		list, err := readCertificates(file)
		faults = append(faults, err)
		return list
	}
	e.TLSRoots, e.JWSRoots = read(f.TLSRootFile), read(f.JWSRootFile)
	for _, file := range f.JWSCertificateFiles {
		e.JWSCertificates = append(e.JWSCertificates, read(file)...)
	}
	e.Intermediates, e.UserRoots = read(f.JWSChainFile), read(f.UserRootFile)
	return e, errors.Join(faults...)
}
