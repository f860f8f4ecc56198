package freja

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/testidp/persons"
)

// TestBodies are the ways in which published clients write a body (freja.md
// section 1).
func TestBodies(t *testing.T) {
	b := newBench(t, nil)
	// A title whose Base64 has all three signs that need care.
	coded := b64(strings.Replace(signing("a", ""), "Titel", "~~~???ÿÿ>>>", 1) + " ")
	if !strings.Contains(coded, "+") || !strings.Contains(coded, "/") || !strings.Contains(coded, "=") {
		t.Fatalf("the example has not all signs")
	}
	for name, body := range map[string]string{
		"raw":           "initSignRequest=" + coded,
		"percent":       "initSignRequest=" + url.QueryEscape(coded),
		"space":         "initSignRequest=" + strings.ReplaceAll(coded, "+", " "),
		"percent space": "initSignRequest=" + strings.ReplaceAll(coded, "+", "%20"),
		"line end":      "initSignRequest=" + coded + "\r\n",
	} {
		for _, contentType := range []string{"application/json", "application/x-www-form-urlencoded", "text", "text/plain; charset=utf-8", ""} {
			if status, answer := b.send(b.cert, initSign, contentType, body); status != 200 {
				t.Errorf("%s as %q: %d %s", name, contentType, status, answer)
			}
		}
	}
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"bare JSON":         {inferred, 1010},
		"no parameter":      {"", 1010},
		"another's name":    {"initSignRequest=" + b64(inferred), 1010},
		"twice":             {"initAuthRequest=" + b64(inferred) + "&initAuthRequest=" + b64(inferred), 1010},
		"another besides":   {"initAuthRequest=" + b64(inferred) + "&x=y", 1010},
		"not Base64":        {"initAuthRequest=%%%", 1010},
		"Base64url":         {"initAuthRequest=" + strings.NewReplacer("+", "-", "/", "_").Replace(b64(strings.Replace(inferred, "N/A", "N/A~~~???", 1))), 1010},
		"no padding":        {"initAuthRequest=" + strings.TrimRight(b64(dynamic), "="), 1010},
		"not JSON":          {"initAuthRequest=" + b64("{"), 1010},
		"not UTF-8":         {"initAuthRequest=" + base64.StdEncoding.EncodeToString([]byte("{\"userInfo\":\"\xff\"}")), 1010},
		"escapes":           {"initAuthRequest=" + b64(strings.Replace(inferred, "N/A", `N\u002fA`, 1)), 1010},
		"two documents":     {"initAuthRequest=" + b64(inferred+inferred), 1010},
		"a list":            {"initAuthRequest=" + b64("[]"), 1010},
		"null":              {"initAuthRequest=" + b64(strings.Replace(inferred, `"N/A"`, "null", 1)), 1010},
		"a number":          {"initAuthRequest=" + b64(strings.Replace(inferred, `"N/A"`, "1", 1)), 1010},
		"member twice":      {"initAuthRequest=" + b64(strings.Replace(inferred, "{", `{"userInfo":"N/A",`, 1)), 1010},
		"unknown member":    {"initAuthRequest=" + b64(strings.Replace(inferred, "{", `{"x":"y",`, 1)), 1000},
		"member's case":     {"initAuthRequest=" + b64(strings.Replace(inferred, "userInfo\"", "userinfo\"", 1)), 1000},
		"a signature's":     {"initAuthRequest=" + b64(strings.Replace(inferred, "{", `{"title":"y",`, 1)), 1000},
		"bare attributes":   {"initAuthRequest=" + b64(strings.Replace(inferred, `{"attribute":"SSN"}`, `"SSN"`, 1)), 1010},
		"integrator":        {"initAuthRequest=" + b64(inferred) + "&relyingPartyId=x", 1004},
		"integrator inside": {"initAuthRequest=" + b64(strings.Replace(inferred, "{", `{"relyingPartyId":"y",`, 1)), 1000},
	} {
		status, answer := b.send(b.cert, initAuth, "application/json", c.body)
		if got := b.code(status, answer); got != c.code {
			t.Errorf("%s: %d, want %d", name, got, c.code)
		}
	}
	// A control character has no other form, and a backslash may be a backslash.
	for _, title := range []string{`a\u0009b`, `a\\u00e5`} {
		b.start(initSign, strings.Replace(signing("a", ""), "Titel", title, 1))
	}
}

