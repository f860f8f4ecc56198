package saml

import (
	"testing"
	"time"

	"sigill/providers"
)

func TestHappy(t *testing.T) {
	for _, kind := range kindsOf() {
		for _, signed := range []bool{true, false} {
			if kind == providers.KindSign && !signed {
				continue
			}
			name := string(kind)
			if signed {
				name += " signed"
			}
			t.Run(name, func(t *testing.T) {
				w := open(t)
				s, _ := w.begin(kind)
				w.now = w.now.Add(20 * time.Second)
				d := done(t, w.ends(s, w.answers(s, answer{signAssertion: signed})))
				id := d.Identity
				if id.Number != number(t, person) || id.Name != "Testperson Ett" || id.GivenName != "Testperson" || id.Surname != "Ett" ||
					id.Provider != providers.Telia || id.Level != providers.LevelUncertified3 || id.Policy != UncertifiedLoA3 ||
					id.DeviceIP != "192.0.2.10" || !id.At.Equal(w.now) || id.Transaction == "" {
					t.Errorf("identity: %v", id.LogValue())
				}
			})
		}
	}
}
