package node

import (
	"context"
	"crypto/x509"

	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/bankid"
)

func openBankID(_ context.Context, c config.Provider, w workshop) (map[providers.ID]providers.Provider, []*renewal, error) {
	env, err := bankIDEnvironment(c)
	if err != nil {
		return nil, nil, err
	}
	certificate := newRenewal(whatRP+c.Name, w.now, w.log, c.BankID.CertificateFile, c.BankID.KeyFile, c.BankID.PKCS12File, c.BankID.PassphraseFile)
	cert, leaf, err := clientCertificate(c.BankID.ClientCertificate)
	if err != nil {
		return nil, nil, err
	}
	made := map[providers.ID]providers.Provider{}
	cache := &bankid.Cache{}
	var all []*bankid.Provider
	for _, id := range c.Offers {
		p, err := bankid.New(bankid.Config{
			ID: id, Instance: c.Name, Help: c.Help, Environment: env, Certificate: cert, DisplayName: c.DisplayName,
			Approved: c.Approved, PollInterval: w.collect, Clock: w.now, Log: w.log, Cache: cache,
		})
		if err != nil {
			return nil, nil, err
		}
		made[id], all = p, append(all, p)
	}
	certificate.begin(leaf, func() (*x509.Certificate, func(), error) {
		cert, leaf, err := clientCertificate(c.BankID.ClientCertificate)
		if err != nil {
			return nil, nil, err
		}
		var uses []func()
		for _, p := range all {
			use, err := p.Renew(cert)
			if err != nil {
				return nil, nil, err
			}
			uses = append(uses, use)
		}
		return leaf, func() {
			for _, use := range uses {
				use()
			}
		}, nil
	})
	return made, []*renewal{certificate}, nil
}

func bankIDEnvironment(c config.Provider) (bankid.Environment, error) {
	e := c.BankID.Environment
	if e.Production() {
		return bankid.Production(), nil
	}
	tlsRoots, err := readCertificates(e.TLSRootFile)
	if err != nil {
		return bankid.Environment{}, err
	}
	signatureRoots, err := readCertificates(e.SignatureRootFile)
	if err != nil {
		return bankid.Environment{}, err
	}
	return bankid.Environment{
		Name: c.Name, BaseURL: e.BaseURL, TLSRoots: tlsRoots, SignatureRoots: signatureRoots,
		Policies:    bankid.Policies{File: e.FilePolicies, Card: e.CardPolicies, Mobile: e.MobilePolicies},
		DesktopLink: e.DesktopLink, MobileLink: e.MobileLink,
	}, nil
}