func TestHTTP(t *testing.T) {
	b := newBench(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", initAuth, 405}, {"PUT", initSign, 405}, {"POST", "/", 404}, {"POST", "/organisation/authentication/1.0/init", 404},
		{"POST", "/authentication/1.1/initAuthentication", 404}, {"GET", "/qrcode/generate", 404},
	} {
		w := httptest.NewRecorder()
		b.sim.Handler().ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || c.status == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s %s: %d", c.method, c.path, w.Code)
		}
	}
	if status, body := b.send(nil, initAuth, "", "initAuthRequest="+b64(inferred)); status != 422 || !strings.Contains(body, "1008") {
		t.Errorf("nobody: %d %s", status, body)
	}
	if status, _ := b.send(b.cert, initAuth, "", strings.Repeat("x", maxBody+1)); status != http.StatusBadRequest {
		t.Errorf("too much: %d", status)
	}
}

// TestCodes goes through the order of checks in freja.md section 11: of two
// faults the earlier one is told.
func TestCodes(t *testing.T) {
	b := newBench(t, nil)
	p := b.people[0]
	change := func(document string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(document) }
	ssn := bySSN(p)
	coded := ssnOf(p)
	of := func(document string) string { return change(ssn, coded, b64(document)) }
	sign := signing("text", "binary")
	for name, c := range map[string]struct {
		path, document string
		code           int
	}{
		"no type":              {initAuth, `{"userInfo":"N/A","minRegistrationLevel":"X"}`, 1001},
		"ORG_ID":               {initAuth, `{"userInfoType":"ORG_ID","userInfo":"x"}`, 1001},
		"lower case":           {initAuth, `{"userInfoType":"inferred","userInfo":"N/A"}`, 1001},
		"no userInfo":          {initAuth, `{"userInfoType":"INFERRED","minRegistrationLevel":"X"}`, 1002},
		"inferred somebody":    {initAuth, `{"userInfoType":"INFERRED","userInfo":"a@example.se"}`, 1002},
		"e-mail":               {initAuth, `{"userInfoType":"EMAIL","userInfo":"example.se"}`, 1002},
		"long e-mail":          {initAuth, `{"userInfoType":"EMAIL","userInfo":"` + strings.Repeat("a", 250) + `@example.se"}`, 1002},
		"trunk zero":           {initAuth, `{"userInfoType":"PHONE","userInfo":"0701740605"}`, 1002},
		"bare number":          {initAuth, change(ssn, coded, p.Number), 1002},
		"hyphen":               {initAuth, of(`{"country":"SE","ssn":"` + p.Number[:8] + "-" + p.Number[8:] + `"}`), 1002},
		"check digit":          {initAuth, of(`{"country":"SE","ssn":"` + p.Number[:11] + string('0'+('9'-p.Number[11])) + `"}`), 1002},
		"ten digits":           {initAuth, of(`{"country":"SE","ssn":"` + p.Number[2:] + `"}`), 1002},
		"no country":           {initAuth, of(`{"ssn":"` + p.Number + `"}`), 1002},
		"unknown country":      {initAuth, of(`{"country":"XX","ssn":"` + p.Number + `"}`), 1002},
		"country in lower":     {initAuth, of(`{"country":"se","ssn":"` + p.Number + `"}`), 1002},
		"twelve for Norway":    {initAuth, of(`{"country":"NO","ssn":"` + p.Number + `"}`), 1002},
		"level":                {initAuth, change(inferred, "PLUS", "plus", "SSN", "X"), 1007},
		"inferred level":       {initAuth, change(inferred, "PLUS", "INFERRED"), 1007},
		"SSN with BASIC":       {initAuth, change(ssn, "EXTENDED", "BASIC"), 1007},
		"SSN without a level":  {initAuth, change(ssn, `"minRegistrationLevel":"EXTENDED",`, ""), 1007},
		"face with BASIC":      {initAuth, `{"userInfoType":"INFERRED","userInfo":"N/A","userConfirmationMethod":"DEFAULT_AND_FACE"}`, 1007},
		"method":               {initAuth, change(inferred, "{", `{"userConfirmationMethod":"X",`), 1000},
		"no attributes":        {initAuth, `{"userInfoType":"INFERRED","userInfo":"N/A","attributesToReturn":[]}`, 2002},
		"unknown attribute":    {initAuth, change(inferred, `"SSN"`, `"ssn"`), 2002},
		"attribute twice":      {initAuth, change(inferred, "BASIC_USER_INFO", "SSN"), 2002},
		"above the level":      {initAuth, change(inferred, "PLUS", "BASIC"), 2002},
		"organisation":         {initAuth, change(inferred, "LOA_LEVEL", "ORGANISATION_ID"), 2002},
		"integrator's":         {initAuth, change(inferred, "LOA_LEVEL", "INTEGRATOR_SPECIFIC_USER_ID"), 1009},
		"custom":               {initAuth, change(inferred, "LOA_LEVEL", "CUSTOM_IDENTIFIER"), 2003},
		"dynamic with SSN":     {initAuth, change(ssn, `{"userInfoType"`, `{"useDynamicQrCode":true,"userInfoType"`), 1000},
		"flow type":            {initAuth, change(dynamic, `{`, `{"originDeviceDetails":{"flowType":"X"},`), 1000},
		"warning date":         {initAuth, change(dynamic, `{`, `{"originDeviceDetails":{"newDeviceWarningStartDate":"2026-13-01"},`), 1000},
		"sign: attributes":     {initSign, change(sign, `"SSN"`, `"X"`, "Titel", " "), 3005},
		"sign: custom":         {initSign, change(sign, `"LOA_LEVEL"`, `"CUSTOM_IDENTIFIER"`), 3006},
		"no data type":         {initSign, change(sign, `"dataToSignType":"EXTENDED_UTF8_TEXT",`, "", "Titel", " "), 3000},
		"advanced data":        {initSign, change(sign, "EXTENDED_UTF8_TEXT", "ADVANCED_UTF8_TEXT"), 3000},
		"no data":              {initSign, change(signing("x", ""), `"text":"`+b64("x")+`"`, ""), 3001},
		"blank text":           {initSign, signing(" \n", ""), 3001},
		"text not Base64":      {initSign, change(sign, b64("text"), "text!"), 3001},
		"text not UTF-8":       {initSign, change(sign, b64("text"), "/w=="), 3001},
		"long text":            {initSign, signing(strings.Repeat("å", 4097), ""), 3001},
		"binary with simple":   {initSign, change(sign, "EXTENDED", "SIMPLE"), 3001},
		"binary not Base64":    {initSign, change(sign, b64("binary"), "*"), 3001},
		"binary too big":       {initSign, signing("text", strings.Repeat("x", maxBinary+1)), 3001},
		"no signature type":    {initSign, change(sign, `"signatureType":"EXTENDED",`, ""), 3002},
		"mismatch":             {initSign, change(sign, `"signatureType":"EXTENDED"`, `"signatureType":"SIMPLE"`), 3002},
		"ADVANCED":             {initSign, change(sign, `"signatureType":"EXTENDED"`, `"signatureType":"ADVANCED"`), 3002},
		"expiry in seconds":    {initSign, change(sign, `"title"`, `"expiry":1795000000,"title"`), 3003},
		"expiry before":        {initSign, change(sign, `"title"`, `"expiry":-1,"title"`), 3003},
		"push without text":    {initSign, change(sign, `"title"`, `"pushNotification":{"title":"a"},"title"`), 3004},
		"push too long":        {initSign, change(sign, `"title":`, `"pushNotification":{"title":"a","text":"`+strings.Repeat("å", 257)+`"},"title":`), 3004},
		"blank title":          {initSign, change(sign, "Titel", " "), 3007},
		"long title":           {initSign, change(sign, "Titel", strings.Repeat("å", 129)), 3007},
		"XML attributes":       {initSign, change(signing("x", ""), `"signatureType":"SIMPLE"`, `"signatureType":"XML_MINAMEDDELANDEN"`, `{"attribute":"SSN"},`, ""), 3009},
		"XML":                  {initSign, change(signing("x", ""), `"signatureType":"SIMPLE"`, `"signatureType":"XML_MINAMEDDELANDEN"`), 1004},
		"result: none":         {oneAuth, `{}`, 1000},
		"result: other's name": {oneAuth, `{"signRef":"x"}`, 1000},
		"result: unknown":      {oneAuth, `{"authRef":"x"}`, 1100},
		"cancel: unknown":      {cancelSign, `{"signRef":"x"}`, 1100},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			if got := b.code(b.call(c.path, c.document)); got != c.code {
				t.Errorf("code %d, want %d", got, c.code)
			}
		})
	}
	b.t = t
	if n := len(b.sim.Orders()); n != 0 {
		t.Errorf("%d transactions were made", n)
	}
}

