package metadata

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"
)

// Why a source has no entry to give.
var (
	ErrUnknown = errors.New("metadata: no such identity provider")
	ErrNone    = errors.New("metadata: none could be read yet")
	ErrStale   = errors.New("metadata: the last good copy is too old")
)

// Config is where metadata comes from and who is believed about it.
type Config struct {
	Name string // what logs and findings call it
	// File or URL is where it lies: a file that the operator put there, or the
	// address of one entity or of a federation's feed.
	File string
	URL  string
	// Certificates hold the keys of which one must have signed it. Several, while
	// the publisher changes its key.
	Certificates []*x509.Certificate
	// Unsigned believes it without a signature: a file as it is, an address only if
	// there is one entity.
	Unsigned bool
	// EntityID, unless empty, is the identity provider that ought to be there.
	EntityID string

	CacheFile string        // where the last good copy of an URL is kept; empty: nowhere
	Refresh   time.Duration // 0: an hour, for a file a minute
	MaxStale  time.Duration // how long a copy of an URL is used that could not be confirmed; 0: a week

	Roots     *x509.CertPool    // whose TLS certificates are believed; nil: the system's
	Transport http.RoundTripper // nil: our own
	Now       func() time.Time  // nil: time.Now
	Log       *slog.Logger      // nil: slog.Default
}

func (c Config) withDefaults() Config {
	if c.Refresh == 0 {
		if c.Refresh = time.Hour; c.File != "" {
			c.Refresh = time.Minute
		}
	}
	if c.MaxStale == 0 {
		c.MaxStale = 7 * 24 * time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = c.Log.With("metadata", c.Name)
	return c
}

func (c Config) validate() error {
	switch {
	case (c.File == "") == (c.URL == ""):
		return errors.New("metadata: either a file or an address is needed")
	case c.Unsigned && len(c.Certificates) > 0:
		return errors.New("metadata: unsigned, and certificates that must have signed it, exclude each other")
	case !c.Unsigned && len(c.Certificates) == 0:
		return errors.New("metadata: the certificates that sign it are missing")
	case c.Refresh < 0 || c.MaxStale < 0:
		return errors.New("metadata: a time below zero")
	}
	if c.URL != "" {
		if err := address(c.URL); err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
	}
	return nil
}

func (c Config) trust() Trust {
	return Trust{Certificates: c.Certificates, Unsigned: c.Unsigned, Single: c.Unsigned && c.URL != ""}
}

// A Source keeps one piece of metadata fresh. What it has it keeps until something
// better comes or it ends; after that it has nothing.
type Source struct {
	config Config
	client *http.Client

	mu      sync.Mutex
	now     *edition // nil: none yet
	alarmed *edition // the edition whose age was complained of
}

// An edition is one good copy. It is never changed, but replaced.
type edition struct {
	set    *Set
	copied // what the cache file keeps of it
}

// copied is how a copy came here.
type copied struct {
	URL          string    `json:"url,omitempty"`
	Taken        time.Time `json:"taken"`     // when this copy was read first
	Confirmed    time.Time `json:"confirmed"` // when its publisher last said that it is the newest
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
}

// Open reads the file, or the last good copy of the address, or else the address
// itself. That an address does not answer is no error: the source is then empty,
// which the log says, until Run has more luck.
func Open(ctx context.Context, config Config) (*Source, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &Source{config: config.withDefaults()}
	if s.config.File != "" {
		return s, s.readFile()
	}
	s.client = newClient(s.config)
	if s.config.CacheFile != "" {
		err := s.readCache()
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			s.config.Log.Warn("the kept copy cannot be used", "err", err)
		}
	}
	if err := s.fetch(ctx); err != nil {
		s.config.Log.Error("metadata cannot be read", "err", err)
	}
	return s, nil
}

