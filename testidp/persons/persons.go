// Package persons holds the people of the simulated e-IDs. TEST ONLY.
//
// It owns who they are: a number from the published series of test numbers
// (test-numbers.md), a name that is plainly made up, and flags that say what
// is unusual about the person or the e-ID. It does not own keys or certificates
// (package pki) nor what the flags do (each simulator).
package persons

import (
	"slices"
	"strings"
)

// A Flag is something unusual about a person or the person's e-ID.
type Flag string

// The flags. A person without any has a file and a mobile e-ID in good order.
const (
	Blocked           Flag = "blocked"           // the e-ID is blocked: signing ends in certificateErr
	NoMobile          Flag = "noMobile"          // has no e-ID in a phone
	NoFile            Flag = "noFile"            // has no e-ID on file in a computer
	NoEID             Flag = "noEID"             // has no e-ID at all
	Card              Flag = "card"              // has an e-ID on a card too
	Capitals          Flag = "capitals"          // the issuer writes the name in capitals
	Teenager          Flag = "teenager"          // not yet twenty
	Samordningsnummer Flag = "samordningsnummer" // the number is a co-ordination number
	LowLevel          Flag = "lowLevel"          // e-IDs that come in several levels are of LevelTwo

	// What the population register says of the person; the e-ID is in good order.
	Secrecy               Flag = "secrecy"               // sekretessmarkering
	ProtectedRegistration Flag = "protectedRegistration" // skyddad folkbokföring
)

// The levels of assurance of persons' e-IDs, where an e-ID comes in several.
const (
	LevelThree = "loa3"
	LevelTwo   = "loa2"
)

// A Person is one made-up person.
type Person struct {
	ID      string // short and stable, holds no number: fit for cookies and file names
	Number  string // twelve digits
	Given   string
	Surname string
	Level   string
	Flags   []Flag
}

// Name is the person's full name as the issuer writes it.
func (p Person) Name() string { return p.Given + " " + p.Surname }

// Has reports whether the person has the flag.
func (p Person) Has(f Flag) bool { return slices.Contains(p.Flags, f) }

// A Directory is the set of persons that a simulator knows.
type Directory struct {
	list     []Person
	byNumber map[string]int
	byID     map[string]int
}

// All returns the directory of every test person, always in the same order.
// The first persons have no flags.
func All() *Directory {
	list := []Person{
		person("196608182942", "Ett"),
		person("198006299252", "Två"),
		person("198101199282", "Tre"),
		person("198107039276", "Fyra"),
		person("198405299291", "Fem"),
		person("198410039278", "Sex"),
		person("198509129881", "Sju"),
		person("198806192392", "Åtta"),
		person("198904252387", "Nio"),
		person("199002232388", "Tio"),
		person("199003142396", "Elva"),
		person("199003282390", "Tolv"),
		person("199005042388", "Tretton"),
		person("199007032387", "Fjorton"),
		person("199007282388", "Femton"),
		person("199009032393", "Sexton"),
		person("199010192384", "Sjutton"),
		person("199011141547", "Arton"),
		person("199103112398", "Nitton"),
		person("199104102380", "Tjugo"),
		person("199107282395", "Tjugoett"),
		person("199108242380", "Tjugotvå"),
		person("199109012394", "Tjugotre"),
		person("199111122389", "Tjugofyra"),
		person("199205292387", "Tjugofem"),
		person("199208142399", "Tjugosex"),
		person("199210162385", "Tjugosju"),
		person("199304052393", "Tjugoåtta", Blocked),
		person("199308032383", "Tjugonio", NoMobile),
		person("199308102392", "Trettio", NoFile),
		person("199311062393", "Trettioett", NoEID),
		person("199311102397", "Trettiotvå", Card),
		person("199312022396", "Trettiotre", Capitals),
		person("199401172391", "Trettiofyra", Secrecy),
		person("199509132396", "Trettiofem", ProtectedRegistration),
		person("199605032383", "Trettiosex"),
		person("199606122381", "Trettiosju"),
		person("199609052395", "Trettioåtta"),
		person("199610212392", "Trettionio"),
		person("199611192387", "Fyrtio"),
		person("200805072394", "Fyrtioett", Teenager),
		person("200708292388", "Fyrtiotvå", Teenager),
		person("198206822390", "Fyrtiotre", Samordningsnummer),
		person("198706872382", "Fyrtiofyra", Samordningsnummer),
		person("199409812386", "Fyrtiofem", Samordningsnummer),
		person("200405082389", "Fyrtiosex", LowLevel),
	}
	d := &Directory{list: list, byNumber: map[string]int{}, byID: map[string]int{}}
	for i := range list {
		d.byNumber[list[i].Number] = i
		d.byID[list[i].ID] = i
	}
	return d
}

func person(number, surname string, flags ...Flag) Person {
	p := Person{
		ID:      strings.NewReplacer("å", "a", "ä", "a", "ö", "o").Replace(strings.ToLower(surname)),
		Number:  number,
		Given:   "Testperson",
		Surname: surname,
		Level:   LevelThree,
		Flags:   flags,
	}
	if p.Has(LowLevel) {
		p.Level = LevelTwo
	}
	if p.Has(Capitals) {
		p.Given, p.Surname = strings.ToUpper(p.Given), strings.ToUpper(p.Surname)
	}
	return p
}

// List returns all persons.
func (d *Directory) List() []Person { return slices.Clone(d.list) }

// First is the person to take when any will do.
func (d *Directory) First() Person { return d.list[0] }

// ByNumber finds a person by the twelve digits.
func (d *Directory) ByNumber(number string) (Person, bool) {
	i, ok := d.byNumber[number]
	if !ok {
		return Person{}, false
	}
	return d.list[i], true
}

// ByID finds a person by the short name.
func (d *Directory) ByID(id string) (Person, bool) {
	i, ok := d.byID[id]
	if !ok {
		return Person{}, false
	}
	return d.list[i], true
}

// Other returns some ordinary person who is not the given one.
func (d *Directory) Other(than string) Person {
	for _, p := range d.list {
		if p.Number != than && len(p.Flags) == 0 {
			return p
		}
	}
	return d.list[0]
}
