package judges

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/signing/api"
)

// TestAPIContract lives the lives that orders can have over the real thing, and
// has each request, each answer and each webhook held against the API's
// description. What the description has is then all there was to see.
func TestAPIContract(t *testing.T) {
	judged(t)
	p := newPremises(t, premisesWish{log: "api-contract"})
	one, two, three := p.phone.person(t, 0), p.phone.person(t, 1), p.phone.person(t, 2)
	const orders = "/api/v1/orders"
	is := func(what string, a apiAnswer, status int, code string) {
		t.Helper()
		if a.status != status || a.code != code {
			t.Errorf("%s: %d %s, not %d %s: %s", what, a.status, a.code, status, code, a.body)
		}
	}

	// The description is served as it is.
	a, err := p.sendAs("", "GET", "/api/openapi.yaml", nil)
	if err != nil || !bytes.Equal(a.body, api.Specification) {
		t.Errorf("the description: %v, %d bytes", err, len(a.body))
	}

	// An order that is changed and completed.
	w := p.wishFor("Allt", p.signatoryOf(one, "none"), p.signatoryOf(two, "both"), p.signatoryOf(three, "code"))
	for k, v := range (members{
		"message": "Hej!", "reference": "EX-1", "language": "en", "order": "parallel", "visibility": "none", "reminders": []int{1, 3},
		"deadline": time.Now().Add(48 * time.Hour).Format(time.RFC3339), "allowedProviders": []string{"mbankid", "bankid"}, "returnUrl": p.hooks.url,
		"documents": []members{
			{"name": "A", "text": "a"}, {"name": "B", "content": []members{{"heading": "H"}, {"rows": []members{{"label": "l", "value": "v"}}}, {"text": "t"}}},
			{"name": "C", "file": base64.StdEncoding.EncodeToString([]byte("%PDF-1.7\n")), "type": "application/pdf"},
		},
	}) {
		w[k] = v
	}
	key := "Idempotency-Key: contract"
	a = p.call(asker, "POST", orders, w, key)
	is("an order", a, 201, "")
	o := p.read(a)
	at := orders + "/" + o.ID
	if again := p.call(asker, "POST", orders, w, key); again.status != 201 || again.header.Get("Idempotency-Replayed") != "true" || p.read(again).ID != o.ID {
		t.Errorf("the same again: %d %v", again.status, again.header)
	}
	if signURL := p.read(a).Signatories[0].SignURL; signURL != p.placeOf(o.ID, 1) {
		t.Errorf("the address to sign at is %s", signURL)
	}
	w["title"] = "Annat"
	is("another body", p.call(asker, "POST", orders, w, key), 422, "idempotency_mismatch")
	is("no key", p.call(asker, "POST", orders, w, "Idempotency-Key: "), 400, "idempotency_key_missing")
	is("an open order", p.call(asker, "GET", at, nil), 200, "")
	is("no receipt yet", p.call(asker, "GET", at+"/documents/1", nil), 404, "not_found")
	is("no evidence yet", p.call(asker, "GET", at+"/evidence", nil), 404, "not_found")
	is("erasing an open one", p.call(asker, "DELETE", at, nil), 409, "order_open")
	is("a reminder", p.call(asker, "POST", at+"/remind", nil), 200, "")
	soon := p.call(asker, "POST", at+"/remind", nil)
	is("a reminder too soon", soon, 429, "too_soon")
	if soon.header.Get("Retry-After") == "" {
		t.Error("too soon, and not when")
	}
	p.later(time.Hour) // nobody is written to all the time
	is("a contact", p.call(asker, "PATCH", at+"/signatories/2", members{"email": "ratt@example.se"}), 200, "")
	is("the same contact", p.call(asker, "PATCH", at+"/signatories/2", members{"email": "ratt@example.se"}), 409, "unchanged")
	is("a contact that is none", p.call(asker, "PATCH", at+"/signatories/2", members{"email": ""}), 422, "invalid_order")
	is("a contact of nobody", p.call(asker, "PATCH", at+"/signatories/9", members{"email": "a@example.se"}), 404, "not_found")
	p.later(time.Hour)
	by := p.signatoryOf(p.phone.person(t, 3), "none")
	is("another person", p.call(asker, "PATCH", at+"/signatories/3", by), 200, "")
	is("who is replaced", p.call(asker, "PATCH", at+"/signatories/3", members{"email": "a@example.se"}), 409, "signatory_done")
	is("the same person", p.call(asker, "PATCH", at+"/signatories/2", p.signatoryOf(one, "none")), 422, "invalid_order")
	p.later(time.Hour)
	is("other documents", p.call(asker, "PUT", at+"/documents", members{"documents": []members{{"name": "D", "text": "d"}}}), 200, "")
	is("no documents", p.call(asker, "PUT", at+"/documents", members{"documents": []members{}}), 422, "invalid_order")
	o = p.get(o.ID)
	if len(o.Signatories) != 4 || o.Signatories[2].State != "replaced" || o.Revision != 3 {
		t.Errorf("changed: %+v", o)
	}
	for n, who := range map[int]person{1: one, 2: two, 4: p.phone.person(t, 3)} {
		if err := p.guest(who).signsAt(p.placeOf(o.ID, n)); err != nil {
			t.Fatal(err)
		}
	}
	o = p.becomes(o.ID, "completed")
	if file := p.receipt(o.ID, 3); !bytes.HasPrefix(file, []byte("%PDF-")) || o.Document != p.issuer+at+"/documents/1" || o.CompletedAt == "" || o.EndedAt == "" {
		t.Errorf("completed: %+v", o)
	}
	a = p.call(asker, "GET", at+"/evidence", nil)
	is("evidence", a, 200, "")
	if z, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body))); err != nil || len(z.File) < 4 {
		t.Errorf("evidence: %v", err)
	}
	is("cancelling too late", p.call(asker, "POST", at+"/cancel", nil), 409, "order_over")
	is("reminding too late", p.call(asker, "POST", at+"/remind", nil), 409, "order_over")
	is("correcting too late", p.call(asker, "PATCH", at+"/signatories/1", members{"email": "a@example.se", "phone": "", "invite": "email"}), 409, "order_over")
	is("changing too late", p.call(asker, "PUT", at+"/documents", members{"documents": []members{{"name": "E", "text": "e"}}}), 409, "order_over")
	p.told(o.ID, kindsInOrder(p, o.ID)...) // three may sign in any order
	is("erasing", p.call(asker, "DELETE", at, nil), 204, "")
	for _, op := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"GET", "/documents/1"}, {"GET", "/evidence"}, {"POST", "/cancel"}, {"POST", "/remind"}} {
		is("erased", p.call(asker, op[0], at+op[1], nil), 404, "not_found")
	}
	is("erased", p.call(asker, "PUT", at+"/documents", members{"documents": []members{{"name": "E", "text": "e"}}}), 404, "not_found")
	is("erased", p.call(asker, "PATCH", at+"/signatories/1", members{"email": "a@example.se"}), 404, "not_found")

	// Ends that are no good ones, and messages that reach nobody.
	refused := p.open(p.wishFor("Nekad", p.signatoryOf(one, "none")))
	g := p.enter(one)
	if to, err := g.post(p.placeOf(refused.ID, 1)+"/refuse", url.Values{"reason": {"Fel belopp"}}); err != nil || to.status != http.StatusOK {
		t.Fatal(err)
	}
	if o := p.becomes(refused.ID, "refused"); o.Signatories[0].State != "refused" || o.Signatories[0].Reason != "Fel belopp" {
		t.Errorf("refused: %+v", o)
	}
	p.told(refused.ID, "order.refused 1")
	cancelled := p.open(p.wishFor("Avbruten", p.signatoryOf(one, "none")))
	is("cancelling", p.call(asker, "POST", orders+"/"+cancelled.ID+"/cancel", nil), 200, "")
	p.told(cancelled.ID, "order.cancelled")
	p.idp.Fault("mail", "reject")
	unreached := p.open(p.wishFor("Onådd", p.signatoryOf(one, "email")))
	p.until(unreached.ID, "told", func(o apiOrder) bool { return o.Signatories[0].State == "delivery failed" })
	p.told(unreached.ID, "signatory.delivery_failed 1")
	p.idp.ClearFaults()
	w = p.wishFor("Utgången", p.signatoryOf(one, "none"))
	w["deadline"] = p.now().Add(2 * time.Minute).Format(time.RFC3339)
	expired := p.open(w)
	p.later(5 * time.Minute)
	is("changing after the deadline", p.call(asker, "PUT", orders+"/"+expired.ID+"/documents", members{"documents": []members{{"name": "E", "text": "e"}}}), 409, "too_late")
	p.later(15 * time.Minute)
	if o := p.becomes(expired.ID, "expired"); o.Signatories[0].State != "expired" {
		t.Errorf("expired: %+v", o)
	}
	p.told(expired.ID, "order.expired")
	// An order without signatories is sealed at once.
	w = p.wishFor("Bara stämpel")
	w["signatories"] = []members{}
	alone := p.open(w)
	p.becomes(alone.ID, "completed")
	p.receipt(alone.ID, 0)
	p.told(alone.ID, "order.sealing", "order.completed")

	// What is no such request.
	for _, authorization := range []string{"", "Bearer nobody", "Basic YTpi"} {
		a, err := p.sendAs(authorization, "GET", at, nil)
		if err != nil {
			t.Fatal(err)
		}
		is("no token", a, 401, "invalid_token")
	}
	is("no order", p.call(asker, "POST", orders, members{}), 422, "invalid_order")
	is("not JSON", p.call(asker, "POST", orders, "{"), 400, "invalid_body")
	is("another type", p.call(asker, "POST", orders, "{}", "Content-Type: text/plain"), 415, "invalid_body")
	is("too large", p.call(asker, "PATCH", at+"/signatories/1", members{"email": strings.Repeat("a", 70<<10)}), 413, "too_large")
	is("another method", p.call(asker, "PUT", at, members{}), 405, "method_not_allowed")
	is("nowhere", p.call(asker, "GET", "/api/v2/orders", nil), 404, "not_found")

	var missing []string
	seen := p.contract.Seen()
	good := map[string]int{"POST /api/v1/orders": 201, "DELETE /api/v1/orders/{id}": 204}
	for _, operation := range p.contract.Operations() {
		status := 200
		if s, other := good[operation]; other {
			status = s
		}
		for _, want := range []int{status, 404} {
			if what := operation + " " + strconv.Itoa(want); !slices.Contains(seen, what) && what != "POST /api/v1/orders 404" && what != "GET /api/openapi.yaml 404" {
				missing = append(missing, what)
			}
		}
	}
	for _, kind := range []string{"order.sealing", "order.completed", "order.refused", "order.expired", "order.cancelled", "signatory.signed", "signatory.delivery_failed"} {
		if !slices.Contains(seen, "event "+kind) {
			missing = append(missing, "event "+kind)
		}
	}
	if len(missing) > 0 {
		t.Errorf("described and never seen: %v", missing)
	}
	t.Logf("held against the description: %v", seen)
}

