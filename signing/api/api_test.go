package api

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

const order1 = "/api/v1/orders/AAAAAAAAAAAAAAAAAAAAAA"

// smallest is a body with which an order can be asked for.
const smallest = `{"title":"T","documents":[{"name":"D","text":"d"}]}`

// TestOperations: what is described is served, and nothing else is.
func TestOperations(t *testing.T) {
	b := newBench(t, signing.Limits{})
	served := []string{"GET /api/openapi.yaml"}
	for path, methods := range b.api.operations() {
		for method := range methods {
			served = append(served, method+" "+path)
		}
	}
	slices.Sort(served)
	if diff := cmp.Diff(b.contract.Operations(), served); diff != "" {
		t.Errorf("described and served differ:\n%s", diff)
	}
	b.service.file = []byte("%PDF-1.7")
	b.service.proofs = []orders.Proof{{Name: "kvittens.json", Type: "application/json", Bytes: []byte("{}")}}
	for _, c := range []struct {
		method, path, body string
		status             int
		calls              string
	}{
		{"POST", "/api/v1/orders", smallest, 201, "create kommun "},
		{"GET", order1, "", 200, "order kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"DELETE", order1, "", 204, "delete kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"PUT", order1 + "/documents", `{"documents":[{"name":"D","text":"d"}]}`, 200, "change kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"GET", order1 + "/documents/1", "", 200, "receipt kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"GET", order1 + "/evidence", "", 200, "order kommun AAAAAAAAAAAAAAAAAAAAAA, evidence kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"POST", order1 + "/cancel", "", 200, "cancel kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"POST", order1 + "/remind", "", 200, "remind kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"PATCH", order1 + "/signatories/1", `{"email":"annan@example.com"}`, 200, "order kommun AAAAAAAAAAAAAAAAAAAAAA, correct kommun AAAAAAAAAAAAAAAAAAAAAA"},
		{"GET", "/api/openapi.yaml", "", 200, ""},
	} {
		a := b.ask(c.method, c.path, c.body)
		if calls := b.asked(); a.status != c.status || calls != c.calls {
			t.Errorf("%s %s: %d %s, asked for %q", c.method, c.path, a.status, a.body, calls)
		}
	}
	// Every operation without a token, with another method, for nobody's order.
	for path, methods := range b.api.operations() {
		at := strings.NewReplacer("{id}", "nobody", "{n}", "1").Replace(path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if methods[method] != nil {
				b.is(method+" "+path+" without a token", b.ask(method, at, "", "Authorization: "), 401, codeToken, "")
				continue
			}
			a := b.ask(method, at, "")
			if allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", "); a.status != 405 || a.header.Get("Allow") != allow {
				t.Errorf("%s %s: %d, allowed %q", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
	if calls := b.asked(); calls != "" {
		t.Errorf("done for nobody: %s", calls)
	}
	b.service.err = broker.ErrNotFound
	for path, methods := range b.api.operations() {
		for method := range methods {
			body := map[string]string{"POST/api/v1/orders": smallest, "PUT/api/v1/orders/{id}/documents": `{"documents":[]}`, "PATCH/api/v1/orders/{id}/signatories/{n}": `{"email":"a@example.se"}`}[method+path]
			b.is(method+" "+path, b.ask(method, strings.NewReplacer("{id}", "x", "{n}", "1").Replace(path), body), 404, codeNotFound, "")
		}
	}
	for _, path := range []string{"/api/", "/api/v1", "/api/v1/", "/api/v2/orders", "/api/v1/orders/", "/api/v1/orders/a/b", "/api/v1/orders/a/documents/1/2", "/api/v1/orders/a%2Fb/x"} {
		b.is(path, b.ask("GET", path, ""), 404, codeNotFound, "")
	}
	b.is("posting the description", b.ask("POST", "/api/openapi.yaml", ""), 404, codeNotFound, "")
}

func TestConfiguration(t *testing.T) {
	s := &service{}
	whole := Config{Issuer: issuer, Desk: s, Editor: s, Reader: s, Bearer: func(context.Context, string) (broker.Client, []string, error) { return broker.Client{}, nil, nil }}
	if _, err := New(whole); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Config){
		"issuer": func(c *Config) { c.Issuer = "" }, "desk": func(c *Config) { c.Desk = nil }, "editor": func(c *Config) { c.Editor = nil },
		"reader": func(c *Config) { c.Reader = nil }, "bearer": func(c *Config) { c.Bearer = nil },
	} {
		c := whole
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("without %s", name)
		}
	}
}

func TestBearer(t *testing.T) {
	b := newBench(t, signing.Limits{})
	const invalid, bare, scope = `Bearer realm="signing", error="invalid_token"`, `Bearer realm="signing"`, `Bearer realm="signing", error="insufficient_scope", scope="signing"`
	for name, c := range map[string]struct {
		headers []string
		status  int
		code    string
		say     string
	}{
		"none":              {[]string{"Authorization: "}, 401, codeToken, bare},
		"unknown":           {[]string{"Authorization: Bearer nobody"}, 401, codeToken, invalid},
		"no scheme":         {[]string{"Authorization: good"}, 401, codeToken, invalid},
		"another scheme":    {[]string{"Authorization: Basic Z29vZDpnb29k"}, 401, codeToken, invalid},
		"empty":             {[]string{"Authorization: Bearer "}, 401, codeToken, invalid},
		"two spaces":        {[]string{"Authorization: Bearer  good"}, 401, codeToken, invalid},
		"something behind":  {[]string{"Authorization: Bearer good x"}, 401, codeToken, invalid},
		"too long":          {[]string{"Authorization: Bearer " + strings.Repeat("a", 600)}, 401, codeToken, invalid},
		"twice":             {[]string{"Authorization: Bearer good", "Authorization: Bearer good"}, 401, codeToken, invalid},
		"of another scope":  {[]string{"Authorization: Bearer openid"}, 403, codeScope, scope},
		"in the address":    {[]string{"Authorization: ", "X: y"}, 401, codeToken, bare},
		"as a cookie":       {[]string{"Authorization: ", "Cookie: access_token=good"}, 401, codeToken, bare},
		"in the body":       {[]string{"Authorization: ", "Content-Type: application/x-www-form-urlencoded"}, 401, codeToken, bare},
		"basic of a client": {[]string{"Authorization: Basic good"}, 401, codeToken, invalid},
	} {
		path := order1
		if name == "in the address" {
			path += "?access_token=good"
		}
		a := b.ask("GET", path, "", c.headers...)
		b.is(name, a, c.status, c.code, "")
		if got := a.header.Get("WWW-Authenticate"); got != c.say {
			t.Errorf("%s: %s, want %s", name, got, c.say)
		}
	}
	if calls := b.asked(); calls != "" {
		t.Errorf("done: %s", calls)
	}
	for _, good := range []string{"Bearer good", "bearer good", "BEARER good"} {
		if a := b.ask("GET", order1, "", "Authorization: "+good); a.status != 200 {
			t.Errorf("%s: %d", good, a.status)
		}
	}
	// What is our fault is not the client's.
	b.bearer = func(string) (broker.Client, []string, error) { return broker.Client{}, nil, errors.New("disk") }
	b.is("a store that fails", b.ask("GET", order1, ""), 500, codeInternal, "")
	// Nobody's body is read before it is known whose it is.
	b.bearer = func(string) (broker.Client, []string, error) { return broker.Client{}, nil, broker.ErrNotFound }
	r := httptest.NewRequest("POST", "/api/v1/orders", failingReader{t})
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
}

type failingReader struct{ t *testing.T }

func (f failingReader) Read([]byte) (int, error) {
	f.t.Error("a stranger's body was read")
	return 0, io.ErrUnexpectedEOF
}

func TestIdempotencyKey(t *testing.T) {
	b := newBench(t, signing.Limits{})
	for name, headers := range map[string][]string{
		"missing": {"Idempotency-Key: "}, "too long": {"Idempotency-Key: " + strings.Repeat("k", 256)}, "not printable": {"Idempotency-Key: nyckel-å"},
		"a tab": {"Idempotency-Key: a\tb"}, "twice": {"Idempotency-Key: a", "Idempotency-Key: b"},
	} {
		b.is(name, b.ask("POST", "/api/v1/orders", smallest, headers...), 400, codeKey, "")
	}
	if calls := b.asked(); calls != "" {
		t.Errorf("done: %s", calls)
	}
	for _, key := range []string{"k", strings.Repeat("k", 255), `"8e03978e-40d5-43dd-bc93-6894a57f9324"`} {
		a := b.ask("POST", "/api/v1/orders", smallest, "Idempotency-Key: "+key)
		if a.status != 201 || b.service.key != key || b.service.body != sha256.Sum256([]byte(smallest)) {
			t.Errorf("%s: %d, key %q", key, a.status, b.service.key)
		}
		if a.header.Get("Location") != issuer+order1 || a.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("headers %v", a.header)
		}
	}
	b.service.replayed = true
	if a := b.ask("POST", "/api/v1/orders", smallest); a.status != 201 || a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("replayed: %d %v", a.status, a.header)
	}
	b.service.err = orders.ErrMismatch
	b.is("another body", b.ask("POST", "/api/v1/orders", smallest), 422, codeMismatch, "")
}

