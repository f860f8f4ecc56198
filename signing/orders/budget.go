package orders

import (
	"slices"
	"time"

	"sigill/signing"
)

// What a client changes has people written to at once, at addresses that it
// chooses. These bound how often, reminders and first invitations aside.
const (
	messagesHour = 3
	messagesDay  = 10
)

// spend counts the messages that a client's act has planned: ErrTooSoon when they
// are more than a signatory may get.
func (a *act) spend() error {
	count := map[int]int{}
	for _, e := range a.effects {
		switch e.Kind {
		case signing.SendInvitation, signing.SendAgain, signing.SendEnded:
			count[e.N]++
		}
	}
	for n, more := range count {
		sent := slices.DeleteFunc(slices.Clone(a.Sent[n]), func(t time.Time) bool { return a.now.Sub(t) >= 24*time.Hour })
		hour := more
		for _, t := range sent {
			if a.now.Sub(t) < time.Hour {
				hour++
			}
		}
		if hour > messagesHour || len(sent)+more > messagesDay {
			return ErrTooSoon
		}
		if a.Sent == nil {
			a.Sent = map[int][]time.Time{}
		}
		a.Sent[n] = append(sent, slices.Repeat([]time.Time{a.now}, more)...)
	}
	return nil
}
