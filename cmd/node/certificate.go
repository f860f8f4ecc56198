package node

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sigill/broker/kit/config"
)

// renewing is how often the files of certificates are looked at.
const renewing = 10 * time.Second

// renewal follows the files of a certificate and its key while they are used, so
// that they can be renewed without a restart. What the files hold decides, not
// their times. They are replaced one after the other, so nothing is taken before
// two looks in a row have seen the same; and what cannot be taken leaves the
// certificate from before in use.
type renewal struct {
	what  string   // in the log and in metrics
	files []string // empty names are of no file
	// load reads the files and refuses what cannot be put to use; use does that.
	load func() (leaf *x509.Certificate, use func(), err error)
	now  func() time.Time
	log  *slog.Logger

	mu    sync.Mutex
	used  [sha256.Size]byte // what the files held that is in use
	seen  [sha256.Size]byte // what they held at the last look
	told  [sha256.Size]byte // what they held when the log last said that it is refused
	until time.Time
	err   error // why what the files hold is not in use
}

// newRenewal begins to follow files, before they are read for the first time.
func newRenewal(what string, now func() time.Time, log *slog.Logger, files ...string) *renewal {
	r := &renewal{what: what, files: files, now: now, log: log}
	r.used = r.digest()
	r.seen = r.used
	return r
}

// begin says what was read the first time, and how it is read again.
func (r *renewal) begin(leaf *x509.Certificate, load func() (*x509.Certificate, func(), error)) {
	r.until, r.load = leaf.NotAfter, load
	if r.now().After(r.until) {
		r.log.Error("a certificate has ended", "certificate", r.what, "since", r.until)
	}
}

// state tells until when the certificate in use is valid, and why a newer one is
// not in use; nil: there is none.
func (r *renewal) state() (until time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until, r.err
}

// look takes what the files hold if that is new and whole.
func (r *renewal) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.digest()
	still := sum == r.seen
	r.seen = sum
	switch {
	case sum == r.used:
		r.err = nil
		return
	case !still:
		return // perhaps it is being written
	}
	leaf, use, err := r.load()
	if err == nil {
		err = inForce(leaf, r.now())
	}
	if r.err = err; err != nil {
		if r.told != sum {
			r.told = sum
			r.log.Error("a certificate has changed and cannot be used; the one from before still is", "certificate", r.what, "until", r.until, "error", err)
		}
		return
	}
	use()
	r.used, r.until = sum, leaf.NotAfter
	r.log.Info("a renewed certificate is in use", "certificate", r.what, "until", r.until)
}

func inForce(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("it is not valid before %s", leaf.NotBefore.Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		return fmt.Errorf("it ended on %s", leaf.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// maxCertificate bounds what is read of a file.
const maxCertificate = 1 << 20

// digest is of what the files hold. A file that cannot be read differs from every
// one that can.
func (r *renewal) digest() [sha256.Size]byte {
	all := sha256.New()
	for _, name := range r.files {
		content, err := contentOf(name)
		size := int64(len(content))
		if err != nil {
			size = -1
		}
		_ = binary.Write(all, binary.BigEndian, size)
		all.Write(content)
	}
	return [sha256.Size]byte(all.Sum(nil))
}

func contentOf(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCertificate))
}

// certificate is the server's own.
type certificate struct {
	*renewal
	current atomic.Pointer[tls.Certificate]
}

func newCertificate(files config.TLS, now func() time.Time, log *slog.Logger) (*certificate, error) {
	c := &certificate{renewal: newRenewal(whatTLS, now, log, files.CertificateFile, files.KeyFile)}
	load := func() (*x509.Certificate, func(), error) {
		pair, err := tls.LoadX509KeyPair(files.CertificateFile, files.KeyFile)
		if err != nil {
			return nil, nil, fmt.Errorf("tls: %w", err)
		}
		return pair.Leaf, func() { c.current.Store(&pair) }, nil
	}
	leaf, use, err := load()
	if err != nil {
		return nil, err
	}
	use()
	c.begin(leaf, load)
	return c, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// certificates are all that a node lives by: those that it follows, and those that
// it has read once, such as the roots that it believes.
type certificates struct {
	own   []*renewal
	fixed []ending
	eids  *eids // some of what they live by changes while they run
	now   func() time.Time
	log   *slog.Logger
}

func newCertificates(s config.Config, e *eids, now func() time.Time, log *slog.Logger) *certificates {
	c := &certificates{fixed: fixedEndings(s, now()), eids: e, now: now, log: log}
	for _, i := range e.instances {
		c.own = append(c.own, i.certificates...)
	}
	return c
}

// Run follows the files, and says once a day what ends soon, until ctx ends.
func (c *certificates) Run(ctx context.Context) error {
	tick := time.NewTicker(renewing)
	defer tick.Stop()
	var told time.Time
	for {
		if now := c.now(); now.Sub(told) >= 24*time.Hour || now.Before(told) {
			told = now
			c.tell(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, r := range c.own {
			r.look()
		}
	}
}

// endings are as of now.
func (c *certificates) endings() []ending {
	var all []ending
	for _, r := range c.own {
		until, _ := r.state()
		all = append(all, ending{what: r.what, until: until, own: true})
	}
	for _, i := range c.eids.instances {
		more, _ := i.dates()
		all = append(all, more...)
	}
	return append(all, c.fixed...)
}

func (c *certificates) tell(ctx context.Context) {
	for _, e := range c.endings() {
		warning := e.warning(c.now())
		if warning == "" {
			continue
		}
		level := slog.LevelWarn
		if e.days(c.now()) <= last {
			level = slog.LevelError
		}
		c.log.Log(ctx, level, warning, "certificate", e.what, "until", e.until)
	}
}

// certificateMetrics are read when they are asked for.
type certificateMetrics struct {
	*certificates
	left, refused, metadata *prometheus.Desc
}

func newCertificateMetrics(c *certificates) certificateMetrics {
	return certificateMetrics{
		c,
		prometheus.NewDesc("sigill_certificate_days_left",
			"Days until a certificate ends: rp:INSTANCE of an e-ID, seal, tls; and of those that are believed, the first to end of each kind.",
			[]string{"what"}, nil),
		prometheus.NewDesc("sigill_certificate_refused",
			"1 when the files of a certificate have changed and cannot be used, so that the one from before still is.", []string{"what"}, nil),
		prometheus.NewDesc("sigill_eid_metadata_hours_left",
			"Hours until what an issuer says of itself is no longer believed, if nothing newer comes: it is fetched anew long before.",
			[]string{"instance"}, nil),
	}
}

// Describe is of prometheus.Collector.
func (m certificateMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.left
	to <- m.refused
	to <- m.metadata
}

// Collect is of prometheus.Collector.
func (m certificateMetrics) Collect(to chan<- prometheus.Metric) {
	now := m.now()
	for _, e := range m.endings() {
		to <- prometheus.MustNewConstMetric(m.left, prometheus.GaugeValue, e.until.Sub(now).Hours()/24, e.what)
	}
	for _, i := range m.eids.instances {
		_, renewing := i.dates()
		for _, e := range renewing {
			to <- prometheus.MustNewConstMetric(m.metadata, prometheus.GaugeValue, e.until.Sub(now).Hours(), e.what)
			break // the first is what all of it hangs on
		}
	}
	for _, r := range m.own {
		refused := 0.0
		if _, err := r.state(); err != nil {
			refused = 1
		}
		to <- prometheus.MustNewConstMetric(m.refused, prometheus.GaugeValue, refused, r.what)
	}
}