// A whole wish arrives as it was sent.
func TestWish(t *testing.T) {
	b := newBench(t, signing.Limits{})
	body := `{"title":"Ansökan","message":"Hej","reference":"F-1","language":"en","order":"groups","deadline":"2026-04-01T12:00:00+02:00",
		"reminders":[7,1],"visibility":"none","allowedProviders":["mbankid"],"returnUrl":"https://app.example.se/r","callbackUrl":"https://app.example.se/h",
		"documents":[{"name":"A","text":"a"},{"name":"B","content":[{"heading":"H"},{"rows":[{"label":"l","value":"v"}]},{"text":"t"}]},
			{"name":"C","file":"JVBERi0=","type":"application/pdf"}],
		"signatories":[{"pnr":"` + one + `","name":"Testperson Ett","email":"ett@example.se","phone":"+46701740605","group":2,"invite":"both","language":"sv"}]}`
	if a := b.ask("POST", "/api/v1/orders", body); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want := signing.Wish{
		Title: "Ansökan", Message: "Hej", Reference: "F-1", Language: "en", Sequence: signing.Groups, Deadline: time.Date(2026, 4, 1, 10, 0, 0, 0, time.UTC),
		Reminders: []int{7, 1}, Visibility: signing.ShowNone, Providers: []providers.ID{"mbankid"}, ReturnURL: "https://app.example.se/r", Callback: "https://app.example.se/h",
		Documents: []signing.Document{
			{Name: "A", Kind: signing.KindText, Text: "a"},
			{Name: "B", Kind: signing.KindContent, Content: signing.Content{{Heading: "H"}, {Rows: []signing.Row{{Label: "l", Value: "v"}}}, {Text: "t"}}},
			{Name: "C", Kind: signing.KindFile, File: []byte("%PDF-"), Type: "application/pdf"},
		},
		Signatories: []signing.WishedSignatory{{Number: one, Name: "Testperson Ett", Email: email, Phone: phone, Group: 2, Invite: signing.InviteBoth, Language: "sv"}},
	}
	if diff := cmp.Diff(want, b.service.wish); diff != "" {
		t.Error(diff)
	}
}

