package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sigill": main})
}

// TestScripts runs the real program as people do.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			return relyingParty(e.WorkDir, time.Now().Add(2000*time.Hour))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// ends replaces the certificate by one that ends so long from now.
			"ends": func(ts *testscript.TestScript, _ bool, args []string) {
				left, err := time.ParseDuration(args[0])
				ts.Check(err)
				ts.Check(relyingParty(ts.MkAbs("."), time.Now().Add(left)))
			},
			// audited prints client and reason of the acts of a type.
			"audited": func(ts *testscript.TestScript, _ bool, args []string) {
				db, err := sql.Open("sqlite", ts.MkAbs("data/broker.db"))
				ts.Check(err)
				defer db.Close()
				rows, err := db.Query(`SELECT client, reason FROM audit_chain WHERE type = ? ORDER BY position`, args[0])
				ts.Check(err)
				defer rows.Close()
				for rows.Next() {
					var client, reason string
					ts.Check(rows.Scan(&client, &reason))
					fmt.Fprintln(ts.Stdout(), client, reason)
				}
				ts.Check(rows.Err())
			},
			// keep copies the head that was printed into a file and into $HEAD.
			"keep": func(ts *testscript.TestScript, _ bool, args []string) {
				_, head, _ := strings.Cut(ts.ReadFile("stdout"), "Last head, to keep elsewhere: ")
				head, _, _ = strings.Cut(head, "\n")
				ts.Setenv("HEAD", head)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("\n"+head+"\n"), 0o600))
			},
			// wanted writes entries into the outbox: ids, with the state of each.
			"wanted": func(ts *testscript.TestScript, _ bool, args []string) {
				db, err := sql.Open("sqlite", ts.MkAbs("data/signing.db"))
				ts.Check(err)
				for _, a := range args {
					id, state, _ := strings.Cut(a, "=")
					ended, at := any(nil), time.Now().Add(time.Hour).UnixMilli()
					if state != "waiting" {
						ended = at
					}
					_, err := db.Exec(`INSERT INTO outbox (id, kind, ref, stream, state, created, due, next, attempts, node, claim, error, ended)
						VALUES (?, 'webhook', 'order-1', '', ?, ?, ?, ?, 3, '', '', 'the receiver answered 500', ?)`, id, state, at, at, at, ended)
					ts.Check(err)
				}
				ts.Check(db.Close())
			},
			// alter is somebody with write access to the database.
			"alter": func(ts *testscript.TestScript, _ bool, args []string) {
				db, err := sql.Open("sqlite", ts.MkAbs("data/broker.db"))
				ts.Check(err)
				_, err = db.Exec(strings.Join(args, " "))
				ts.Check(errors.Join(err, db.Close()))
			},
		},
	})
}

// relyingParty makes the certificate that a bank would have issued.
func relyingParty(dir string, until time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Exempelby", Organization: []string{"Exempelby"}},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"rp.pem": {Type: "CERTIFICATE", Bytes: der},
		"rp.key": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"", misuse, ""},
		{"help", ok, ""},
		{"version", ok, ""},
		{"frobnicate", misuse, `there is no command "frobnicate"`},
		{"keys frobnicate", misuse, `there is no command "keys frobnicate"`},
		{"version extra", misuse, `"extra" is too much`},
		{"keys rotate", misuse, "something is missing"},
		{"serve --frobnicate", misuse, "flag provided but not defined"},
		{"check", failed, "there is no file sigill.yaml"},
		{"check --config other.yaml", failed, "there is no file other.yaml"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := Main(context.Background(), strings.Fields(tt.args), &out, &errs)
			if code != tt.code || !strings.Contains(errs.String(), tt.stderr) {
				t.Errorf("code %d, want %d; stderr:\n%s", code, tt.code, errs.String())
			}
			if strings.Contains(errs.String(), "goroutine") {
				t.Errorf("a stack for people: %s", errs.String())
			}
		})
	}
}

// TestServe starts the program, asks it what everybody asks first, and ends it.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	if err := relyingParty(dir, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	file := filepath.Join(dir, "sigill.yaml")
	issuer := fmt.Sprintf("http://localhost:%d", port)
	err = os.WriteFile(file, fmt.Appendf(nil, `issuer: %s
listen: 127.0.0.1:%d
data: data
master_key_file: master.key
log_level: error
providers: [{name: one, kind: bankid, offers: [bankid, mbankid], environment: production, certificate_file: rp.pem, key_file: rp.key, display_name: Exempelby}]
`, issuer, port), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if code := Main(t.Context(), []string{"keys", "new-master", filepath.Join(dir, "master.key")}, io.Discard, os.Stderr); code != ok {
		t.Fatal("no master key")
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	var errs bytes.Buffer
	go func() { ended <- Main(ctx, []string{"serve", "--config", file}, io.Discard, &errs) }()

	client := &http.Client{Timeout: 5 * time.Second}
	var res *http.Response
	for range 500 {
		if res, err = client.Get(issuer + "/.well-known/openid-configuration"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // a process of its own would take as long
	}
	if err != nil {
		t.Fatalf("does not answer: %v %s", err, errs.String())
	}
	var metadata map[string]any
	err = json.NewDecoder(res.Body).Decode(&metadata)
	res.Body.Close()
	if err != nil || metadata["issuer"] != issuer {
		t.Errorf("discovery: %v %v", metadata["issuer"], err)
	}
	client.CloseIdleConnections()
	stop()
	select {
	case code := <-ended:
		if code != ok {
			t.Errorf("ended with %d: %s", code, errs.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("does not stop")
	}
}
