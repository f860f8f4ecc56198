package register

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed overview.html
var overviewHTML string

// A row is a family as a person who tests reads it.
type row struct {
	Child     string
	Number    string
	Guardians []string
	Why       string
}

// overview shows who is whose child, for people who try things out.
func (g *Register) overview(w http.ResponseWriter, r *http.Request) {
	page, err := template.New("").Parse(overviewHTML)
	if err != nil {
		http.Error(w, "the simulator failed", http.StatusInternalServerError)
		return
	}
	var rows []row
	for _, c := range g.children {
		v := row{Child: c.name().Given + " " + c.surname, Number: c.number, Why: c.why}
		for _, id := range c.guardians {
			if p, ok := g.config.People.ByID(id); ok {
				v.Guardians = append(v.Guardians, p.Name())
			}
		}
		rows = append(rows, v)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	page.Execute(w, rows)
}
