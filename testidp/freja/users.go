package freja

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// A level is a registration level; a higher one is more.
type level int

// The registration levels of freja.md section 4.
const (
	basic level = iota + 1
	extended
	plus
)

func parseLevel(s string) (level, bool) {
	switch s {
	case "BASIC":
		return basic, true
	case "EXTENDED":
		return extended, true
	case "PLUS":
		return plus, true
	}
	return 0, false
}

func (l level) String() string { return [...]string{"", "BASIC", "EXTENDED", "PLUS"}[l] }

// loa is Freja's own word for a level of assurance.
func (l level) loa() string { return [...]string{"", "LOA1", "LOA2", "LOA3"}[l] }

// A user is a person who has Freja.
type user struct {
	persons.Person
	level  level
	email  string
	phone  string
	upi    string
	canUse bool // not blocked
}

func (u user) holder() pki.Holder {
	return pki.Holder{Number: u.Number, Given: u.Given, Surname: u.Surname}
}

// A register finds users. It is never changed.
type register struct {
	secret   []byte // of identifiers that differ between relying parties
	list     []user
	byNumber map[string]int
	byEmail  map[string]int
	byPhone  map[string]int
	byUPI    map[string]int
}

// newRegister gives every person who can have Freja an e-mail address, a number
// of the series for fiction and identifiers that are the same every time.
func newRegister(people *persons.Directory, keys *pki.Freja) *register {
	secret := sha256.Sum256(keys.Root().Raw)
	r := &register{secret: secret[:], byNumber: map[string]int{}, byEmail: map[string]int{}, byPhone: map[string]int{}, byUPI: map[string]int{}}
	for i, p := range people.List() {
		if p.Has(persons.NoEID) || p.Has(persons.NoMobile) {
			continue
		}
		u := user{
			Person: p, level: levelOf(p), email: p.ID + "@example.se",
			phone: fmt.Sprintf("+467017406%02d", 5+i), canUse: usable(p),
		}
		u.upi = r.identifier("upi", u)
		n := len(r.list)
		r.list = append(r.list, u)
		r.byNumber[u.Number], r.byEmail[u.email], r.byPhone[u.phone], r.byUPI[u.upi] = n, n, n, n
	}
	return r
}

func levelOf(p persons.Person) level {
	switch p.Level {
	case persons.LevelThree:
		return plus
	case persons.LevelTwo:
		return extended
	default:
		return basic
	}
}

// identifier is a stable 64 upper-case hex digits (freja.md section 4).
func (r *register) identifier(party string, u user) string {
	mac := hmac.New(sha256.New, r.secret)
	mac.Write([]byte(party + "\x00" + u.Number))
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

func (r *register) first() user { return r.list[0] }

// other is some ordinary user who is not the given one.
func (r *register) other(than user) user {
	for _, u := range r.list {
		if u.Number != than.Number && len(u.Flags) == 0 {
			return u
		}
	}
	return r.list[0]
}

func (r *register) get(by map[string]int, key string) (user, bool) {
	n, ok := by[key]
	if !ok {
		return user{}, false
	}
	return r.list[n], true
}

func (r *register) number(n string) (user, bool) { return r.get(r.byNumber, n) }
