package strict

import (
	"fmt"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong, or at least odd, and where it stands.
type Fault struct {
	File    string
	Line    int    // 0: the file as a whole
	Path    string // "clients[0].redirect_uris[1]"
	Problem string
}

func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Problem)
	return b.String()
}

// Faults are everything that keeps a file from being used, in the order of its
// lines. It is an error of one line a fault.
type Faults []Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

func sorted(fs []Fault) []Fault {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return fs
}
