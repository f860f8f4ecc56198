package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sigill/broker/kit/page/chromium"
)

// TestOtherPagesInChromium looks at every page of this half.
func TestOtherPagesInChromium(t *testing.T) {
	chromium.Wanted(t)
	h, all := otherSamples(t)
	var names []string
	byName := map[string]sample{}
	for _, s := range all {
		names = append(names, s.name)
		byName[s.name] = s
	}
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, ok := byName[strings.TrimPrefix(r.URL.Path, "/gallery/")]
		if !ok {
			h.handler.ServeHTTP(w, r)
			return
		}
		path := s.path
		if r.URL.RawQuery != "" {
			path = with(path, r.URL.RawQuery)
		}
		drawn := httptest.NewRecorder()
		h.handler.ServeHTTP(drawn, request(http.MethodGet, path, s.who, nil))
		drawn.Header().Del("Refresh") // it would lead away from the gallery
		for k, v := range drawn.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(drawn.Code)
		_, _ = w.Write(drawn.Body.Bytes())
	})
	chromium.Look(t, chromium.Serve(t, front)+"/gallery/", names, nil)
}
