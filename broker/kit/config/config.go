// Package config reads the configuration of an installation: one YAML file, and
// secrets in files of their own that it refers to.
//
// It owns what the file may say and what must hold of it by itself. All faults
// are reported at once (strict.Faults), with their lines. It opens no network
// connection and no database, and it does not know how e-IDs are made of their
// settings: cmd does. The zero value of every field is harmless, so that an old
// file keeps meaning what it meant.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/config/strict"
)

// Example is a documented configuration.
//
//go:embed example.yaml
var Example string

// Config is a checked configuration.
type Config struct {
	// Issuer is where browsers and clients find this installation. Every
	// address that we hand out begins with it.
	Issuer string
	Name   string // of the organisation that runs the installation
	Listen string
	// AdminListen serves metrics; empty: nobody does.
	AdminListen    string
	TLS            TLS
	TrustedProxies []netip.Prefix

	Data                  string // folder of everything that must last
	MasterKeyFile         string
	PreviousMasterKeyFile string // empty: that of MasterKeyFile with .previous
	Store                 Store  // where rows are, when not in Data

	SessionLife  time.Duration // single sign-on; default 60 min
	EvidenceLife time.Duration // of finished logins; default 90 days

	Collect  time.Duration // how often the issuer of an e-ID is asked; 0: as often as it wants
	LoginsBy Rate          // requests of browsers that may be written down, for each address
	OrdersBy Rate          // starts of e-ID orders, which issuers bill, for each address
	TokensBy Rate          // requests of clients, for each address

	Logos    string // folder of the logos that clients' themes name
	LogLevel string // debug, info (default), warn, error
	// Drain is how long a node that was told to stop goes on serving after it has
	// said so: whoever sends people here must have seen it.
	Drain time.Duration

	Providers []Provider
	Clients   []broker.Client
	// Signing are the settings of the signing room; nil: there is none.
	Signing *Signing
	// Portal are the settings of the municipal portal; nil: there is none.
	Portal *Portal
}

// TLS names a certificate; the zero value means plain http.
type TLS struct{ CertificateFile, KeyFile string }

// Secure reports whether browsers see https.
func (c Config) Secure() bool { return strings.HasPrefix(c.Issuer, "https://") }

// MasterKeyFiles gives the current master key's file and that of the previous
// one, which is there only while the master key is being replaced.
func (c Config) MasterKeyFiles() []string {
	if c.PreviousMasterKeyFile == "" {
		return []string{c.MasterKeyFile, c.MasterKeyFile + ".previous"}
	}
	return []string{c.MasterKeyFile, c.PreviousMasterKeyFile}
}

// Load reads a file. The error is strict.Faults when the file says something
// wrong; warnings are what is odd but does no harm by itself.
func Load(file string) (Config, []strict.Fault, error) {
	data, err := readFile(file)
	if err != nil {
		return Config{}, nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(file, data)
}

// Parse reads what the file of that name holds.
func Parse(name string, data []byte) (Config, []strict.Fault, error) {
	file, root := strict.Parse(name, data)
	c := read(root)
	if err := file.Err(); err != nil {
		return Config{}, file.Warnings(), err
	}
	return c, file.Warnings(), nil
}

func read(root strict.Value) Config {
	var c Config
	if !root.Present() {
		return c
	}
	m := root.Map()
	if !root.IsMap() {
		return c
	}
	defer m.Close()

	c.Issuer = readIssuer(m.Get("issuer").Required())
	c.Name = m.Get("name").Text()
	c.Listen = readListen(m.Get("listen"), "127.0.0.1:8080")
	c.AdminListen = readListen(m.Get("admin_listen"), "")
	c.TLS = readTLS(m.Get("tls"))
	c.TrustedProxies = readPrefixes(m.Get("trusted_proxies"))
	checkTransport(m, c)

	c.Data = m.Get("data").Required().Path()
	c.MasterKeyFile = readSecretFile(m.Get("master_key_file").Required())
	c.PreviousMasterKeyFile = readPassingFile(m.Get("previous_master_key_file"))

	c.Store = readStore(m.Get("store"))

	c.SessionLife = durationOr(m.Get("session_life"), time.Minute, time.Hour, time.Hour)
	c.EvidenceLife = durationOr(m.Get("evidence_life"), 24*time.Hour, 3650*24*time.Hour, 90*24*time.Hour)
	c.Collect = durationOr(m.Get("collect_interval"), 10*time.Millisecond, time.Minute, 0)
	rates := m.Get("rates").Map()
	c.LoginsBy = readRate(rates.Get("logins"), Rate{300, time.Minute})
	c.OrdersBy = readRate(rates.Get("orders"), Rate{60, time.Minute})
	c.TokensBy = readRate(rates.Get("tokens"), Rate{6000, time.Minute})
	rates.Close()
	c.LogLevel = m.Get("log_level").OneOf("debug", "info", "warn", "error")
	c.Drain = readDrain(m.Get("drain"), c)

	c.Logos = readFolder(m.Get("logos"))
	c.Providers = readProviders(m.Get("providers").Required())
	c.Clients = readClients(m.Get("clients"), c.ClientRules())
	c.Signing = readSigning(m.Get("signing"))
	c.Portal = readPortal(m.Get("portal"), c)
	return c
}

// LoopbackIssuer reports whether the installation is one for trying things out,
// on this machine alone.
func (c Config) LoopbackIssuer() bool {
	u, err := url.Parse(c.Issuer)
	return err == nil && loopbackHost(u.Hostname())
}

// ClientRules are the rules for clients of this installation.
func (c Config) ClientRules() ClientRules {
	return ClientRules{Providers: c.Providers, Loopback: c.LoopbackIssuer(), Logos: c.Logos}
}

func readIssuer(v strict.Value) string {
	s := v.Text()
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
		v.Fault("must be an address such as https://login.example.se")
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil || strings.HasSuffix(s, "#"):
		v.Fault("must be a scheme and a host alone, without path or a slash at the end")
	case u.Host != strings.ToLower(u.Host):
		v.Fault("must be in lower case")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		v.Fault("must begin with https; plain http is only for localhost")
	default:
		return s
	}
	return ""
}

