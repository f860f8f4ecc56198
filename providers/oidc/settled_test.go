package oidc

import (
	"context"
	"strings"
	"testing"
	"time"

	"sigill/providers"
)

// What Telia stands for is no more than uncertified, whichever way it comes.
func TestTeliaIsNeverLevel3(t *testing.T) {
	o := newOP(t)
	c := o.config()
	c.ID, c.Title = providers.Telia, providers.Text{}
	d := begin(t, o, c)
	if got := d.p.Info().Level; got != providers.LevelUncertified3 {
		t.Errorf("offered at level %d", got)
	}
	before := time.Now()
	done := proven(t, d.ends(t, sign(t, RS256, d.claims(), nil, nil)))
	if done.Identity.Level != providers.LevelUncertified3 {
		t.Errorf("proven at level %d", done.Identity.Level)
	}
	trust := d.p.Trust()
	trust.Keys = Thumbprints(t, done.Evidence)
	id, err := Verify(done.Evidence, providers.Expected{Kind: providers.KindAuth, Binding: []byte("a binding of thirty-two bytes .."), Started: before}, trust, time.Now())
	if err != nil || id.Level != providers.LevelUncertified3 {
		t.Errorf("verified at level %d, %v", id.Level, err)
	}
}

// Evidence is of no use to whoever does not know when the order began.
func TestOrderOfNoTime(t *testing.T) {
	e, want, trust := login(t, RS256)
	want.Started, want.Ended = time.Time{}, time.Time{}
	refusedAt(t, "no beginning", "time", e, want, trust, time.Now().AddDate(10, 0, 0))
}

// Each setting that is said leaves the others of the preset as they are.
func TestFrejaFillsInEachByItself(t *testing.T) {
	for name, c := range map[string]Config{
		"nothing":     {},
		"the number":  {Claims: Claims{Number: []string{"nr"}}},
		"the country": {Claims: Claims{Country: "land"}},
		"the claim":   {Claims: Claims{Level: "loa"}},
		"the levels":  {Levels: map[string]providers.Level{"LOA3": providers.Level3}},
	} {
		got := Freja(c).Claims
		want := Claims{Number: []string{frejaClaim + "personalIdentityNumber"}, Country: frejaClaim + "country", Level: frejaClaim + "registrationLevel"}
		if len(c.Claims.Number) > 0 {
			want.Number = c.Claims.Number
		}
		want.Country, want.Level = orDefault(c.Claims.Country, want.Country), orDefault(c.Claims.Level, want.Level)
		if strings.Join(got.Number, " ") != strings.Join(want.Number, " ") || got.Country != want.Country || got.Level != want.Level {
			t.Errorf("with %s said: %+v", name, got)
		}
	}
}

