package apitest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func load(t *testing.T) *Contract {
	t.Helper()
	spec, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad(t *testing.T) {
	for name, spec := range map[string]string{
		"nothing": "", "no description": "a: 1", "of another version": "openapi: 3.0.3\ninfo: {title: T, version: \"1\"}\npaths: {}\n",
		"a reference to nothing": "openapi: 3.1.0\ninfo: {title: T, version: \"1\"}\npaths: {/a: {get: {responses: {\"200\": {$ref: \"#/components/responses/A\"}}}}}\n",
	} {
		if _, err := Load([]byte(spec)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

const (
	wish    = `{"title":"T","documents":[{"name":"D","text":"d"}]}`
	order   = `{"id":"a","state":"open","title":"T","order":"parallel","revision":1,"sha256":"` + zeros + `","created":"2026-01-01T00:00:00Z","deadline":"2026-01-01T00:00:00Z","signatories":[]}`
	zeros   = "0000000000000000000000000000000000000000000000000000000000000000"
	problem = `{"type":"https://sigill.example.se/api/openapi.yaml#not_found","title":"T","status":404,"code":"not_found"}`
)

// TestCheck proves that each part of an exchange is looked at.
func TestCheck(t *testing.T) {
	c := load(t)
	for _, x := range []struct {
		name, method, path, sent string
		status                   int
		media, got               string
		want                     string // in the error; empty: none
	}{
		{"an order", "POST", "/api/v1/orders", wish, 201, "application/json", order, ""},
		{"an order again", "GET", "/api/v1/orders/a", "", 200, "application/json", order, ""},
		{"nothing left", "DELETE", "/api/v1/orders/a", "", 204, "", "", ""},
		{"no such", "GET", "/api/v1/orders/a", "", 404, "application/problem+json", problem, ""},
		{"elsewhere", "GET", "/api/v2", "", 404, "application/problem+json", problem, ""},
		{"a refused request may be anything", "POST", "/api/v1/orders", `{"titel":1`, 400, "application/problem+json", strings.ReplaceAll(problem, "not_found", "invalid_body"), ""},
		{"a PDF", "GET", "/api/v1/orders/a/documents/1", "", 200, "application/pdf", "%PDF", ""},

		{"an unknown member was taken", "POST", "/api/v1/orders", `{"title":"T","documents":[{"name":"D","text":"d"}],"x":1}`, 201, "application/json", order, "request is not as described"},
		{"two kinds were taken", "POST", "/api/v1/orders", `{"title":"T","documents":[{"name":"D","text":"d","file":"YQ==","type":"image/png"}]}`, 201, "application/json", order, "request is not as described"},
		{"no key was taken", "POST", "/api/v1/orders?nokey", wish, 201, "application/json", order, "request is not as described"},
		{"a body was taken", "GET", "/api/v1/orders/a", wish, 200, "application/json", order, "request is not as described"},
		{"an unknown member", "GET", "/api/v1/orders/a", "", 200, "application/json", strings.Replace(order, `{`, `{"pnr":"x",`, 1), "answer is not as described"},
		{"a member too few", "GET", "/api/v1/orders/a", "", 200, "application/json", `{"id":"a"}`, "answer is not as described"},
		{"an unknown state", "GET", "/api/v1/orders/a", "", 200, "application/json", strings.Replace(order, "open", "opened", 1), "answer is not as described"},
		{"no time", "GET", "/api/v1/orders/a", "", 200, "application/json", strings.Replace(order, "T00:00:00Z", "", 1), "answer is not as described"},
		{"another status", "GET", "/api/v1/orders/a", "", 202, "application/json", order, "answer is not as described"},
		{"another type", "GET", "/api/v1/orders/a", "", 200, "text/html", order, "answer is not as described"},
		{"a page", "GET", "/api/v1/orders/a", "", 404, "text/html", "<html>", "answer is not as described"},
		{"a page elsewhere", "GET", "/api/v2", "", 404, "text/html", "<html>", "not application/problem+json"},
		{"an unknown code", "GET", "/api/v1/orders/a", "", 404, "application/problem+json", strings.Replace(problem, `"code":"not_found"`, `"code":"gone"`, 1), "answer is not as described"},
		{"not described", "GET", "/api/v1/orders", "", 200, "application/json", "[]", "served, and not described"},
	} {
		r := httptest.NewRequest(x.method, x.path, strings.NewReader(x.sent))
		if x.sent != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if !strings.Contains(x.path, "nokey") {
			r.Header.Set("Idempotency-Key", "k")
		}
		h := http.Header{}
		if x.media != "" {
			h.Set("Content-Type", x.media)
		}
		err := c.Check(Exchange{r, []byte(x.sent), x.status, h, []byte(x.got)})
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
	if got := strings.Join(c.Seen(), ", "); !strings.Contains(got, "POST /api/v1/orders 201") || !strings.Contains(got, "elsewhere 404") || strings.Contains(got, "202") {
		t.Errorf("seen: %s", got)
	}
}

func TestEvent(t *testing.T) {
	c := load(t)
	h := http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {"evt_1"}, "Webhook-Timestamp": {"1"}, "Webhook-Signature": {"v1,"}}
	good := `{"type":"order.sealing","timestamp":"2026-01-01T00:00:00.5Z","data":{"order":"a","state":"sealing"}}`
	if err := c.Event(h, []byte(good)); err != nil {
		t.Error(err)
	}
	for name, body := range map[string]string{
		"another type": strings.Replace(good, "sealing", "sealed", 1), "more": strings.Replace(good, `"data":{`, `"data":{"pnr":"x",`, 1),
		"two": good + good, "no data": `{"type":"order.sealing","timestamp":"2026-01-01T00:00:00Z"}`, "nothing": "",
	} {
		if err := c.Event(h, []byte(body)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name := range h {
		less := h.Clone()
		less.Del(name)
		if err := c.Event(less, []byte(good)); err == nil {
			t.Errorf("without %s: taken", name)
		}
	}
}
