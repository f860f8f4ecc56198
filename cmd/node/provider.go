package node

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/bankid"
)

// A factory makes the e-IDs of one configured instance, one for each id that it
// offers, and what follows the files of its certificate.
type factory func(config.Provider, workshop) (map[providers.ID]providers.Provider, *renewal, error)

// workshop is what factories share.
type workshop struct {
	collect time.Duration
	now     func() time.Time
	log     *slog.Logger
}

// factories names each kind of provider that a configuration may hold.
func factories() map[string]factory {
	return map[string]factory{"bankid": openBankID}
}

// eids are the configured e-IDs.
type eids struct{ instances []instance }

type instance struct {
	name        string
	offers      []providers.ID
	eids        map[providers.ID]providers.Provider
	certificate *renewal
}

// openProviders makes all instances, and reports what is wrong with any.
func openProviders(list []config.Provider, w workshop) (*eids, error) {
	kinds := factories()
	e := &eids{}
	var faults []error
	for _, c := range list {
		open, ok := kinds[c.Kind]
		if !ok {
			faults = append(faults, fmt.Errorf("provider %s: there is no kind %q", c.Name, c.Kind))
			continue
		}
		made, certificate, err := open(c, w)
		if err != nil {
			faults = append(faults, fmt.Errorf("provider %s: %w", c.Name, err))
			continue
		}
		e.instances = append(e.instances, instance{c.Name, c.Offers, made, certificate})
	}
	return e, errors.Join(faults...)
}

// find gives the e-ID of an instance; without a name that of the first instance
// that offers it.
func (e *eids) find(id providers.ID, name string) (providers.Provider, bool) {
	for _, i := range e.instances {
		if name == "" || i.name == name {
			if p, ok := i.eids[id]; ok {
				return p, true
			}
		}
	}
	return nil, false
}

// offers lists the e-IDs of a client, in the order shown.
func (e *eids) offers(c broker.Client) []providers.Info {
	order := c.ProviderOrder
	if len(c.Providers) == 0 {
		order = nil
		for _, i := range e.instances {
			for _, id := range i.offers {
				if !slices.Contains(order, id) {
					order = append(order, id)
				}
			}
		}
	}
	var list []providers.Info
	for _, id := range order {
		if p, ok := e.find(id, c.Providers[id]); ok {
			list = append(list, p.Info())
		}
	}
	return list
}

// levels are the levels of assurance that the instances reach.
func (e *eids) levels() []providers.Level {
	var list []providers.Level
	for _, i := range e.instances {
		for _, id := range i.offers {
			if l := i.eids[id].Info().Level; !slices.Contains(list, l) {
				list = append(list, l)
			}
		}
	}
	slices.Sort(list)
	return list
}

func openBankID(c config.Provider, w workshop) (map[providers.ID]providers.Provider, *renewal, error) {
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
			ID: id, Instance: c.Name, Environment: env, Certificate: cert, DisplayName: c.DisplayName,
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
	return made, certificate, nil
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

func clientCertificate(c config.ClientCertificate) (cert tls.Certificate, leaf *x509.Certificate, err error) {
	read := func(file string) []byte {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil // the loaders below refuse nothing at all
		}
		return data
	}
	if c.PKCS12File != "" {
		cert, err = bankid.LoadPKCS12(read(c.PKCS12File), strings.TrimRight(string(read(c.PassphraseFile)), "\r\n"))
	} else {
		cert, err = bankid.LoadPEM(read(c.CertificateFile), read(c.KeyFile))
	}
	if err != nil {
		return cert, nil, err
	}
	if leaf = cert.Leaf; leaf == nil {
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return cert, nil, fmt.Errorf("certificate: %w", err)
		}
	}
	return cert, leaf, nil
}

// readCertificates reads one or more certificates in PEM, and nothing else.
func readCertificates(file string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return nil, fmt.Errorf("%s holds something that is not a certificate", file)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return list, nil
}

// userSignature takes the person's own signature out of the evidence of those
// e-IDs that have one, as it was verified: for BankID an XML document.
func userSignature(e providers.Evidence) []byte {
	if e.MediaType != bankid.MediaType {
		return nil
	}
	var v struct {
		Signature []byte `json:"signature"` // base64 in the JSON
	}
	if err := json.Unmarshal(e.Bytes, &v); err != nil {
		return nil
	}
	return v.Signature
}
