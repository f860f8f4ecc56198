package oidc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sigill/providers"
)

// Of every login that was answered is told with which e-ID, how, and how long
// after it was asked for; once.
func TestFinishedIsTold(t *testing.T) {
	var told []string
	b := newBench(t, func(c *Config) {
		c.Finished = func(with providers.ID, outcome string, took time.Duration) {
			told = append(told, fmt.Sprintf("%s %s %s", with, outcome, took))
		}
	})
	a := b.agent()
	one := loginID(a.ask(request("basic")))
	b.clock.Add(20 * time.Second)
	if _, err := a.prove(one, ett); err != nil {
		t.Fatal(err)
	}
	if _, err := a.prove(one, ett); err == nil {
		t.Fatal("a login was answered twice")
	}
	two, _, _, err := b.Pending(t.Context(), loginID(a.ask(request("basic"))), a.cookies["sigill_browser"])
	if err != nil {
		t.Fatal(err)
	}
	b.clock.Add(5 * time.Second)
	if _, err := b.Refuse(t.Context(), two, errAccessDenied, "cancelled"); err != nil {
		t.Fatal(err)
	}
	if want := []string{string(ett.Provider) + " code 20s", " access_denied 5s"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
