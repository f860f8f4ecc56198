package metadata

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	fetchTimeout = time.Minute
	maxRedirects = 3
)

// newClient is a client that waits for nobody for long and is led only to
// addresses that could have been configured.
func newClient(c Config) *http.Client {
	transport := c.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  20 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        10 * time.Second,
			ForceAttemptHTTP2:      true,
		}
	}
	return &http.Client{
		Transport: transport,
		Timeout:   fetchTimeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			if r.URL.Scheme != via[0].URL.Scheme {
				return errors.New("redirected to another scheme")
			}
			return address(r.URL.String())
		},
	}
}

// get asks the address, with what is known of the copy that we have. The answer's
// body is nil when that copy is still the newest.
func (s *Source) get(ctx context.Context, have copied) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.config.URL, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("metadata: %w", err)
	}
	r.Header.Set("Accept", "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.9")
	if have.ETag != "" {
		r.Header.Set("If-None-Match", have.ETag)
	}
	if have.LastModified != "" {
		r.Header.Set("If-Modified-Since", have.LastModified)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("metadata: %w", err)
	}
	defer res.Body.Close()
	conditional := have.ETag != "" || have.LastModified != ""
	switch {
	case res.StatusCode == http.StatusNotModified && conditional:
		return res, nil, nil
	case res.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("metadata: the address answers %d", res.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return nil, nil, fmt.Errorf("metadata: %w", err)
	}
	return res, raw, nil
}

// fetch asks for a newer copy and takes it if it is good. If not, we keep what we
// have.
func (s *Source) fetch(ctx context.Context) error {
	before := s.edition()
	var have copied
	if before != nil {
		have = before.copied
	}
	res, raw, err := s.get(ctx, have)
	if err != nil {
		return err
	}
	at := s.config.Now()
	if raw == nil {
		next := &edition{before.set, have}
		next.Confirmed = at
		s.take(next)
		return s.touchCache(next)
	}
	d, err := Parse(raw, s.config.trust(), at)
	if err != nil {
		return err
	}
	if err := s.renews(before, d, at); err != nil {
		s.config.Log.Error("an older copy of the metadata was sent", "err", err)
		return err
	}
	next := &edition{d, copied{
		URL: s.config.URL, Taken: at, Confirmed: at,
		ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified"),
	}}
	s.take(next)
	return s.writeCache(next, raw)
}

// renews refuses a copy that ends before the one in use: somebody may have kept it
// to bring back a key that was withdrawn since. When ours is over, any is better.
func (s *Source) renews(before *edition, d *Set, at time.Time) error {
	if before == nil || over(s.ends(before), at) || d.ValidUntil.IsZero() || !d.ValidUntil.Before(before.set.ValidUntil) {
		return nil
	}
	return refuse("older", "holds until %s, the copy in use until %s", d.ValidUntil.Format(time.RFC3339), before.set.ValidUntil.Format(time.RFC3339))
}

// The cache file is one line of JSON, how the copy came here, and then the copy as
// it was sent: whoever starts from it verifies it anew.

func (s *Source) readCache() error {
	head, raw, err := s.loadCache()
	if err != nil {
		return err
	}
	at := s.config.Now()
	if head.URL != s.config.URL {
		return errors.New("metadata: the kept copy is of another address")
	}
	if head.Confirmed.After(at) || head.Taken.After(at) {
		return errors.New("metadata: the kept copy is from the future")
	}
	d, err := Parse(raw, s.config.trust(), at)
	if err != nil {
		return err
	}
	e := &edition{d, head}
	if over(s.ends(e), at) {
		return ErrStale
	}
	s.take(e)
	return nil
}

func (s *Source) loadCache() (copied, []byte, error) {
	f, err := os.Open(s.config.CacheFile)
	if err != nil {
		return copied{}, nil, err
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, maxDocument+4<<10))
	if err != nil {
		return copied{}, nil, err
	}
	line, raw, _ := bytes.Cut(all, []byte("\n"))
	var head copied
	if err := json.Unmarshal(line, &head); err != nil {
		return copied{}, nil, errors.New("metadata: the kept copy cannot be read")
	}
	return head, raw, nil
}

// touchCache notes that the kept copy is still the newest.
func (s *Source) touchCache(e *edition) error {
	if s.config.CacheFile == "" {
		return nil
	}
	head, raw, err := s.loadCache()
	if err != nil || !head.Taken.Equal(e.Taken) {
		return nil // nothing to note it on
	}
	return s.writeCache(e, raw)
}

// writeCache keeps a copy. That it cannot be kept is logged and no more: the copy
// is good.
func (s *Source) writeCache(e *edition, raw []byte) error {
	if s.config.CacheFile == "" {
		return nil
	}
	head, err := json.Marshal(e.copied)
	if err != nil {
		return err
	}
	if err := replace(s.config.CacheFile, append(append(head, '\n'), raw...)); err != nil {
		s.config.Log.Error("the copy cannot be kept", "err", err)
	}
	return nil
}

// replace writes a file so that at any time the old or the new one is there.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