// documents in a wish that are none or several kinds come without a kind, which
// signing refuses.
func TestDocumentKinds(t *testing.T) {
	b := newBench(t, signing.Limits{})
	for body, want := range map[string]signing.Kind{
		`{"name":"D"}`: "", `{"name":"D","text":""}`: signing.KindText, `{"name":"D","content":[]}`: signing.KindContent,
		`{"name":"D","file":"","type":"image/png"}`: signing.KindFile, `{"name":"D","text":"a","file":"YQ=="}`: "", `{"name":"D","text":"","content":[]}`: "",
		`{"name":"D","text":"a","content":[{"text":"a"}]}`: "",
	} {
		var d document
		if err := decode([]byte(body), nil, &d); err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		got, err := documentsOf([]document{d})
		if err != nil || got[0].Kind != want {
			t.Errorf("%s: %v %v", body, got, err)
		}
	}
	b.is("pdf", b.ask("POST", "/api/v1/orders", `{"title":"T","documents":[{"name":"D","pdf":"JVBERi0="}]}`), 422, codeOrder, `{"field":"documents[0].pdf","problem":"is not taken yet`)
	b.is("type of a text", b.ask("PUT", order1+"/documents", `{"documents":[{"name":"A","text":"a"},{"name":"D","text":"a","type":"image/png"}]}`), 422, codeOrder, `{"field":"documents[1].type","problem":"is only for file"}`)
	if calls := b.asked(); calls != "" {
		t.Errorf("done: %s", calls)
	}
}

