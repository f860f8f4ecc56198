package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"strings"
	"time"

	"sigill/broker/kit/config"
	"sigill/signing/trust"
)

// When people are told that a certificate ends, in days ahead.
const (
	early = 60
	soon  = 30
	last  = 7
)

// ending is when something ends that an installation lives by.
type ending struct {
	what  string
	until time.Time
	own   bool // it is ours to renew, not one that we believe
	fine  bool // it may have ended: what it holds is used all the same
}

// days are those left, counted as people do: 0 on the last day.
func (e ending) days(now time.Time) int {
	return int(math.Floor(e.until.Sub(now).Hours() / 24))
}

// warning is empty when there is none.
func (e ending) warning(now time.Time) string {
	days, on, what := e.days(now), e.until.Format(time.DateOnly), e.what
	if name, ok := strings.CutPrefix(what, whatRP); ok {
		what = "provider " + name
	}
	order, again := "order a new one", "order a new one now"
	if !e.own {
		order, again = "ask for its successor", "put its successor into the trust beside it"
	}
	switch {
	case days > early:
		return ""
	case days < 0:
		return fmt.Sprintf("the certificate of %s ended on %s", what, on)
	case days <= last:
		return fmt.Sprintf("the certificate of %s ends in %s, on %s: replace it at once", what, plural(days, "day"), on)
	case days <= soon:
		return fmt.Sprintf("the certificate of %s ends in %s, on %s: %s", what, plural(days, "day"), on, again)
	}
	return fmt.Sprintf("the certificate of %s ends in %s, on %s: %s", what, plural(days, "day"), on, order)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// The certificates of ours, as metrics name them.
const (
	whatTLS   = "tls"
	whatSeal  = "seal"
	whatRedis = "redis"
	whatRP    = "rp:" // and the instance's name
)

// endings are those of all that the settings name and that can be read.
func endings(s config.Config, e *eids, now time.Time) []ending {
	var all []ending
	for _, i := range e.instances {
		for _, certificate := range i.certificates {
			until, _ := certificate.state()
			all = append(all, ending{what: certificate.what, until: until, own: true})
		}
		more, _ := i.dates()
		all = append(all, more...)
	}
	if s.TLS.CertificateFile != "" {
		if pair, err := tls.LoadX509KeyPair(s.TLS.CertificateFile, s.TLS.KeyFile); err == nil {
			all = append(all, ending{what: whatTLS, until: pair.Leaf.NotAfter, own: true})
		}
	}
	all = append(all, fixedEndings(s, now)...)
	if s.Signing == nil {
		return all
	}
	_, chain, err := loadSeal(s.Signing.Seal)
	if err != nil {
		return all
	}
	all = append(all, ending{what: whatSeal, until: chain[0].NotAfter, own: true})
	if believed, _, _, err := loadTrust(s.Signing.TrustFile, chain); err == nil {
		all = append(all, trustEndings(believed, now)...)
	}
	return all
}

// fixedEndings are of certificates that are read at the start and then stay.
func fixedEndings(s config.Config, now time.Time) []ending {
	all := providerRoots(s.Providers, now)
	r := s.Store.Redis
	if r == nil {
		return all
	}
	if r.Certificate.CertificateFile != "" {
		if pair, err := tls.LoadX509KeyPair(r.Certificate.CertificateFile, r.Certificate.KeyFile); err == nil {
			all = append(all, ending{what: whatRedis, until: pair.Leaf.NotAfter, own: true})
		}
	}
	if r.CAFile != "" {
		if roots, err := readCertificates(r.CAFile); err == nil {
			all = append(all, rootsEnding("redis-ca", roots, now)...)
		}
	}
	return all
}

// rootsEnding says when the first of several roots ends that are believed beside
// each other. Those that have ended are kept for what was signed before, and count
// only when no other is left.
func rootsEnding(what string, roots []*x509.Certificate, now time.Time) []ending {
	var first, latest time.Time
	for _, r := range roots {
		if until := r.NotAfter; until.After(now) && (first.IsZero() || until.Before(first)) {
			first = until
		}
		if r.NotAfter.After(latest) {
			latest = r.NotAfter
		}
	}
	switch {
	case len(roots) == 0:
		return nil
	case first.IsZero():
		first = latest
	}
	return []ending{{what: what, until: first}}
}

// providerRoots are what an instance believes of its issuer.
func providerRoots(list []config.Provider, now time.Time) []ending {
	var all []ending
	for _, p := range list {
		if p.Kind != config.KindBankID {
			continue // the e-IDs say it themselves
		}
		env, err := bankIDEnvironment(p)
		if err != nil {
			continue // openProviders says it
		}
		all = append(all, rootsEnding("issuer-tls:"+p.Name, env.TLSRoots, now)...)
		all = append(all, rootsEnding("issuer:"+p.Name, env.SignatureRoots, now)...)
	}
	return all
}

// trustEndings are what the trust file believes.
func trustEndings(t trust.Trust, now time.Time) []ending {
	all := rootsEnding("trust:seal", t.Seal.Roots, now)
	all = append(all, rootsEnding("trust:tsa", t.TSA, now)...)
	for _, b := range t.BankIDs() {
		all = append(all, rootsEnding("trust:bankid:"+b.Name, b.Roots, now)...)
	}
	all = append(all, rootsEnding("trust:freja", t.Freja.Roots, now)...)
	all = append(all, rootsEnding("trust:freja-jws", t.Freja.Certificates, now)...)
	return all
}
