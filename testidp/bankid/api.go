package bankid

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/pki"
)

// BasePath is where the relying-party API lies.
const BasePath = "/rp/v6.0/"

type startResponse struct {
	OrderRef       string `json:"orderRef"`
	AutoStartToken string `json:"autoStartToken"`
	QRStartToken   string `json:"qrStartToken"`
	QRStartSecret  string `json:"qrStartSecret"`
}

type phoneResponse struct {
	OrderRef string `json:"orderRef"`
}

type collectResponse struct {
	OrderRef       string          `json:"orderRef"`
	Status         string          `json:"status"`
	HintCode       string          `json:"hintCode,omitempty"`
	CompletionData *completionData `json:"completionData,omitempty"`
}

// An apiError is the body of bankid.md section 4.
type apiError struct {
	status  int
	Code    string `json:"errorCode"`
	Details string `json:"details"`
}

func invalidParameters(details string) *apiError {
	return &apiError{http.StatusBadRequest, "invalidParameters", details}
}

// Handler serves the relying-party API. The server in front of it must demand
// a client certificate of the simulator's RP CA (TLSConfig does).
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// serve checks in the order of bankid.md section 13: path, method, media type,
// JSON, fields, the rule of one order per person, injected faults.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	method, ok := strings.CutPrefix(r.URL.Path, BasePath)
	if !ok || !known(method) {
		respond(w, nil, &apiError{http.StatusNotFound, "notFound", "No such method"})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed) // with an empty body
		return
	}
	if types := r.Header.Values("Content-Type"); len(types) != 1 || types[0] != "application/json" {
		respond(w, nil, &apiError{http.StatusUnsupportedMediaType, "unsupportedMediaType", "Content-Type must be application/json"})
		return
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		respond(w, nil, &apiError{http.StatusUnauthorized, "unauthorized", "No client certificate"})
		return
	}
	rp := pki.ReadRelyingParty(r.TLS.PeerCertificates[0])
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		respond(w, nil, invalidParameters(invalidRequest))
		return
	}
	switch method {
	case "auth", "sign":
		var q startRequest
		if strictJSON(body, &q) != nil {
			respond(w, nil, invalidParameters(invalidRequest))
			return
		}
		d, fault := q.demand(method == "sign")
		s.serveStart(w, r, d, fault, rp)
	case "phone/auth", "phone/sign":
		var q phoneRequest
		if strictJSON(body, &q) != nil {
			respond(w, nil, invalidParameters(invalidRequest))
			return
		}
		d, fault := q.demand(method == "phone/sign")
		s.serveStart(w, r, d, fault, rp)
	default:
		var q refRequest
		if strictJSON(body, &q) != nil || q.OrderRef == nil || *q.OrderRef == "" {
			respond(w, nil, invalidParameters(invalidRequest))
			return
		}
		if method == "collect" {
			s.serveCollect(w, r, *q.OrderRef, rp)
			return
		}
		s.serveCancel(w, r, *q.OrderRef, rp)
	}
}

func known(method string) bool {
	switch method {
	case "auth", "sign", "phone/auth", "phone/sign", "collect", "cancel":
		return true
	}
	return false
}

func (s *Simulator) serveStart(w http.ResponseWriter, r *http.Request, d demand, fault string, rp pki.RelyingParty) {
	if fault != "" {
		respond(w, nil, invalidParameters(fault))
		return
	}
	f := s.faults.Draw(Name)
	if s.abort(d.pnr) {
		respond(w, f, &apiError{http.StatusBadRequest, "alreadyInProgress", orderAlreadyForThePN})
		return
	}
	if s.injected(w, r, f) {
		return
	}
	o, ok := s.start(d, rp)
	switch {
	case !ok:
		respond(w, f, &apiError{http.StatusBadRequest, "alreadyInProgress", orderAlreadyForThePN})
	case f[dropStart]:
		panic(http.ErrAbortHandler)
	case d.call:
		respond(w, f, phoneResponse{o.ref})
	default:
		respond(w, f, startResponse{o.ref, o.autoStart, o.qrToken, o.qrSecret})
	}
}

func (s *Simulator) serveCollect(w http.ResponseWriter, r *http.Request, ref string, rp pki.RelyingParty) {
	s.arrive(ref)
	defer s.leave(ref)
	f := s.faults.Draw(Name)
	if s.injected(w, r, f) {
		return
	}
	c, ok := s.collect(ref, rp)
	switch {
	case !ok:
		respond(w, f, invalidParameters(noSuchOrder))
	case f[drop] && c.Status != control.Pending:
		// The way net/http offers to break a connection without an answer.
		panic(http.ErrAbortHandler)
	default:
		if f[unknownHint] && c.Status == control.Pending {
			c.HintCode = "somethingNew"
		}
		respond(w, f, c)
	}
}

func (s *Simulator) serveCancel(w http.ResponseWriter, r *http.Request, ref string, rp pki.RelyingParty) {
	f := s.faults.Draw(Name)
	if s.injected(w, r, f) {
		return
	}
	if !s.cancel(ref, rp) {
		respond(w, f, invalidParameters(noSuchOrder))
		return
	}
	respond(w, f, struct{}{})
}

// injected answers a call with a fault in place of doing what it asks.
func (s *Simulator) injected(w http.ResponseWriter, r *http.Request, f control.Drawn) bool {
	if f[slow] {
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // returning would be an empty answer, which a busy client may still read
		case <-time.After(s.timings.Slow):
		}
	}
	switch {
	case f[http503]:
		respond(w, f, &apiError{http.StatusServiceUnavailable, "maintenance", "Simulated maintenance"})
	case f[http408]:
		respond(w, f, &apiError{http.StatusRequestTimeout, "requestTimeout", "Simulated timeout"})
	case f[http500]:
		respond(w, f, &apiError{http.StatusInternalServerError, "internalError", "Simulated failure"})
	case f[html403]:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "<!DOCTYPE html><html><head><title>403 Forbidden</title></head><body><h1>Forbidden</h1></body></html>")
	case f[garbage]:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{{{ this is not JSON")
	default:
		return false
	}
	return true
}

// respond writes JSON, with members that nobody knows when asked to.
func respond(w http.ResponseWriter, f control.Drawn, body any) {
	status := http.StatusOK
	if e, ok := body.(*apiError); ok {
		status = e.status
	}
	out, err := json.Marshal(body)
	if err == nil && f[extraFields] {
		out, err = withExtraFields(out)
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(out)
}

// withExtraFields adds a member to every object of a body.
func withExtraFields(body []byte) ([]byte, error) {
	var root any
	if err := json.Unmarshal(body, &root); err != nil {
		return nil, err
	}
	addExtra(root)
	return json.Marshal(root)
}

func addExtra(v any) {
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	for _, child := range m {
		addExtra(child)
	}
	m["fromTheFuture"] = map[string]any{"a": []int{1, 2}, "b": "c"}
}
