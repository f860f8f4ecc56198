package form

import "slices"

// A sight is what a person sees of a service with some answers. Its answers are
// those of the fields that are shown: there are no others.
type sight struct {
	steps   []*Step
	fields  [][]*Field // of each of the steps
	answers Answers
}

// look decides in one pass, since conditions look only backwards: what a
// condition asks for has been decided before it.
func (s *Service) look(a Answers) sight {
	g := sight{answers: Answers{}}
	for _, step := range s.Steps {
		if !step.Show.holds(g.answers) {
			continue
		}
		var fields []*Field
		for _, f := range step.Fields {
			if !f.Show.holds(g.answers) {
				continue
			}
			fields = append(fields, f)
			if v, there := a[f.ID]; there && f.Type != TypeInformation {
				g.answers[f.ID] = v
			}
		}
		g.steps = append(g.steps, step)
		g.fields = append(g.fields, fields)
	}
	return g
}

// all are the shown fields in their order.
func (g sight) all() []*Field { return slices.Concat(g.fields...) }

func (g sight) shows(id string) bool {
	return slices.ContainsFunc(g.all(), func(f *Field) bool { return f.ID == id })
}

// holds decides a condition by the answers that are shown. None at all holds.
func (c *Condition) holds(a Answers) bool {
	switch {
	case c == nil:
		return true
	case c.Not != nil:
		return !c.Not.holds(a)
	case c.All != nil:
		for i := range c.All {
			if !c.All[i].holds(a) {
				return false
			}
		}
		return true
	case c.Any != nil:
		for i := range c.Any {
			if c.Any[i].holds(a) {
				return true
			}
		}
		return false
	}
	id, derived := c.split()
	v := a[id]
	switch {
	case c.Filled != nil:
		return *c.Filled == !v.Empty()
	case c.Is != nil:
		return v.picks(*c.Is)
	case c.In != nil:
		return slices.ContainsFunc(c.In, v.picks)
	}
	n, ok := v.number()
	if derived {
		n, ok = float64(v.guardians()), v.Child != nil
	}
	switch {
	case !ok:
		return false
	case c.Gt != nil:
		return n > *c.Gt
	case c.Gte != nil:
		return n >= *c.Gte
	case c.Lt != nil:
		return n < *c.Lt
	case c.Lte != nil:
		return n <= *c.Lte
	}
	return false
}

const ofGuardians = ".guardians"

// split gives the field that a condition asks for, and whether it asks for the
// number of guardians.
func (c *Condition) split() (id string, guardians bool) {
	if n := len(c.Field) - len(ofGuardians); n > 0 && c.Field[n:] == ofGuardians {
		return c.Field[:n], true
	}
	return c.Field, false
}

func (v Value) picks(key string) bool { return v.Text == key || slices.Contains(v.Chosen, key) }

func (v Value) guardians() int {
	if v.Child == nil {
		return 0
	}
	return len(v.Child.Guardians)
}

func (v Value) number() (float64, bool) {
	d, ok := parseDecimal(v.Text)
	return d.value, ok
}
