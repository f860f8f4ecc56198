package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker/flow"
	"sigill/testidp"
	"sigill/testidp/control"
	"sigill/testidp/saml"
)

// Faults that a login shall not mind: what is odd and right, what only signatures
// have, or documents that nobody fetches just now, and another person's e-ID, who is
// then logged in.
var passable = map[string][]string{
	"freja": {
		"unknownFields", "statusOpened", "unknownStatus", "textDetails", "stringCode", "slowStarted", "oldReference", "rollover", "base64UserInfo",
		"jsonUserInfo", "attributesDiffer", "userCertificate", "wrongPerson",
		"textDiffers", "binaryDiffers", "missingBinary", "plainInnerText", "wrongSignatureType", "missingSignature", "badUserSignature",
		"badOCSP", "ocspRevoked", "ocspStale", "ocspGarbage",
	},
	"telia": {
		"extraAudience", "clockAhead55", "clockBehind55", "ecdsaKey", "secondKey", "noKeyInfo", "inclusiveNamespaces", "gcm256", "gcm128", "cbc256",
		"cbc128", "indentedCipherValue", "oaepSha256", "twoKeys", "wrongPerson",
		"noSignMessageDigest", "wrongSignMessageDigest", "unsignedAssertion", "badAssertionSignature",
		"metadataBadSignature", "metadataUnsigned", "metadataExpired", "metadataUnknownSigner", "metadataRollover", "javascriptEndpoint",
		"plainEndpoint", "feedBadSignature", "feedUnsigned", "feedExpired", "feedNoValidUntil", "feedUnknownSigner", "entityTwice", "entityMissing",
	},
	"oidc": {"keyRollover", "extraClaims", "wrongPerson", "discoveryIssuer", "userinfoOther", "userinfoNumber"},
}

// book is a log that may be read while it is written.
type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var reference = regexp.MustCompile(`[0-9A-Z]{5}-[0-9A-Z]{5}`)

// Whatever an issuer does wrong ends in a page that says so in two languages and
// has a reference number, and in no login. One fault of four, and with SIGILL_SOAK=1
// each.
func TestEIDFaults(t *testing.T) {
	t.Parallel()
	for simulator, w := range map[string]way{"freja": {"freja", "other"}, "telia": {"telia", "this"}, "oidc": {eidID, "this"}} {
		t.Run(simulator, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			var log book
			r := start(t, Config{
				Data: data, Collect: 20 * time.Millisecond, Log: slog.New(slog.NewJSONHandler(&log, nil)),
				Limits: flow.Limits{Life: 2 * time.Second, Call: time.Second, Retry: 100 * time.Millisecond, Gone: time.Minute},
				Simulator: func(c *testidp.Config) {
					c.OIDC.Slow = 5 * time.Second
					c.Telia = func(c *saml.Config) { c.Slow = 5 * time.Second }
				},
			})
			for i, fault := range faultModes(t, r, simulator) {
				// Each e-ID's own tests try all of them, always.
				if i%4 != 0 && os.Getenv("SIGILL_SOAK") == "" {
					continue
				}
				t.Run(fault, func(t *testing.T) {
					passes := slices.Contains(passable[simulator], fault)
					// On a busy machine an order may be too short; what must pass passes then.
					for try := 1; !login(t, r, data, simulator, fault, w, passes, try == tries); try++ {
					}
				})
			}
			if strings.Contains(log.String(), `"panic`) {
				t.Error("something panicked")
			}
		})
	}
}

func faultModes(t *testing.T, r Running, simulator string) []string {
	t.Helper()
	res, err := http.Get(r.Simulators.URL() + "/control/faults")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var known struct {
		Possible map[string][]string `json:"possible"`
	}
	if err := json.NewDecoder(res.Body).Decode(&known); err != nil || len(known.Possible[simulator]) == 0 {
		t.Fatalf("the faults of %s: %v", simulator, err)
	}
	return known.Possible[simulator]
}

const tries = 5

// login logs somebody in while a fault is on. It reports false to be called again.
func login(t *testing.T, r Running, data, simulator, fault string, w way, passes, last bool) bool {
	app := newApplication(t, r, data, "demo-basic")
	p := r.Simulators.People()[0]
	v := newVisitor(t, r.Issuer, r.Simulators.URL(), strings.TrimSuffix(r.Simulators.SAMLURL("telia"), "/saml/telia"))
	v.forgives = true
	r.Simulators.Fault(simulator, fault)
	defer r.Simulators.ClearFaults()
	wait, _, _ := app.begins(v, w)
	var end visited
	if s := v.status(wait.url); s.State == "pending" {
		end = v.acts(r, wait, w, control.Action{Action: "approve", Pnr: p.Number})
	}
	s := v.status(wait.url)
	for n := 0; s.State == "pending" || s.State == "returning"; n++ {
		if n > 200 {
			t.Fatalf("still %+v", s)
		}
		time.Sleep(50 * time.Millisecond)
		s = v.status(wait.url)
	}
	came := s.State == "complete" || strings.HasPrefix(end.away, callback)
	switch {
	case passes && !came && !last:
		return false
	case passes && !came:
		t.Errorf("does not pass: %+v", s)
	case !passes && came:
		t.Error("logged in")
	}
	if came {
		return true
	}
	for _, lang := range []string{"sv", "en"} {
		page := v.get(wait.url + "?lang=" + lang)
		if page.status != http.StatusOK || !strings.Contains(page.body, `lang="`+lang+`"`) || !reference.MatchString(page.body) {
			t.Errorf("the page in %s: %d\n%s", lang, page.status, page.body)
		}
	}
	return true
}