// TestLimits are the largest that go through.
func TestLimits(t *testing.T) {
	b := newBench(t, nil)
	sign := signing(strings.Repeat("å", 4096), strings.Repeat("x", maxBinary))
	sign = strings.Replace(sign, `"title":"Titel"`, `"title":"`+strings.Repeat("å", 128)+`","pushNotification":{"title":"`+
		strings.Repeat("ä", 256)+`","text":"`+strings.Repeat("ö", 256)+`"}`, 1)
	s := b.start(initSign, sign)
	b.approve(s, b.people[0])
	if o := b.result(s); o.Details == nil || len(*o.Details) < maxBinary*16/9 {
		t.Error("the statement does not hold the binary data")
	}
	for _, country := range []string{`{"country":"NO","ssn":"00000000000"}`, `{"country":"DK","ssn":"0000000000"}`, `{"country":"FI","ssn":"000000A000A"}`, `{"country":"FI","ssn":"000000000A"}`} {
		b.start(initAuth, `{"userInfoType":"SSN","userInfo":"`+b64(country)+`","minRegistrationLevel":"EXTENDED"}`)
	}
	b.start(initAuth, strings.Replace(inferred, "{", `{"userConfirmationMethod":"DEFAULT_AND_FACE",`, 1))
}

func TestCookie(t *testing.T) {
	b := newBench(t, nil)
	s := b.start(initAuth, strings.Replace(inferred, "{", `{"originDeviceDetails":{"frejaCookie":"a","userAgent":"b","userIpAddress":"192.0.2.1","flowType":"SAME_DEVICE","newDeviceWarningStartDate":"2026-01-01"},`, 1))
	if b.result(s).FrejaCookie == "" {
		t.Error("no cookie")
	}
	if b.result(b.start(initAuth, inferred)).FrejaCookie != "" {
		t.Error("a cookie that nobody asked for")
	}
}

