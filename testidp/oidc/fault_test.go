package oidc

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// An outcome is what became of a login with a fault.
type outcome struct {
	p        *place
	l        login
	answer   url.Values
	tokens   *oauth2.Token // nil: none came
	kind     string        // token_type
	refused  error         // why go-oidc does not take the ID Token
	header   map[string]any
	claims   map[string]any // as the ID Token says, whoever signed it
	raw      string         // the payload
	userinfo map[string]any
}

// run logs the first person in and looks at everything, verified or not.
func (p *place) run() outcome {
	p.t.Helper()
	o := outcome{p: p}
	o.l, o.answer = p.approve(0)
	var err error
	if o.tokens, err = p.exchange(o.l, o.answer.Get("code")); err != nil {
		o.tokens = nil
		return o
	}
	raw, _ := o.tokens.Extra("id_token").(string)
	_, _, o.refused = p.verify(p.t.Context(), o.l, o.tokens)
	if parts := strings.Split(raw, "."); len(parts) == 3 {
		h, err1 := base64.RawURLEncoding.DecodeString(parts[0])
		b, err2 := base64.RawURLEncoding.DecodeString(parts[1])
		if err1 != nil || err2 != nil || json.Unmarshal(h, &o.header) != nil || json.Unmarshal(b, &o.claims) != nil {
			p.t.Fatal("not a JWS")
		}
		o.raw = string(b)
	}
	o.kind, o.tokens.TokenType = o.tokens.TokenType, "Bearer"
	info, err := p.provider.UserInfo(p.t.Context(), oauth2.StaticTokenSource(o.tokens))
	if err == nil {
		err = info.Claims(&o.userinfo)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return o
}

func (o outcome) number() any { return o.claims[frejaClaims+"personalIdentityNumber"] }
func (o outcome) time(name string) time.Time {
	f, _ := o.claims[name].(float64)
	return time.Unix(int64(f), 0)
}

// good is what holds of a login to which nothing happened.
func (o outcome) good() bool {
	who := o.p.people.First()
	return o.tokens != nil && o.refused == nil && o.claims["nonce"] == o.l.nonce && o.number() == who.Number &&
		o.claims[frejaClaims+"registrationLevel"] == "PLUS" && o.claims[frejaClaims+"country"] == "SE" && o.userinfo["sub"] == o.claims["sub"]
}

func TestFaults(t *testing.T) {
	refused := func(why string) func(outcome) bool {
		return func(o outcome) bool { return o.refused != nil && strings.Contains(o.refused.Error(), why) }
	}
	sent := func(code string) func(outcome) bool {
		return func(o outcome) bool { return o.answer.Get("error") == code && !o.answer.Has("code") }
	}
	other := persons.All().Other(persons.All().First().Number)
	first := persons.All().First()
	cases := map[string]func(outcome) bool{
		mixUpIss: func(o outcome) bool {
			return o.answer.Get("iss") == "https://other.example.com/oidc" && len(o.answer["iss"]) == 1 && o.good()
		},
		noIss:    func(o outcome) bool { return !o.answer.Has("iss") && o.good() },
		issTwice: func(o outcome) bool { return len(o.answer["iss"]) == 2 && o.good() },
		stateMangled: func(o outcome) bool {
			return o.answer.Get("state") != o.l.state && o.answer.Get("state") != "" && o.good()
		},
		noState:      func(o outcome) bool { return !o.answer.Has("state") && o.good() },
		codeTwice:    func(o outcome) bool { return len(o.answer["code"]) == 2 && o.good() },
		noCode:       func(o outcome) bool { return !o.answer.Has("code") && !o.answer.Has("error") },
		wrongCode:    func(o outcome) bool { return o.answer.Has("code") && o.tokens == nil },
		errorAndCode: func(o outcome) bool { return o.answer.Get("error") == "access_denied" && o.good() },
		accessDenied: sent("access_denied"),
		errorServer:  sent("server_error"),
		errorBusy:    sent("temporarily_unavailable"),
		errorUnmet:   sent("unmet_authentication_requirements"),
		errorUnknown: sent("x_simulated_error"),
		tokenError:   func(o outcome) bool { return o.answer.Has("code") && o.tokens == nil },
		tokenType:    func(o outcome) bool { return o.kind == "x-simulated" && o.good() },
		noIDToken:    func(o outcome) bool { return o.tokens != nil && o.tokens.Extra("id_token") == nil },
		badSignature: refused("verify signature"),
		algNone:      func(o outcome) bool { return o.refused != nil && o.header["alg"] == "none" },
		hs256:        func(o outcome) bool { return o.refused != nil && o.header["alg"] == "HS256" },
		foreignKey: func(o outcome) bool {
			return o.refused != nil && o.header["alg"] == "RS256" && o.header["kid"] == o.p.issuer.newest().kid
		},
		unknownKid:  func(o outcome) bool { return o.refused != nil && o.header["kid"] != o.p.issuer.newest().kid },
		embeddedKey: func(o outcome) bool { return o.refused != nil && o.header["jwk"] != nil },
		critHeader:  func(o outcome) bool { return o.header["crit"] != nil },

		wrongIssuer:   refused("different provider"),
		wrongAudience: refused("audience"),
		twoAudiences:  func(o outcome) bool { return o.refused == nil && o.claims["azp"] == "somebody-else" },
		wrongNonce: func(o outcome) bool {
			return o.refused == nil && o.claims["nonce"] != o.l.nonce && o.claims["nonce"] != nil
		},
		noNonce:   func(o outcome) bool { return o.refused == nil && o.claims["nonce"] == nil },
		expired:   refused("expired"),
		futureIat: func(o outcome) bool { return time.Until(o.time("iat")) > 50*time.Minute },
		oldAuth:   func(o outcome) bool { return time.Since(o.time("auth_time")) > 110*time.Minute && o.refused == nil },
		noSubject: func(o outcome) bool { return o.claims["sub"] == nil && o.userinfo["sub"] == nil },
		wrongAtHash: func(o outcome) bool {
			id, _, err := o.p.verify(t.Context(), o.l, o.tokens)
			return err == nil && id.VerifyAccessToken(o.tokens.AccessToken) != nil
		},
		replay: func(o outcome) bool {
			return o.refused == nil && o.claims["nonce"] != o.l.nonce && o.number() == first.Number && time.Since(o.time("iat")) > 9*time.Minute
		},
		swapped: func(o outcome) bool {
			return o.refused == nil && o.claims["nonce"] != o.l.nonce && o.number() == other.Number
		},

		wrongPerson: func(o outcome) bool {
			return o.refused == nil && o.number() == other.Number && o.userinfo["sub"] == o.claims["sub"] && o.claims["nonce"] == o.l.nonce && o.claims["name"] == other.Name()
		},
		lowerLevel: func(o outcome) bool {
			return o.claims[frejaClaims+"registrationLevel"] == "EXTENDED" && o.claims[frejaClaims+"loaLevel"] == "LOA2"
		},
		noLevel: func(o outcome) bool {
			return o.claims[frejaClaims+"registrationLevel"] == nil && o.claims[frejaClaims+"loaLevel"] == nil && o.number() != nil
		},
		unknownLevel: func(o outcome) bool { return o.claims[frejaClaims+"registrationLevel"] == "DIAMOND" },
		missingNumber: func(o outcome) bool {
			return o.number() == nil && o.userinfo[frejaClaims+"personalIdentityNumber"] == nil && o.claims["name"] != nil
		},
		emptyNumber: func(o outcome) bool { return o.number() == "" },
		tenDigits:   func(o outcome) bool { return o.number() == first.Number[2:] },
		wrongDigit: func(o outcome) bool {
			n, _ := o.number().(string)
			return len(n) == 12 && n[:11] == first.Number[:11] && n != first.Number
		},
		numberType: func(o outcome) bool { _, ok := o.number().(float64); return ok },
		numberTwice: func(o outcome) bool {
			return o.refused == nil && strings.Count(o.raw, "personalIdentityNumber") == 2 && strings.Contains(o.raw, other.Number) && strings.Contains(o.raw, first.Number)
		},
		notSwedish: func(o outcome) bool { return o.claims[frejaClaims+"country"] == "NO" && o.number() != first.Number },
		coordination: func(o outcome) bool {
			n, _ := o.number().(string)
			return o.refused == nil && len(n) == 12 && n[6] >= '6' && o.userinfo[frejaClaims+"personalIdentityNumber"] == n
		},
		userinfoOther: func(o outcome) bool {
			return o.refused == nil && o.number() == first.Number && o.userinfo["sub"] != o.claims["sub"]
		},
		userinfoNumber: func(o outcome) bool {
			return o.refused == nil && o.userinfo["sub"] == o.claims["sub"] && o.userinfo[frejaClaims+"personalIdentityNumber"] == other.Number
		},
		keyRollover: func(o outcome) bool {
			return o.good() && len(o.p.issuer.keys) == 2 && o.header["kid"] == o.p.issuer.keys[1].kid
		},
		extraClaims: func(o outcome) bool {
			return o.good() && o.claims["x_simulated"] != nil && o.answer.Has("session_state")
		},
	}
	plain := func(o outcome) bool {
		return o.good() && len(o.answer) == 3 && o.claims["x_simulated"] == nil && o.tokens.Extra("x_simulated") == nil
	}
	dir := t.TempDir() // one key is enough
	kept := func(c *Config) { c.Dir = dir }
	for name, holds := range cases {
		t.Run(name, func(t *testing.T) {
			p := open(t, kept)
			// The fault may say nothing of a login to which nothing happens.
			if o := p.run(); !plain(o) {
				t.Fatal("a login without a fault is not good")
			} else if holds(o) {
				t.Error("the check holds without the fault")
			}
			p = open(t, kept)
			p.faults.Set(control.Fault{Provider: Name, Fault: name, Rate: 1})
			if o := p.run(); !holds(o) {
				t.Errorf("refused: %v, answer has %d fields", o.refused, len(o.answer))
			}
			p.faults.Clear()
			if o := p.run(); !o.good() {
				t.Error("not good again")
			}
		})
	}
	for _, name := range faultModes() {
		_, shown := cases[name]
		if !shown && !slices.Contains([]string{http503, http500, slow, drop, garbage, html200, huge, discoveryIssuer}, name) {
			t.Errorf("%s is shown by no test", name)
		}
	}
}

func TestReplayOfAnEarlierLogin(t *testing.T) {
	p := open(t)
	p.run()
	earlier := p.run()
	l, q := p.approve(1)
	if _, err := p.exchange(l, q.Get("code")); err != nil {
		t.Fatal(err)
	}
	p.faults.Set(control.Fault{Provider: Name, Fault: replay, Rate: 1})
	if now := p.run(); now.refused != nil || now.claims["jti"] != earlier.claims["jti"] {
		t.Error("not the last of the same person")
	}
	p.faults.Clear()
	p.faults.Set(control.Fault{Provider: Name, Fault: swapped, Rate: 1})
	if now := p.run(); now.refused != nil || now.number() != p.people.List()[1].Number {
		t.Error("not the last of another person")
	}
}

func TestHTTPFaults(t *testing.T) {
	get := func(p *place, path string) (int, string, error) {
		resp, err := p.browser.Get(p.issuer.Issuer() + path)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	for name, holds := range map[string]func(int, string, error) bool{
		http503: func(status int, _ string, err error) bool { return status == 503 && err == nil },
		http500: func(status int, _ string, err error) bool { return status == 500 && err == nil },
		drop:    func(_ int, _ string, err error) bool { return err != nil },
		garbage: func(status int, body string, err error) bool {
			return status == 200 && !json.Valid([]byte(body)) && err == nil
		},
		html200: func(status int, body string, err error) bool {
			return status == 200 && strings.HasPrefix(body, "<!DOCTYPE")
		},
		huge: func(status int, body string, err error) bool { return status == 200 && len(body) > 8<<20 },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			l, page, id := p.order()
			p.faults.Set(control.Fault{Provider: Name, Fault: name, Rate: 1})
			for _, path := range []string{"/.well-known/openid-configuration", "/jwks", "/userinfo"} {
				if status, body, err := get(p, path); !holds(status, body, err) {
					t.Errorf("%s: %d, %d bytes, %v", path, status, len(body), err)
				}
			}
			// The browser's own pages go on.
			if _, err := p.issuer.Act(id, control.Action{Action: "approve", Pnr: p.people.First().Number}); err != nil {
				t.Fatal(err)
			}
			code := p.answer(page).Get("code")
			if _, err := p.exchange(l, code); err == nil {
				t.Error("tokens came")
			}
			p.faults.Clear()
			_, err := p.exchange(l, code)
			if used := name != http503 && name != http500; used == (err == nil) {
				t.Errorf("the code is used: %t, then %v", used, err)
			}
		})
	}
	p := open(t)
	p.faults.Set(control.Fault{Provider: Name, Fault: discoveryIssuer, Rate: 1})
	if _, err := goidc.NewProvider(t.Context(), p.issuer.Issuer()); err == nil || !strings.Contains(err.Error(), "did not match") {
		t.Errorf("discovery: %v", err)
	}
}

func TestSlow(t *testing.T) {
	p := open(t, func(c *Config) { c.Timings.Slow = 100 * time.Millisecond })
	p.faults.Set(control.Fault{Provider: Name, Fault: slow, Rate: 1})
	begun := time.Now()
	resp, err := http.Get(p.issuer.Issuer() + "/jwks")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if d := time.Since(begun); resp.StatusCode != 200 || d < 100*time.Millisecond {
		t.Errorf("%s after %v", resp.Status, d)
	}
}

func TestLowLevelPerson(t *testing.T) {
	for _, profile := range []Profile{Freja(), Sweden()} {
		p := open(t, func(c *Config) { c.Profile = profile })
		at := slices.IndexFunc(p.people.List(), func(who persons.Person) bool { return who.Has(persons.LowLevel) })
		l, q := p.approve(at)
		tokens, err := p.exchange(l, q.Get("code"))
		if err != nil {
			t.Fatal(err)
		}
		_, claims, err := p.verify(t.Context(), l, tokens)
		if err != nil || claims["acr"] != "http://id.elegnamnden.se/loa/1.0/loa2" && claims[frejaClaims+"registrationLevel"] != "EXTENDED" {
			t.Errorf("%s: %v", profile.Name, err)
		}
	}
}
