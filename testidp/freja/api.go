package freja

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sigill/testidp/control"
)

// An apiError is the body of freja.md section 6.
type apiError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func refuse(code int, message string) *apiError { return &apiError{code, message} }

// A method is one row of the table in freja.md section 2.
type method struct {
	parameter string
	sign      bool
	serve     func(*Simulator, http.ResponseWriter, call)
}

var methods = map[string]method{
	"/authentication/1.0/initAuthentication": {"initAuthRequest", false, (*Simulator).serveInit},
	"/authentication/1.0/getOneResult":       {"getOneAuthResultRequest", false, (*Simulator).serveOne},
	"/authentication/1.0/getResults":         {"getAuthResultsRequest", false, (*Simulator).serveAll},
	"/authentication/1.0/cancel":             {"cancelAuthRequest", false, (*Simulator).serveCancel},
	"/sign/1.0/initSignature":                {"initSignRequest", true, (*Simulator).serveInit},
	"/sign/1.0/getOneResult":                 {"getOneSignResultRequest", true, (*Simulator).serveOne},
	"/sign/1.0/getResults":                   {"getSignResultsRequest", true, (*Simulator).serveAll},
	"/sign/1.0/cancel":                       {"cancelSignRequest", true, (*Simulator).serveCancel},
}

// A call is a request that could be read.
type call struct {
	sign     bool
	rp       string
	document []byte
	faults   control.Drawn
}

// transaction is the object of freja.md section 2.3.
type transaction struct {
	AuthRef             string      `json:"authRef,omitempty"`
	SignRef             string      `json:"signRef,omitempty"`
	Status              string      `json:"status,omitempty"`
	Details             *string     `json:"details,omitempty"`
	RequestedAttributes *attributes `json:"requestedAttributes,omitempty"`
	FrejaCookie         string      `json:"frejaCookie,omitempty"`
	QRCodeSecret        string      `json:"qrCodeSecret,omitempty"`
}

func (t *transaction) name(ref string, sign bool) {
	if sign {
		t.SignRef = ref
		return
	}
	t.AuthRef = ref
}

// Handler serves the REST services. The server in front of it must demand a
// client certificate as TLSConfig does.
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	m, ok := methods[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	c := call{sign: m.sign, faults: s.faults.Draw(Name)}
	if s.injected(w, r, c.faults) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if c.rp, ok = s.relyingParty(r.TLS); !ok {
		respond(w, c, refuse(1008, "Unknown relying party"))
		return
	}
	var integrator bool
	var fault *apiError
	if c.document, integrator, fault = parameter(body, m.parameter); fault == nil && integrator {
		fault = refuse(1004, "The relying party is no integrator")
	}
	if fault != nil {
		respond(w, c, fault)
		return
	}
	m.serve(s, w, c)
}

func (s *Simulator) serveInit(w http.ResponseWriter, c call) {
	d, fault := s.demand(c)
	if fault == nil && c.faults != nil {
		fault = injectedCode(c.faults)
	}
	if fault == nil && d.named == nil && d.infoType != infoInferred && d.infoType != infoSSN {
		// For SSN the service does not tell (freja.md section 2.3).
		fault = refuse(1012, "No such user")
	}
	if fault != nil {
		respond(w, c, fault)
		return
	}
	o, ok := s.begin(d, c.rp, c.faults)
	switch {
	case !ok:
		respond(w, c, refuse(2000, "Refused: the user has another authentication"))
	case c.faults[dropStart]:
		panic(http.ErrAbortHandler)
	default:
		t := transaction{QRCodeSecret: o.secret}
		t.name(o.ref, c.sign)
		respond(w, c, t)
	}
}

func (s *Simulator) demand(c call) (demand, *apiError) {
	if c.sign {
		var q initSignRequest
		if fault := decodeJSON(c.document, &q); fault != nil {
			return demand{}, fault
		}
		return q.demand(s.users, s.now())
	}
	var q initRequest
	if fault := decodeJSON(c.document, &q); fault != nil {
		return demand{}, fault
	}
	return q.demand(s.users)
}

func injectedCode(f control.Drawn) *apiError {
	switch {
	case f[code1005]:
		return refuse(1005, "The user has disabled the service")
	case f[code1012]:
		return refuse(1012, "No such user")
	case f[code2000]:
		return refuse(2000, "Refused: the user has another authentication")
	case f[codeUnknown]:
		return refuse(7777, "Something new")
	}
	return nil
}

// reference reads the requests that name a transaction.
func reference(c call) (string, *apiError) {
	var q refRequest
	if fault := decodeJSON(c.document, &q); fault != nil {
		return "", fault
	}
	mine, other := q.AuthRef, q.SignRef
	if c.sign {
		mine, other = other, mine
	}
	if mine == nil || *mine == "" || other != nil {
		return "", refuse(1000, "Invalid parameters")
	}
	return *mine, nil
}

