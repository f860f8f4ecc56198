// Package nonumbers searches text for personal numbers in every form in which
// one could leak into a log (invariant I9): 12 and 10 digits, with and without
// hyphen, plain and inside base64 at any alignment.
//
// It owns the search. Which numbers and which logs is the test's matter: it
// takes every person of the simulated e-IDs, and the logs of a whole test run.
package nonumbers

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
)

// A Finding is a number that stands where it must not. It does not repeat the
// number, since findings are printed and printing is logged.
type Finding struct {
	Line   int
	Form   string // what it looked like: "12 digits", "base64 of 10 digits"
	Number int    // index of the number
}

// A Search holds the forms of a set of numbers.
type Search struct{ forms []form }

type form struct {
	name   string
	text   []byte
	number int
}

// New prepares a search for numbers of twelve digits.
func New(numbers []string) Search {
	var s Search
	for i, n := range numbers {
		add := func(name, text string) {
			s.forms = append(s.forms, form{name, []byte(text), i})
			for _, encoded := range inBase64(text) {
				s.forms = append(s.forms, form{"base64 of " + name, []byte(encoded), i})
			}
		}
		add("12 digits", n)
		add("12 digits with hyphen", n[:8]+"-"+n[8:])
		add("10 digits", n[2:])
		add("10 digits with hyphen", n[2:8]+"-"+n[8:])
	}
	return s
}

// inBase64 gives what must stand in a base64 text that holds the plain text: the
// characters that do not depend on its neighbours, for each of the three ways in
// which it can lie across groups of three bytes, in both alphabets.
func inBase64(plain string) []string {
	var all []string
	for before := range 3 {
		padded := append(make([]byte, before), plain...)
		first := (before*8 + 5) / 6 // characters that the bytes before touch
		last := len(padded) * 8 / 6 // whole characters until the end
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := alphabet.EncodeToString(padded)[first:last]
			if len(all) == 0 || all[len(all)-1] != text {
				all = append(all, text)
			}
		}
	}
	return all
}

// In reads a text to its end, line by line. Lines may have any length.
func (s Search) In(r io.Reader) ([]Finding, error) {
	var found []Finding
	lines := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		for _, f := range s.forms {
			if bytes.Contains(line, f.text) {
				found = append(found, Finding{n, f.name, f.number})
			}
		}
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
