package node

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/config"
)

func TestLimitOf(t *testing.T) {
	for request, want := range map[string]string{
		"GET /authorize":                        "logins",
		"POST /authorize":                       "logins",
		"GET /authorize/AAAA":                   "logins",
		"HEAD /authorize":                       "logins",
		"GET /logout":                           "logins",
		"POST /logout":                          "logins",
		"GET /logout/AAAA":                      "logins",
		"POST /logout/AAAA":                     "logins",
		"POST /login/a":                         "orders",
		"POST /login/a/b/restart":               "orders",
		"POST /login/a/back":                    "logins",
		"POST /login/a/b/cancel":                "logins",
		"POST /":                                "logins",
		"POST /x":                               "logins",
		"DELETE /x":                             "logins",
		"PUT /login/a":                          "logins",
		"DELETE /token":                         "logins",
		"DELETE /userinfo":                      "logins",
		"POST /token":                           "tokens",
		"POST /revoke":                          "tokens",
		"GET /revoke":                           "",
		"POST /api/v1/orders":                   "api",
		"DELETE /api/v1/orders/a":               "api",
		"PATCH /api/v1/orders/a/signatories/1":  "api",
		"POST /api":                             "api",
		"POST /apis":                            "logins",
		"GET /api/v1/orders/a":                  "",
		"POST /signing/c/o/a/1":                 "orders",
		"POST /signing/c/o/a/1/e/b/restart":     "orders",
		"POST /signing/c/o/a/1/e/b/cancel":      "logins",
		"POST /signing/c/o/a/1/refuse":          "logins",
		"POST /signing/c/o/a/1/login":           "logins",
		"POST /signing/c/i/a/login":             "logins",
		"POST /signing/c/kod":                   "logins",
		"POST /signing/c/kod/login":             "logins",
		"GET /signing/c/o/a/1":                  "",
		"GET /signing/c/i/a":                    "",
		"POST /userinfo":                        "",
		"GET /userinfo":                         "",
		"GET /login/a":                          "",
		"GET /login/a/b":                        "",
		"GET /login/a/b/status":                 "",
		"GET /return/b":                         "",
		"OPTIONS /token":                        "",
		"GET /eid/telia/back":                   "logins",
		"POST /eid/telia/back":                  "logins",
		"HEAD /eid/telia/back":                  "logins",
		"GET /eid/telia/sign/back":              "logins",
		"POST /eid/telia/sign/back":             "logins",
		"POST /eid/telia/metadata":              "logins",
		"GET /eid/telia/metadata":               "",
		"GET /eid/telia/sign/metadata":          "",
		"GET /eid/oidc/jwks":                    "",
		"GET /eid/telia/backwards":              "",
		"GET /eids/telia/back":                  "",
		"GET /":                                 "",
		"GET /authorized":                       "",
		"GET /logouts":                          "",
		"GET /jwks":                             "",
		"GET /.well-known/openid-configuration": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := limitOf(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s counts against %q, want %q", request, got, want)
		}
	}
}

// What a stranger makes us write is few rows and small ones, whatever is sent.
func TestFlood(t *testing.T) {
	const allowed, sent = 3, 12
	for _, tt := range []struct{ name, method, path, body, site string }{
		{"logout with much in it", "POST", "/logout", "x=" + strings.Repeat("a", 60<<10), ""},
		{"logout of nobody", "GET", "/logout?client_id=nobody", "", ""},
		{"logout by no address of ours", "GET", "/logout/x", "", ""},
		{"cross-site", "POST", "/x", "", "cross-site"},
		{"cross-site, another method", "DELETE", "/userinfo", "", "cross-site"},
		{"a form that is none", "POST", "/", strings.Repeat("a", 20<<10), ""},
		{"request of nobody", "GET", "/authorize?client_id=nobody", "", ""},
		{"request in a body", "POST", "/authorize", "client_id=nobody", ""},
		{"a choice without a login", "POST", "/login/x", "provider=x", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, l := settings(t)
			c.LoginsBy = config.Rate{Requests: allowed, Within: time.Hour}
			n, _, client := run(t, c, l)
			rows := func() (n2 int) {
				if err := n.vault.Store.DB().Row(context.Background(),
					`SELECT count(*) FROM
					(SELECT type FROM audit_waiting UNION ALL SELECT type FROM audit_chain) AS rows WHERE type NOT LIKE 'key.%'`).Scan(&n2); err != nil {
					t.Fatal(err)
				}
				return n2
			}
			before, refused := rows(), 0
			for range sent {
				status, _, _ := send(t, client, tt.method, c.Issuer+tt.path, tt.body, "Sec-Fetch-Site", tt.site)
				if status == 429 {
					refused++
				}
			}
			if more := rows() - before; refused != sent-allowed || more > allowed {
				t.Errorf("%d of %d refused, %d rows written", refused, sent, more)
			}
		})
	}
}

// Starting an e-ID order costs money, and has a limit of its own.
func TestOrderRate(t *testing.T) {
	c, l := settings(t)
	c.LoginsBy = config.Rate{Requests: 100, Within: time.Hour}
	c.OrdersBy = config.Rate{Requests: 2, Within: time.Hour}
	_, _, client := run(t, c, l)
	for i, tt := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/login/x", 404}, {"POST", "/login/x/y/restart", 404}, {"POST", "/login/x", 429}, {"POST", "/login/x/y/restart", 429},
		{"POST", "/login/x/y/cancel", 404}, {"GET", "/login/x", 404}, {"GET", authorization, 303},
	} {
		if status, body, _ := send(t, client, tt.method, c.Issuer+tt.path, ""); status != tt.status {
			t.Errorf("%d: %s %s: %d, want %d: %s", i, tt.method, tt.path, status, tt.status, body)
		}
	}
}