func readListen(v strict.Value, otherwise string) string {
	s := v.Text()
	if s == "" {
		return otherwise
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || port == "" || host != "" && strings.ContainsAny(host, " /") {
		v.Fault("must be an address and a port, such as 127.0.0.1:8080 or :443")
		return otherwise
	}
	return s
}

func readTLS(v strict.Value) TLS {
	if !v.Present() {
		return TLS{}
	}
	m := v.Map()
	defer m.Close()
	return TLS{
		CertificateFile: readExisting(m.Get("certificate_file").Required()),
		KeyFile:         readSecretFile(m.Get("key_file").Required()),
	}
}

func readPrefixes(v strict.Value) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, item := range v.List() {
		s := item.Required().Text()
		if s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if addr, aerr := netip.ParseAddr(s); err != nil && aerr == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		switch {
		case err != nil:
			item.Fault("must be an address or a network such as 10.0.0.0/8")
		case p.Bits() == 0:
			item.Fault("would trust the whole internet")
		default:
			prefixes = append(prefixes, p.Masked())
		}
	}
	return prefixes
}

// checkTransport demands encryption between browsers and us: our own TLS, or a
// proxy in front that is named, or everything on this machine.
func checkTransport(m *strict.Map, c Config) {
	https := strings.HasPrefix(c.Issuer, "https://")
	ownTLS := m.Get("tls").Present()
	switch {
	case c.Issuer == "":
	case https && !ownTLS && len(c.TrustedProxies) == 0:
		m.Get("tls").Fault("is missing: give certificate_file and key_file, or name the proxy in front in trusted_proxies")
	case !https && ownTLS:
		m.Get("issuer").Fault("must begin with https when there is a tls part")
	case !https && !loopbackListen(c.Listen):
		m.Get("listen").Fault("plain http is served on this machine only; listen on 127.0.0.1")
	}
	if c.AdminListen != "" {
		switch {
		case !loopbackListen(c.AdminListen):
			m.Get("admin_listen").Fault("is plain http and served on this machine only; listen on 127.0.0.1")
		case c.AdminListen == c.Listen && !strings.HasSuffix(c.Listen, ":0"):
			m.Get("admin_listen").Fault("is the same as listen")
		}
	}
}

func loopbackListen(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// readDrain reads how long to drain. An installation on this machine alone has
// nobody in front of it, who could send people elsewhere.
func readDrain(v strict.Value, c Config) time.Duration {
	switch {
	case v.Present():
		return v.Duration(0, 10*time.Minute)
	case c.LoopbackIssuer():
		return 0
	}
	return 5 * time.Second
}

func durationOr(v strict.Value, low, high, otherwise time.Duration) time.Duration {
	if d := v.Duration(low, high); d != 0 {
		return d
	}
	return otherwise
}

// readExisting reads the path of a file that must be there.
func readExisting(v strict.Value) string {
	path := v.Path()
	if path == "" {
		return ""
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.Fault("there is no file %s", path)
	case err != nil:
		v.Fault("cannot be read: %s", errorOf(err))
	case info.IsDir():
		v.Fault("%s is a folder", path)
	case !info.Mode().IsRegular():
		v.Fault("%s is not an ordinary file", path) // opening it could wait for ever
	default:
		f, err := os.Open(path)
		if err != nil {
			v.Fault("cannot be read: %s", errorOf(err))
			return path
		}
		f.Close()
	}
	return path
}

func readFolder(v strict.Value) string {
	path := v.Path()
	if path == "" {
		return ""
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		v.Fault("there is no folder %s", path)
	}
	return path
}

// readSecretFile does the same and warns when others may read the file too.
func readSecretFile(v strict.Value) string {
	path := readExisting(v)
	if path == "" {
		return ""
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		v.Warn("%s can be read by others than its owner; chmod 600 it", path)
	}
	return path
}

// readPassingFile does the same for a file that is there at times.
func readPassingFile(v strict.Value) string {
	if path := v.Path(); path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
	return readSecretFile(v)
}

// errorOf gives the reason without the path, which the fault names already.
func errorOf(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strict.MaxSize+1))
	if err == nil && len(data) > strict.MaxSize {
		err = fmt.Errorf("%s is larger than %d bytes", name, strict.MaxSize)
	}
	return data, err
}