// kindsInOrder are the news of an order of three, the signatures as they came.
func kindsInOrder(p *premises, order string) []string {
	p.t.Helper()
	want := []string{"order.completed", "order.sealing", "signatory.signed 1", "signatory.signed 2", "signatory.signed 4"}
	deadline := time.Now().Add(patience)
	for {
		list, _, err := p.hooks.of(order)
		if err != nil {
			p.t.Error(err)
		}
		var kinds []string
		for _, n := range list {
			kind := n.kind
			if n.signatory > 0 {
				kind += " " + strconv.Itoa(n.signatory)
			}
			kinds = append(kinds, kind)
		}
		if slices.Equal(slices.Sorted(slices.Values(kinds)), want) && slices.Equal(kinds[3:], []string{"order.sealing", "order.completed"}) {
			return kinds
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("webhooks: %s", cmp.Diff(want, kinds))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestAPILimit: programs that ask too often are told so in their own form, and
// when to come again.
func TestAPILimit(t *testing.T) {
	judged(t)
	p := newPremises(t, premisesWish{log: "api-limit", more: "rates: {logins: off, orders: off, tokens: 5/m}\n"})
	one := p.phone.person(t, 0)
	var limited int
	for i := range 8 {
		a := p.call(asker, "POST", "/api/v1/orders", p.wishFor("Många", p.signatoryOf(one, "none")))
		if a.status == http.StatusTooManyRequests {
			limited++
			seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
			if a.code != "too_many_requests" || err != nil || seconds < 1 || seconds > 60 || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d: %s, Retry-After %q", i, a.code, a.header.Get("Retry-After"))
			}
		} else if a.status != http.StatusCreated {
			t.Errorf("%d: %d %s", i, a.status, a.body)
		}
	}
	if limited != 3 {
		t.Errorf("%d of 8 refused, the limit is 5", limited)
	}
	// Looking is free, and waiting helps.
	for range 10 {
		if a := p.call(asker, "GET", "/api/v1/orders/nobody", nil); a.status != http.StatusNotFound {
			t.Errorf("looking: %d", a.status)
		}
	}
	p.later(time.Minute)
	if a := p.call(asker, "POST", "/api/v1/orders", p.wishFor("Igen", p.signatoryOf(one, "none"))); a.status != http.StatusCreated {
		t.Errorf("a minute later: %d", a.status)
	}
}
