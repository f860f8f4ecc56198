package bankid

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestStartRequests(t *testing.T) {
	b := newBench(t, Timings{})
	pnr := b.people[0].Number
	long := func(n int) string { return strings.Repeat("QUFB", n/4) }
	for name, c := range map[string]struct {
		method, body string
		details      string // empty: accepted
	}{
		"least auth":               {"auth", auth, ""},
		"least sign":               {"sign", `{"endUserIp":"::1","userVisibleData":"QQ=="}`, ""},
		"everything":               {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"QQ==","userNonVisibleData":"QQ==","userVisibleDataFormat":"simpleMarkdownV1","returnUrl":"https://example.se/#nonce=1","returnRisk":true,"web":{"referringDomain":"example.se","userAgent":"x","deviceIdentifier":"y"},"requirement":{"pinCode":true,"mrtd":true,"certificatePolicies":["1.2.3.4.25","1.2.752.78.*"],"personalNumber":"` + b.people[5].Number + `","cardReader":"class1"}}`, ""},
		"app":                      {"auth", `{"endUserIp":"192.0.2.1","app":{"appIdentifier":"se.example","deviceOS":"IOS 17.1","deviceModelName":"x","deviceIdentifier":"y"}}`, ""},
		"longest auth text":        {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"` + long(1500) + `"}`, ""},
		"longest sign text":        {"sign", `{"endUserIp":"192.0.2.1","userVisibleData":"` + long(40000) + `","userNonVisibleData":"` + long(200000) + `"}`, ""},
		"no address":               {"auth", `{}`, invalidEndUserIP},
		"address with port":        {"auth", `{"endUserIp":"192.0.2.1:80"}`, invalidEndUserIP},
		"address with zone":        {"auth", `{"endUserIp":"fe80::1%eth0"}`, invalidEndUserIP},
		"not JSON":                 {"auth", `x`, invalidRequest},
		"two objects":              {"auth", auth + auth, invalidRequest},
		"array":                    {"auth", `[]`, invalidRequest},
		"wrong type":               {"auth", `{"endUserIp":1}`, invalidRequest},
		"wrong case":               {"auth", `{"enduserip":"192.0.2.1"}`, invalidRequest},
		"unknown member":           {"auth", `{"endUserIp":"192.0.2.1","x":1}`, invalidRequest},
		"repeated member":          {"auth", `{"endUserIp":"192.0.2.1","endUserIp":"192.0.2.1"}`, invalidRequest},
		"null":                     {"auth", `{"endUserIp":"192.0.2.1","requirement":null}`, invalidRequest},
		"risk is gone":             {"auth", `{"endUserIp":"192.0.2.1","requirement":{"risk":"low"}}`, invalidRequest},
		"pincode in wrong case":    {"auth", `{"endUserIp":"192.0.2.1","requirement":{"pincode":true}}`, invalidRequest},
		"policies as text":         {"auth", `{"endUserIp":"192.0.2.1","requirement":{"certificatePolicies":"1.2.3.4.25"}}`, invalidRequest},
		"sign without text":        {"sign", auth, invalidVisible},
		"empty text":               {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":""}`, invalidVisible},
		"text too long for auth":   {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"` + long(1504) + `"}`, invalidVisible},
		"text too long for sign":   {"sign", `{"endUserIp":"192.0.2.1","userVisibleData":"` + long(40004) + `"}`, invalidVisible},
		"text not padded":          {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"QQ"}`, invalidVisible},
		"text with stray bits":     {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"QR=="}`, invalidVisible},
		"text in URL alphabet":     {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"-_-_"}`, invalidVisible},
		"text with line break":     {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"QUFB\nQUFB"}`, invalidVisible},
		"text not UTF-8":           {"auth", `{"endUserIp":"192.0.2.1","userVisibleData":"` + base64.StdEncoding.EncodeToString([]byte{0xff}) + `"}`, invalidVisible},
		"hidden too long for auth": {"auth", `{"endUserIp":"192.0.2.1","userNonVisibleData":"` + long(1504) + `"}`, invalidNonVisible},
		"hidden too long for sign": {"sign", `{"endUserIp":"192.0.2.1","userVisibleData":"QQ==","userNonVisibleData":"` + long(200004) + `"}`, invalidNonVisible},
		"unknown format":           {"auth", `{"endUserIp":"192.0.2.1","userVisibleDataFormat":"html"}`, invalidFormat},
		"empty return address":     {"auth", `{"endUserIp":"192.0.2.1","returnUrl":""}`, invalidReturnURL},
		"return address too long":  {"auth", `{"endUserIp":"192.0.2.1","returnUrl":"https://example.se/` + long(500) + `"}`, invalidReturnURL},
		"return address relative":  {"auth", `{"endUserIp":"192.0.2.1","returnUrl":"/x"}`, invalidReturnURL},
		"web and app":              {"auth", `{"endUserIp":"192.0.2.1","web":{"userAgent":"x"},"app":{"deviceOS":"x"}}`, invalidWeb},
		"empty web":                {"auth", `{"endUserIp":"192.0.2.1","web":{}}`, invalidWeb},
		"user agent too long":      {"auth", `{"endUserIp":"192.0.2.1","web":{"userAgent":"` + strings.Repeat("å", 257) + `"}}`, invalidWeb},
		"domain in upper case":     {"auth", `{"endUserIp":"192.0.2.1","web":{"referringDomain":"Example.se"}}`, invalidWeb},
		"domain with space inside": {"auth", `{"endUserIp":"192.0.2.1","web":{"referringDomain":"exa mple.se"}}`, invalidWeb},
		"domain too short":         {"auth", `{"endUserIp":"192.0.2.1","web":{"referringDomain":"se"}}`, invalidWeb},
		"empty app":                {"auth", `{"endUserIp":"192.0.2.1","app":{}}`, invalidApp},
		"empty requirement":        {"auth", `{"endUserIp":"192.0.2.1","requirement":{}}`, invalidRequirement},
		"no policy":                {"auth", `{"endUserIp":"192.0.2.1","requirement":{"certificatePolicies":[]}}`, invalidRequirement},
		"star too early":           {"auth", `{"endUserIp":"192.0.2.1","requirement":{"certificatePolicies":["1.2.3.*"]}}`, invalidRequirement},
		"star not last":            {"auth", `{"endUserIp":"192.0.2.1","requirement":{"certificatePolicies":["1.2.3.4.*.5"]}}`, invalidRequirement},
		"unknown reader":           {"auth", `{"endUserIp":"192.0.2.1","requirement":{"cardReader":"class3"}}`, invalidRequirement},
		"short number":             {"auth", `{"endUserIp":"192.0.2.1","requirement":{"personalNumber":"` + pnr[2:] + `"}}`, incorrectNumber},
		"number with dash":         {"auth", `{"endUserIp":"192.0.2.1","requirement":{"personalNumber":"` + pnr[:8] + "-" + pnr[8:] + `"}}`, incorrectNumber},
		"wrong check digit":        {"auth", `{"endUserIp":"192.0.2.1","requirement":{"personalNumber":"` + pnr[:11] + "3" + `"}}`, incorrectNumber},
		"call":                     {"phone/auth", `{"personalNumber":"` + b.people[6].Number + `","callInitiator":"RP"}`, ""},
		"call to sign":             {"phone/sign", `{"personalNumber":"` + b.people[7].Number + `","callInitiator":"user","userVisibleData":"QQ==","requirement":{"pinCode":true}}`, ""},
		"call without number":      {"phone/auth", `{"callInitiator":"RP"}`, incorrectNumber},
		"call in wrong case":       {"phone/auth", `{"personalNumber":"` + pnr + `","callInitiator":"rp"}`, incorrectInitiator},
		"call with address":        {"phone/auth", `{"personalNumber":"` + pnr + `","callInitiator":"RP","endUserIp":"192.0.2.1"}`, invalidRequest},
		"call with mrtd":           {"phone/auth", `{"personalNumber":"` + pnr + `","callInitiator":"RP","requirement":{"mrtd":true}}`, invalidRequest},
		"call to sign no text":     {"phone/sign", `{"personalNumber":"` + pnr + `","callInitiator":"RP"}`, invalidVisible},
		"collect nothing":          {"collect", `{}`, invalidRequest},
		"collect unknown":          {"collect", `{"orderRef":"x"}`, noSuchOrder},
		"cancel unknown":           {"cancel", `{"orderRef":"x"}`, noSuchOrder},
		"too large":                {"sign", `{"endUserIp":"192.0.2.1","userVisibleData":"` + long(maxBody) + `"}`, invalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := b.call(c.method, c.body)
			if c.details == "" {
				var got map[string]string
				if err := json.Unmarshal([]byte(answer), &got); status != 200 || err != nil {
					t.Fatalf("%d %s", status, answer)
				}
				want := 4
				if strings.HasPrefix(c.method, "phone/") {
					want = 1
				}
				if len(got) != want || got["orderRef"] == "" {
					t.Errorf("answer %s", answer)
				}
				return
			}
			if want := `{"errorCode":"invalidParameters","details":"` + c.details + `"}`; status != 400 || answer != want {
				t.Errorf("got %d %s, want %s", status, answer, want)
			}
		})
	}
}

func TestTransport(t *testing.T) {
	b := newBench(t, Timings{})
	for name, c := range map[string]struct {
		method, path, contentType string
		bare                      bool // no client certificate
		status                    int
		code                      string
	}{
		"unknown path":      {"POST", "/rp/v6.0/other", "application/json", false, 404, "notFound"},
		"payment":           {"POST", "/rp/v6.0/payment", "application/json", false, 404, "notFound"},
		"old version":       {"POST", "/rp/v5.1/auth", "application/json", false, 404, "notFound"},
		"path before verb":  {"GET", "/rp/v6.0/other", "", false, 404, "notFound"},
		"get":               {"GET", "/rp/v6.0/auth", "application/json", false, 405, ""},
		"verb before type":  {"PUT", "/rp/v6.0/auth", "text/plain", false, 405, ""},
		"charset":           {"POST", "/rp/v6.0/auth", "application/json; charset=utf-8", false, 415, "unsupportedMediaType"},
		"no type":           {"POST", "/rp/v6.0/auth", "", false, 415, "unsupportedMediaType"},
		"type before JSON":  {"POST", "/rp/v6.0/auth", "text/plain", false, 415, "unsupportedMediaType"},
		"no certificate":    {"POST", "/rp/v6.0/auth", "application/json", true, 401, "unauthorized"},
		"JSON after others": {"POST", "/rp/v6.0/auth", "application/json", false, 400, "invalidParameters"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader("{"))
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			if !c.bare {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{b.cert}}
			}
			w := httptest.NewRecorder()
			b.sim.Handler().ServeHTTP(w, r)
			var got struct{ ErrorCode, Details string }
			if w.Body.Len() > 0 {
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Error(err)
				}
			}
			if w.Code != c.status || got.ErrorCode != c.code {
				t.Errorf("got %d %s, want %d %s", w.Code, got.ErrorCode, c.status, c.code)
			}
		})
	}
}

func FuzzStartRequest(f *testing.F) {
	f.Add([]byte(auth))
	f.Add([]byte(`{"endUserIp":"::1","web":{"referringDomain":"a.b"},"requirement":{"certificatePolicies":["1.2.3.4.*"]}}`))
	f.Add([]byte(`[[{"orderRef":[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var q startRequest
		if strictJSON(body, &q) != nil {
			return
		}
		d, fault := q.demand(true)
		if fault == "" && (d.endUserIP == "" || d.visible == "") {
			t.Errorf("accepted without what is required: %q", body)
		}
		var p phoneRequest
		if strictJSON(body, &p) == nil {
			p.demand(false)
		}
	})
}