func TestBodies(t *testing.T) {
	b := newBench(t, signing.Limits{})
	deep := strings.Repeat(`{"documents":[`, 20) + strings.Repeat(`]}`, 20)
	for name, c := range map[string]struct{ body, detail string }{
		"nothing":                      {" ", "not a JSON object"},
		"not JSON":                     {`{"title":`, "not JSON"},
		"a comma too many":             {`{"title":"T",}`, "not JSON"},
		"no object":                    {`[]`, "not a JSON object"},
		"null":                         {`null`, "not a JSON object"},
		"a text":                       {`"title"`, "not a JSON object"},
		"two values":                   {smallest + `{}`, "follows"},
		"something behind":             {smallest + `x`, "follows"},
		"not UTF-8":                    {"{\"title\":\"\xff\"}", "UTF-8"},
		"a byte order mark":            {"\ufeff" + smallest, "not a JSON object"},
		"unknown member":               {`{"title":"T","dokuments":[]}`, "unknown member dokuments"},
		"unknown member within":        {`{"documents":[{"name":"D","text":"d","sha256":"x"}]}`, "unknown member sha256"},
		"known elsewhere":              {`{"title":"T","pnr":"x"}`, "unknown member pnr"},
		"known elsewhere, within":      {`{"documents":[{"name":"D","title":"d"}]}`, "unknown member title"},
		"a name of one who answers":    {`{"id":"x"}`, "unknown member id"},
		"in another case":              {`{"Title":"T"}`, "unknown member Title"},
		"in another case, beside":      {`{"title":"T","TITLE":"U"}`, "unknown member TITLE"},
		"in another case, within":      {`{"documents":[{"name":"D","Text":"d"}]}`, "unknown member Text"},
		"a long s":                     {`{"ſignatories":[]}`, "with an odd name"},
		"a Kelvin sign":                {"{\"lin\u212a\":1}", "with an odd name"},
		"twice":                        {`{"title":"T","title":"T"}`, "title occurs twice"},
		"twice, spelled otherwise":     {`{"title":"T","\u0074itle":"U"}`, "title occurs twice"},
		"twice, within":                {`{"signatories":[{"pnr":"a","name":"b","pnr":"c"}]}`, "pnr occurs twice"},
		"twice, within content":        {`{"documents":[{"content":[{"rows":[{"label":"a","label":"b"}]}]}]}`, "label occurs twice"},
		"an odd name":                  {`{"<script>":1}`, "with an odd name"},
		"a number as a name":           {`{"` + one + `":1}`, "with an odd name"},
		"a number in a name":           {`{"pnr-` + two[2:] + `":1}`, "with an odd name"},
		"an empty name":                {`{"":1}`, "with an odd name"},
		"a long name":                  {`{"` + strings.Repeat("a", 100) + `":1}`, "with an odd name"},
		"null within":                  {`{"title":null}`, "title is null"},
		"null in a list":               {`{"documents":[null]}`, "documents is null"},
		"null within a list":           {`{"signatories":[{"email":null}]}`, "email is null"},
		"a title that is a number":     {`{"title":1}`, "title is of the wrong type"},
		"a personal number as such":    {`{"signatories":[{"pnr":` + one + `}]}`, "signatories.pnr is of the wrong type"},
		"documents that are an object": {`{"documents":{}}`, "documents is of the wrong type"},
		"a signatory that is a text":   {`{"signatories":["x"]}`, "signatories is of the wrong type"},
		"reminders that are text":      {`{"reminders":["7"]}`, "reminders is of the wrong type"},
		"half a day":                   {`{"reminders":[0.5]}`, "reminders is of the wrong type"},
		"a number out of reach":        {`{"reminders":[1e999]}`, "reminders is of the wrong type"},
		"a deadline without zone":      {`{"deadline":"2026-01-01"}`, "RFC 3339"},
		"a deadline that is a number":  {`{"deadline":1767225600}`, "cannot be read"},
		"no base64":                    {`{"documents":[{"file":"%PDF"}]}`, "base64"},
		"base64 for addresses":         {`{"documents":[{"file":"_-_-"}]}`, "base64"},
		"base64 without its end":       {`{"documents":[{"file":"YQ"}]}`, "base64"},
		"true":                         {`{"title":true}`, "title is of the wrong type"},
		"nested too deeply":            {deep, "nested too deeply"},
		"nested beyond reason":         {strings.Repeat(`{"documents":[`, 50000), "nested too deeply"},
	} {
		a := b.ask("POST", "/api/v1/orders", c.body)
		b.is(name, a, 400, codeBody, c.detail)
		if strings.Contains(a.body, "ſ") || strings.Contains(a.body, "<script>") {
			t.Errorf("%s: told back: %s", name, a.body)
		}
	}
	if calls := b.asked(); calls != "" {
		t.Errorf("done: %s", calls)
	}
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "application/json; charset", "application/problem+json"} {
		b.is("of type "+media, b.ask("POST", "/api/v1/orders", smallest, "Content-Type: "+media), 415, codeBody, "send application/json")
	}
	for _, media := range []string{"application/json; charset=utf-8", "Application/JSON"} {
		if a := b.ask("POST", "/api/v1/orders", smallest, "Content-Type: "+media); a.status != 201 {
			t.Errorf("%s: %d %s", media, a.status, a.body)
		}
	}
}

