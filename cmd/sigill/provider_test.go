package main

import (
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sigill/testidp"
	"sigill/testidp/oidc"
)

// TestProviderTest runs the real program against simulated issuers, good and bad.
func TestProviderTest(t *testing.T) {
	sim := testidp.Start(t)
	bank, err := sim.Material()
	if err != nil {
		t.Fatal(err)
	}
	m, err := sim.FrejaMaterial()
	if err != nil {
		t.Fatal(err)
	}
	idp := sim.SAML(testidp.Telia)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/provider",
		Setup: func(e *testscript.Env) error {
			for name, value := range map[string]string{
				"BANKID": bank.BankIDURL, "FREJA": m.BaseURL, "PHONE": m.AppURL, "IDP": idp.EntityID(), "FEED": idp.FeedURL(), "OIDC": sim.OIDCIssuer(),
				"CLIENT": oidc.DefaultClientID, "NOBODY": "https://" + nobody,
			} {
				e.Setenv(name, value)
			}
			if err := bank.WriteFiles(filepath.Join(e.WorkDir, "bankid")); err != nil {
				return err
			}
			if err := m.WriteFiles(filepath.Join(e.WorkDir, "freja")); err != nil {
				return err
			}
			for name, b := range map[string][]byte{
				"federation.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: idp.FederationCertificate().Raw}),
				"oidc.secret":    []byte(oidc.DefaultSecret + "\n"), "wrong.secret": []byte("another-secret\n"),
			} {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), b, 0o600); err != nil {
					return err
				}
			}
			return relyingParty(e.WorkDir, time.Now().Add(700*time.Hour)) // soon
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// filled writes a file with the variables in it replaced.
			"filled": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
			},
			// fault makes an issuer misbehave until the next one; none: nobody does.
			"fault": func(_ *testscript.TestScript, _ bool, args []string) {
				sim.ClearFaults()
				if len(args) == 2 {
					sim.Fault(args[0], args[1])
				}
			},
		},
	})
}
