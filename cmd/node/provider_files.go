package node

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"sigill/broker/kit/config"
	"sigill/providers/bankid"
)

// clientCertificate reads what we show an issuer.
func clientCertificate(c config.ClientCertificate) (cert tls.Certificate, leaf *x509.Certificate, err error) {
	first, second := c.CertificateFile, c.KeyFile
	if c.PKCS12File != "" {
		first, second = c.PKCS12File, c.PassphraseFile
	}
	one, err := os.ReadFile(first)
	if err != nil {
		return cert, nil, err
	}
	other, err := os.ReadFile(second)
	if err != nil {
		return cert, nil, err
	}
	if c.PKCS12File != "" {
		cert, err = bankid.LoadPKCS12(one, strings.TrimRight(string(other), "\r\n"))
	} else {
		cert, err = bankid.LoadPEM(one, other)
	}
	if err != nil {
		return cert, nil, fmt.Errorf("%s with %s: %w", first, second, err)
	}
	if leaf = cert.Leaf; leaf == nil {
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return cert, nil, fmt.Errorf("%s: %w", first, err)
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
