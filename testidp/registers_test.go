package testidp

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"sigill/testidp/register"
	"sigill/testidp/staff"
)

// TestPopulationRegister goes through the listener and the control API.
func TestPopulationRegister(t *testing.T) {
	s := Start(t, func(c *Config) { c.RegisterToken = "another" })
	call := func(token string) int {
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.RegisterURL()+"/persons", strings.NewReader(`{"pnr":"`+s.People()[0].Number+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := call("another"); got != 200 {
		t.Errorf("%d", got)
	}
	if got := call(register.DefaultToken); got != 401 {
		t.Errorf("with another token: %d", got)
	}
	ask(t, s, "POST", "/control/faults", `{"provider":"register","fault":"http503","rate":1}`)
	if got := call("another"); got != 503 {
		t.Errorf("with a fault: %d", got)
	}
}

// TestOfficersLogin lets somebody be obeyed, and no longer.
func TestOfficersLogin(t *testing.T) {
	s := Start(t)
	if s.StaffIssuer() != s.URL()+"/oidc/staff" {
		t.Errorf("issuer %s", s.StaffIssuer())
	}
	q := url.Values{
		"client_id": {staff.ClientID}, "redirect_uri": {"http://localhost:8081/x"}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier("x")}, "code_challenge_method": {"S256"},
	}
	login := func() int {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", staff.Path+"/authorize?"+q.Encode(), nil))
		return w.Code
	}
	for _, c := range []struct {
		method, body string
		page         int
	}{{"POST", `{"officer":"ett"}`, 303}, {"DELETE", "", 200}} {
		if status, answer := ask(t, s, c.method, "/control/staff", c.body); status != 204 {
			t.Fatalf("%s: %d %s", c.method, status, answer)
		}
		if got := login(); got != c.page {
			t.Errorf("after %s: %d", c.method, got)
		}
	}
	if s.Officer("tva") != nil || login() != 303 || s.Officer("x") == nil {
		t.Error("by hand")
	}
	// Its links lead there.
	status, page := ask(t, s, "GET", "/", "")
	if status != 200 || !strings.Contains(page, `href="`+staff.Path+`"`) || !strings.Contains(page, `href="`+register.Path+`"`) || !strings.Contains(page, "skyddad identitet") {
		t.Errorf("the phone's first page: %d", status)
	}
}