// An old session at the issuer is no proof that the person is here: an issuer that
// does not say when the person acted is believed only where that is agreed.
func TestIssuerThatDoesNotTellWhenThePersonActed(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		asked  string        // max_age
		acted  time.Duration // before the order; zero: the issuer does not say
		check  string        // empty: let in
	}{
		"as it is":                      {func(*Config) {}, "300", 0, "auth-time"},
		"with a session":                {func(*Config) {}, "300", 4 * time.Minute, "auth-time"},
		"nothing sent":                  {func(c *Config) { c.Prompt = "none" }, "300", 0, "auth-time"},
		"nothing sent, a session":       {func(c *Config) { c.Prompt = "none" }, "300", 4 * time.Minute, ""},
		"nothing sent, an old session":  {func(c *Config) { c.Prompt = "none" }, "300", 10 * time.Minute, "auth-time"},
		"an age":                        {func(c *Config) { c.AuthAge = time.Hour }, "3600", 30 * time.Minute, ""},
		"optional":                      {func(c *Config) { c.AuthTime = AuthTimeOptional }, "", 0, ""},
		"optional, and yet old":         {func(c *Config) { c.AuthTime = AuthTimeOptional }, "", 10 * time.Minute, "auth-time"},
		"Freja's, which says nothing":   {func(c *Config) { c.AuthTime = Freja(Config{}).AuthTime }, "", 0, ""},
		"Freja's, where it says it all": {func(c *Config) { c.AuthTime = Freja(Config{AuthTime: AuthTimeRequired}).AuthTime }, "300", 0, "auth-time"},
		"Freja's, with an age":          {func(c *Config) { c.AuthTime, c.AuthAge = Freja(Config{AuthAge: time.Minute}).AuthTime, time.Minute }, "60", 0, "auth-time"},
	} {
		o := newOP(t)
		c := o.config()
		tt.change(&c)
		d := begin(t, o, c)
		if got := d.sent.Get("max_age"); got != tt.asked {
			t.Errorf("%s: max_age %q", name, got)
		}
		claims := d.claims()
		if delete(claims, "auth_time"); tt.acted > 0 {
			claims["auth_time"] = time.Now().Add(-tt.acted).Unix()
		}
		step := d.ends(t, sign(t, RS256, claims, nil, nil))
		if tt.check == "" {
			if _, ok := step.(providers.Done); !ok {
				t.Errorf("%s: not let in: %+v", name, step)
			}
		} else if f, ok := step.(providers.Failed); !ok || f.Check != tt.check {
			t.Errorf("%s: ended with %T %s", name, step, f.Check)
		}
	}
	for name, change := range map[string]func(*Config){
		"optional and no prompt": func(c *Config) { c.AuthTime, c.Prompt = AuthTimeOptional, "none" },
		"optional and consent":   func(c *Config) { c.AuthTime, c.Prompt = AuthTimeOptional, "consent" },
		"optional and an age":    func(c *Config) { c.AuthTime, c.AuthAge = AuthTimeOptional, time.Minute },
		"neither":                func(c *Config) { c.AuthTime = "never" },
	} {
		c := newOP(t).config()
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What an issuer said is not believed for ever while it cannot be asked: keys that it
// has taken back would be good as long as somebody keeps its answers away.
func TestWhatIsKnownIsNotKeptForEver(t *testing.T) {
	o := newOP(t)
	c := o.config()
	now := time.Now()
	c.Clock = func() time.Time { return now }
	c.Believe = 6 * time.Hour
	d := begin(t, o, c)
	i := d.p.issuer
	h := header{alg: RS256, kid: "rsa"}
	if found, err := i.key(t.Context(), h); err != nil || len(found) != 1 {
		t.Fatalf("%d keys, %v", len(found), err)
	}
	o.mu.Lock()
	keys := o.keys
	o.keys = nil
	o.mu.Unlock()
	now = now.Add(5 * time.Hour)
	if found, err := i.key(t.Context(), h); err != nil || len(found) != 1 {
		t.Errorf("after five hours without keys: %d keys, %v", len(found), err)
	}
	o.mu.Lock()
	o.about = func(d map[string]any) { d["issuer"] = "https://other.example" }
	o.mu.Unlock()
	now = now.Add(70 * time.Minute)
	if found, err := i.key(t.Context(), h); err == nil || len(found) != 0 {
		t.Errorf("after six hours without keys: %d keys, %v", len(found), err)
	}
	if _, err := i.about(t.Context()); err != nil {
		t.Errorf("the metadata was read an hour ago: %v", err)
	}
	now = now.Add(5 * time.Hour)
	if m, err := i.about(t.Context()); err == nil || m != nil {
		t.Error("metadata of six hours ago is believed")
	}
	if err := i.ready(t.Context()); err == nil {
		t.Error("ready without keys")
	}
	o.mu.Lock()
	o.about, o.keys = nil, keys
	o.mu.Unlock()
	now = now.Add(pause)
	if found, err := i.key(t.Context(), h); err != nil || len(found) != 1 {
		t.Errorf("when it is there again: %d keys, %v", len(found), err)
	}
}

// While nothing is known, not each login asks an issuer that does not answer.
func TestFailuresAreRememberedForAMoment(t *testing.T) {
	o := newOP(t)
	c := o.config()
	now := time.Now()
	c.Clock = func() time.Time { return now }
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	const discovery = "/.well-known/openid-configuration"
	o.about = func(d map[string]any) { d["issuer"] = "https://other.example" }
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := p.issuer.about(gone); err == nil {
		t.Error("somebody who has gone was answered")
	}
	before := o.count(discovery)
	for range 20 {
		if _, err := p.issuer.about(t.Context()); err == nil || !strings.Contains(err.Error(), "something else") {
			t.Fatalf("got %v", err)
		}
	}
	if n := o.count(discovery) - before; n != 1 {
		t.Errorf("discovery was asked %d times", n)
	}
	o.mu.Lock()
	keys := o.keys
	o.about, o.keys = nil, nil
	o.mu.Unlock()
	now = now.Add(pause)
	for range 20 {
		if err := p.issuer.ready(t.Context()); err == nil {
			t.Fatal("ready without keys")
		}
	}
	if n := o.count("/keys"); n != 1 || o.count(discovery) != before+2 {
		t.Errorf("the keys were asked for %d times", n)
	}
	o.mu.Lock()
	o.keys = keys
	o.mu.Unlock()
	now = now.Add(pause)
	if err := p.issuer.ready(t.Context()); err != nil {
		t.Error(err)
	}
}
