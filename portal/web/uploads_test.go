package web

import (
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestUploadsRead: only what a field that is shown takes is kept, and the words
// beside it always.
func TestUploadsRead(t *testing.T) {
	const mb = 1 << 20
	for name, c := range map[string]struct {
		field string
		size  int
		kept  int
		large bool
	}{
		"as large as may be": {"intyg", mb, mb, false},
		"one byte more":      {"intyg", mb + 1, 0, true},
		"far more":           {"intyg", 20 * mb, 0, true},
		"no such field":      {"nosuch", 20 * mb, 0, false},
	} {
		r := multi(t, "/", "one", url.Values{"ord": {"mina"}}, c.field, "a.pdf", strings.Repeat("x", c.size))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := readForm(r, map[string]int64{"intyg": mb})
		runtime.ReadMemStats(&after)
		if err != nil || p.get("ord") != "mina" || len(p.files) != 1 || len(p.files[0].content) != c.kept || p.files[0].large != c.large {
			t.Errorf("%s: %v, %d files", name, err, len(p.files))
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*mb {
			t.Errorf("%s: %d MB for what is not kept", name, took/mb)
		}
	}
}

// TestUploadsFull: who finds no room for files is told so, with everything typed
// on the page, and can send it again when there is room.
func TestUploadsFull(t *testing.T) {
	for name, fill := range map[string]func(h *house) (done func(), ok bool){
		"the house": func(h *house) (func(), bool) { return h.web.uploads.begin("somebody", usualUploads) },
		"the person": func(h *house) (func(), bool) {
			h.web.uploads.begin("person key-one", 1)
			return h.web.uploads.begin("person key-one", 1)
		},
	} {
		h := newHouse(t)
		d := h.draft("one", preschool(t), filled(h), allSteps...)
		at, was := draftAt(d, "/s/platsen"), h.drafts.drafts[d].Revision
		post := func(size int) (int, http.Header, string) {
			w := h.do(multi(t, at, "one", url.Values{"revision": {strconv.Itoa(was)}, "go": {"next"}, "sysselsattning": {"studerar"}, "omfattning": {"17"}, "syskon": {"no"}},
				"studieintyg", "a.pdf", "%PDF"+strings.Repeat("x", size)))
			return w.Code, w.Header(), w.Body.String()
		}
		done, ok := fill(h)
		if !ok {
			t.Fatal("it cannot be filled")
		}
		code, header, body := post(maxTyped)
		if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, "Filerna kom inte med") || !strings.Contains(body, `value="17"`) {
			t.Errorf("%s: %d %v", name, code, header)
		}
		if h.drafts.drafts[d].Revision != was || len(h.drafts.files) != 0 {
			t.Errorf("%s: something was saved", name)
		}
		// Words, and a small file, need no room.
		if n := uploaded(request("POST", at, "one", url.Values{"a": {"b"}})); n != 0 {
			t.Errorf("%s: words need %d", name, n)
		}
		done()
		if code, _, _ := post(maxTyped); code != http.StatusSeeOther || len(h.drafts.files) != 1 {
			t.Errorf("%s, when there is room: %d", name, code)
		}
		if h.web.uploads.by["person key-one"] > 1 || !h.web.uploads.room.TryAcquire(usualUploads-1) {
			t.Errorf("%s: room was not given back", name)
		}
	}
}

// TestUploadsSlow: an upload that goes on takes room until it has ended, and a
// third of the same person finds none, whatever else there is.
func TestUploadsSlow(t *testing.T) {
	h := newHouse(t)
	d := h.draft("one", preschool(t), filled(h), allSteps...)
	at := draftAt(d, "/s/platsen")
	upload := func() *http.Request {
		return multi(t, at, "one", url.Values{"revision": {"1"}, "go": {"next"}}, "studieintyg", "a.pdf", strings.Repeat("x", maxTyped))
	}
	begun, ended := make(chan bool), make(chan bool)
	hold := make(chan bool)
	for range maxAtOnce {
		go func() {
			r := upload()
			r.Body = &slowBody{r.Body, begun, hold, false}
			h.do(r)
			ended <- true
		}()
		<-begun
	}
	if w := h.do(upload()); w.Code != http.StatusServiceUnavailable {
		t.Errorf("the third: %d", w.Code)
	}
	close(hold)
	for range maxAtOnce {
		<-ended
	}
	if len(h.web.uploads.by) != 0 {
		t.Error("room was not given back")
	}
}

// slowBody says that it is read, and comes when it may.
type slowBody struct {
	io.ReadCloser
	begun, hold chan bool
	said        bool
}

func (b *slowBody) Read(p []byte) (int, error) {
	if !b.said {
		b.said = true
		b.begun <- true
		<-b.hold
	}
	return b.ReadCloser.Read(p)
}
