package web

import (
	"net/http"

	"sigill/broker/kit/page"
)

// serveTenants lists the tenants of a host that has several. Everything else
// that is no tenant's is nowhere.
func (w *Web) serveTenants(rw http.ResponseWriter, r *http.Request) error {
	type entry struct{ URL, Name, Text string }
	lang := w.room.Lang(rw, r, page.Look{})
	var list []entry
	if r.URL.Path == "/" {
		for _, t := range w.Catalogue.Tenants() {
			if base, ok := baseAt(t, r.Host); ok {
				list = append(list, entry{base + "/", t.Name.In(lang), t.Welcome.In(lang)})
			}
		}
	}
	if len(list) == 0 {
		return notFound()
	}
	return w.room.Render(rw, r, http.StatusOK, "tenants", page.Look{Lang: lang}, page.Policy{}, func(string) any { return sheet{Body: list} })
}