// TestPatience: what a slow line takes longer for than strangers may is taken
// and given all the same, of those who have proved who they are.
func TestPatience(t *testing.T) {
	b := newBench(t, signing.Limits{})
	b.service.file = make([]byte, 16<<20)
	mux := http.NewServeMux()
	b.api.Routes(mux)
	server := httptest.NewUnstartedServer(mux)
	const short = 300 * time.Millisecond
	server.Config.ReadTimeout, server.Config.WriteTimeout = short, short
	server.Start()
	defer server.Close()
	ask := func(method, path string, body io.Reader) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "slow")
		return server.Client().Do(r)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/api/v1/orders", 201}, {"PUT", order1 + "/documents", 200},
		{"PATCH", order1 + "/signatories/1", 0}, // what is small has no excuse
	} {
		res, err := ask(c.method, c.path, io.MultiReader(strings.NewReader(`{"documents":[{"name":"D",`), later{2 * short}, strings.NewReader(`"text":"d"}]}`)))
		if err != nil {
			if c.status != 0 {
				t.Errorf("%s: %v", c.method, err)
			}
			continue
		}
		res.Body.Close()
		if res.StatusCode != c.status && (c.status != 0 || res.StatusCode == 200) {
			t.Errorf("%s: %d, want %d", c.method, res.StatusCode, c.status)
		}
	}
	res, err := ask("GET", order1+"/documents/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	time.Sleep(2 * short)
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != int64(len(b.service.file)) {
		t.Errorf("%d bytes of the receipt: %v", n, err)
	}
}

// later is nothing, after a while.
type later struct{ time.Duration }

func (l later) Read([]byte) (int, error) {
	time.Sleep(l.Duration)
	return 0, io.EOF
}

// TestElements: what is small to send and large to hold is refused before it is
// held. One more than an order may have is still signing's to refuse, by name.
func TestElements(t *testing.T) {
	b := newBench(t, signing.Limits{Documents: 2, Signatories: 3})
	list := func(n int, element string) string { return "[" + strings.Repeat(element+",", n-1) + element + "]" }
	inside := func(content string) string { return `{"documents":[{"name":"D","content":` + content + `}]}` }
	for name, c := range map[string]struct {
		body   func(n int) string
		most   int
		member string
	}{
		"documents":        {func(n int) string { return `{"documents":` + list(n, "{}") + `}` }, 3, "documents"},
		"signatories":      {func(n int) string { return `{"signatories":` + list(n, "{}") + `}` }, 4, "signatories"},
		"reminders":        {func(n int) string { return `{"reminders":` + list(n, "1") + `}` }, 11, "reminders"},
		"allowedProviders": {func(n int) string { return `{"allowedProviders":` + list(n, `""`) + `}` }, 20, "allowedProviders"},
		"content":          {func(n int) string { return inside(list(n, "{}")) }, 2 * 5001, "content"},
		"rows":             {func(n int) string { return inside(`[{"rows":` + list(n, "{}") + `}]`) }, 2 * 20001, "rows"},
		"rows apart":       {func(n int) string { return inside(`[{"rows":` + list(n-1, "{}") + `},{"rows":[{}]}]`) }, 2 * 20001, "rows"},
		"documents, empty": {func(n int) string { return `{"documents":` + list(n, `[]`) + `}` }, 3, "documents"},
	} {
		var w wish
		var refused *refusal
		if err := decode([]byte(c.body(c.most)), b.api.elements, &w); errors.As(err, &refused) && strings.Contains(refused.detail, "too many") {
			t.Errorf("%s: %d are refused: %s", name, c.most, refused.detail)
		}
		b.is(name, b.ask("POST", "/api/v1/orders", c.body(c.most+1)), 400, codeBody, "member "+c.member+" has too many elements")
	}
	b.is("a change", b.ask("PUT", order1+"/documents", `{"documents":`+list(4, "{}")+`}`), 400, codeBody, "member documents has too many elements")
	if calls := b.asked(); calls != "" {
		t.Errorf("done: %s", calls)
	}
	if len(b.api.elements) != 6 || b.api.elements["documents"] != 3 {
		t.Errorf("a request has changed what is left for the next: %v", b.api.elements)
	}
}

