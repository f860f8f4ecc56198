// Package apitest holds traffic of the signing API against its description, for
// tests: what openapi.yaml promises is what is served, and the other way round.
//
// It owns the comparison and no traffic. The description is read by kin-openapi,
// which nobody here wrote, as the OpenAPI 3.1 document that it is. It is used by
// the API's own tests and by cmd/judges.
package apitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Contract is an API's description, and what of it has been seen. It may be used
// by many goroutines.
type Contract struct {
	doc *openapi3.T

	mu   sync.Mutex
	seen map[string]bool
}

// Load reads a description and checks that it is one.
func Load(spec []byte) (*Contract, error) {
	l := openapi3.NewLoader()
	doc, err := l.LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	if !doc.IsOpenAPI31OrLater() {
		return nil, errors.New("apitest: not a description of version 3.1")
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	return &Contract{doc: doc, seen: map[string]bool{}}, nil
}

// Operations lists what there is to call, as "POST /api/v1/orders".
func (c *Contract) Operations() []string {
	var all []string
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			all = append(all, method+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// Seen lists what has passed: "POST /api/v1/orders 201", and events by type.
func (c *Contract) Seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.seen))
}

func (c *Contract) saw(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[what] = true
}

// An Exchange is a request and its answer.
type Exchange struct {
	Request *http.Request // its body is not read
	Sent    []byte
	Status  int
	Header  http.Header
	Got     []byte
}

// Check holds an exchange against the description. An answer must be one that is
// described, whatever was asked; and whoever asks for what is not described must
// have been refused.
func (c *Contract) Check(x Exchange) error {
	what := fmt.Sprintf("%s %s: %d", x.Request.Method, x.Request.URL.Path, x.Status)
	options := &openapi3filter.Options{
		MultiError: true, IncludeResponseStatus: true, AuthenticationFunc: authenticated,
		RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.EnableFormatValidation()},
	}
	options.RejectWhenRequestBodyNotSpecified = len(x.Sent) > 0
	route, parameters := c.find(x.Request.Method, x.Request.URL)
	if route == nil {
		if x.Status < 400 {
			return fmt.Errorf("%s: served, and not described", what)
		}
		if err := c.is("Problem", x.Header, "application/problem+json", x.Got); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		c.saw(fmt.Sprintf("elsewhere %d", x.Status))
		return nil
	}
	r := x.Request.Clone(x.Request.Context())
	r.Body = io.NopCloser(bytes.NewReader(x.Sent))
	if len(x.Sent) == 0 {
		r.Body = http.NoBody
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil && x.Status < 400 {
		return fmt.Errorf("%s: served, and the request is not as described: %w", what, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: x.Status, Header: x.Header, Options: options}
	out.SetBodyBytes(x.Got)
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		return fmt.Errorf("%s: the answer is not as described: %w", what, err)
	}
	if x.Status >= 400 {
		// default describes every status; a problem says its own.
		if err := c.is("Problem", x.Header, "application/problem+json", x.Got); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	c.saw(fmt.Sprintf("%s %s %d", route.Method, route.Path, x.Status))
	return nil
}

// authenticated: who may is for the traffic to show.
func authenticated(context.Context, *openapi3filter.AuthenticationInput) error { return nil }

// find looks a path up, segment by segment; one that is written out comes first.
func (c *Contract) find(method string, u *url.URL) (*routers.Route, map[string]string) {
	asked := strings.Split(u.EscapedPath(), "/")
	for _, path := range c.doc.Paths.InMatchingOrder() {
		item := c.doc.Paths.Value(path)
		operation := item.GetOperation(method)
		parts := strings.Split(path, "/")
		if operation == nil || len(parts) != len(asked) {
			continue
		}
		parameters, fits := map[string]string{}, true
		for i, p := range parts {
			name, variable := strings.CutPrefix(p, "{")
			if !variable {
				fits = fits && p == asked[i]
				continue
			}
			text, err := url.PathUnescape(asked[i])
			fits = fits && err == nil && text != ""
			parameters[strings.TrimSuffix(name, "}")] = text
		}
		if fits {
			return &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: operation}, parameters
		}
	}
	return nil, nil
}

// is holds a JSON text against a schema of the description.
func (c *Contract) is(schema string, h http.Header, media string, body []byte) error {
	if got := h.Get("Content-Type"); got != media {
		return fmt.Errorf("the answer is %q, not %s", got, media)
	}
	return c.fits(schema, body)
}

func (c *Contract) fits(schema string, body []byte) error {
	s := c.doc.Components.Schemas[schema]
	if s == nil || s.Value == nil {
		return fmt.Errorf("there is no schema %s", schema)
	}
	var v any
	if err := unmarshal(body, &v); err != nil {
		return err
	}
	err := s.Value.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors(), openapi3.EnableFormatValidation())
	if err != nil {
		return fmt.Errorf("not a %s: %w", schema, err)
	}
	return nil
}

// Event holds the body of a webhook against the description, which has one.
func (c *Contract) Event(h http.Header, body []byte) error {
	hook := c.doc.Webhooks["order"]
	if hook == nil || hook.Post == nil {
		return errors.New("no webhook is described")
	}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		if len(h.Values(name)) != 1 {
			return fmt.Errorf("webhook: header %s is there %d times", name, len(h.Values(name)))
		}
	}
	if err := c.is("Event", h, "application/json", body); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	var e struct{ Type string }
	if err := unmarshal(body, &e); err != nil {
		return err
	}
	c.saw("event " + e.Type)
	return nil
}
