package node

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// outside are metrics that others tell, with labels besides those of the target.
var outside = map[string][]string{
	"up": nil, "sigill_backup_completed_seconds": nil,
	"process_start_time_seconds": nil, "process_cpu_seconds_total": nil, "process_resident_memory_bytes": nil,
}

// histograms have no value of their own.
var histograms = []string{"sigill_login_seconds", "sigill_order_seconds", "sigill_request_seconds"}

// check says what is wrong with an expression of Prometheus: metrics that there
// are not, labels that they do not have, values that they cannot have.
func (d table) check(expression string) []string {
	var problems []string
	tokens := tokenize(expression)
	names := map[string]bool{"job": true, "instance": true, "le": true, "exported_instance": true}
	var grouped []string
	for i := 0; i < len(tokens); i++ {
		word := tokens[i]
		next := ""
		if i+1 < len(tokens) {
			next = tokens[i+1]
		}
		switch {
		case slices.Contains([]string{"by", "without", "on", "ignoring", "group_left", "group_right"}, word) && next == "(":
			for i += 2; i < len(tokens) && tokens[i] != ")"; i++ {
				if tokens[i] != "," {
					grouped = append(grouped, tokens[i])
				}
			}
			continue
		case !identifier(word), next == "(", next == "by", next == "without", slices.Contains([]string{"and", "or", "unless", "bool", "offset", "by", "without"}, word):
			continue
		case i > 0 && (tokens[i-1] == "[" || tokens[i-1] == ":"): // a range
			continue
		}
		metric, labels, known := d.find(word)
		if !known {
			problems = append(problems, "there is no metric "+word)
			continue
		}
		for _, l := range labels {
			names[l] = true
		}
		if next != "{" {
			continue
		}
		for i += 2; i+2 < len(tokens) && tokens[i] != "}"; i += 3 {
			if tokens[i] == "," {
				i++
			}
			label, op, value := tokens[i], tokens[i+1], strings.Trim(tokens[i+2], `"`)
			if label == "exported_instance" {
				label = "instance"
			} else if label == "job" || label == "instance" {
				continue // of the target
			}
			if !slices.Contains(labels, label) {
				problems = append(problems, fmt.Sprintf("%s has no label %s", metric, label))
				continue
			}
			values := []string{value}
			if strings.HasSuffix(op, "~") {
				values = strings.Split(value, "|")
			}
			for _, v := range values {
				if !d.allowed(metric, label, v) {
					problems = append(problems, fmt.Sprintf("%s of %s is never %s", label, metric, v))
				}
			}
		}
	}
	for _, g := range grouped {
		if !names[g] {
			problems = append(problems, "nothing has the label "+g)
		}
	}
	return problems
}

// find gives a metric, also by the names that a histogram has, and its labels.
func (d table) find(name string) (metric string, labels []string, known bool) {
	if labels, known = outside[name]; known {
		return name, labels, true
	}
	if labels, known = d.labels[name]; known {
		return name, labels, !slices.Contains(histograms, name)
	}
	for _, base := range histograms {
		switch name {
		case base + "_bucket":
			return base, append(slices.Clone(d.labels[base]), "le"), true
		case base + "_sum", base + "_count":
			return base, d.labels[base], true
		}
	}
	return name, nil, false
}

func identifier(s string) bool {
	return s != "" && (s[0] == '_' || unicode.IsLetter(rune(s[0])))
}

// tokenize takes an expression apart: words, strings, numbers, operators.
func tokenize(s string) []string {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\$?[A-Za-z_][A-Za-z0-9_]*|[0-9.]+[a-z]*|[=!]~|[=!<>]=|[^\s]`).FindAllString(s, -1)
}

// The check of expressions finds what is wrong with them.
func TestExpressionsAreChecked(t *testing.T) {
	doc := readTable(t)
	for expression, want := range map[string]string{
		`sum by (provider) (rate(sigill_orders_total{kind="auth", reason!~"done|cancelled"}[10m])) > 0.2`: "",
		`histogram_quantile(0.9, sum by (le) (rate(sigill_login_seconds_bucket[$__rate_interval])))`:      "",
		`up{job="sigill"} == 0 and on (instance) sigill_ready == 0`:                                       "",
		`sigill_nothing > 1`: "there is no metric sigill_nothing",
		`rate(sigill_logins_started_total{provider="x"}[5m])`: "sigill_logins_started_total has no label provider",
		`sigill_orders_total{reason=~"done|gone"}`:            "reason of sigill_orders_total is never gone",
		`sum by (colour) (sigill_ready)`:                      "nothing has the label colour",
		`sigill_ready_bucket`:                                 "there is no metric sigill_ready_bucket",
	} {
		got := strings.Join(doc.check(expression), "; ")
		if want != got {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}
