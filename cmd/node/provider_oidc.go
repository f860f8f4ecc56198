package node

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/oidc"
)

func openOIDC(_ context.Context, c config.Provider, w workshop) (map[providers.ID]providers.Provider, []*renewal, error) {
	o := c.OIDC
	made := oidc.Config{
		ID: c.Offers[0], Instance: c.Name, Title: c.Title, Help: c.Help, Issuer: o.Issuer, ClientID: o.ClientID, AuthMethod: o.AuthMethod,
		AssertionAudience: o.AssertionAudience, CredentialEnds: o.CredentialEnds, RedirectURL: w.address(c.Name, providers.BackPath),
		Scopes: o.Scopes, ACRValues: o.ACRValues, Prompt: o.Prompt, Algorithms: o.Algorithms,
		Claims: oidc.Claims{
			Country: o.Claims["country"], Name: o.Claims["name"], GivenName: o.Claims["given_name"], Surname: o.Claims["surname"],
			Transaction: o.Claims["transaction"], Level: o.LevelClaim,
		},
		Levels: o.Levels, Approved: c.Approved, CoordNumbers: o.CoordNumbers, Userinfo: o.Userinfo, AuthAge: o.AuthAge, AuthTime: o.AuthTime, TokenAge: o.MaxAge, Skew: o.Skew,
		Replay: w.replay, Clock: w.now, Log: w.log,
	}
	if number := o.Claims["number"]; number != "" {
		made.Claims.Number = []string{number}
	}
	if o.SecretFile != "" {
		secret, err := os.ReadFile(o.SecretFile)
		if err != nil {
			return nil, nil, err
		}
		if made.Secret = strings.TrimSpace(string(secret)); made.Secret == "" {
			return nil, nil, fmt.Errorf("%s is empty", o.SecretFile)
		}
	}
	if o.KeyFile != "" {
		key, err := readKey(o.KeyFile)
		if err != nil {
			return nil, nil, err
		}
		made.Keys = []crypto.Signer{key}
	}
	if o.TLSRootFile != "" {
		roots, err := readCertificates(o.TLSRootFile)
		if err != nil {
			return nil, nil, err
		}
		made.TLSRoots = x509.NewCertPool()
		for _, r := range roots {
			made.TLSRoots.AddCert(r)
		}
	}
	if o.Preset == "freja" {
		made = oidc.Freja(made)
	}
	p, err := oidc.New(made)
	if err != nil {
		return nil, nil, err
	}
	return map[providers.ID]providers.Provider{c.Offers[0]: p}, nil, nil
}

// readKey reads a private key in PEM.
func readKey(file string) (crypto.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key in PEM", file)
	}
	key, err := parsePrivate(block)
	if err != nil {
		return nil, fmt.Errorf("%s: the key cannot be read", file)
	}
	return key, nil
}
