// Package strict reads YAML files that people write and that decide about
// security: every key must be known, every value must be of the kind that is
// asked for, and everything that is wrong is reported at once, with its line
// and in plain words.
//
// It owns the walk through the document and the faults, not what any key means.
// Anchors, aliases, merge keys and further documents are refused: they let a
// small file mean something large or something else than it shows.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// MaxSize bounds a file. The largest honest one lists some hundred clients.
const MaxSize = 4 << 20

// A File is one document being read. It collects faults and warnings.
type File struct {
	name     string // as shown in faults
	dir      string // what relative paths are relative to
	faults   []Fault
	warnings []Fault
}

// Parse reads a document and gives its root, which is faulty already when the
// document is no YAML. The name is shown in faults; relative paths in the file
// are taken from its folder.
func Parse(name string, data []byte) (*File, Value) {
	f := &File{name: filepath.Base(name), dir: filepath.Dir(name)}
	root := Value{file: f}
	if len(data) > MaxSize {
		f.fault(0, "", fmt.Sprintf("is larger than %d bytes", MaxSize))
		return f, root
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		f.fault(0, "", "is empty")
		return f, root
	case err != nil:
		line, problem := plain(err)
		f.fault(line, "", problem)
		return f, root
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		f.fault(0, "", "holds more than one document; only one is read")
	}
	if len(document.Content) != 1 {
		f.fault(0, "", "is empty")
		return f, root
	}
	if f.refuseAliases(document.Content[0]) {
		return f, root
	}
	root.node = document.Content[0]
	root.line = root.node.Line
	if !root.Present() {
		f.fault(root.line, "", "is empty")
	}
	return f, root
}

// plain makes the parser's message fit for people: "yaml: line 3: …".
func plain(err error) (int, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if digits, problem, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(digits); err == nil {
				return line, "is not YAML: " + problem
			}
		}
	}
	return 0, "is not YAML: " + text
}

func (f *File) refuseAliases(n *yaml.Node) (refused bool) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		f.fault(n.Line, "", "anchors and aliases (& and *) are not understood here")
		return true
	}
	for _, c := range n.Content {
		if f.refuseAliases(c) {
			return true
		}
	}
	return false
}

func (f *File) fault(line int, path, problem string) {
	f.faults = append(f.faults, Fault{f.name, line, path, problem})
}

// Err is nil or Faults.
func (f *File) Err() error {
	if len(f.faults) == 0 {
		return nil
	}
	return Faults(sorted(f.faults))
}

// Warnings are what is odd but does not keep the file from being used.
func (f *File) Warnings() []Fault { return sorted(f.warnings) }

// A Value is a place in the document, whether or not something stands there.
// Its readers give the zero value when nothing does, and report a fault and
// give the zero value when something else than asked for stands there.
type Value struct {
	file *File
	node *yaml.Node // nil: nothing stands there
	line int        // of the value, or of what should hold it
	path string
}

// Present reports whether something stands there. An empty value (key:) counts
// as nothing.
func (v Value) Present() bool { return v.node != nil && v.node.Tag != "!!null" }

// Line is where it stands, for faults that are found later.
func (v Value) Line() int { return v.line }

// Fault reports that something is wrong with the value.
func (v Value) Fault(format string, args ...any) {
	v.file.fault(v.line, v.path, fmt.Sprintf(format, args...))
}

// Warn reports that the value is odd.
func (v Value) Warn(format string, args ...any) {
	v.file.warnings = append(v.file.warnings, Fault{v.file.name, v.line, v.path, fmt.Sprintf(format, args...)})
}

// Required reports a fault unless something stands there.
func (v Value) Required() Value {
	if !v.Present() {
		v.Fault("is missing")
	}
	return v
}

// IsMap and IsList say what stands there, where either is allowed.
func (v Value) IsMap() bool  { return v.Present() && v.node.Kind == yaml.MappingNode }
func (v Value) IsList() bool { return v.Present() && v.node.Kind == yaml.SequenceNode }

// scalar gives the text of a scalar with one of the tags.
func (v Value) scalar(what string, tags ...string) (string, bool) {
	if !v.Present() {
		return "", false
	}
	if v.node.Kind != yaml.ScalarNode || !slices.Contains(tags, v.node.ShortTag()) {
		v.Fault("must be %s", what)
		return "", false
	}
	return v.node.Value, true
}

// Text reads a text.
func (v Value) Text() string {
	if v.Present() && v.node.Kind == yaml.ScalarNode && v.node.ShortTag() != "!!str" {
		v.Fault("must be a text; put it in quotes")
		return ""
	}
	s, ok := v.scalar("a text", "!!str")
	if ok && strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFD' }) {
		v.Fault("holds control characters")
		return ""
	}
	return s
}

// Bool reads true or false.
func (v Value) Bool() bool {
	s, ok := v.scalar("true or false", "!!bool")
	return ok && strings.EqualFold(s, "true")
}

// Int reads a whole number between low and high.
func (v Value) Int(low, high int) int {
	s, ok := v.scalar("a whole number", "!!int")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		v.Fault("must be a whole number from %d to %d", low, high)
		return 0
	}
	return n
}

// Date reads a day, as its beginning in UTC.
func (v Value) Date() time.Time {
	const what = "a date such as 2027-01-31"
	s, ok := v.scalar(what, "!!timestamp", "!!str")
	if !ok {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		v.Fault("must be %s", what)
	}
	return day
}