func TestSizes(t *testing.T) {
	b := newBench(t, signing.Limits{Order: 1 << 20, File: 1 << 20})
	text := func(n int) string {
		return fmt.Sprintf(`{"title":"T","documents":[{"name":"D","text":%q}]}`, strings.Repeat("a", n))
	}
	if a := b.ask("POST", "/api/v1/orders", text(2<<20)); a.status != 201 {
		t.Errorf("within the limit: %d", a.status) // signing says what is too much
	}
	b.is("a large order", b.ask("POST", "/api/v1/orders", text(3<<20)), 413, codeTooLarge, "")
	b.is("large documents", b.ask("PUT", order1+"/documents", text(3<<20)), 413, codeTooLarge, "")
	b.is("a large contact", b.ask("PATCH", order1+"/signatories/1", `{"email":"`+strings.Repeat("a", 70<<10)+`"}`), 413, codeTooLarge, "")
	// What the order may hold fits into the body, in base64 too.
	file := bytes.Repeat([]byte{0xff}, 1<<20)
	raw, err := json.Marshal(map[string]any{"title": "T", "documents": []any{map[string]any{"name": "D", "file": file, "type": "image/png"}}})
	if err != nil {
		t.Fatal(err)
	}
	if a := b.ask("POST", "/api/v1/orders", string(raw)); a.status != 201 || !bytes.Equal(b.service.wish.Documents[0].File, file) {
		t.Errorf("the largest file: %d %s", a.status, a.body)
	}
	// A body that never ends is not read to its end.
	endless := &endlessReader{}
	r := httptest.NewRequest("POST", "/api/v1/orders", endless)
	r.Header.Set("Authorization", "Bearer good")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "k")
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if w.Code != 413 || endless.read > 6<<20 {
		t.Errorf("%d after %d bytes", w.Code, endless.read)
	}
	// One that breaks off is nobody's order.
	b.asked()
	r = httptest.NewRequest("POST", "/api/v1/orders", io.MultiReader(strings.NewReader(smallest), brokenReader{}))
	r.Header = w.Header().Clone()
	r.Header.Set("Authorization", "Bearer good")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "k")
	w = httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if calls := b.asked(); w.Code != 400 || calls != "" {
		t.Errorf("a body that broke off: %d, %s", w.Code, calls)
	}
}

type endlessReader struct{ read int }

