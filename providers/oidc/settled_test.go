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
