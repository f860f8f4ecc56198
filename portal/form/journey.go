package form

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
func (s *Service) Journey(a Answers, saved []string, f Facts) Journey { return Journey{} }

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
// another answer hid it does not exist.
func (s *Service) Prune(a Answers, f Facts) Answers { return a }

// Party is somebody who signs.
type Party struct {
	ID        string `json:"id"` // of the rule
	Number    string `json:"number"`
	Name      string `json:"name"`
	Email     string `json:"email,omitempty"`
	Phone     string `json:"phone,omitempty"`
	Applicant bool   `json:"applicant,omitempty"`
	CoOwner   bool   `json:"co_owner,omitempty"`
	// Contact is the field that its contact came from, to mend it there.
	Contact string `json:"contact,omitempty"`
}

// Parties are those who sign, the applicant first. The faults say why it cannot
// be sent: a party that is the applicant, twice the same, or cannot be reached.
func (s *Service) Parties(a Answers, f Facts) ([]Party, []Fault) { return nil, errNotBuiltFaults }

var errNotBuiltFaults []Fault

// Block is a part of the answers as they are shown, reviewed and signed: a
// heading, a text, or rows. Its JSON is that of the signing API's content.
type Block struct {
	Heading string `json:"heading,omitempty"`
	Text    string `json:"text,omitempty"`
	Rows    []Row  `json:"rows,omitempty"`
}

// Row is a question and its answer. A value may have several lines.
type Row struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Blocks draws what was answered, shown fields alone, in a language. It is the
// same whenever it is asked: it is what is signed.
func (s *Service) Blocks(a Answers, f Facts, lang string) []Block { return nil }

// Display draws one answer, as it stands in a row.
func (s *Service) Display(field *Field, v Value, f Facts, lang string) string { return "" }

// Files are the files of visible fields, in their order.
func (s *Service) Files(a Answers, f Facts) []File { return nil }

// Contact is where the applicant asked to be told: the first contact field.
func (s *Service) Contact(a Answers, f Facts) Contact { return Contact{} }

// Case is a test of a service: answers, and what must follow.
type Case struct {
	Name string
	// Answers as a browser would post them.
	Answers Input
	// Register is who the applicant and the children are.
	Register CaseRegister
	// What must follow; what is not said is not checked.
	Steps   []string // on the path
	Faults  []string // "field code" or "field.part code"
	Parties []string // ids
	Shown   []string // fields
	Hidden  []string
}

// CaseRegister is the register of a test: made-up people by name alone.
type CaseRegister struct {
	Down     bool
	Children []CaseChild
}

// CaseChild is a child of a test.
type CaseChild struct {
	Key       string
	Age       int
	Guardians int
}

// Test runs a service's own cases; each line says what did not follow.
func (s *Service) Test() []string { return nil }
