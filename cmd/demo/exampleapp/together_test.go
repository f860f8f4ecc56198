package exampleapp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// A service stands in for the signing service: it hands out tokens, and answers
// requests as the test says.
type service struct {
	*httptest.Server
	tokens int
	wishes []wish
	keys   []string
	answer func(r *http.Request) (int, string)
}

func newService(t *testing.T) *service {
	s := &service{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":%q,"authorization_endpoint":%q,"jwks_uri":%q}`, s.URL, s.URL+"/token", s.URL+"/authorize", s.URL+"/keys")
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "signer" || secret != "secret" || r.PostFormValue("scope") != "signing" {
			t.Errorf("token for %s, scope %s", id, r.PostFormValue("scope"))
		}
		s.tokens++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, s.tokens)
	})
	mux.HandleFunc("/api/v1/orders", s.api)
	mux.HandleFunc("/api/v1/orders/", s.api)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *service) api(w http.ResponseWriter, r *http.Request) {
	// The first token has been called back meanwhile.
	if r.Header.Get("Authorization") == "Bearer token-1" {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":"invalid_token"}`)
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == "/api/v1/orders" {
		var asked wish
		if err := json.NewDecoder(r.Body).Decode(&asked); err == nil {
			s.wishes, s.keys = append(s.wishes, asked), append(s.keys, r.Header.Get("Idempotency-Key"))
		}
	}
	status, body := s.answer(r)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// someone is a browser.
type someone struct {
	t    *testing.T
	http *http.Client
	base string
}

func newApp(t *testing.T, s *service) *someone {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Issuer: s.URL, BaseURL: "http://localhost:8084", ClientID: "app", Key: key, Signing: Signing{
		ClientID: "signer", Secret: "secret", WebhookSecret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		People: []Person{{"Testperson Ett", "196608182942", "ett@example.se", "070-174 06 05", "none"}, {"Testperson Två", "198006299252", "tva@example.se", "070-174 06 06", "both"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a.Handler())
	t.Cleanup(server.Close)
	return newSomeone(t, server.URL)
}

func newSomeone(t *testing.T, base string) *someone {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &someone{t, &http.Client{Jar: jar}, base}
}

func (x *someone) do(r *http.Request) (int, string, string) {
	x.t.Helper()
	res, err := x.http.Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return res.StatusCode, res.Request.URL.Path, string(body)
}

func (x *someone) get(path string) (int, string, string) {
	x.t.Helper()
	r, err := http.NewRequestWithContext(x.t.Context(), http.MethodGet, x.base+path, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.do(r)
}

var inputs = regexp.MustCompile(`name="(\w+)"[^>]* value="([^"]*)"`)

// sends fills in the form as it came, with changes, and sends it.
func (x *someone) sends(file []byte, change map[string]string) (int, string, string) {
	x.t.Helper()
	_, _, page := x.get("/sign/")
	fields := map[string]string{"text": "Hej", "order": "parallel", "deadline": "week", "invite1": "none", "invite2": "both", "invite3": "none"}
	for _, m := range inputs.FindAllStringSubmatch(page, -1) {
		if m[1] != "third" {
			fields[m[1]] = m[2]
		}
	}
	for k, v := range change {
		fields[k] = v
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range fields {
		w.WriteField(k, v)
	}
	if file != nil {
		part, err := w.CreateFormFile("file", `C:\Bilder\karta.png`)
		if err != nil {
			x.t.Fatal(err)
		}
		part.Write(file)
	}
	w.Close()
	r, err := http.NewRequestWithContext(x.t.Context(), http.MethodPost, x.base+"/sign/", &body)
	if err != nil {
		x.t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return x.do(r)
}

const openOrder = `{"id":"o1","state":"open","title":"Plats","reference":"EX-1","deadline":"2026-05-03T12:00:00Z","signatories":[
	{"n":1,"name":"Testperson Ett","state":"invited","invite":"none","signUrl":"http://localhost:8080/signing/signer/o/o1/1"},
	{"n":2,"name":"Testperson Två","state":"invited","invite":"both","deliveries":[{"channel":"email","state":"sent","at":"2026-05-01T12:00:00Z"}]}]}`

var tinyPNG = []byte("\x89PNG\r\n\x1a\n")

func TestTogether(t *testing.T) {
	s := newService(t)
	s.answer = func(r *http.Request) (int, string) {
		switch {
		case r.Method == http.MethodPost && r.URL.Path == "/api/v1/orders":
			return 201, openOrder
		case strings.HasSuffix(r.URL.Path, "/remind"):
			return 429, `{"code":"too_soon"}`
		case strings.HasSuffix(r.URL.Path, "/documents/1"):
			return 404, `{"code":"not_found"}`
		}
		return 200, openOrder
	}
	x := newApp(t, s)
	status, path, page := x.sends(tinyPNG, nil)
	if status != 200 || !strings.HasPrefix(path, "/sign/") || !strings.Contains(page, "Ingen har skrivit under än.") || !strings.Contains(page, `href="http://localhost:8080/signing/signer/o/o1/1"`) {
		t.Fatalf("%d %s\n%s", status, path, page)
	}
	if s.tokens != 2 || len(s.wishes) != 1 {
		t.Fatalf("%d tokens, %d orders", s.tokens, len(s.wishes))
	}
	w, key := s.wishes[0], s.keys[0]
	if path != "/sign/"+key || w.ReturnURL != "http://localhost:8084/sign/"+key+"/back" || w.CallbackURL != "http://localhost:8084/webhooks/signing" {
		t.Errorf("%s: %+v", path, w)
	}
	if len(w.Signatories) != 2 || w.Signatories[1].Invite != "both" || len(w.Documents) != 2 || w.Documents[1].Name != "karta.png" || w.Documents[1].Type != "image/png" {
		t.Errorf("%+v", w)
	}
	// Pressed twice it is one order.
	if _, again, _ := x.sends(nil, map[string]string{"key": key}); again != path || len(s.wishes) != 1 {
		t.Errorf("%s, %d orders", again, len(s.wishes))
	}
	post := func(x *someone, path string) (int, string, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return x.do(r)
	}
	if status, _, page := post(x, path+"/remind"); status != 200 || !strings.Contains(page, "för kort tid sedan") {
		t.Errorf("%d %s", status, page)
	}
	if status, _, _ := x.get(path + "/kvittens.pdf"); status != 404 {
		t.Errorf("a receipt before its time: %d", status)
	}
	if _, at, _ := x.get(path + "/back"); at != path {
		t.Errorf("whoever sent it comes back to %s", at)
	}
	if _, _, list := x.get("/sign/"); !strings.Contains(list, `href="`+path+`"`) {
		t.Error("the case is not in the list")
	}
	if _, _, english := x.get(path + "?lang=en"); !strings.Contains(english, "Nobody has signed yet.") || !strings.Contains(english, "1 May 2026 at 14:00") {
		t.Error("no English")
	}

	// Somebody else's browser sees nothing of it.
	y := newSomeone(t, x.base)
	if status, _, page := y.get(path); status != 404 || strings.Contains(page, "Testperson") {
		t.Errorf("%d %s", status, page)
	}
	if status, _, _ := post(y, path+"/cancel"); status != 404 {
		t.Errorf("%d", status)
	}
	if status, _, page := y.get(path + "/back"); status != 200 || strings.Contains(page, "Testperson") || !strings.Contains(page, "Tack!") {
		t.Errorf("%d %s", status, page)
	}
	if status, _, _ := y.sends(nil, map[string]string{"key": key}); status != 409 || len(s.wishes) != 1 {
		t.Errorf("another's key gives %d, %d orders", status, len(s.wishes))
	}
}

func TestTogetherMistakes(t *testing.T) {
	s := newService(t)
	fault := func(field, problem string) string {
		return fmt.Sprintf(`{"code":"invalid_order","faults":[{"field":%q,"problem":%q}]}`, field, problem)
	}
	x := newApp(t, s)
	for _, c := range []struct {
		name   string
		file   []byte
		change map[string]string
		status int
		answer string
		want   int
		says   string
	}{
		{"number", nil, nil, 422, fault("signatories[1].pnr", "is not a personal number"), 422, `href="#pnr2">Person 2: kontrollera personnumret`},
		{"twice", nil, nil, 422, fault("signatories[1].pnr", "is the same person as signatories[0]"), 422, "samma personnummer står två gånger"},
		{"contact", nil, nil, 422, fault("signatories[0].email", "is missing"), 422, `id="email1" name="email1" type="email" value="ett@example.se" maxlength="200" autocomplete="off" aria-invalid="true"`},
		{"invite", nil, nil, 422, fault("signatories[1].invite", "x"), 422, `id="invite2-wrong"`},
		{"unforeseen of a person", nil, nil, 422, fault("signatories[1].language", "is <odd>"), 422, "Person 2: is &lt;odd&gt;"},
		{"title", nil, map[string]string{"title": `"><b>`}, 422, fault("title", "is missing"), 422, `value="&#34;&gt;&lt;b&gt;"`},
		{"text", nil, nil, 422, fault("documents[0].content[2]", "x"), 422, `id="text-wrong"`},
		{"deadline", nil, map[string]string{"deadline": "never"}, 422, fault("deadline", "x"), 422, `href="#deadline"`},
		{"unforeseen", nil, nil, 422, fault("elsewhere", "is odd"), 422, "elsewhere is odd"},
		{"key used", nil, nil, 422, `{"code":"idempotency_mismatch"}`, 409, "redan skickat"},
		{"down", nil, nil, 500, `oh`, 502, "svarar inte"},
		{"no order", nil, nil, 201, `{}`, 502, "svarar inte"},
		{"file type", []byte("text"), nil, 0, "", 422, "PDF eller en bild"},
		{"file size", append(tinyPNG, make([]byte, mostFile)...), nil, 0, "", 413, "högst 1 MB"},
		{"much too large", append(tinyPNG, make([]byte, mostForm)...), nil, 0, "", 413, "högst 1 MB"},
		{"no key", nil, map[string]string{"key": "x"}, 0, "", 400, "Börja om"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.answer = func(*http.Request) (int, string) {
				if c.status == 0 {
					t.Error("it was sent on")
				}
				return c.status, c.answer
			}
			if status, _, page := x.sends(c.file, c.change); status != c.want || !strings.Contains(page, c.says) {
				t.Errorf("%d, want %d and %s\n%s", status, c.want, c.says, page)
			}
		})
	}
	for _, body := range []string{"", "a=b", "--x--"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.base+"/sign/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		if status, _, _ := x.do(r); status != 400 {
			t.Errorf("%q: %d", body, status)
		}
	}
	// Another site's form is not taken.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.base+"/sign/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _, _ := x.do(r); status != 403 {
		t.Errorf("from another site: %d", status)
	}
}

// How an order stands is said in words for every state that the API has.
func TestStates(t *testing.T) {
	s := newService(t)
	state, signatory := "open", "invited"
	s.answer = func(r *http.Request) (int, string) {
		status := 200
		if r.Method == http.MethodPost {
			status = 201
		}
		return status, fmt.Sprintf(`{"id":"o1","state":%q,"title":"Plats","reference":"EX-1","deadline":"2026-05-03T12:00:00Z","completedAt":"2026-05-03T12:00:00Z",
			"signatories":[{"n":1,"name":"Testperson Ett","state":%q,"invite":"none","signUrl":"http://localhost:8080/x","reason":"Nej","deliveries":[{"channel":"sms","state":"failed","at":"2026-05-03T12:00:00Z"}]}]}`, state, signatory)
	}
	x := newApp(t, s)
	_, path, _ := x.sends(nil, nil)
	for _, c := range []struct{ state, signatory, says, not string }{
		{"open", "waiting", "Väntar på sin tur", "localhost:8080/x"},
		{"open", "opened", "Har öppnat (SMS kom inte fram)", "kvittens.pdf"},
		{"open", "delivery failed", "gick inte att skicka", "kvittens.pdf"},
		{"sealing", "signed", "Kvittensen görs i ordning", "/cancel"},
		{"completed", "signed", "Klart 3 maj 2026 kl. 14.00", "/cancel"},
		{"refused", "refused", "Har tackat nej: ”Nej”", "/cancel"},
		{"expired", "expired", "Alla hann inte skriva under i tid", "localhost:8080/x"},
		{"cancelled", "invited", "Skrev inte under", "localhost:8080/x"},
		{"unheard of", "invited", "unheard of", "/cancel"},
	} {
		state, signatory = c.state, c.signatory
		if _, _, page := x.get(path); !strings.Contains(page, c.says) || strings.Contains(page, c.not) {
			t.Errorf("%s, %s: want %q and not %q\n%s", c.state, c.signatory, c.says, c.not, page)
		}
	}
}
