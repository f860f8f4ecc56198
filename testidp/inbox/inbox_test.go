package inbox

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInbox(t *testing.T) {
	b := New(nil)
	a := b.Add(Message{Channel: Email, To: "Ett@Example.se", Text: "http://a.example/"})
	c := b.Add(Message{Channel: SMS, To: "+46701740605"})
	if a.ID[0] != 'e' || c.ID[0] != 's' || a.ID == c.ID || len(a.ID) != 33 || a.Time.IsZero() || !cmp.Equal(a.Links, []string{"http://a.example/"}) {
		t.Errorf("added: %+v", a)
	}
	if list := b.List("ett@example.se"); len(list) != 1 || list[0].ID != a.ID {
		t.Errorf("by address: %+v", list)
	}
	if list := b.List("example.se"); len(list) != 0 {
		t.Errorf("by half an address: %+v", list)
	}
	if list := b.List(""); len(list) != 2 || list[1].ID != c.ID {
		t.Errorf("all: %+v", list)
	}
	if got, ok := b.Get(c.ID); !ok || got.To != "+46701740605" {
		t.Errorf("get: %+v", got)
	}
	if _, ok := b.Get(""); ok {
		t.Error("got nothing by no name")
	}
	b.Clear()
	if len(b.List("")) != 0 || b.bytes != 0 {
		t.Error("not cleared")
	}
}

func TestRepeats(t *testing.T) {
	b := New(nil)
	for _, c := range []struct {
		m    Message
		want bool
	}{
		{Message{Channel: Email, To: "ett@example.se", Reference: "<1@example.se>"}, false},
		{Message{Channel: Email, To: "ett@example.se", Reference: "<2@example.se>"}, false},
		{Message{Channel: Email, To: "tva@example.se", Reference: "<1@example.se>"}, false},
		{Message{Channel: SMS, To: "ett@example.se", Reference: "<1@example.se>"}, false},
		{Message{Channel: Email, To: "Ett@example.se", Reference: "<1@example.se>"}, true},
		{Message{Channel: Email, To: "ett@example.se"}, false},
		{Message{Channel: Email, To: "ett@example.se"}, false},
	} {
		if got := b.Add(c.m); got.Repeat != c.want {
			t.Errorf("%s to %s: repeat %t", c.m.Reference, c.m.To, got.Repeat)
		}
	}
	if n := len(b.List("")); n != 7 {
		t.Errorf("%d kept", n)
	}
}

func TestOldestGoFirst(t *testing.T) {
	b := New(nil)
	big := strings.Repeat("x", 1<<20)
	for i := range 200 {
		b.Add(Message{Channel: Email, To: fmt.Sprint(i), Header: map[string][]string{"X": {big}}})
	}
	list := b.List("")
	if n := len(list); n < 100 || n > 128 || list[n-1].To != "199" || b.bytes > maxBytes {
		t.Errorf("%d kept, %d bytes", n, b.bytes)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		go func() {
			for range 3 {
				time.Sleep(time.Second)
				b.Add(Message{Channel: SMS, To: "+46701740605"})
				b.Add(Message{Channel: SMS, To: "+46701740606"})
			}
		}()
		begun := time.Now()
		if list, err := b.Wait(t.Context(), "+46701740605", 2); err != nil || len(list) != 2 || time.Since(begun) != 2*time.Second {
			t.Errorf("%d after %v, %v", len(list), time.Since(begun), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if list, err := b.Wait(ctx, "+46701740605", 4); err == nil || len(list) != 3 {
			t.Errorf("%d, %v", len(list), err)
		}
	})
}

func TestLinks(t *testing.T) {
	for name, c := range map[string]struct {
		text, html string
		want       []string
	}{
		"none":                {"Hej, example.se eller ftp://example.se", "<p>Hej</p>", []string{}},
		"end of a sentence":   {"Se http://a.example/x. Eller (https://b.example/y)! \"http://c.example/\", <http://d.example/>;", "", []string{"http://a.example/x", "https://b.example/y", "http://c.example/", "http://d.example/"}},
		"brackets of its own": {"https://a.example/x_(y) och (https://a.example/z_(1)).", "", []string{"https://a.example/x_(y)", "https://a.example/z_(1)"}},
		"each once":           {"http://a.example/ http://a.example/ http://b.example/", `<a href="http://b.example/">x</a><a href="http://c.example/">http://a.example/</a>`, []string{"http://a.example/", "http://b.example/", "http://c.example/"}},
		"query and fragment":  {"HTTPS://a.example:8080/x?y=1&z=%2F#f", "", []string{"HTTPS://a.example:8080/x?y=1&z=%2F#f"}},
		"entities":            {"", `<a href="http://a.example/?x=1&amp;y=2">x</a> http://b.example/?x=1&amp;y=2`, []string{"http://a.example/?x=1&y=2", "http://b.example/?x=1&y=2"}},
		"no web address":      {"http:// https://?", `<a href="javascript:alert(1)">x</a><a href="mailto:a@example.se">y</a><a href="/x">z</a><a href="http:">w</a>`, []string{}},
		"what nobody sees":    {"", `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd"><html xmlns="http://www.w3.org/1999/xhtml"><title>http://a.example/</title><style>@import url(http://b.example/)</style><script>"http://c.example/"</script><!-- http://d.example/ --><img src="http://e.example/"><link href="http://f.example/">http://g.example/`, []string{"http://g.example/"}},
		"area":                {"", `<map><area href=https://a.example/></map>`, []string{"https://a.example/"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Links(c.text, c.html)); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzPieces(f *testing.F) {
	f.Add("Se (http://a.example/x_(y)). Hej https://b.example å")
	f.Add("http://http://x.)]]")
	f.Fuzz(func(t *testing.T, text string) {
		var whole strings.Builder
		for _, p := range Pieces(text) {
			if p.Text == "" {
				t.Error("an empty piece")
			}
			if lower := strings.ToLower(p.Text); p.Link && !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") {
				t.Errorf("link %q", p.Text)
			}
			whole.WriteString(p.Text)
		}
		if whole.String() != text {
			t.Errorf("%q became %q", text, whole.String())
		}
		Links(text, text)
	})
}
