package register

import "sigill/testidp/persons"

// The markers of protected identity, as the contract spells them.
const (
	none                  = "none"
	secrecy               = "secrecy"
	protectedRegistration = "protected_registration"
)

// A child is a made-up child and whose it is.
type child struct {
	number     string // twelve digits, of the published test numbers
	surname    string
	protection string
	guardians  []string // IDs of persons, in the register's order
	why        string   // what the family is there for
}

// families are all children, always in the same order.
func families() []child {
	return []child{
		{"202101122394", "Ett", none, []string{"ett", "tva"}, "two guardians"},
		{"202205062389", "Två", none, []string{"ett", "tva"}, "two guardians, a brother or sister"},
		{"202303252395", "Tre", none, []string{"ett"}, "one guardian, who shares two other children"},
		{"202102252380", "Fyra", none, []string{"tre"}, "one guardian"},
		{"202202182396", "Fem", none, []string{"fyra", "fem"}, "two guardians"},
		{"201601082389", "Sex", none, []string{"sex", "sju"}, "two guardians, too old for preschool"},
		{"202106292382", "Sju", secrecy, []string{"trettiosju", "trettioatta"}, "the child is protected"},
		{"202304052380", "Åtta", none, []string{"trettiosex", "trettiofem"}, "the second guardian is protected"},
		{"202306032398", "Nio", none, []string{"trettiofyra"}, "the guardian is protected"},
	}
}

// protectionOf is the marker that the register carries for a person.
func protectionOf(p persons.Person) string {
	switch {
	case p.Has(persons.Secrecy):
		return secrecy
	case p.Has(persons.ProtectedRegistration):
		return protectedRegistration
	}
	return none
}
