package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const dated = "Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n"

// message puts together header lines and a body.
func message(header []string, body string) string {
	return "From: a@example.se\r\n" + dated + strings.Join(append(header, "", ""), "\r\n") + body
}

func TestParse(t *testing.T) {
	type want struct {
		From, Subject, Text, HTML string
		Attachments               []string
	}
	for name, c := range map[string]struct {
		raw  string
		want want
	}{
		"plain":           {message([]string{"Subject: Hej"}, "Ett\r\nTva\r\n"), want{"a@example.se", "Hej", "Ett\nTva\n", "", nil}},
		"no body":         {"From: a@example.se\r\n" + dated + "\r\n", want{"a@example.se", "", "", "", nil}},
		"folded subject":  {message([]string{"Subject: =?utf-8?q?F=C3=B6r_l=C3=A4nge?=", " =?UTF-8?B?IHNlZGFu?= nu"}, ""), want{"a@example.se", "För länge sedan nu", "", "", nil}},
		"Latin subject":   {message([]string{"Subject: =?iso-8859-1?q?sm=F6rg=E5s?="}, ""), want{"a@example.se", "smörgås", "", "", nil}},
		"named sender":    {"From: =?utf-8?q?K=C3=A5re?= <a@example.se>\r\n" + dated + "\r\n", want{"Kåre <a@example.se>", "", "", "", nil}},
		"8 bits":          {message([]string{"MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: 8bit"}, "å\r\n"), want{"a@example.se", "", "å\n", "", nil}},
		"base64":          {message([]string{"MIME-Version: 1.0", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: BASE64"}, "PGI+\r\nw6U8L2I+\r\n"), want{"a@example.se", "", "", "<b>å</b>", nil}},
		"Latin body":      {message([]string{"MIME-Version: 1.0", "Content-Type: text/plain; charset=ISO-8859-1", "Content-Transfer-Encoding: quoted-printable"}, "=E5=\r\n=E4"), want{"a@example.se", "", "åä", "", nil}},
		"two and a paper": {nested(), want{"a@example.se", "", "text", "<p>html</p>", []string{"image/png", "application/pdf avtal.pdf", "text/plain x.txt"}}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := parse([]byte(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, want{m.From, m.Subject, m.Text, m.HTML, m.Attachments}); d != "" {
				t.Error(d)
			}
		})
	}
}

// nested is a mail with both kinds of text, a picture and an attachment.
func nested() string {
	return message([]string{"MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=ytter"}, strings.ReplaceAll(`preamble
--ytter
Content-Type: multipart/related; boundary="inner"

--inner
Content-Type: multipart/alternative; boundary="in nerst"

--in nerst
Content-Type: text/plain

text
--in nerst
Content-Type: text/html

<p>html</p>
--in nerst--
--inner
Content-Type: image/png
Content-Disposition: inline

x
--inner--
--ytter
Content-Type: application/pdf
Content-Disposition: attachment; filename=avtal.pdf
Content-Transfer-Encoding: base64

eA==
--ytter
Content-Type: text/plain
Content-Disposition: attachment; filename=x.txt

not to be read
--ytter--
epilogue
`, "\n", "\r\n"))
}

func TestParseRefuses(t *testing.T) {
	typed := func(kind, encoding, body string) string {
		return message([]string{"MIME-Version: 1.0", "Content-Type: " + kind, "Content-Transfer-Encoding: " + encoding}, body)
	}
	deep := func(depth int) string {
		body := "\r\nx"
		for i := range depth {
			body = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%s\r\n--b%d--", i, i, body, i)
		}
		return "From: a@example.se\r\n" + dated + "MIME-Version: 1.0\r\n" + body
	}
	if _, err := parse([]byte(deep(maxDepth))); err != nil {
		t.Errorf("as deep as may be: %v", err)
	}
	for name, c := range map[string]struct{ raw, why string }{
		"nothing":              {"", "header"},
		"no header":            {"\r\nHej", "Date"},
		"no date":              {"From: a@example.se\r\n\r\n", "Date"},
		"broken date":          {"From: a@example.se\r\nDate: igår\r\n\r\n", "not ASCII"},
		"no sender":            {dated + "\r\n", "From"},
		"two senders":          {"From: a@example.se, b@example.se\r\n" + dated + "\r\n", "more than one"},
		"two From":             {message([]string{"From: b@example.se"}, ""), "twice"},
		"two subjects":         {message([]string{"Subject: a", "subject: b"}, ""), "twice"},
		"header not ASCII":     {message([]string{"Subject: å"}, ""), "not ASCII"},
		"injected line":        {message([]string{"Subject: =?utf-8?q?a=0D=0ABcc:_x?="}, ""), "control"},
		"unknown charset":      {message([]string{"Subject: =?koi8-r?q?x?="}, ""), "unknown character set"},
		"injected sender":      {"From: =?utf-8?q?a=0D=0A?= <a@example.se>\r\n" + dated + "\r\n", "control"},
		"Message-ID bare":      {message([]string{"Message-ID: 1@example.se"}, ""), "Message-ID"},
		"Message-ID no domain": {message([]string{"Message-ID: <1>"}, ""), "Message-ID"},
		"bare LF":              {message(nil, "a\nb"), "CR and LF"},
		"bare CR":              {message(nil, "a\rb"), "CR and LF"},
		"ends with CR":         {message(nil, "a\r"), "CR and LF"},
		"NUL":                  {message(nil, "a\x00b"), "NUL"},
		"no MIME-Version":      {message([]string{"Content-Type: text/plain"}, ""), "MIME-Version"},
		"MIME-Version 2":       {message([]string{"MIME-Version: 2.0"}, ""), "MIME-Version"},
		"broken type":          {typed("text/plain; =", "7bit", ""), "Content-Type"},
		"8 bits unannounced":   {message(nil, "å"), "8 bits"},
		"8 bits in 7":          {typed("text/plain; charset=utf-8", "7bit", "å"), "8 bits"},
		"8 bits in ASCII":      {typed("text/plain", "8bit", "å"), "not ASCII"},
		"broken UTF-8":         {typed("text/plain; charset=utf-8", "8bit", "\xff"), "broken UTF-8"},
		"broken base64":        {typed("text/plain", "base64", "!!!!"), "base64"},
		"half base64":          {typed("text/plain", "base64", "eA"), "base64"},
		"broken quoting":       {typed("text/plain", "quoted-printable", "a\x01"), "quoted-printable"},
		"unknown encoding":     {typed("text/plain", "uuencode", "x"), "unknown transfer encoding"},
		"unknown body charset": {typed("text/plain; charset=koi8-r", "8bit", "x"), "unknown character set"},
		"encoded multipart":    {typed("multipart/mixed; boundary=b", "base64", ""), "must not be encoded"},
		"no boundary":          {typed("multipart/mixed", "7bit", ""), "boundary"},
		"no part":              {typed("multipart/mixed; boundary=b", "7bit", "--b--\r\n"), "multipart"},
		"cut off":              {typed("multipart/mixed; boundary=b", "7bit", "--b\r\n\r\nx"), "body"},
		"too deep":             {deep(maxDepth + 1), "too many"},
		"too many parts":       {typed("multipart/mixed; boundary=b", "7bit", strings.Repeat("--b\r\n\r\nx\r\n", maxParts)+"--b--\r\n"), "too many"},
		"part with two types":  {typed("multipart/mixed; boundary=b", "7bit", "--b\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n"), "twice in a part"},
		"broken disposition":   {message([]string{"MIME-Version: 1.0", "Content-Type: text/plain", "Content-Disposition: ;"}, ""), "Content-Disposition"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse([]byte(c.raw)); err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzParse: whatever comes, there is no panic, and what is taken is clean.
func FuzzParse(f *testing.F) {
	f.Add([]byte(nested()))
	f.Add([]byte(message([]string{"Subject: =?utf-8?q?=C3=A5?=", "Message-ID: <1@example.se>"}, "x")))
	f.Add([]byte(message([]string{"MIME-Version: 1.0", "Content-Type: text/html; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable"}, "=E5")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parse(raw)
		if err != nil {
			if line := printable(err.Error()); strings.ContainsAny(line, "\r\n") || len(line) > 300 {
				t.Errorf("reason %q", line)
			}
			return
		}
		for _, s := range []string{m.Subject, m.From, m.Text, m.HTML} {
			if !utf8.ValidString(s) {
				t.Errorf("broken UTF-8: %q", s)
			}
		}
		if strings.ContainsAny(m.Subject+m.From+m.Reference, "\r\n") {
			t.Errorf("a line break in %q, %q or %q", m.Subject, m.From, m.Reference)
		}
	})
}

// FuzzRoundTrip: what a mail program encodes comes out as it was.
func FuzzRoundTrip(f *testing.F) {
	f.Add("Skriv under: förskola", "Hej!\nåäö 🦌\n", "<p>Hej</p>", true)
	f.Add("=?utf-8?q?x?=", ".", "--b--", false)
	f.Fuzz(func(t *testing.T, subject, text, html string, quoted bool) {
		for _, s := range []string{subject, text, html} {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\x00") || len(s) > 4096 {
				t.Skip()
			}
		}
		if oneLine(subject) != nil || strings.TrimSpace(subject) != subject || strings.Contains(subject, "=?") {
			t.Skip()
		}
		var raw bytes.Buffer
		w := multipart.NewWriter(&raw)
		fmt.Fprintf(&raw, "From: a@example.se\r\n%sSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=%s\r\n\r\n",
			dated, mime.QEncoding.Encode("utf-8", subject), w.Boundary())
		for kind, content := range map[string]string{"text/plain": text, "text/html": html} {
			encoding := "base64"
			if quoted {
				encoding = "quoted-printable"
			}
			part, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {encoding}})
			if err != nil {
				t.Fatal(err)
			}
			if quoted {
				q := quotedprintable.NewWriter(part)
				q.Write([]byte(content))
				q.Close()
			} else {
				part.Write([]byte(base64.StdEncoding.EncodeToString([]byte(content))))
			}
		}
		w.Close()
		m, err := parse(raw.Bytes())
		if err != nil {
			t.Fatalf("%v in\n%s", err, raw.Bytes())
		}
		if m.Subject != subject || m.Text != text || m.HTML != html {
			t.Errorf("got %q, %q, %q", m.Subject, m.Text, m.HTML)
		}
	})
}
