package page

import (
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// patience is how long a file may be on its way: the largest in a line of half a
// megabit a second.
const patience = 10 * time.Minute

// Hand gives a file to be kept, never to be shown in our name: it may hold
// anything. Who is on a slow line may take longer for it than for a page.
func Hand(rw http.ResponseWriter, r *http.Request, name, media string, b []byte) error {
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": FileName(name, media)})
	if disposition == "" {
		disposition = "attachment"
	}
	h := rw.Header()
	Policy{}.Apply(h)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method != http.MethodHead {
		_ = http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(patience)) // else the server's stays
		_, _ = rw.Write(b)
	}
	return nil
}

// FileName is a name as a file's: in one folder, and with an ending that says
// what it is.
func FileName(name, media string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, name)
	if name = strings.TrimLeft(name, ". "); name == "" {
		name = "fil"
	}
	endings := map[string][]string{"application/pdf": {".pdf"}, "image/jpeg": {".jpg", ".jpeg"}, "image/png": {".png"}}[media]
	for _, e := range endings {
		if strings.EqualFold(path.Ext(name), e) {
			return name
		}
	}
	if len(endings) > 0 {
		name += endings[0]
	}
	return name
}
