package metadata

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A publisher is whoever publishes metadata: the transport and the server in one.
type publisher struct {
	mu       sync.Mutex
	document []byte
	tag      string
	status   int // unless 0, all it says
	down     bool
	asked    int
	spared   int // answered by "not modified"
	times    []time.Time
}

func (p *publisher) publish(document []byte, tag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.document, p.tag, p.status, p.down = document, tag, 0, false
}

func (p *publisher) fail(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.down = status, status == 0
}

func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	p.times = append(p.times, time.Now())
	if p.down {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	switch {
	case p.status != 0:
		w.WriteHeader(p.status)
	case p.tag != "" && r.Header.Get("If-None-Match") == p.tag:
		p.spared++
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("ETag", p.tag)
		if _, err := w.Write(p.document); err != nil {
			return nil, err
		}
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

func (p *publisher) count() (asked, spared int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked, p.spared
}

// A book is a log that can be read.
type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *book) count(s string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), s)
}

const alarm = "has not been renewed"

// running is a source that is kept fresh, in a bubble of its own time.
type running struct {
	*Source
	p    *publisher
	book *book
}

func start(t *testing.T, p *publisher, change func(*Config)) running {
	t.Helper()
	b := &book{}
	c := Config{
		Name: "feed", URL: "https://md.example/idp.xml", Certificates: certs(theCast().feed), EntityID: idpID,
		Transport: p, Log: slog.New(slog.NewTextHandler(b, nil)),
	}
	if change != nil {
		change(&c)
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return running{s, p, b}
}

func (r running) want(t *testing.T, word string) IdP {
	t.Helper()
	synctest.Wait()
	idp, err := r.IdP(idpID)
	if check(err) != word {
		t.Fatalf("at %s: %q, want %q: %v", time.Now().UTC().Format(time.RFC3339), check(err), word, err)
	}
	return idp
}

const oneDay = 24 * time.Hour

func feedOf(t testing.TB, until time.Time, by pair, entities ...string) []byte {
	return sign(t, group(until, entities...), by)
}

func TestKeptFresh(t *testing.T) {
	c := theCast()

	t.Run("a new key of the identity provider arrives within the hour", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(7*oneDay), c.feed, plain(idpID)), "1")
			s := start(t, p, nil)
			if n := len(s.want(t, "").SigningCertificates); n != 1 {
				t.Errorf("%d keys", n)
			}
			p.publish(feedOf(t, now.Add(8*oneDay), c.feed, plain(idpID, c.idp.cert, c.idpNext.cert)), "2")
			time.Sleep(70 * time.Minute)
			if n := len(s.want(t, "").SigningCertificates); n != 2 {
				t.Errorf("%d keys while it changes", n)
			}
			p.publish(feedOf(t, now.Add(8*oneDay), c.feed, plain(idpID, c.idpNext.cert)), "3")
			time.Sleep(70 * time.Minute)
			if idp := s.want(t, ""); len(idp.SigningCertificates) != 1 || !idp.SigningCertificates[0].Equal(c.idpNext.cert) {
				t.Error("the old key is still believed")
			}
		})
	})

	t.Run("what is not new is not sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(7*oneDay), c.feed, plain(idpID)), "1")
			s := start(t, p, nil)
			time.Sleep(10*time.Hour + 30*time.Minute)
			s.want(t, "")
			if asked, spared := p.count(); asked < 10 || asked > 12 || spared != asked-1 {
				t.Errorf("asked %d times, spared %d", asked, spared)
			}
		})
	})

	t.Run("times between questions differ", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(7*oneDay), c.feed, plain(idpID)), "1")
			start(t, p, nil)
			time.Sleep(20 * time.Hour)
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			seen := map[time.Duration]bool{}
			for i := 1; i < len(p.times); i++ {
				d := p.times[i].Sub(p.times[i-1])
				if seen[d] = true; d < 54*time.Minute || d > 66*time.Minute {
					t.Errorf("%s between two questions", d)
				}
			}
			if len(seen) < 10 {
				t.Errorf("only %d different times", len(seen))
			}
		})
	})

	t.Run("the identity provider vanishes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(7*oneDay), c.feed, plain(idpID), plain("https://other.example/")), "1")
			s := start(t, p, nil)
			had := s.want(t, "")
			p.publish(feedOf(t, now.Add(7*oneDay), c.feed, plain("https://other.example/")), "2")
			time.Sleep(70 * time.Minute)
			s.want(t, "unknown")
			if s.book.count("is not in its metadata") != 1 {
				t.Error("the log does not say so, once")
			}
			if had.EntityID != idpID || len(had.Raw) == 0 {
				t.Error("who had it before has lost it")
			}
		})
	})

	t.Run("somebody sends the copy before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(8*oneDay), c.feed, plain(idpID, c.idpNext.cert)), "2")
			s := start(t, p, nil)
			p.publish(feedOf(t, now.Add(7*oneDay), c.feed, plain(idpID, c.idp.cert)), "1")
			time.Sleep(70 * time.Minute)
			if idp := s.want(t, ""); len(idp.SigningCertificates) != 1 || !idp.SigningCertificates[0].Equal(c.idpNext.cert) {
				t.Error("a key that was withdrawn is believed again")
			}
			if s.book.count("level=ERROR") == 0 {
				t.Error("nobody is told")
			}
			p.publish(feedOf(t, now.Add(8*oneDay), c.feed, plain(idpID, c.idp.cert, c.idpNext.cert)), "3")
			time.Sleep(70 * time.Minute)
			if idp := s.want(t, ""); len(idp.SigningCertificates) != 2 {
				t.Error("what ends at the same time is refused")
			}
		})
	})

	t.Run("a publisher that promises less from now on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(30*oneDay), c.feed, plain(idpID)), "1")
			s := start(t, p, nil)
			p.publish(feedOf(t, now.Add(9*oneDay), c.feed, plain(idpID, c.idp.cert, c.idpNext.cert)), "2")
			time.Sleep(8 * oneDay)
			if idp := s.want(t, ""); len(idp.SigningCertificates) != 2 {
				t.Error("the old copy is held on to when it is too old itself")
			}
		})
	})

	for name, bad := range map[string]func(*publisher){
		"tampered": func(p *publisher) {
			p.publish(bytes.Replace(feedOf(t, now.Add(9*oneDay), c.feed, plain(idpID)), []byte("/sso"), []byte("/bad"), 1), "2")
		},
		"signed by a stranger":   func(p *publisher) { p.publish(feedOf(t, now.Add(9*oneDay), c.stranger, plain(idpID)), "2") },
		"signed by the next key": func(p *publisher) { p.publish(feedOf(t, now.Add(9*oneDay), c.next, plain(idpID)), "2") },
		"not signed":             func(p *publisher) { p.publish([]byte(group(now.Add(9*oneDay), plain(idpID))), "2") },
		"an old one":             func(p *publisher) { p.publish(feedOf(t, now.Add(-time.Second), c.feed, plain(idpID)), "2") },
		"one without an end": func(p *publisher) {
			p.publish(sign(t, strings.Replace(group(now, plain(idpID)), "validUntil", "ID2", 1), c.feed), "2")
		},
		"twice the same entity": func(p *publisher) { p.publish(feedOf(t, now.Add(9*oneDay), c.feed, plain(idpID), plain(idpID)), "2") },
		"a web page":            func(p *publisher) { p.publish([]byte("<html>"), "2") },
		"nothing":               func(p *publisher) { p.publish(nil, "2") },
		"an error":              func(p *publisher) { p.fail(500) },
		"gone":                  func(p *publisher) { p.fail(404) },
		"no answer":             func(p *publisher) { p.fail(0) },
		"a foreign not modified": func(p *publisher) {
			p.publish(nil, "")
			p.fail(http.StatusNotModified)
		},
	} {
		t.Run("keeps the last good copy: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &publisher{}
				p.publish(feedOf(t, now.Add(4*oneDay), c.feed, plain(idpID)), "1")
				s := start(t, p, nil)
				s.want(t, "")
				bad(p)
				time.Sleep(oneDay)
				s.want(t, "")
				if name != "a foreign not modified" && s.book.count("was not refreshed") == 0 {
					t.Error("the log does not say so")
				}
				// It ends when it said that it would.
				time.Sleep(3*oneDay - time.Second)
				s.want(t, "")
				time.Sleep(2 * time.Second)
				s.want(t, "stale")
				if s.book.count(alarm) != 1 {
					t.Errorf("%d alarms, not one", s.book.count(alarm))
				}
				p.publish(feedOf(t, time.Now().Add(4*oneDay), c.feed, plain(idpID)), "9")
				time.Sleep(70 * time.Minute)
				s.want(t, "")
			})
		})
	}

	t.Run("alarm at half the time, not before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(4*oneDay), c.feed, plain(idpID)), "1")
			s := start(t, p, nil) // the publisher answers, but never with anything new
			time.Sleep(2*oneDay - time.Hour)
			synctest.Wait()
			if s.book.count(alarm) != 0 {
				t.Error("too early")
			}
			time.Sleep(3 * time.Hour)
			synctest.Wait()
			if s.book.count(alarm) != 1 {
				t.Errorf("%d alarms, not one", s.book.count(alarm))
			}
			// What comes then is looked at anew.
			p.publish(feedOf(t, time.Now().Add(4*oneDay), c.feed, plain(idpID)), "2")
			time.Sleep(3 * oneDay)
			synctest.Wait()
			if s.book.count(alarm) != 2 {
				t.Errorf("%d alarms, not two", s.book.count(alarm))
			}
		})
	})

	t.Run("a publisher that is renewed in time alarms nobody", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			s := start(t, p, nil)
			for i := range 10 {
				p.publish(feedOf(t, time.Now().Add(4*oneDay), c.feed, plain(idpID)), fmt.Sprint(i))
				time.Sleep(oneDay)
			}
			s.want(t, "")
			if s.book.count(alarm) != 0 {
				t.Error("alarm")
			}
		})
	})

	t.Run("without an end it is used as long as its publisher answers, and a while more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish([]byte(lone(plain(idpID))), "1")
			s := start(t, p, func(c *Config) { c.Certificates, c.Unsigned, c.MaxStale = nil, true, 2*oneDay })
			time.Sleep(30 * oneDay)
			s.want(t, "")
			if s.book.count(alarm) != 0 {
				t.Error("alarm")
			}
			p.fail(503)
			time.Sleep(oneDay - 2*time.Hour)
			s.want(t, "")
			time.Sleep(oneDay + 3*time.Hour)
			s.want(t, "stale")
			if s.book.count(alarm) != 1 {
				t.Errorf("%d alarms, not one", s.book.count(alarm))
			}
		})
	})

	t.Run("starts empty and is filled soon after the publisher comes up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.fail(0)
			s := start(t, p, nil)
			s.want(t, "none")
			time.Sleep(3 * time.Second)
			p.publish(feedOf(t, now.Add(4*oneDay), c.feed, plain(idpID)), "1")
			time.Sleep(5 * time.Second)
			s.want(t, "")
		})
	})

	t.Run("asks less and less when nobody answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.fail(0)
			start(t, p, nil)
			time.Sleep(oneDay)
			synctest.Wait()
			if asked, _ := p.count(); asked < 24 || asked > 45 {
				t.Errorf("asked %d times in a day", asked)
			}
		})
	})

	t.Run("asks more often than usual while it fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(4*oneDay), c.feed, plain(idpID)), "1")
			start(t, p, nil)
			p.fail(0)
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if asked, _ := p.count(); asked < 5 || asked > 8 {
				t.Errorf("asked %d times", asked)
			}
		})
	})

	t.Run("an entity of its own end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &publisher{}
			p.publish(feedOf(t, now.Add(4*oneDay), c.feed, strings.Replace(plain(idpID), "entityID", `validUntil="2000-01-01T02:00:00Z" entityID`, 1)), "1")
			s := start(t, p, nil)
			time.Sleep(119 * time.Minute)
			s.want(t, "")
			time.Sleep(time.Minute)
			s.want(t, "stale")
		})
	})
}