// Duration reads a time such as 500ms, 30s, 10m, 8h or 90d between low and high.
func (v Value) Duration(low, high time.Duration) time.Duration {
	s, ok := v.scalar("a time such as 30s, 10m, 8h or 90d", "!!str")
	if !ok {
		return 0
	}
	d, ok := parseDuration(s)
	if !ok {
		v.Fault("must be a time such as 30s, 10m, 8h or 90d")
		return 0
	}
	if d < low || d > high {
		v.Fault("must be from %s to %s", showDuration(low), showDuration(high))
		return 0
	}
	return d
}

const day = 24 * time.Hour

func parseDuration(s string) (time.Duration, bool) {
	if digits, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.ParseUint(digits, 10, 16)
		return time.Duration(days) * day, err == nil
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}

func showDuration(d time.Duration) string {
	switch {
	case d != 0 && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d != 0 && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d != 0 && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// Size reads a number of bytes such as 500KiB or 10MiB between low and high.
func (v Value) Size(low, high int64) int64 {
	s, ok := v.scalar("a size such as 500KiB or 10MiB", "!!str")
	if !ok {
		return 0
	}
	digits, unit := s, int64(0)
	for suffix, size := range map[string]int64{"KiB": kib, "MiB": mib} {
		if d, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = d, size
		}
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || unit == 0 {
		v.Fault("must be a size such as 500KiB or 10MiB")
		return 0
	}
	if size := int64(n) * unit; size >= low && size <= high {
		return size
	}
	v.Fault("must be from %s to %s", showSize(low), showSize(high))
	return 0
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
)

func showSize(n int64) string {
	switch {
	case n%mib == 0:
		return fmt.Sprintf("%dMiB", n/mib)
	case n%kib == 0:
		return fmt.Sprintf("%dKiB", n/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}

// OneOf reads a text that is one of the allowed ones.
func (v Value) OneOf(allowed ...string) string {
	s := v.Text()
	if s == "" && !v.Present() {
		return ""
	}
	if !slices.Contains(allowed, s) {
		v.Fault("must be one of: %s", strings.Join(allowed, ", "))
		return ""
	}
	return s
}

// Path reads the name of a file or folder, relative to the folder of the file
// that is being read.
func (v Value) Path() string {
	s := v.Text()
	if s == "" {
		return ""
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(v.file.dir, s)
	}
	return filepath.Clean(s)
}

// List reads a list.
func (v Value) List() []Value {
	if !v.Present() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.Fault("must be a list")
		return nil
	}
	list := make([]Value, len(v.node.Content))
	for i, n := range v.node.Content {
		list[i] = Value{v.file, n, n.Line, fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return list
}

// Texts reads a list of texts.
func (v Value) Texts() []string {
	var texts []string
	for _, item := range v.List() {
		if s := item.Required().Text(); s != "" {
			texts = append(texts, s)
		}
	}
	return texts
}

// A Map is a mapping from keys to values that is being read. Close it when
// every key that may stand there has been asked for.
type Map struct {
	at      Value
	entries []Entry
	known   map[string]bool
}

// An Entry is one key of a mapping and what stands there.
type Entry struct {
	Key string
	Value
}

// Map reads a mapping.
func (v Value) Map() *Map {
	m := &Map{at: v, known: map[string]bool{}}
	if !v.Present() {
		return m
	}
	if v.node.Kind != yaml.MappingNode {
		v.Fault("must be a mapping of keys to values")
		return m
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key, value := v.node.Content[i], v.node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			v.file.fault(key.Line, v.path, "holds a key that is not a text")
			continue
		}
		e := Entry{key.Value, Value{v.file, value, key.Line, join(v.path, key.Value)}}
		if _, twice := m.find(e.Key); twice {
			e.Fault("stands there twice")
			continue
		}
		m.entries = append(m.entries, e)
	}
	return m
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (m *Map) find(key string) (Entry, bool) {
	for _, e := range m.entries {
		if e.Key == key {
			return e, true
		}
	}
	return Entry{}, false
}

// Get gives the value of a key and makes the key known.
func (m *Map) Get(key string) Value {
	m.known[key] = true
	if e, ok := m.find(key); ok {
		return e.Value
	}
	return Value{file: m.at.file, line: m.at.line, path: join(m.at.path, key)}
}

// Entries gives all keys in the order they stand there and makes them known.
func (m *Map) Entries() []Entry {
	for _, e := range m.entries {
		m.known[e.Key] = true
	}
	return m.entries
}

// Close reports every key that nobody asked for.
func (m *Map) Close() {
	for _, e := range m.entries {
		if m.known[e.Key] {
			continue
		}
		if near := nearest(e.Key, m.known); near != "" {
			e.Fault("is not a known key; did you mean %s?", near)
		} else {
			e.Fault("is not a known key")
		}
	}
}

// Any gives the value as encoding/json would have read it: for parts that are
// JSON by nature, such as a set of public keys.
func (v Value) Any() any {
	if !v.Present() {
		return nil
	}
	var x any
	if err := v.node.Decode(&x); err != nil {
		v.Fault("cannot be read")
		return nil
	}
	return x
}

// nearest finds the known key that a mistyped one was probably meant to be.
func nearest(key string, known map[string]bool) string {
	best, bestDistance := "", 3
	for k := range known {
		if d := distance(key, k); d < bestDistance || d == bestDistance && best != "" && k < best {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the number of single letters to change, add or remove.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
