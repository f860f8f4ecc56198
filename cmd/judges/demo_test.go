package judges

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Where the demo is (DESIGN.md section 6).
const (
	issuer   = "http://localhost:8080"
	portal   = "http://localhost:8081"
	phone    = "http://localhost:8082"
	app      = "http://localhost:8084"
	callback = "http://localhost:8090/callback"
)

// A demo is a running cmd/demo.
type demo struct {
	data   string
	phone  control
	late   order        // signed by nobody until its time is out
	used   atomic.Int32 // persons who were asked to sign something
	sigill sync.Once    // the production program is built
}

// Further clients of the demo: one that turns people away, for the page that
// says so.
const moreClients = `
- id: judges-adults
  name: Vuxentjänsten
  name_en: The service for adults
  profile: basic
  redirect_uris: [http://localhost:8090/callback]
  secret: judges-adults-secret
  scopes: [openid, profile]
  min_age: 25
  samordningsnummer: deny
`

// startDemo builds the demo with the race detector and runs it in a folder of
// its own. Its log, at debug level, goes to tmp/logs.
func startDemo(t *testing.T) *demo {
	t.Helper()
	vacant(t, "8080", "8081", "8082", "8083", "8084", "8443", "8444")
	d := &demo{data: t.TempDir(), phone: control{phone}}
	clients := filepath.Join(d.data, "more-clients.yaml")
	if err := os.WriteFile(clients, []byte(moreClients), 0o600); err != nil {
		t.Fatal(err)
	}
	log := output(t, "logs", "demo.log")
	if err := os.Symlink(log, filepath.Join(d.data, "sigill.log")); err != nil {
		t.Fatal(err)
	}
	binary := build(t, "demo", "-race")
	start(t, "demo-output.log", answers(issuer+"/healthz"), exec.Command(binary, "--data", d.data, "--clients", clients))
	t.Cleanup(func() {
		text, err := os.ReadFile(output(t, "logs", "demo-output.log"))
		if err != nil {
			t.Error(err)
		}
		for _, sign := range []string{"DATA RACE", "panic:", "goroutine "} {
			if strings.Contains(string(text), sign) {
				t.Errorf("the demo's output holds %q: see tmp/logs/demo-output.log", sign)
			}
		}
		if text, err = os.ReadFile(log); err != nil || len(text) == 0 {
			t.Errorf("the demo left no log: %v", err)
		}
		if strings.Contains(string(text), "panic") {
			t.Error("something panicked: see tmp/logs/demo.log")
		}
	})
	return d
}

// TestDemo lets everybody judge one running demo.
func TestDemo(t *testing.T) {
	judged(t)
	d := startDemo(t)
	d.late = d.beginLate(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *demo)
	}{
		{"Walk", testWalk},
		{"RacedState", testRacedState},
		{"OpenIDClient", testOpenIDClient},
		{"Apache", testApache},
		{"Chromium/QR", testQR},
		{"Chromium/QRFromScreenshot", testQRFromScreenshot},
		{"Chromium/WithoutScript", testWithoutScript},
		{"Chromium/OnPhone", testOnPhone},
		{"Chromium/Keyboard", testKeyboard},
		{"Chromium/Failures", testFailures},
		{"Chromium/Language", testLanguage},
		{"Chromium/Refusals", testRefusals},
		{"Chromium/Logout", testLogout},
		{"Chromium/EIDs", testEIDs},
		{"Signing", testSigning},
		{"Portal", testPortal},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, d) })
	}
}

// testWalk is a login in each mode without any browser: what all others stand on.
func testWalk(t *testing.T, d *demo) {
	basic := newClient(t, issuer, "demo-basic", "demo-basic-secret", callback, "profile", scopeNumber)
	for _, way := range []struct{ provider, device string }{{"bankid", "this"}, {"mbankid", "this"}, {"mbankid", "other"}} {
		t.Run(way.provider+"-"+way.device, func(t *testing.T) {
			person := d.phone.person(t, 1)
			a := basic.attempt()
			back, err := newWalker(issuer).login(a.url(), way.provider, way.device, d.phone, person.Number)
			if err != nil {
				t.Fatal(err)
			}
			code, err := a.code(back)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := a.redeem(t.Context(), code)
			if err != nil {
				t.Fatal(err)
			}
			if claims[claimNumber] != person.Number {
				t.Error("the claims are another person's")
			}
		})
	}
}
