package sms

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// A taken report as somebody's server saw it.
type taken struct {
	path, user, password, kind string
	form                       url.Values
}

// listen is somebody's server for delivery reports; answer decides what it says
// to the n-th.
func listen(t *testing.T, answer func(n int) int) (address string, got chan taken) {
	t.Helper()
	got = make(chan taken, 20)
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		user, password, _ := r.BasicAuth()
		status := cmp.Or(answer(int(n.Add(1))-1), 404)
		if status == 302 {
			w.Header().Set("Location", "http://"+r.Host+"/elsewhere")
		}
		w.WriteHeader(status)
		got <- taken{r.URL.RequestURI(), user, password, r.Header.Get("Content-Type"), r.PostForm}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), got
}

func next(t *testing.T, got chan taken) taken {
	t.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("no report")
		return taken{}
	}
}

func TestDeliveryReports(t *testing.T) {
	b := newBench(t)
	address, got := listen(t, func(int) int { return 204 })
	if status, body := b.elks(with("whendelivered", "http://anna:hemligt@"+address+"/dlr?order=7")); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	id := b.inbox.List("")[0].ID
	first, second := next(t, got), next(t, got)
	if at := second.form.Get("delivered"); len(at) != len(elksTime) {
		t.Errorf("delivered at %q", at)
	} else if when, err := time.Parse(elksTime, at); err != nil || time.Since(when).Abs() > time.Minute {
		t.Errorf("delivered at %q, %v", at, err)
	}
	second.form.Del("delivered")
	want := taken{"/dlr?order=7", "anna", "hemligt", formType, url.Values{"id": {id}, "status": {"sent"}}}
	if d := gocmp.Diff(want, first, gocmp.AllowUnexported(taken{})); d != "" {
		t.Error(d)
	}
	want.form.Set("status", "delivered")
	if d := gocmp.Diff(want, second, gocmp.AllowUnexported(taken{})); d != "" {
		t.Error(d)
	}
}

func TestReportOfFailure(t *testing.T) {
	b := newBench(t)
	b.fault(undelivered)
	address, got := listen(t, func(int) int { return 200 })
	b.elks(with("whendelivered", "http://"+address))
	next(t, got)
	if r := next(t, got); r.form.Get("status") != "failed" || r.form.Has("delivered") {
		t.Errorf("report %v", r.form)
	}
}

// TestReportsAreRepeated: until somebody says that they are taken, and no
// further than five times.
func TestReportsAreRepeated(t *testing.T) {
	b := newBench(t)
	// 205 is a refusal and a redirect is not followed.
	address, got := listen(t, func(n int) int { return append([]int{500, 205, 302, 204}, make([]int, 20)...)[n] })
	b.elks(with("whendelivered", "http://"+address))
	var seen []string
	for range 9 {
		seen = append(seen, next(t, got).form.Get("status"))
	}
	want := []string{"sent", "sent", "sent", "sent", "delivered", "delivered", "delivered", "delivered", "delivered"}
	if d := gocmp.Diff(want, seen); d != "" {
		t.Error(d)
	}
	b.gateway.running.Wait()
	if len(got) != 0 {
		t.Errorf("%d more", len(got))
	}
}

func TestReportsEndWithTheGateway(t *testing.T) {
	b := newBench(t)
	b.gateway.report = time.Hour
	address, got := listen(t, func(int) int { return 200 })
	b.elks(with("whendelivered", "http://"+address))
	b.gateway.Close()
	b.elks(with("whendelivered", "http://"+address)) // too late to be followed
	b.gateway.running.Wait()
	if len(got) != 0 {
		t.Error("a report after the end")
	}
}

// TestReportsStayHere: neither a name in the address nor what it resolves to
// leads off this machine.
func TestReportsStayHere(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://localhost:8080/x": true, "http://127.0.0.1/": true, "https://[::1]:1/": true, "http://127.9.9.9/": true,
		"http://example.se/": false, "http://localhost.example.se/": false, "http://192.0.2.1/": false, "http://0.0.0.0/": false,
		"//localhost/": false, "localhost": false, "ftp://localhost/": false, "http://": false, "http://%zz": false,
	} {
		if u, err := target(address); (err == nil) != ok || ok != (u != nil) {
			t.Errorf("%s: %v, %v", address, u, err)
		}
	}
	client := reporter()
	defer client.CloseIdleConnections()
	// 192.0.2.1 is for documentation and belongs to nobody.
	resp, err := client.Get("http://192.0.2.1:9/")
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(errElsewhere)) {
		t.Errorf("got %v", err)
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("http://localhost:8080/x")
	f.Add("http://user@[::1%25lo]:1/")
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := target(s); err == nil && u != nil {
			if _, err := http.NewRequest("POST", u.String(), nil); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}
