package judges

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestBadInput asks for orders that cannot be, over the real thing: each is
// refused with what is wrong and why, and nothing happens.
func TestBadInput(t *testing.T) {
	judged(t)
	// So many documents that their names are more than an e-ID's app shows.
	p := newPremises(t, premisesWish{log: "api-badinput", signing: "  limits: {max_documents: 100}\n"})
	one, two := p.phone.person(t, 0), p.phone.person(t, 1)
	file := func(n int) string {
		return base64.StdEncoding.EncodeToString(append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte{'a'}, n-9)...))
	}
	documents := func(n int, make func(i int) members) []members {
		var list []members
		for i := range n {
			list = append(list, make(i))
		}
		return list
	}
	text := func(i int) members { return members{"name": fmt.Sprint("D", i), "text": "d"} }
	named := func(i int) members {
		return members{"name": fmt.Sprint(strings.Repeat("€", 115), i), "text": "d"}
	}
	attached := func(size int) func(int) members {
		return func(i int) members {
			return members{"name": fmt.Sprint("D", i), "file": file(size), "type": "application/pdf"}
		}
	}
	signatory := func(change members) []members {
		s := members{"pnr": one.Number, "name": one.Name, "invite": "none"}
		for k, v := range change {
			s[k] = v
		}
		return []members{s}
	}
	wrongDigit := func(number string) string {
		last := number[len(number)-1]
		return number[:len(number)-1] + string('0'+(last-'0'+1)%10)
	}
	for name, c := range map[string]struct {
		change members
		status int
		code   string
		faults map[string]string // member to a part of what is said of it
	}{
		"a malformed number":               {members{"signatories": signatory(members{"pnr": "hej"})}, 422, "invalid_order", map[string]string{"signatories[0].pnr": "is not a personal number"}},
		"a number with a wrong digit":      {members{"signatories": signatory(members{"pnr": wrongDigit(one.Number)})}, 422, "invalid_order", map[string]string{"signatories[0].pnr": "is not a personal number"}},
		"a day that never was":             {members{"signatories": signatory(members{"pnr": "199002309999"})}, 422, "invalid_order", map[string]string{"signatories[0].pnr": "is not a personal number"}},
		"no number":                        {members{"signatories": []members{{"name": "N", "invite": "none"}}}, 422, "invalid_order", map[string]string{"signatories[0].pnr": "is missing"}},
		"no name":                          {members{"signatories": signatory(members{"name": " "})}, 422, "invalid_order", map[string]string{"signatories[0].name": "is missing"}},
		"no address":                       {members{"signatories": signatory(members{"invite": "email"})}, 422, "invalid_order", map[string]string{"signatories[0].email": "is missing"}},
		"no number to write to":            {members{"signatories": signatory(members{"invite": "sms", "email": "a@example.se"})}, 422, "invalid_order", map[string]string{"signatories[0].phone": "is missing"}},
		"one of both":                      {members{"signatories": signatory(members{"invite": "both", "email": "a@example.se"})}, 422, "invalid_order", map[string]string{"signatories[0].phone": "is missing"}},
		"a code to nobody":                 {members{"signatories": signatory(members{"invite": "code"})}, 422, "invalid_order", map[string]string{"signatories[0].invite": "needs an e-mail address or a phone number"}},
		"no way of inviting":               {members{"signatories": []members{{"pnr": one.Number, "name": "N"}}}, 422, "invalid_order", map[string]string{"signatories[0].invite": "must be one of"}},
		"an address that is none":          {members{"signatories": signatory(members{"invite": "email", "email": "a@b@c"})}, 422, "invalid_order", map[string]string{"signatories[0].email": "is not an e-mail address"}},
		"an address with a line break":     {members{"signatories": signatory(members{"invite": "email", "email": "a@example.se\r\nBcc: b@example.se"})}, 422, "invalid_order", map[string]string{"signatories[0].email": "is not an e-mail address"}},
		"a phone that is none":             {members{"signatories": signatory(members{"invite": "sms", "phone": "112"})}, 422, "invalid_order", map[string]string{"signatories[0].phone": "is not a phone number"}},
		"twice the same person":            {members{"signatories": append(signatory(nil), signatory(members{"pnr": one.Number[2:8] + "-" + one.Number[8:]})...)}, 422, "invalid_order", map[string]string{"signatories[1].pnr": "is the same person as signatories[0]"}},
		"a group without groups":           {members{"signatories": signatory(members{"group": 1})}, 422, "invalid_order", map[string]string{"signatories[0].group": "is only for order groups"}},
		"groups without one":               {members{"order": "groups"}, 422, "invalid_order", map[string]string{"signatories[0].group": "must be 1 to"}},
		"too many signatories":             {members{"signatories": documents(21, func(int) members { return signatory(nil)[0] })}, 422, "invalid_order", map[string]string{"signatories": "are more than 20"}},
		"no documents":                     {members{"documents": []members{}}, 422, "invalid_order", map[string]string{"documents": "are missing"}},
		"too many documents":               {members{"documents": documents(101, text)}, 422, "invalid_order", map[string]string{"documents": "are more than 100"}},
		"a document too large":             {members{"documents": documents(1, attached(10<<20+1))}, 422, "invalid_order", map[string]string{"documents[0]": "is larger than 10485760 bytes"}},
		"documents too large together":     {members{"documents": documents(3, attached(17<<19))}, 422, "invalid_order", map[string]string{"documents": "are together larger than 26214400 bytes"}},
		"documents far too large":          {members{"documents": documents(4, attached(10<<20))}, 413, "too_large", nil},
		"a text too long to read":          {members{"documents": []members{{"name": "D", "text": strings.Repeat("å", 1<<20+1)}}}, 422, "invalid_order", map[string]string{"documents[0].text": "is longer than"}},
		"a text of nothing":                {members{"documents": []members{{"name": "D", "text": " \n "}}}, 422, "invalid_order", map[string]string{"documents[0].text": "is empty"}},
		"a text that hides text":           {members{"documents": []members{{"name": "D", "text": "betala \u202e001\u202c kr"}}}, 422, "invalid_order", map[string]string{"documents[0].text": "change the direction"}},
		"two of one name":                  {members{"documents": []members{text(1), text(1)}}, 422, "invalid_order", map[string]string{"documents[1].name": "is used twice"}},
		"a document of two kinds":          {members{"documents": []members{{"name": "D", "text": "d", "file": file(10), "type": "application/pdf"}}}, 422, "invalid_order", map[string]string{"documents[0]": "exactly one of"}},
		"a document of none":               {members{"documents": []members{{"name": "D"}}}, 422, "invalid_order", map[string]string{"documents[0]": "exactly one of"}},
		"a file of another type":           {members{"documents": []members{{"name": "D", "file": file(10), "type": "image/png"}}}, 422, "invalid_order", map[string]string{"documents[0].file": "is not of the type that is stated"}},
		"a file of no type":                {members{"documents": []members{{"name": "D", "file": file(10)}}}, 422, "invalid_order", map[string]string{"documents[0].file": "must be of type"}},
		"a program":                        {members{"documents": []members{{"name": "D", "file": "TVqQAAM=", "type": "application/x-msdownload"}}}, 422, "invalid_order", map[string]string{"documents[0].file": "must be of type"}},
		"a title too long":                 {members{"title": strings.Repeat("t", 201)}, 422, "invalid_order", map[string]string{"title": "is longer than 200"}},
		"a title of two lines":             {members{"title": "a\nb"}, 422, "invalid_order", map[string]string{"title": "must be one line"}},
		"a message too long":               {members{"message": strings.Repeat("m", 1001)}, 422, "invalid_order", map[string]string{"message": "is longer than 1000"}},
		"a deadline gone by":               {members{"deadline": p.now().Add(-time.Hour).Format(time.RFC3339)}, 422, "invalid_order", map[string]string{"deadline": "at least a minute from now"}},
		"a deadline too far":               {members{"deadline": p.now().AddDate(2, 0, 0).Format(time.RFC3339)}, 422, "invalid_order", map[string]string{"deadline": "within 365 days"}},
		"reminders out of reach":           {members{"reminders": []int{0, 366}}, 422, "invalid_order", map[string]string{"reminders[0]": "1 to 365", "reminders[1]": "1 to 365"}},
		"an e-ID that is not offered":      {members{"allowedProviders": []string{"freja"}}, 422, "invalid_order", map[string]string{"allowedProviders": "leaves no e-ID"}},
		"an e-ID that is none":             {members{"allowedProviders": []string{"fingeravtryck"}}, 422, "invalid_order", map[string]string{"allowedProviders[0]": "is unknown"}},
		"a callback elsewhere":             {members{"callbackUrl": "https://evil.example.com/"}, 422, "invalid_order", map[string]string{"callbackUrl": "is not under an origin that is registered"}},
		"a callback without encryption":    {members{"callbackUrl": "http://example.se/"}, 422, "invalid_order", map[string]string{"callbackUrl": "must begin with https"}},
		"a way back that is a script":      {members{"returnUrl": "javascript:alert(1)"}, 422, "invalid_order", map[string]string{"returnUrl": "is not a whole address"}},
		"a language":                       {members{"language": "fi"}, 422, "invalid_order", map[string]string{"language": "sv or en"}},
		"many things at once":              {members{"title": "", "documents": []members{}, "signatories": signatory(members{"pnr": "x", "invite": "email"})}, 422, "invalid_order", map[string]string{"title": "is missing", "documents": "are missing", "signatories[0].pnr": "is not", "signatories[0].email": "is missing"}},
		"an unknown member":                {members{"titel": "T"}, 400, "invalid_body", nil},
		"an unknown member of a signatory": {members{"signatories": signatory(members{"personnummer": one.Number})}, 400, "invalid_body", nil},
		"a number that is a number":        {members{"signatories": signatory(members{"pnr": 19900101})}, 400, "invalid_body", nil},
		"a file that is not base64":        {members{"documents": []members{{"name": "D", "file": "%%%", "type": "application/pdf"}}}, 400, "invalid_body", nil},
		"too much for the e-ID to show":    {members{"documents": documents(100, named)}, 422, "invalid_order", map[string]string{"documents": "BankID shows at most 30000"}},
		"too much because of the message":  {members{"message": strings.Repeat("€", 1000), "documents": documents(72, named)}, 422, "invalid_order", map[string]string{"message": "bytes to sign"}},
	} {
		w := p.wishFor("Fel", signatory(nil)...)
		for k, v := range c.change {
			w[k] = v
		}
		a := p.call(asker, "POST", "/api/v1/orders", w)
		if a.status != c.status || a.code != c.code || len(a.faults) != len(c.faults) {
			t.Errorf("%s: %d %s %v, want %d %s %v", name, a.status, a.code, a.faults, c.status, c.code, c.faults)
		}
		for field, problem := range c.faults {
			if !strings.Contains(a.faults[field], problem) {
				t.Errorf("%s: of %s it says %q, not %q", name, field, a.faults[field], problem)
			}
		}
		for _, secret := range []string{one.Number, one.Number[2:], two.Number} {
			if bytes.Contains(a.body, []byte(secret)) {
				t.Errorf("%s: the answer holds a personal number", name)
			}
		}
	}
	if messages := p.idp.Messages(""); len(messages) > 0 {
		t.Errorf("somebody was written to: %d messages", len(messages))
	}
}
