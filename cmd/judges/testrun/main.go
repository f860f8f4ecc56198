// Command testrun runs go test, several times with different arguments, writes
// the complete output of every test to one file and the essence to the screen:
// a line for each package, all of what failed, at the end what was skipped and
// why, and how many passed and failed.
//
//	testrun -log FILE -- [NAME=value …] arguments of go test [-- …]
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	log := flag.String("log", "", "file for the complete output")
	flag.Parse()
	if *log == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ok, err := run(*log, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(log string, args []string) (bool, error) {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return false, err
	}
	file, err := os.Create(log)
	if err != nil {
		return false, err
	}
	defer file.Close()
	r := newReport(os.Stdout, file)
	for _, step := range split(args, "--") {
		if err := goTest(step, r); err != nil {
			return false, err
		}
	}
	return r.summary(), nil
}

// split cuts a list at each separator.
func split(list []string, separator string) [][]string {
	var parts [][]string
	for {
		i := slices.Index(list, separator)
		if i < 0 {
			return append(parts, list)
		}
		parts = append(parts, list[:i])
		list = list[i+1:]
	}
}

// goTest runs one go test. Its exit status says nothing that its events do not.
func goTest(words []string, r *report) error {
	cmd := exec.Command("go", "test", "-json")
	cmd.Env = os.Environ()
	for len(words) > 0 && strings.Contains(words[0], "=") && !strings.HasPrefix(words[0], "-") {
		cmd.Env = append(cmd.Env, words[0])
		words = words[1:]
	}
	cmd.Args = append(cmd.Args, words...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	before := r.failed
	if err := r.read(out); err != nil {
		return err
	}
	if cmd.Wait() != nil && r.failed == before {
		r.failed++ // did not even come to a test
	}
	return nil
}

// An event is a line of go test -json.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	FailedBuild string
}

// A report reads events and tells of them.
type report struct {
	screen, log    io.Writer
	said           map[string][]string // output of tests that have not ended, by package and test
	skipped        []skip
	ran            map[string]bool // tests that came to an end in some step
	passed, failed int
}

// A skip is a test that did not want to run, and why.
type skip struct{ test, reason string }

func newReport(screen, log io.Writer) *report {
	return &report{screen: screen, log: log, said: map[string][]string{}, ran: map[string]bool{}}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				e = event{Action: "build-output", Output: string(line)}
			}
			r.take(e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.log, e.Output)
		fmt.Fprint(r.screen, e.Output)
	case "output":
		fmt.Fprint(r.log, e.Output)
		switch {
		case e.Test != "":
			r.said[name] = append(r.said[name], e.Output)
		case !strings.HasPrefix(e.Output, "PASS") && !strings.HasPrefix(e.Output, "?") && !strings.Contains(e.Output, "[no test files]"):
			fmt.Fprint(r.screen, e.Output)
		}
	case "pass":
		if e.Test != "" {
			r.passed++
			r.ran[name] = true
			r.table(name)
		}
		delete(r.said, name)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, skip{name, reason(r.said[name])})
		}
		delete(r.said, name)
	case "fail":
		if e.Test != "" || e.FailedBuild != "" {
			r.failed++
			r.ran[name] = true
		}
		for _, line := range r.said[name] {
			if !strings.HasPrefix(line, "=== ") {
				fmt.Fprint(r.screen, line)
			}
		}
		delete(r.said, name)
	}
}

// table shows what a passing test wants people to see: lines that begin with
// a bar.
func (r *report) table(name string) {
	for _, line := range r.said[name] {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "|") {
			fmt.Fprint(r.screen, line)
		}
	}
}

// reason is what a test said when it skipped.
func reason(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if _, text, ok := strings.Cut(line, "_test.go:"); ok {
			_, text, _ = strings.Cut(text, ": ")
			return strings.TrimSpace(text)
		}
	}
	return "no reason given"
}

func (r *report) summary() bool {
	// What one step skipped another may have run.
	r.skipped = slices.DeleteFunc(r.skipped, func(s skip) bool { return r.ran[s.test] })
	if len(r.skipped) > 0 {
		fmt.Fprintln(r.screen, "skipped:")
		for _, s := range r.skipped {
			fmt.Fprintf(r.screen, "  %s: %s\n", s.test, s.reason)
		}
	}
	fmt.Fprintf(r.screen, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	return r.failed == 0
}
