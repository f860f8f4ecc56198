package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const events = `{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"| a table |\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: no chromium\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"--- SKIP: TestC\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
{"Action":"fail","Package":"q","FailedBuild":"q"}
not JSON
`
	var screen, log bytes.Buffer
	r := newReport(&screen, &log)
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	if r.summary() {
		t.Error("the summary says that all is well")
	}
	for _, want := range []string{"| a table |", "b_test.go:3: wrong", "FAIL\tp", "not JSON", "  p TestC: no chromium\n", "1 passed, 2 failed, 1 skipped\n"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("the screen lacks %q:\n%s", want, screen.String())
		}
	}
	if strings.Contains(screen.String(), "quiet") || !strings.Contains(log.String(), "quiet") {
		t.Error("what a passing test says belongs in the log alone")
	}
}

func TestReportOfSuccess(t *testing.T) {
	r := newReport(&bytes.Buffer{}, &bytes.Buffer{})
	if err := r.read(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestA"}`)); err != nil {
		t.Fatal(err)
	}
	if !r.summary() {
		t.Error("one passed test is no success")
	}
}
