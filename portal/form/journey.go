package form

import "slices"

// Journey is the way through a service that some answers make: computed anew
// each time, from the answers alone.
type Journey struct {
	// Steps are those that are shown, in their order.
	Steps []Place
}

// Place is a step of a journey.
type Place struct {
	Step   *Step
	Fields []*Field // that are shown
	// Saved says that the person was here; Faults what is wrong now.
	Saved  bool
	Faults []Fault
	// Open says that one may go here: every step before it is done.
	Open bool
}

// Done reports whether nothing more is needed here.
func (p Place) Done() bool {
	if !p.Saved {
		return false
	}
	for _, f := range p.Faults {
		if !f.Warning() {
			return false
		}
	}
	return true
}

// Journey computes the way. saved are the steps that were once saved.
func (s *Service) Journey(a Answers, saved []string, f Facts) Journey {
	seen := s.look(a)
	var j Journey
	open := true
	for i, step := range seen.steps {
		p := Place{Step: step, Fields: seen.fields[i], Saved: slices.Contains(saved, step.ID), Open: open}
		p.Faults = s.check(p.Fields, seen.answers, f)
		open = open && p.passable(seen.answers)
		j.Steps = append(j.Steps, p)
	}
	return j
}

// passable is Done, but for answers that only the register's silence makes
// doubtful: nothing is sent on them, but the rest can be filled in meanwhile.
func (p Place) passable(a Answers) bool {
	p.Faults = slices.DeleteFunc(slices.Clone(p.Faults), func(f Fault) bool {
		return f.Code == FaultRegister && !a[f.Field].Empty()
	})
	return p.Done()
}

// Find gives a step of the journey by its id.
func (j Journey) Find(id string) (Place, bool) {
	for _, p := range j.Steps {
		if p.Step.ID == id {
			return p, true
		}
	}
	return Place{}, false
}

// Next is the step after one; empty: review.
func (j Journey) Next(id string) string {
	for i, p := range j.Steps {
		if p.Step.ID == id && i+1 < len(j.Steps) {
			return j.Steps[i+1].Step.ID
		}
	}
	return ""
}

// Previous is the step before one; empty: it is the first.
func (j Journey) Previous(id string) string {
	for i, p := range j.Steps {
		if p.Step.ID == id && i > 0 {
			return j.Steps[i-1].Step.ID
		}
	}
	return ""
}

// First is the first step that is not done; empty: all are.
func (j Journey) First() string {
	for _, p := range j.Steps {
		if !p.Done() {
			return p.Step.ID
		}
	}
	return ""
}

// Complete reports whether everything is answered (P-38).
func (j Journey) Complete() bool { return len(j.Steps) > 0 && j.First() == "" }

// Prune removes every answer that is not shown (P-39): what was answered before
// another answer hid it does not exist. What the person cannot change is as it is
// known now: it is what pages show, whatever was known when a step was saved.
func (s *Service) Prune(a Answers, f Facts) Answers { return s.look(s.lock(a, f)).answers }