func TestKeptOnDisk(t *testing.T) {
	c := theCast()
	file := filepath.Join(t.TempDir(), "feed.cache")
	good := feedOf(t, now.Add(4*oneDay), c.feed, plain(idpID))
	at := now
	open := func(p *publisher, change func(*Config)) *Source {
		t.Helper()
		config := Config{
			URL: "https://md.example/idp.xml", Certificates: certs(c.feed), CacheFile: file, Transport: p,
			Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler),
		}
		if change != nil {
			change(&config)
		}
		s, err := Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	p := &publisher{}
	p.publish(good, "1")
	open(p, nil)
	kept, err := os.ReadFile(file)
	if err != nil || !bytes.HasSuffix(kept, good) {
		t.Fatalf("%d bytes kept, %v", len(kept), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kept as %v, %v", info.Mode(), err)
	}

	// The publisher is down from here on, and what is kept differs.
	for _, x := range []struct {
		name   string
		kept   []byte
		at     time.Time
		change func(*Config)
		want   string
	}{
		{"good", kept, now.Add(oneDay), nil, ""},
		{"while the feed's key changes", kept, now, func(c *Config) { c.Certificates = append(c.Certificates, theCast().next.cert) }, ""},
		{"tampered", bytes.Replace(kept, []byte("/sso"), []byte("/bad"), 1), now, nil, "none"},
		{"over", kept, now.Add(4 * oneDay), nil, "none"},
		{"too old", kept, now.Add(3 * oneDay), func(c *Config) { c.MaxStale = 2 * oneDay }, "none"},
		{"from the future", kept, now.Add(-time.Minute), nil, "none"},
		{"of a key that is no longer believed", kept, now, func(c *Config) { c.Certificates = certs(theCast().next) }, "none"},
		{"of another address", kept, now, func(c *Config) { c.URL = "https://md.example/other.xml" }, "none"},
		{"cut short", kept[:len(kept)/2], now, nil, "none"},
		{"empty", nil, now, nil, "none"},
		{"something else", []byte("{}\n<a/>"), now, nil, "none"},
		{"no JSON", []byte("x\n" + string(good)), now, nil, "none"},
		{"no longer there", []byte("-"), now, func(c *Config) { c.CacheFile += ".gone" }, "none"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if err := os.WriteFile(file, x.kept, 0o600); err != nil {
				t.Fatal(err)
			}
			at = x.at
			down := &publisher{down: true}
			s := open(down, x.change)
			if _, err := s.IdP(idpID); check(err) != x.want {
				t.Errorf("%q, want %q: %v", check(err), x.want, err)
			}
			if asked, _ := down.count(); (asked == 0) != (x.want == "") {
				t.Errorf("asked %d times", asked)
			}
		})
	}

	t.Run("not modified since the start before", func(t *testing.T) {
		if err := os.WriteFile(file, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		at = now.Add(oneDay)
		s := open(p, nil)
		_, before := p.count()
		if err := s.fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, spared := p.count(); spared != before+1 {
			t.Error("sent although it is kept")
		}
		head, raw, err := s.loadCache()
		if err != nil || !head.Confirmed.Equal(at) || !head.Taken.Equal(now) || !bytes.Equal(raw, good) {
			t.Errorf("kept %+v, %v", head, err)
		}
	})

	t.Run("a folder that cannot be written", func(t *testing.T) {
		s := open(p, func(c *Config) { c.CacheFile = filepath.Join(t.TempDir(), "none", "x") })
		if _, err := s.IdP(idpID); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing is left behind", func(t *testing.T) {
		left, err := os.ReadDir(filepath.Dir(file))
		if err != nil || len(left) != 1 {
			t.Errorf("%v, %v", left, err)
		}
	})
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.xml")
	put := func(doc string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := Config{File: path, Unsigned: true, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	if _, err := Open(t.Context(), config); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	put(`<a xmlns="urn:a"/>`)
	if _, err := Open(t.Context(), config); check(err) != "root" {
		t.Errorf("a file of something else: %v", err)
	}
	put(lone(plain(idpID)))
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.IdP(idpID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.refresh(t.Context()); err != nil || s.edition().set.idps[idpID].Raw == nil {
		t.Error(err)
	}
	if again, _ := s.IdP(idpID); &again.Raw[0] != &first.Raw[0] {
		t.Error("read again although it is the same")
	}
	put("<broken")
	if err := s.refresh(t.Context()); check(err) != "xml syntax" {
		t.Errorf("%v", err)
	}
	if f := s.Check(t.Context()); len(f) != 1 || !f[0].Bad {
		t.Errorf("%+v", f)
	}
	if _, err := s.IdP(idpID); err != nil {
		t.Errorf("the last good copy is gone: %v", err)
	}
	put(lone(plain("https://new.example/")))
	if err := s.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.IdP("https://new.example/"); err != nil {
		t.Error(err)
	}
	if f := s.Check(t.Context()); len(f) != 1 || f[0].Bad || !strings.Contains(f[0].Said, "unsigned") {
		t.Errorf("%+v", f)
	}
	// Signed files are possible too.
	put(string(feedOf(t, now.Add(time.Hour), theCast().feed, plain(idpID))))
	config.Unsigned, config.Certificates = false, certs(theCast().stranger)
	if _, err := Open(t.Context(), config); check(err) != "xml signature" {
		t.Errorf("a stranger's file: %v", err)
	}
	// A sparse file far beyond what is read.
	if err := os.Truncate(path, maxDocument+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), config); check(err) != "size" {
		t.Errorf("a huge file: %v", err)
	}
}

func TestConfig(t *testing.T) {
	keys := certs(theCast().feed)
	for name, c := range map[string]Config{
		"nothing":                  {Certificates: keys},
		"both":                     {File: "a", URL: "https://md.example/", Certificates: keys},
		"nobody believed":          {URL: "https://md.example/"},
		"unsigned and signed":      {URL: "https://md.example/", Unsigned: true, Certificates: keys},
		"http":                     {URL: "http://md.example/", Certificates: keys},
		"http, unsigned":           {URL: "http://md.example/", Unsigned: true},
		"file address":             {URL: "file:///tmp/x", Unsigned: true},
		"negative time":            {URL: "https://md.example/", Certificates: keys, MaxStale: -1},
		"negative time of refresh": {URL: "https://md.example/", Certificates: keys, Refresh: -1},
	} {
		c.Transport = &publisher{down: true}
		if _, err := Open(t.Context(), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Over a real network: TLS, redirects, size, and what check says of it.
func TestOverTheNetwork(t *testing.T) {
	c := theCast()
	good := feedOf(t, time.Now().Add(time.Hour), c.feed, plain(idpID))
	var other string
	mux := http.NewServeMux()
	mux.HandleFunc("/feed", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(good) })
	mux.HandleFunc("/skewed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-5*time.Minute).UTC().Format(http.TimeFormat))
		_, _ = w.Write(good)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/feed", http.StatusFound) })
	mux.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other+"/feed", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://user@127.0.0.1/feed", http.StatusFound)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, strings.NewReader("<a>"))
		chunk := bytes.Repeat([]byte(" "), 1<<20)
		for range 200 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	secure, open := httptest.NewUnstartedServer(mux), httptest.NewServer(mux)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // one of its clients does not believe it
	secure.StartTLS()
	defer secure.Close()
	defer open.Close()
	other = open.URL
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())

	source := func(t *testing.T, url string, roots *x509.CertPool) *Source {
		t.Helper()
		s, err := Open(t.Context(), Config{
			Name: "feed", URL: url, Certificates: certs(c.feed), EntityID: idpID, Roots: roots, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.client.CloseIdleConnections)
		return s
	}
	for _, x := range []struct {
		name, url string
		roots     *x509.CertPool
		want      string
		bad       int // findings of Check that are bad
	}{
		{"TLS", secure.URL + "/feed", roots, "", 0},
		{"http on loopback", open.URL + "/feed", nil, "", 0},
		{"redirected", secure.URL + "/moved", roots, "", 0},
		{"a clock that is wrong", secure.URL + "/skewed", roots, "", 1},
		{"TLS of somebody unknown", secure.URL + "/feed", nil, "none", 1},
		{"redirected to http", secure.URL + "/other", roots, "none", 1},
		{"redirected to what could not be configured", secure.URL + "/away", roots, "none", 1},
		{"redirected for ever", secure.URL + "/loop", roots, "none", 1},
		{"not there", secure.URL + "/none", roots, "none", 1},
		{"endless", open.URL + "/endless", nil, "none", 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := source(t, x.url, x.roots)
			if _, err := s.IdP(idpID); check(err) != x.want {
				t.Errorf("%q, want %q: %v", check(err), x.want, err)
			}
			findings, bad := s.Check(t.Context()), 0
			for _, f := range findings {
				if f.What == "" || f.Said == "" {
					t.Errorf("says nothing: %+v", f)
				}
				if f.Bad {
					bad++
				}
			}
			if bad != x.bad {
				t.Errorf("%d bad findings, want %d: %+v", bad, x.bad, findings)
			}
			dates := s.Dates()
			if len(dates) != 1 || dates[0].Bad != (x.want != "") {
				t.Errorf("dates %+v", dates)
			}
		})
	}
	t.Run("what check says of a good one", func(t *testing.T) {
		s := source(t, secure.URL+"/feed", roots)
		findings := s.Check(t.Context())
		if len(findings) != 4 {
			t.Fatalf("%+v", findings)
		}
		if !findings[0].Ends.Equal(secure.Certificate().NotAfter) {
			t.Errorf("TLS until %v", findings[0].Ends)
		}
		if findings[2].Ends.IsZero() || findings[3].Ends.IsZero() || !strings.Contains(findings[3].What, idpID) {
			t.Errorf("%+v", findings)
		}
	})
}

func TestCheckOfWhatIsNotAsItShould(t *testing.T) {
	c := theCast()
	p := &publisher{}
	p.publish(feedOf(t, now.Add(time.Hour), c.feed, plain("https://other.example/")), "1")
	at := now
	s, err := Open(t.Context(), Config{
		URL: "https://md.example/", Certificates: certs(c.feed), EntityID: idpID, Transport: p,
		Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	last := func() string {
		f := s.Check(t.Context())
		if !f[len(f)-1].Bad {
			t.Errorf("%+v", f)
		}
		return f[len(f)-1].Said
	}
	if said := last(); !strings.Contains(said, "no such identity provider") {
		t.Error(said)
	}
	p.publish(feedOf(t, now.Add(time.Hour), c.stranger, plain(idpID)), "2")
	if said := last(); !strings.Contains(said, "signature") {
		t.Error(said)
	}
	if _, err := s.IdP("https://other.example/"); err != nil {
		t.Errorf("check changed what is used: %v", err)
	}
	if d := s.Dates(); d[0].Bad || !d[0].Ends.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", d)
	}
	at = now.Add(2 * time.Hour)
	if d := s.Dates(); !d[0].Bad {
		t.Errorf("%+v", d)
	}
}
