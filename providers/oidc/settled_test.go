package oidc

import (
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
