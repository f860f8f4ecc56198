package persons

import (
	"strings"
	"testing"
)

func TestPersons(t *testing.T) {
	d := All()
	ids, names, numbers := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range d.List() {
		if ids[p.ID] || names[p.Name()] || numbers[p.Number] {
			t.Errorf("%s is there twice", p.ID)
		}
		ids[p.ID], names[p.Name()], numbers[p.Number] = true, true, true
		if !strings.EqualFold(p.Given, "Testperson") || strings.Trim(p.ID, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%s is not plainly made up", p.ID)
		}
		if len(p.Number) != 12 || !checked(p.Number[2:]) {
			t.Errorf("%s: the check digit does not fit", p.ID)
		}
		if coordination := p.Number[6] >= '6'; coordination != p.Has(Samordningsnummer) {
			t.Errorf("%s: flags %v", p.ID, p.Flags)
		}
		if young := p.Number[:4] > "2006"; young != p.Has(Teenager) {
			t.Errorf("%s: flags %v", p.ID, p.Flags)
		}
		byNumber, ok := d.ByNumber(p.Number)
		byID, ok2 := d.ByID(p.ID)
		if !ok || !ok2 || byNumber.ID != p.ID || byID.ID != p.ID {
			t.Errorf("%s is not found", p.ID)
		}
		if other := d.Other(p.Number); other.Number == p.Number || len(other.Flags) != 0 {
			t.Errorf("%s: other is %s", p.ID, other.ID)
		}
	}
	if len(d.First().Flags) != 0 {
		t.Error("the first person is not an ordinary one")
	}
	if _, ok := d.ByNumber(""); ok {
		t.Error("found nobody")
	}
}

// checked is the check digit rule of personal numbers over ten digits.
func checked(s string) bool {
	sum := 0
	for i, c := range []byte(s) {
		n := int(c-'0') * (2 - i%2)
		sum += n/10 + n%10
	}
	return sum%10 == 0
}
