package web

import (
	"net/http"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"

	"sigill/portal"
	"sigill/portal/form"
)

// uploads bounds what is held in memory of files on their way in: all together,
// and how many forms with files one person or browser sends at once. Nobody waits
// for room: whoever gets none is told to try again.
type uploads struct {
	most int64
	room *semaphore.Weighted
	mu   sync.Mutex
	by   map[string]int
}

// The most of uploads that is held at once unless Config says something else, and
// how many one person or browser sends at once.
const (
	usualUploads = 200 << 20
	maxAtOnce    = 2
)

func newUploads(most int64) *uploads {
	return &uploads{most: most, room: semaphore.NewWeighted(most), by: map[string]int{}}
}

// begin takes room for n bytes of somebody; ok is false when there is none. done
// gives it back.
func (u *uploads) begin(who string, n int64) (done func(), ok bool) {
	n = min(n, u.most)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.by[who] >= maxAtOnce || !u.room.TryAcquire(n) {
		return nil, false
	}
	u.by[who]++
	return func() {
		u.room.Release(n)
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.by[who]--; u.by[who] == 0 {
			delete(u.by, who)
		}
	}, true
}

// uploader names whoever sends files.
func uploader(v portal.Visitor) string {
	if v.LoggedIn() {
		return "person " + string(v.Key)
	}
	return "browser " + v.Browser
}

// uploaded is how many bytes of files a request may bring: none when it is a form
// of words, or no larger than one.
func uploaded(r *http.Request) int64 {
	switch n := r.ContentLength; {
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/"), n >= 0 && n <= maxTyped:
		return 0
	case n < 0 || n > maxStep:
		return maxStep
	default:
		return n
	}
}

// takes is how large a file may be in each field for files that is shown.
func takes(fields []*form.Field) map[string]int64 {
	out := map[string]int64{}
	for _, f := range fields {
		if f.Type == form.TypeFile {
			out[f.ID] = f.MaxBytes
		}
	}
	return out
}