// TestAttributes asks for everything that is simulated.
func TestAttributes(t *testing.T) {
	b := newBench(t, nil)
	all := `{"userInfoType":"INFERRED","userInfo":"N/A","minRegistrationLevel":"EXTENDED","attributesToReturn":[`
	for name := range attributeLevels {
		if name != "CUSTOM_IDENTIFIER" {
			all += `{"attribute":"` + name + `"},`
		}
	}
	all = strings.TrimSuffix(all, ",") + "]}"
	who := b.flagged(persons.Samordningsnummer)
	s := b.start(initAuth, all)
	b.approve(s, who)
	o := b.result(s)
	m, err := b.sim.Material("", "Testkommunen")
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(m)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := j.check(*o.Details, expected{ref: s.ref(), infoType: "INFERRED", info: "N/A", level: "EXTENDED", from: time.Now().Add(-time.Minute), to: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	a := attributesIn(payload)
	if len(a) != len(attributeLevels)-1 || len(o.RequestedAttributes) != len(a) {
		t.Errorf("%d attributes signed, %d besides", len(a), len(o.RequestedAttributes))
	}
	if a["photo"] != nil || o.RequestedAttributes["photo"] == nil || len(a["photoFileInfo"].(map[string]any)["fileHash"].(string)) != 64 {
		t.Error("the photo is not where it belongs")
	}
	// The date of birth of a co-ordination number has no sixty added.
	if want := who.Number[:4] + "-" + who.Number[4:6]; !strings.HasPrefix(a["dateOfBirth"].(string), want) || a["age"].(float64) < 17 {
		t.Error("the date of birth is not the number's")
	}
	if id := a["relyingPartyUserId"].(string); len(id) != 64 || id == a["uniquePersonalIdentifier"] || strings.ToUpper(id) != id {
		t.Errorf("relyingPartyUserId has %d characters", len(id))
	}
	// Nothing asked for, nothing told.
	s = b.start(initAuth, dynamic)
	b.approve(s, who)
	if o := b.result(s); o.RequestedAttributes != nil {
		t.Error("attributes that nobody asked for")
	}
}

// TestAge has the day before, on and after a birthday.
func TestAge(t *testing.T) {
	born := time.Date(2000, 5, 10, 0, 0, 0, 0, time.UTC)
	for day, want := range map[int]int{9: 25, 10: 26, 11: 26} {
		if got := age(born, time.Date(2026, 5, day, 12, 0, 0, 0, time.UTC)); got != want {
			t.Errorf("%d May: %d", day, got)
		}
	}
}

// TestIdentifiers: the same for a relying party every time, another for another.
func TestIdentifiers(t *testing.T) {
	one, two := newBench(t, nil), newBench(t, nil)
	u, _ := one.sim.users.number(one.people[0].Number)
	v, _ := one.sim.users.number(one.people[1].Number)
	if one.sim.users.identifier("rp:a", u) != two.sim.users.identifier("rp:a", u) {
		t.Error("another after a restart")
	}
	if one.sim.users.identifier("rp:a", u) == one.sim.users.identifier("rp:b", u) || one.sim.users.identifier("rp:a", u) == one.sim.users.identifier("rp:a", v) {
		t.Error("the same for another")
	}
	s := one.start(initAuth, `{"userInfoType":"UPI","userInfo":"`+u.upi+`"}`)
	if o, _ := one.sim.Order(s.ref()); o.RequiredPnr != u.Number {
		t.Error("not found by UPI")
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("initSignRequest=" + b64(signing("a", "b")))
	f.Add("initSignRequest=" + url.QueryEscape(b64(signing("a", ""))) + "&relyingPartyId=x")
	f.Add("initSignRequest=" + b64(`{"userInfoType":"SSN","userInfo":"e30="}`))
	users := newBenchRegister(f)
	f.Fuzz(func(t *testing.T, body string) {
		document, _, fault := parameter([]byte(body), "initSignRequest")
		if fault != nil {
			return
		}
		var q initSignRequest
		if decodeJSON(document, &q) != nil {
			return
		}
		if d, fault := q.demand(users, time.Now()); fault == nil && (d.text == "" || d.level < basic || d.level > plus) {
			t.Errorf("a demand that makes no sense")
		}
	})
}

func newBenchRegister(f *testing.F) *register {
	k, err := keys()
	if err != nil {
		f.Fatal(err)
	}
	freja, err := k.Freja(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	return newRegister(persons.All(), freja)
}

func FuzzLink(f *testing.F) {
	f.Add("frejaeid://bindUserToTransaction?transactionReference=a.1.b&originAppScheme=https%3A%2F%2Fexample.se")
	f.Add(DefaultAppURL + "?action=bindUserToTransaction&transactionReference=a")
	f.Fuzz(func(t *testing.T, content string) {
		if l, err := parseLink(content, DefaultAppURL); err == nil && (l.t < 0 || l.t > maxFrame) {
			t.Errorf("time %d", l.t)
		}
	})
}
