package broker

import (
	"testing"
	"time"
)

func TestSecretIs(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var c Client
	if c.SecretIs("", now) || !c.PreviousSecretEnded(now) {
		t.Error("a client without a secret has one")
	}
	c.RenewSecret("first", time.Time{})
	if !c.SecretIs("first", now) || c.SecretIs("", now) || c.SecretIs("other", now) || len(c.PreviousSecretHash) != 0 {
		t.Error("one secret")
	}
	c.RenewSecret("second", now.Add(time.Hour))
	for at, first := range map[time.Duration]bool{0: true, time.Hour - 1: true, time.Hour: false, 2 * time.Hour: false} {
		if got := c.SecretIs("first", now.Add(at)); got != first {
			t.Errorf("after %s the first is %t", at, got)
		}
		if !c.SecretIs("second", now.Add(at)) || c.SecretIs("", now.Add(at)) {
			t.Errorf("after %s the second", at)
		}
		if c.PreviousSecretEnded(now.Add(at)) == first {
			t.Errorf("after %s: ended", at)
		}
	}
	c.PreviousSecretUntil = time.Time{} // as the configuration says it
	if !c.SecretIs("first", now.AddDate(10, 0, 0)) {
		t.Error("one without a limit has ended")
	}
	// In a hurry: the one before does not work any more, nor the one before that.
	c.RenewSecret("third", time.Time{})
	if c.SecretIs("first", now) || c.SecretIs("second", now) || !c.SecretIs("third", now) {
		t.Error("in a hurry")
	}
}
