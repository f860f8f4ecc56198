package node

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"sigill/broker/kit/config"
	"sigill/signing/trust"
)

// deployed are the files for operators.
func deployed(name string) string { return filepath.Join("..", "sigill", "deploy", name) }

// table is what the operators' page says of metrics and labels.
type table struct {
	labels map[string][]string            // of each metric, sorted
	values map[string]map[string][]string // by label, then by metric or ""; none listed: it is configuration
	open   map[string]bool                // labels whose values configuration gives
}

var code = regexp.MustCompile("`([^`]+)`")

// section gives the cells of the table that follows a mark.
func section(t *testing.T, page, mark string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(page, "<!-- "+mark+" -->\n\n")
	if !found {
		t.Fatalf("no table of %s", mark)
	}
	var rows [][]string
	for i, line := range strings.Split(rest, "\n") {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if i < 2 { // its head
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for c := range cells {
			cells[c] = strings.TrimSpace(cells[c])
		}
		rows = append(rows, cells)
	}
	return rows
}

func words(cell string) []string {
	var list []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		list = append(list, m[1])
	}
	return list
}

func readTable(t *testing.T) table {
	t.Helper()
	text, err := os.ReadFile(deployed("README.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := table{map[string][]string{}, map[string]map[string][]string{}, map[string]bool{"instance": true, "what": true, "version": true, "go": true}}
	for _, row := range section(t, string(text), "metrics") {
		name := words(row[0])[0]
		if doc.labels[name] != nil || len(row) != 4 || row[2] != "node" && row[2] != "all" || row[3] == "" {
			t.Errorf("the row of %s is not right: %q", name, row)
		}
		doc.labels[name] = slices.Sorted(slices.Values(words(row[1])))
		if doc.labels[name] == nil {
			doc.labels[name] = []string{}
		}
	}
	for _, row := range section(t, string(text), "labels") {
		label, of := words(row[0])[0], strings.Trim(row[1], "`")
		if doc.values[label] == nil {
			doc.values[label] = map[string][]string{}
		}
		doc.values[label][of] = words(row[2])
	}
	return doc
}

// allowed tells whether a label of a metric may have a value.
func (d table) allowed(metric, label, value string) bool {
	if d.open[label] {
		return true
	}
	list, own := d.values[label][metric]
	if !own {
		list = d.values[label][""]
	}
	return slices.Contains(list, value)
}

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "(.*)", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// told are the labels of every metric of ours that a node may tell.
func told(t *testing.T, registry *prometheus.Registry) map[string][]string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() { registry.Describe(descs); close(descs) }()
	all := map[string][]string{}
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		if !strings.HasPrefix(m[1], "sigill_") {
			continue
		}
		if m[2] == "" || m[3] != "" {
			t.Errorf("%s: no help, or labels that stand still: %s", m[1], m[3])
		}
		all[m[1]] = []string{}
		if m[4] != "" {
			all[m[1]] = slices.Sorted(strings.SplitSeq(m[4], ","))
		}
	}
	return all
}

// whole is a node with every room, that serves nothing.
func whole(t *testing.T) (*Node, *prometheus.Registry) {
	t.Helper()
	c, l := settings(t)
	sealed(t, &c, func(*trust.Trust) {})
	examples := filepath.Join("..", "demo")
	c.Portal = &config.Portal{Listen: "127.0.0.1:0", Tenants: filepath.Join(examples, "tenants"), Services: filepath.Join(examples, "services")}
	registry := prometheus.NewRegistry()
	n, err := New(t.Context(), Config{Settings: c, Listener: l, Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n, registry
}

// What operators read about metrics is what there is: every name, every label.
func TestMetricsAreDocumented(t *testing.T) {
	doc := readTable(t)
	_, registry := whole(t)
	there := told(t, registry)
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if !slices.Equal(doc.labels[name], there[name]) {
			t.Errorf("%s has the labels %v, README.md says %v", name, there[name], doc.labels[name])
		}
		for _, label := range there[name] {
			if doc.values[label] == nil {
				t.Errorf("README.md does not say which values %s has", label)
			}
		}
	}
	for name := range doc.labels {
		if there[name] == nil {
			t.Errorf("README.md tells of %s, which there is not", name)
		}
	}
	// What is told at rest keeps to the lists.
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.HasPrefix(f.GetName(), "sigill_") && !doc.allowed(f.GetName(), l.GetName(), l.GetValue()) {
					t.Errorf("%s: %s=%q is not in the list", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
}

// constants gives the values of a file's string constants that fit.
func constants(t *testing.T, file string, fits func(name, kind string) bool) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			kind := ""
			if id, ok := v.Type.(*ast.Ident); ok {
				kind = id.Name
			}
			for i, name := range v.Names {
				if i >= len(v.Values) || !fits(name.Name, kind) {
					continue
				}
				if lit, ok := v.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					value, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					list = append(list, value)
				}
			}
		}
	}
	if len(list) < 2 {
		t.Fatalf("no constants found in %s: the test looks in the wrong place", file)
	}
	return list
}

