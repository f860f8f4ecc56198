package audit

import (
	"testing"
	"time"
)

// What waits for its place is to be seen from outside, and who gives places.
func TestState(t *testing.T) {
	b := newBench(t)
	state := func(s *Sequencer) State {
		t.Helper()
		st, err := s.State(ctx)
		check(t, err)
		return st
	}
	if st := state(b.seq); st != (State{}) {
		t.Errorf("before anything: %+v", st)
	}
	b.add(3)
	began := b.now
	b.now = b.now.Add(90 * time.Second)
	st := state(b.seq)
	if st.Waiting != 3 || st.Leading || st.Oldest < b.now.Sub(began) || st.Oldest > b.now.Sub(began)+time.Minute {
		t.Errorf("while they wait: %+v", st)
	}
	other := b.sequencer()
	check(t, b.seq.Sequence(ctx))
	if st := state(b.seq); st != (State{Leading: true}) {
		t.Errorf("when they have their places: %+v", st)
	}
	if st := state(other); st.Leading {
		t.Error("two lead")
	}
	b.now = b.now.Add(leaseFor)
	if st := state(b.seq); st.Leading {
		t.Error("leads after its lease has run out")
	}
}
