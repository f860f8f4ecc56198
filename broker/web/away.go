package web

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"sigill/broker/flow"
	"sigill/providers"
)

// awayAddress is where a browser is sent, if anywhere: an address on the web.
func awayAddress(s providers.Step) (u *url.URL, fields map[string]string, post bool) {
	raw := ""
	switch s := s.(type) {
	case providers.Redirect:
		raw = s.URL
	case providers.PostForm:
		raw, fields, post = s.URL, s.Fields, true
	}
	if raw == "" || safeHome(raw) == "" {
		return nil, nil, false
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, nil, false
	}
	return u, fields, post
}

// away draws the page from where the person goes to the issuer's own site. It goes
// by itself as long as the person has only just chosen; who comes here again, by
// the back button, say, decides.
func (p *Pages) away(w http.ResponseWriter, r *http.Request, e Errand, v flow.View, u *url.URL, fields map[string]string, post bool) error {
	auto := isYoung(v.Order.Created, p.Now())
	policy := e.Policy
	if post {
		policy.FormSite = u.String()
	} else if auto {
		w.Header().Set("Refresh", "0;url="+u.String())
	}
	var hidden [][2]string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		hidden = append(hidden, [2]string{name, fields[name]})
	}
	return p.render(w, r, http.StatusOK, "away", e.Look, policy, func(lang string) any {
		n := p.names(lang, e, v)
		return struct {
			Client, What, Name, Whose, Host, Self, URL, Hint string
			Fields                                           [][2]string
			Sign, Post, Auto                                 bool
		}{
			Client: cmp.Or(e.Asker, e.Look.NameIn(lang)), What: e.What, Name: n.eid, Whose: n.whose, Host: u.Host,
			Self: e.Self, URL: u.String(), Hint: p.hint(lang, n, v), Fields: hidden, Sign: e.Sign, Post: post, Auto: auto,
		}
	})
}