func (e *endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestErrors: what the service says no to is told by its code, and what is our
// fault by none of its words.
func TestErrors(t *testing.T) {
	b := newBench(t, signing.Limits{})
	for _, c := range []struct {
		err    error
		status int
		code   string
		detail string
	}{
		{broker.ErrNotFound, 404, codeNotFound, ""}, {signing.ErrNoSuch, 404, codeNotFound, ""}, {orders.ErrMismatch, 422, codeMismatch, ""},
		{signing.ErrOver, 409, codeOver, ""}, {signing.ErrLate, 409, codeLate, ""}, {orders.ErrStillOpen, 409, codeOpen, ""}, {signing.ErrDone, 409, codeDone, ""},
		{signing.ErrUnchanged, 409, codeUnchanged, ""}, {orders.ErrTooSoon, 429, codeTooSoon, ""}, {broker.ErrConflict, 409, codeUnavailable, ""},
		{signing.ErrSamePerson, 422, codeOrder, `"faults":[{"field":"pnr","problem":"is a signatory of this order already"}]`},
		{signing.ErrNoContact, 422, codeOrder, `"faults":[{"field":"invite","problem":"needs an address to send to"}]`},
		{&signing.Invalid{Faults: []signing.Fault{{Field: "title", Problem: "is missing"}, {Field: "documents", Problem: "are missing"}}}, 422, codeOrder, `"faults":[{"field":"title","problem":"is missing"},{"field":"documents","problem":"are missing"}]`},
		{errors.New("hemlig orsak"), 500, codeInternal, ""}, {context.DeadlineExceeded, 500, codeInternal, ""}, {errors.ErrUnsupported, 500, codeInternal, ""},
	} {
		for _, wrapped := range []error{c.err, fmt.Errorf("hemlig: %w", c.err)} {
			b.service.err = wrapped
			for _, op := range [][3]string{{"POST", "/api/v1/orders", smallest}, {"POST", order1 + "/cancel", ""}, {"PATCH", order1 + "/signatories/1", `{"pnr":"x"}`}, {"DELETE", order1, ""}, {"GET", order1 + "/documents/1", ""}} {
				a := b.ask(op[0], op[1], op[2])
				b.is(op[0]+" "+c.err.Error(), a, c.status, c.code, c.detail)
				if (a.header.Get("Retry-After") != "") != (a.status == 429) {
					t.Errorf("%v: Retry-After %q", c.err, a.header.Get("Retry-After"))
				}
			}
		}
	}
	if n := strings.Count(b.log.String(), "hemlig orsak"); n != 10 {
		t.Errorf("our fault stands %d times in the log, not 10", n)
	}
	if strings.Contains(b.log.String(), "is missing") {
		t.Error("a caller's fault is logged as ours")
	}
	// Every code has a title and is described; none is described that is not there.
	for _, code := range []string{codeToken, codeScope, codeNotFound, codeMethod, codeBody, codeTooLarge, codeOrder, codeKey, codeMismatch, codeOver, codeLate,
		codeOpen, codeDone, codeUnchanged, codeTooSoon, codeTooMany, codeUnavailable, codeInternal} {
		if titles[code] == "" || !strings.Contains(string(Specification), "`"+code+"`") {
			t.Errorf("%s is not explained", code)
		}
	}
}

// A caller who has gone is no fault of ours.
func TestGoneCaller(t *testing.T) {
	b := newBench(t, signing.Limits{})
	b.service.err = context.Canceled
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", order1, nil)
	r.Header.Set("Authorization", "Bearer good")
	b.handler.ServeHTTP(httptest.NewRecorder(), r)
	if b.log.Len() > 0 {
		t.Errorf("logged: %s", b.log)
	}
}

func TestTooMany(t *testing.T) {
	b := newBench(t, signing.Limits{})
	b.handler = http.HandlerFunc(b.api.TooMany)
	b.is("too many", b.ask("POST", "/api/v1/orders", smallest), 429, codeTooMany, "")
}

func TestShow(t *testing.T) {
	b := newBench(t, signing.Limits{})
	a := b.ask("GET", order1, "")
	want := `{"id":"AAAAAAAAAAAAAAAAAAAAAA","state":"completed","title":"Ansökan","reference":"F-1","order":"groups","revision":2,` +
		`"sha256":"01` + strings.Repeat("00", 31) + `","created":"2026-03-04T05:06:07Z","deadline":"2026-03-04T06:06:07Z","completedAt":"2026-03-04T05:07:07Z","endedAt":"2026-03-04T05:08:07Z",` +
		`"signatories":[{"n":1,"name":"Testperson Ett","state":"signed","group":1,"invite":"both","invitedAt":"2026-03-04T05:06:07Z","openedAt":"2026-03-04T05:06:08Z",` +
		`"deliveries":[{"channel":"email","state":"sent","at":"2026-03-04T05:06:07Z"},{"channel":"sms","state":"failed","at":"2026-03-04T05:06:07Z"}],` +
		`"signature":{"name":"Ett Testperson","provider":"mbankid","at":"2026-03-04T05:07:07Z"}},` +
		`{"n":2,"name":"Testperson Två","state":"refused","group":2,"invite":"none","signUrl":"` + issuer + `/signing/kommun/o/AAAAAAAAAAAAAAAAAAAAAA/2","refusedAt":"2026-03-04T05:06:07Z","reason":"Fel belopp"},` +
		`{"n":3,"name":"Testperson Tre","state":"replaced","group":2,"invite":"none"}],"document":"` + issuer + order1 + `/documents/1"}`
	if a.body != want {
		t.Errorf("got\n%s\nwant\n%s", a.body, want)
	}
	// While it is open there is no receipt; each state is described.
	for _, s := range []signing.State{signing.Open, signing.Sealing, signing.Refused, signing.Expired, signing.Cancelled} {
		b.service.order.State = s
		if a := b.ask("GET", order1, ""); a.status != 200 || strings.Contains(a.body, `"document"`) {
			t.Errorf("%s: %s", s, a.body)
		}
	}
	for _, s := range []signing.SignatoryState{signing.Waiting, signing.Invited, signing.DeliveryFailed, signing.Opened, signing.TooLate} {
		b.service.order.Signatories[0].State = s
		if a := b.ask("GET", order1, ""); a.status != 200 {
			t.Errorf("%s: %d", s, a.status)
		}
	}
	b.service.order = signing.Order{ID: "x", State: signing.Open, Title: "T", Sequence: signing.Parallel, Revision: 1, Created: t0, Deadline: t0}
	if a := b.ask("GET", "/api/v1/orders/x", ""); !strings.Contains(a.body, `"signatories":[]`) {
		t.Errorf("seal only: %s", a.body)
	}
}

func TestFiles(t *testing.T) {
	b := newBench(t, signing.Limits{})
	b.service.file = []byte("%PDF-1.7 sealed")
	a := b.ask("GET", order1+"/documents/1", "")
	if a.body != "%PDF-1.7 sealed" || a.header.Get("Content-Type") != "application/pdf" || a.header.Get("Content-Disposition") != `attachment; filename="kvittens.pdf"` || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", a.header, a.body)
	}
	for _, n := range []string{"0", "2", "01", "-1", "x", "1x"} {
		b.is("document "+n, b.ask("GET", order1+"/documents/"+n, ""), 404, codeNotFound, "")
	}
	b.asked()
	for _, n := range []string{"0", "-1", "x", "1.5", "99999999999999999999"} {
		b.is("signatory "+n, b.ask("PATCH", order1+"/signatories/"+n, `{"email":"a@example.se"}`), 404, codeNotFound, "")
	}
	if calls := b.asked(); calls != "" {
		t.Errorf("done: %s", calls)
	}
	b.service.proofs = []orders.Proof{{Name: "kvittens.json", Type: "application/json", Bytes: []byte(`{"a":1}`)}, {Name: "signatur-1.xml", Type: "application/xml", Bytes: []byte("<a/>")}}
	a = b.ask("GET", order1+"/evidence", "")
	if again := b.ask("GET", order1+"/evidence", ""); again.body != a.body {
		t.Error("the same order gives other bytes")
	}
	z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if p := b.service.proofs[i]; err != nil || f.Name != p.Name || !bytes.Equal(got, p.Bytes) {
			t.Errorf("%s: %q %v", f.Name, got, err)
		}
	}
}