// Labels take their values from lists that are closed in the source; the
// operators' lists hold every one of them.
func TestLabelsAreClosed(t *testing.T) {
	doc := readTable(t)
	up := filepath.Join("..", "..")
	oidcErrors := constants(t, filepath.Join(up, "broker", "oidc", "errors.go"), func(name, kind string) bool { return strings.HasPrefix(name, "err") && kind == "" })
	faults := constants(t, filepath.Join(up, "broker", "oidc", "pages.go"), func(name, _ string) bool { return strings.HasPrefix(name, "Fault") })
	parts := constants(t, "ready.go", func(name, _ string) bool { return strings.HasPrefix(name, "part") })
	for _, tt := range []struct {
		metric, label string
		values        []string
	}{
		{"sigill_orders_total", "reason", append(constants(t, filepath.Join(up, "providers", "providers.go"), func(_, kind string) bool { return kind == "Reason" }), "done")},
		{"sigill_orders_total", "provider", constants(t, filepath.Join(up, "providers", "providers.go"), func(_, kind string) bool { return kind == "ID" })},
		{"sigill_orders_total", "kind", constants(t, filepath.Join(up, "providers", "providers.go"), func(_, kind string) bool { return kind == "Kind" })},
		{"sigill_oidc_answers_total", "outcome", slices.Concat(oidcErrors, faults, []string{"login", "code", "local", "ok", "asked", "done", "no_token"})},
		{"sigill_part_ok", "part", append(parts, partKeys)},
		{"sigill_logins_total", "provider", []string{"none"}},
	} {
		for _, v := range tt.values {
			if !doc.allowed(tt.metric, tt.label, v) {
				t.Errorf("README.md: %s of %s lacks %s", tt.label, tt.metric, v)
			}
		}
	}
	if doc.allowed("sigill_orders_total", "reason", "anything") || doc.allowed("sigill_messages_total", "outcome", "code") {
		t.Error("what is in no list is allowed")
	}
}

// The rules use what there is, and say what is felt and what to do.
func TestAlerts(t *testing.T) {
	doc := readTable(t)
	text, err := os.ReadFile(deployed("alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !regexp.MustCompile(`^Sigill[A-Z][A-Za-z0-9]+$`).MatchString(r.Alert) {
				t.Errorf("%s: its name", r.Alert)
			}
			seen[r.Alert] = true
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
				t.Errorf("%s lacks a severity, a summary, or what to do", r.Alert)
			}
			for _, problem := range doc.check(r.Expr) {
				t.Errorf("%s: %s", r.Alert, problem)
			}
		}
	}
	for _, must := range []string{
		"LoginsFailing", "IssuerDown", "NobodyCompletes", "OutboxOld", "SealWaiting", "CertificateEndsIn60Days", "CertificateEndsIn30Days",
		"CertificateEndsIn7Days", "AuditWaiting", "NodeNotReady", "StoreSlow", "ShortStoreGone", "BackupOld",
	} {
		if !seen["Sigill"+must] {
			t.Errorf("nobody is told: %s", must)
		}
	}
}

// The dashboard shows what there is.
func TestDashboard(t *testing.T) {
	doc := readTable(t)
	text, err := os.ReadFile(deployed("dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string `json:"title"`
		Panels []struct {
			ID      int    `json:"id"`
			Type    string `json:"type"`
			Title   string `json:"title"`
			GridPos struct{ H, W, X, Y int }
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
		Annotations struct {
			List []struct {
				Expr string `json:"expr"`
			} `json:"list"`
		} `json:"annotations"`
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	var rows []string
	ids, place, used := map[int]bool{}, map[[2]int]string{}, ""
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q stands twice, or has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			at := [2]int{x, p.GridPos.Y}
			if other := place[at]; other != "" || x >= 24 {
				t.Errorf("%q lies over %q, or outside", p.Title, other)
			}
			place[at] = p.Title
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			used += target.Expr + "\n"
			for _, problem := range doc.check(target.Expr) {
				t.Errorf("%q: %s", p.Title, problem)
			}
		}
	}
	for _, a := range board.Annotations.List {
		for _, problem := range doc.check(a.Expr) {
			t.Errorf("annotation: %s", problem)
		}
	}
	if want := []string{"What citizens feel", "e-IDs", "Signing", "Portal", "Stores", "Nodes"}; !slices.Equal(rows, want) {
		t.Errorf("rows %v, want %v", rows, want)
	}
	for name := range doc.labels {
		if !strings.Contains(used, name) && name != "sigill_part_ok" { // which the parts' times show
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}