// IdP is the identity provider with the entityID, as it is vouched for right now.
// What it points to is shared: nobody may change it.
func (s *Source) IdP(entityID string) (IdP, error) {
	e := s.edition()
	if e == nil {
		return IdP{}, ErrNone
	}
	at := s.config.Now()
	if end := s.ends(e); over(end, at) {
		return IdP{}, fmt.Errorf("%w: it ended %s", ErrStale, end.Format(time.RFC3339))
	}
	idp, err := e.set.IdP(entityID)
	if err != nil {
		return IdP{}, err
	}
	if over(idp.ValidUntil, at) {
		return IdP{}, fmt.Errorf("%w: %q ended %s", ErrStale, entityID, idp.ValidUntil.Format(time.RFC3339))
	}
	return *idp, nil
}

func (s *Source) edition() *edition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// ends is when an edition may no longer be used: when it says so itself, or when
// its publisher has been silent for too long. A file is as fresh as its operator.
func (s *Source) ends(e *edition) time.Time {
	end := e.set.ValidUntil
	if s.config.URL == "" {
		return end
	}
	if stale := e.Confirmed.Add(s.config.MaxStale); end.IsZero() || stale.Before(end) {
		return stale
	}
	return end
}

// Run keeps the metadata fresh until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.pause(failures)):
		}
		err := s.refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			failures++
			s.config.Log.Warn("metadata was not refreshed", "err", err, "failures", failures)
		} else {
			failures = 0
		}
		s.alarm()
	}
}

func (s *Source) refresh(ctx context.Context) error {
	if s.config.File != "" {
		return s.readFile()
	}
	return s.fetch(ctx)
}

// pause is how long to wait for the next refresh, give or take a tenth so that not
// all come at once: less than usual after failures, and least while there is
// nothing to lose.
func (s *Source) pause(failures int) time.Duration {
	wait := s.config.Refresh
	e := s.edition()
	switch {
	case e != nil && failures == 0:
		// A copy from before the start may be due already.
		wait -= min(s.config.Now().Sub(e.Confirmed), wait)
	case e == nil:
		wait = min(wait, time.Second<<min(failures, 12))
	default:
		wait = min(wait, time.Minute<<min(failures-1, 12))
	}
	wait = max(wait, min(s.config.Refresh, time.Second))
	return wait*9/10 + rand.N(wait/5+1)
}

// alarm complains once of each edition whose time is half over: its publisher
// should have sent a new one long ago.
func (s *Source) alarm() {
	e := s.edition()
	if e == nil {
		return
	}
	end, at := s.ends(e), s.config.Now()
	if end.IsZero() {
		return
	}
	since := e.Taken
	if end != e.set.ValidUntil {
		since = e.Confirmed
	}
	if at.Before(since.Add(end.Sub(since) / 2)) {
		return
	}
	s.mu.Lock()
	first := s.alarmed == nil || s.alarmed.set != e.set
	s.alarmed = e
	s.mu.Unlock()
	if first {
		s.config.Log.Error("metadata has not been renewed and will end", "taken", e.Taken, "confirmed", e.Confirmed, "ends", end)
	}
}

// take makes an edition the one that is used.
func (s *Source) take(e *edition) {
	s.mu.Lock()
	before := s.now
	s.now = e
	s.mu.Unlock()
	if id := s.config.EntityID; id != "" && (before == nil || before.set != e.set) {
		if _, err := e.set.IdP(id); err != nil {
			s.config.Log.Error("the identity provider is not in its metadata", "err", err)
		}
	}
}

// readFile reads the operator's file, if it is another than before.
func (s *Source) readFile() error {
	info, err := os.Stat(s.config.File)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	at := s.config.Now()
	before := s.edition()
	stamp := fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	if before != nil && before.ETag == stamp {
		s.take(&edition{before.set, copied{Taken: before.Taken, Confirmed: at, ETag: stamp}})
		return nil
	}
	if info.Size() > maxDocument {
		return refuse("size", "%d bytes, at most %d are read", info.Size(), maxDocument)
	}
	raw, err := os.ReadFile(s.config.File)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	d, err := Parse(raw, s.config.trust(), at)
	if err != nil {
		return err
	}
	s.take(&edition{d, copied{Taken: at, Confirmed: at, ETag: stamp}})
	return nil
}