func TestSignatory(t *testing.T) {
	b := newBench(t, signing.Limits{})
	for _, c := range []struct {
		body string
		want signing.Contact
	}{
		{`{"email":"annan@example.com"}`, signing.Contact{Email: "annan@example.com", Phone: phone, Invite: signing.InviteBoth}},
		{`{"phone":"070-174 06 06"}`, signing.Contact{Email: email, Phone: "+46701740606", Invite: signing.InviteBoth}},
		{`{"invite":"none"}`, signing.Contact{Email: email, Phone: phone, Invite: signing.InviteNone}},
		{`{"email":"","invite":"sms"}`, signing.Contact{Phone: phone, Invite: signing.InviteSMS}},
		{`{}`, signing.Contact{Email: email, Phone: phone, Invite: signing.InviteBoth}},
	} {
		if a := b.ask("PATCH", order1+"/signatories/1", c.body); a.status != 200 || b.service.n != 1 || b.service.reach != c.want {
			t.Errorf("%s: %d, %+v", c.body, a.status, b.service.reach)
		}
	}
	b.asked()
	b.is("no address", b.ask("PATCH", order1+"/signatories/1", `{"email":""}`), 422, codeOrder, `{"field":"email","problem":"is missing"}`)
	b.is("no address at all", b.ask("PATCH", order1+"/signatories/1", `{"email":"x"}`), 422, codeOrder, `{"field":"email","problem":"is not an e-mail address"}`)
	b.is("another way", b.ask("PATCH", order1+"/signatories/1", `{"invite":"pigeon"}`), 422, codeOrder, `"field":"invite"`)
	b.is("a name alone", b.ask("PATCH", order1+"/signatories/1", `{"name":"N"}`), 400, codeBody, "only together with pnr")
	b.is("a language alone", b.ask("PATCH", order1+"/signatories/1", `{"language":"sv","email":"a@example.se"}`), 400, codeBody, "only together with pnr")
	b.is("a group", b.ask("PATCH", order1+"/signatories/1", `{"group":2}`), 400, codeBody, "unknown member group")
	b.is("nobody", b.ask("PATCH", order1+"/signatories/9", `{"email":"a@example.se"}`), 404, codeNotFound, "")
	if calls := b.asked(); strings.Contains(calls, "correct") || strings.Contains(calls, "replace") {
		t.Errorf("done: %s", calls)
	}
	a := b.ask("PATCH", order1+"/signatories/2", `{"pnr":"`+two+`","name":"Ny","email":"ny@example.se","invite":"email","language":"en"}`)
	if want := (signing.WishedSignatory{Number: two, Name: "Ny", Email: "ny@example.se", Invite: signing.InviteEmail, Language: "en"}); a.status != 200 || b.service.n != 2 || b.service.by != want {
		t.Errorf("%d %+v", a.status, b.service.by)
	}
}