func (s *Simulator) serveOne(w http.ResponseWriter, c call) {
	ref, fault := reference(c)
	if fault != nil {
		respond(w, c, fault)
		return
	}
	s.arrive(ref)
	defer s.leave(ref)
	o, ok := s.one(ref, c.rp, c.sign)
	switch {
	case !ok || c.faults[lost]:
		respond(w, c, refuse(1100, "Unknown or too old reference"))
	case c.faults[drop]:
		// The way net/http offers to break a connection without an answer.
		panic(http.ErrAbortHandler)
	default:
		respond(w, c, o.transaction(c.faults))
	}
}

func (s *Simulator) serveAll(w http.ResponseWriter, c call) {
	var q listRequest
	if fault := decodeJSON(c.document, &q); fault != nil {
		respond(w, c, fault)
		return
	}
	if text(q.IncludePrevious) != "ALL" {
		respond(w, c, refuse(1200, "Invalid or missing includePrevious"))
		return
	}
	list := []transaction{}
	for _, o := range s.all(c.rp, c.sign) {
		list = append(list, o.transaction(c.faults))
	}
	if c.sign {
		respond(w, c, map[string]any{"signatureResults": list})
		return
	}
	respond(w, c, map[string]any{"authenticationResults": list})
}

func (s *Simulator) serveCancel(w http.ResponseWriter, c call) {
	ref, fault := reference(c)
	if fault == nil && !s.cancel(ref, c.rp, c.sign) {
		fault = refuse(1100, "Unknown or too old reference")
	}
	switch {
	case fault != nil:
		respond(w, c, fault)
	case c.faults[drop]:
		panic(http.ErrAbortHandler)
	default:
		respond(w, c, struct{}{})
	}
}

// hugeSize is how much "hugeDetails" sends.
const hugeSize = 32 << 20

// transaction is what the relying party sees of an order.
func (o *order) transaction(f control.Drawn) transaction {
	t := transaction{Status: o.status}
	ref := o.ref
	if f[foreignEcho] {
		ref = newReference()
	}
	t.name(ref, o.demand.sign)
	if o.demand.cookie {
		t.FrejaCookie = o.cookie
	}
	if o.status == statusApproved {
		t.RequestedAttributes = o.result.attributes
		t.Details = &o.result.details
		if o.result.huge {
			huge := o.result.details + strings.Repeat("A", hugeSize)
			t.Details = &huge
		}
		return t
	}
	if f[textDetails] {
		words := "Nothing to see yet."
		t.Details = &words
	}
	switch {
	case !o.pending():
	case f[statusOpened]:
		t.Status = "OPENED"
	case f[unknownStatus]:
		t.Status = "THINKING_ABOUT_IT"
	}
	return t
}

// injected answers a call with a fault in place of doing what it asks.
func (s *Simulator) injected(w http.ResponseWriter, r *http.Request, f control.Drawn) bool {
	if f[slow] {
		timer := time.NewTimer(s.timings.Slow)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // returning would be an empty answer, which a busy client may still read
		case <-timer.C:
		}
	}
	switch {
	case f[http400]:
		w.WriteHeader(http.StatusBadRequest)
	case f[http401]:
		w.WriteHeader(http.StatusUnauthorized)
	case f[http500], f[http503]:
		status := http.StatusServiceUnavailable
		if f[http500] {
			status = http.StatusInternalServerError
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		io.WriteString(w, "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Error</h1></body></html>")
	case f[garbage]:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{{{ this is not JSON")
	default:
		return false
	}
	return true
}

// respond writes JSON; a refusal is 422.
func respond(w http.ResponseWriter, c call, body any) {
	status := http.StatusOK
	if e, ok := body.(*apiError); ok {
		status = http.StatusUnprocessableEntity
		if c.faults[stringCode] {
			body = map[string]string{"code": strconv.Itoa(e.Code), "message": e.Message}
		}
	}
	out, err := encode(body)
	if err == nil && c.faults[unknownFields] {
		out, err = withUnknownFields(out)
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	w.Write(out)
}

// encode writes JSON in raw UTF-8, without a line break at the end.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// withUnknownFields adds a member to every object.
func withUnknownFields(document []byte) ([]byte, error) {
	var root any
	d := json.NewDecoder(strings.NewReader(string(document)))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		return nil, err
	}
	addUnknown(root)
	return encode(root)
}

func addUnknown(v any) {
	switch t := v.(type) {
	case []any:
		for _, child := range t {
			addUnknown(child)
		}
	case map[string]any:
		for _, child := range t {
			addUnknown(child)
		}
		t["fromTheFuture"] = map[string]any{"a": []int{1, 2}, "b": "c"}
	}
}
