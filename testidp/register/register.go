// Package register simulates the population register (folkbokföringen): HTTP and
// JSON, as the package comment of portal/register states the contract. TEST ONLY:
// its people and families are made up.
//
// It owns who is whose child, addresses, markers of protected identity, and what
// can go wrong with an answer. Who there is, is package persons'. Unlike a
// careful register it sends names and addresses of protected people along with
// the marker: whoever asks must drop them.
package register

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// Name is what the control API calls the register.
const Name = "register"

// Path is where it lies; DefaultToken is who may ask.
const (
	Path         = "/register/population"
	DefaultToken = "register-token"
)

const maxBody = 1 << 10

// Config is what a register needs.
type Config struct {
	People *persons.Directory
	Faults *control.Faults
	Token  string        // default DefaultToken
	Slow   time.Duration // how much the fault "slow" takes; 0 means 10 s
	Log    *slog.Logger  // nil: silent
}

// A Register answers about persons.
type Register struct {
	config   Config
	children []child
}

// New makes a register of everybody there is.
func New(c Config) *Register {
	if c.Token == "" {
		c.Token = DefaultToken
	}
	if c.Slow == 0 {
		c.Slow = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Register{config: c, children: families()}
}

// Name implements control.Service.
func (g *Register) Name() string { return Name }

// FaultModes implements control.Service.
func (g *Register) FaultModes() []string { return faultModes() }

// Handler routes everything under Path.
func (g *Register) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Path+"/persons", g.persons)
	mux.HandleFunc("GET "+Path, g.overview)
	return mux
}

// The answer, as the contract has it.
type (
	name struct {
		Given  string `json:"given"`
		Family string `json:"family"`
	}
	address struct {
		Lines []string `json:"lines"`
	}
	entry struct {
		Pnr        string     `json:"pnr"`
		Name       name       `json:"name"`
		Address    address    `json:"address"`
		Protection string     `json:"protection,omitempty"` // always there, but for a fault
		Children   []ofFamily `json:"children"`
	}
	ofFamily struct {
		Pnr        string     `json:"pnr"`
		Name       name       `json:"name"`
		Protection string     `json:"protection"`
		Guardians  []guardian `json:"guardians"`
	}
	guardian struct {
		Pnr        string `json:"pnr"`
		Name       name   `json:"name"`
		Protection string `json:"protection"`
	}
)

func (g *Register) persons(w http.ResponseWriter, r *http.Request) {
	// Read first: only then is it seen that the caller has gone.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	f := g.config.Faults.Draw(Name)
	if injected(w, r, f, g.config.Slow) {
		return
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(g.config.Token)) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="register"`)
		refuse(w, http.StatusUnauthorized, "a bearer token is needed")
		return
	}
	if r.URL.RawQuery != "" {
		refuse(w, http.StatusBadRequest, "nothing may stand in the address")
		return
	}
	if r.Header.Get("Content-Type") != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "Content-Type must be application/json")
		return
	}
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "the body is too long")
		return
	}
	var q struct {
		Pnr string `json:"pnr"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, "the body is not the JSON object that was expected")
		return
	}
	if _, err := d.Token(); err != io.EOF {
		refuse(w, http.StatusBadRequest, "there is something after the JSON object")
		return
	}
	if len(q.Pnr) != 12 || strings.Trim(q.Pnr, "0123456789") != "" {
		refuse(w, http.StatusBadRequest, "pnr must be twelve digits")
		return
	}
	e, ok := g.entry(q.Pnr)
	if !ok {
		answer(w, http.StatusNotFound, struct{}{})
		return
	}
	answer(w, http.StatusOK, g.spoiled(e, f))
}

// entry finds an adult or a child.
func (g *Register) entry(number string) (entry, bool) {
	if p, ok := g.config.People.ByNumber(number); ok {
		e := entry{Pnr: p.Number, Name: name{p.Given, p.Surname}, Address: g.addressOf(p), Protection: protectionOf(p), Children: []ofFamily{}}
		for _, c := range g.children {
			if c.isOf(p) {
				e.Children = append(e.Children, g.family(c))
			}
		}
		return e, true
	}
	for _, c := range g.children {
		if c.number == number {
			e := entry{Pnr: c.number, Name: c.name(), Address: address{[]string{}}, Protection: c.protection, Children: []ofFamily{}}
			if p, ok := g.config.People.ByID(c.guardians[0]); ok {
				e.Address = g.addressOf(p)
			}
			return e, true
		}
	}
	return entry{}, false
}

func (g *Register) family(c child) ofFamily {
	out := ofFamily{Pnr: c.number, Name: c.name(), Protection: c.protection, Guardians: []guardian{}}
	for _, id := range c.guardians {
		if p, ok := g.config.People.ByID(id); ok {
			out.Guardians = append(out.Guardians, guardian{p.Number, name{p.Given, p.Surname}, protectionOf(p)})
		}
	}
	return out
}

// addressOf is a street with a house for each, in a place that does not exist.
// Those with protected registration live nowhere that the register would tell.
func (g *Register) addressOf(p persons.Person) address {
	if p.Has(persons.ProtectedRegistration) {
		return address{[]string{}}
	}
	for i, other := range g.config.People.List() {
		if other.ID == p.ID {
			return address{[]string{fmt.Sprintf("Testvägen %d", i+1), "123 45 Exempelby"}}
		}
	}
	return address{[]string{}}
}

func (c child) name() name { return name{"Testbarn", c.surname} }

func (c child) isOf(p persons.Person) bool {
	for _, id := range c.guardians {
		if id == p.ID {
			return true
		}
	}
	return false
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]string{"error": why})
}
