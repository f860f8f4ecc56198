package flow

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sigill/providers"
)

// The clock that all share is set back, as when another server takes over whose
// clock is right: issuers are asked as often as before.
func TestSharedClockSetBack(t *testing.T) {
	for _, back := range []time.Duration{10 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var shift atomic.Int64
			shift.Store(int64(back))
			s := &story{t: t, rows: newRows(), p: newIssuer()}
			s.e = newEngine(t, s.rows, s.p, "node-a")
			s.e.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
			s.stop = run(t, s.e)
			defer s.stop()
			s.begin(providers.ModeOther)
			s.p.set("picked")
			s.wait(4*time.Second, true)
			shift.Store(0)
			s.p.set("approved")
			s.wait(12*time.Second, true)
			if v, err := s.e.Watch(t.Context(), id, mine); err != nil || v.State != StateComplete {
				t.Errorf("%v back: %s, %v", back, v.State, err)
			}
		})
	}
}

// The clock that all share runs ahead for a while: nobody's time is out by that.
func TestSharedClockSetAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		s := &story{t: t, rows: newRows(), p: newIssuer()}
		s.e = newEngine(t, s.rows, s.p, "node-a")
		s.e.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		s.e.Past = time.Now
		s.stop = run(t, s.e)
		defer s.stop()
		s.begin(providers.ModeOther)
		s.p.set("picked")
		s.wait(4*time.Second, true)
		ahead.Store(int64(time.Hour))
		s.wait(20*time.Second, true)
		s.want(StatePending, "")
		s.wait(s.e.Limits.Life, true)
		s.want(StateFailed, providers.TimedOut)
	})
}
