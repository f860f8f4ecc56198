package control

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"sigill/testidp/inbox"
	"sigill/testidp/persons"
)

// An API serves the control API over a set of simulators and services.
type API struct {
	People     *persons.Directory
	Simulators []Simulator
	Services   []Service
	Inbox      *inbox.Inbox
	Faults     *Faults
	Autos      *Autos
	Staff      Desk
}

// Handler routes everything under /control/.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/persons", a.persons)
	mux.HandleFunc("GET /control/orders", a.orders)
	mux.HandleFunc("POST /control/orders/{id}", a.act)
	mux.HandleFunc("POST /control/scan", a.scan)
	mux.HandleFunc("GET /control/auto", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, a.Autos.List()) })
	mux.HandleFunc("POST /control/auto", a.setAuto)
	mux.HandleFunc("DELETE /control/auto", func(w http.ResponseWriter, r *http.Request) {
		a.Autos.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /control/faults", a.faults)
	mux.HandleFunc("POST /control/faults", a.setFault)
	mux.HandleFunc("DELETE /control/faults", func(w http.ResponseWriter, r *http.Request) {
		a.Faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /control/staff", a.setStaff)
	mux.HandleFunc("DELETE /control/staff", func(w http.ResponseWriter, r *http.Request) {
		a.Staff.Obey("") // nobody is always known
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /control/strict", a.strict)
	mux.HandleFunc("GET /control/messages", a.messages)
	mux.HandleFunc("DELETE /control/messages", func(w http.ResponseWriter, r *http.Request) {
		a.Inbox.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (a *API) persons(w http.ResponseWriter, r *http.Request) {
	type row struct {
		Pnr   string         `json:"pnr"`
		Name  string         `json:"name"`
		Level string         `json:"level"`
		Flags []persons.Flag `json:"flags"`
	}
	rows := []row{}
	for _, p := range a.People.List() {
		rows = append(rows, row{p.Number, p.Name(), p.Level, append([]persons.Flag{}, p.Flags...)})
	}
	answer(w, http.StatusOK, rows)
}

func (a *API) orders(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	if state != "" && state != Pending && state != Complete && state != Failed {
		refuse(w, Invalid("state must be pending, complete or failed"))
		return
	}
	rows := []Order{}
	for _, s := range a.Simulators {
		for _, o := range s.Orders() {
			if state == "" || o.State == state {
				rows = append(rows, o)
			}
		}
	}
	answer(w, http.StatusOK, rows)
}

func (a *API) act(w http.ResponseWriter, r *http.Request) {
	var action Action
	if err := read(w, r, &action); err != nil {
		refuse(w, err)
		return
	}
	for _, s := range a.Simulators {
		if _, ok := s.Order(r.PathValue("id")); ok {
			result, err := s.Act(r.PathValue("id"), action)
			if err != nil {
				refuse(w, err)
				return
			}
			answer(w, http.StatusOK, result)
			return
		}
	}
	refuse(w, NotFound())
}

func (a *API) scan(w http.ResponseWriter, r *http.Request) {
	var code Code
	if err := read(w, r, &code); err != nil {
		refuse(w, err)
		return
	}
	id, err := Scan(a.Simulators, code)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"id": id})
}

// Scan offers a code to every simulator.
func Scan(simulators []Simulator, code Code) (string, error) {
	if (code.QR == "") == (code.AutoStartToken == "") {
		return "", Invalid("give either qr or autoStartToken")
	}
	for _, s := range simulators {
		id, err := s.Scan(code)
		if !errors.Is(err, ErrUnknownCode) {
			return id, err
		}
	}
	return "", &Error{http.StatusNotFound, ErrUnknownCode.Error()}
}

func (a *API) setAuto(w http.ResponseWriter, r *http.Request) {
	var auto Auto
	if err := read(w, r, &auto); err != nil {
		refuse(w, err)
		return
	}
	if !a.known(auto.Provider) {
		refuse(w, Invalid("unknown provider"))
		return
	}
	if _, ok := a.People.ByNumber(auto.Pnr); !ok && auto.Pnr != "" {
		refuse(w, Invalid("unknown person"))
		return
	}
	if auto.DelayMs < 0 || auto.DelayMs > 600_000 {
		refuse(w, Invalid("delayMs must be between 0 and 600000"))
		return
	}
	a.Autos.Set(auto)
	w.WriteHeader(http.StatusNoContent)
}

// setStaff lets an officer log in without being picked on the page.
func (a *API) setStaff(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Officer string `json:"officer"`
	}
	err := read(w, r, &q)
	if err == nil && q.Officer == "" {
		err = Invalid("give an officer")
	}
	if err == nil {
		err = a.Staff.Obey(q.Officer)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *API) faults(w http.ResponseWriter, r *http.Request) {
	possible := map[string][]string{}
	for _, s := range a.faulty() {
		possible[s.Name()] = s.FaultModes()
	}
	answer(w, http.StatusOK, struct {
		Possible map[string][]string `json:"possible"`
		Active   []Fault             `json:"active"`
	}{possible, append([]Fault{}, a.Faults.Active()...)})
}

func (a *API) setFault(w http.ResponseWriter, r *http.Request) {
	// A pointer, so that a rate that is left out means always.
	var f struct {
		Provider string   `json:"provider"`
		Fault    string   `json:"fault"`
		Rate     *float64 `json:"rate"`
	}
	if err := read(w, r, &f); err != nil {
		refuse(w, err)
		return
	}
	rate := 1.0
	if f.Rate != nil {
		rate = *f.Rate
	}
	known, possible := f.Provider == Everyone, false
	for _, s := range a.faulty() {
		if f.Provider == Everyone || f.Provider == s.Name() {
			known, possible = true, possible || slices.Contains(s.FaultModes(), f.Fault)
		}
	}
	switch {
	case !known:
		refuse(w, Invalid("unknown provider"))
	case !possible:
		refuse(w, Invalid("unknown fault; GET /control/faults lists what is possible"))
	case rate <= 0 || rate > 1:
		refuse(w, Invalid("rate must be above 0 and at most 1"))
	default:
		a.Faults.Set(Fault{Provider: f.Provider, Fault: f.Fault, Rate: rate})
		w.WriteHeader(http.StatusNoContent)
	}
}

// messages lists what was sent to an address. A plus sign that nobody encoded
// arrives as a space; no address begins with one.
func (a *API) messages(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("to")
	if number, ok := strings.CutPrefix(to, " "); ok {
		to = "+" + number
	}
	answer(w, http.StatusOK, a.Inbox.List(to))
}

func (a *API) strict(w http.ResponseWriter, r *http.Request) {
	report := map[string]Strictness{}
	for _, s := range a.Simulators {
		report[s.Name()] = s.Strictness()
	}
	answer(w, http.StatusOK, report)
}

// faulty is everything that can go wrong.
func (a *API) faulty() []Service {
	out := slices.Clone(a.Services)
	for _, s := range a.Simulators {
		out = append(out, s)
	}
	return out
}

func (a *API) known(provider string) bool {
	return provider == Everyone || slices.ContainsFunc(a.Simulators, func(s Simulator) bool { return s.Name() == provider })
}

// read decodes a strict JSON body.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return Invalid("the body is not the JSON object that was expected: " + err.Error())
	}
	if _, err := d.Token(); err != io.EOF {
		return Invalid("there is something after the JSON object")
	}
	return nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	text := "the simulator failed"
	if e, ok := errors.AsType[*Error](err); ok {
		status, text = e.Status, e.Text
	}
	answer(w, status, map[string]string{"error": text})
}
