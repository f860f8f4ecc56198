package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"sigill/broker/kit/config/strict"
	"sigill/broker/kit/sqldb"
)

// Store says where rows are kept when several machines share an installation.
// The zero value: in SQLite files in the data folder.
type Store struct {
	Postgres *Postgres
	// Redis keeps what expires by itself; nil: that lies beside what lasts.
	Redis *Redis
}

// Postgres is a PostgreSQL database.
type Postgres struct {
	DSNFile     string // see ReadSecret
	Prefix      string // of the schemas' names
	Connections int    // for one schema at one node; 0: the default
}

// Redis is a Redis or Valkey server, its sentinels, or a cluster.
type Redis struct {
	Addresses []string
	// SentinelMaster names the master that the sentinels at Addresses watch.
	SentinelMaster       string
	SentinelPasswordFile string
	Cluster              bool
	Username             string
	PasswordFile         string
	TLS                  bool
	CAFile               string // believed instead of the system's
	Certificate          TLS    // ours, where the server asks for one
	Database             int
	Prefix               string // of every key
}

// Place is where the databases are. Its error never holds the connection string.
func (c Config) Place() (sqldb.Place, error) {
	if c.Store.Postgres == nil {
		return sqldb.Place{Dir: c.Data}, nil
	}
	dsn, err := ReadSecret(c.Store.Postgres.DSNFile)
	if err != nil {
		return sqldb.Place{}, fmt.Errorf("store.postgres: %w", err)
	}
	return sqldb.Place{DSN: dsn, Prefix: c.Store.Postgres.Prefix, Connections: c.Store.Postgres.Connections}, nil
}

func readStore(v strict.Value) Store {
	if !v.Present() {
		return Store{}
	}
	m := v.Map()
	defer m.Close()
	return Store{readPostgres(m.Get("postgres")), readRedis(m.Get("redis"))}
}

func readPostgres(v strict.Value) *Postgres {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	defer m.Close()
	var p Postgres
	var dsn string
	file := m.Get("dsn_file")
	p.DSNFile, dsn = readNamedSecret(file.Required())
	if dsn != "" {
		checkDSN(file, dsn)
	}
	p.Prefix = readPrefix(m.Get("prefix"))
	p.Connections = m.Get("connections").Int(2, 100)
	return &p
}

// checkDSN looks at a connection string, of which nothing may be repeated.
func checkDSN(v strict.Value, dsn string) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		v.Fault("holds no connection string of PostgreSQL, such as postgres://user:password@host/database?sslmode=verify-full")
		return
	}
	for _, host := range c.Fallbacks {
		if host.TLSConfig == nil && !local(host.Host) {
			v.Fault("lets the connection go unencrypted over the network: add sslmode=verify-full")
			return
		}
	}
	switch {
	case local(c.Host):
	case c.TLSConfig == nil:
		v.Fault("lets the connection go unencrypted over the network: add sslmode=verify-full")
	case c.TLSConfig.InsecureSkipVerify && c.TLSConfig.VerifyPeerCertificate == nil:
		v.Warn("does not check whose the server is: sslmode=verify-full does")
	}
}

// local reports whether a host is this machine: by name, address, or a socket.
func local(host string) bool { return strings.HasPrefix(host, "/") || loopbackHost(host) }

func readRedis(v strict.Value) *Redis {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	defer m.Close()
	var r Redis
	away := false
	addresses := m.Get("addresses").Required()
	for _, item := range addresses.List() {
		s := item.Required().Text()
		if s == "" {
			continue
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil || host == "" || port == "" {
			item.Fault("must be a host and a port, such as redis.example.se:6379")
			continue
		}
		r.Addresses = append(r.Addresses, s)
		away = away || !loopbackHost(host)
	}
	r.SentinelMaster = m.Get("sentinel_master").Text()
	r.SentinelPasswordFile, _ = readNamedSecretIfAny(m.Get("sentinel_password_file"))
	r.Cluster = m.Get("cluster").Bool()
	r.Username = m.Get("username").Text()
	r.PasswordFile, _ = readNamedSecretIfAny(m.Get("password_file"))
	encrypted := m.Get("tls")
	r.TLS = encrypted.Bool()
	r.CAFile = readExisting(m.Get("ca_file"))
	r.Certificate = TLS{readExisting(m.Get("certificate_file")), readSecretFile(m.Get("key_file"))}
	database := m.Get("database")
	r.Database = database.Int(0, 15)
	prefix := m.Get("prefix")
	r.Prefix = prefix.Text()
	switch {
	case addresses.Present() && len(r.Addresses) == 0:
		addresses.Fault("names no server")
	case len(r.Addresses) > 1 && !r.Cluster && r.SentinelMaster == "":
		addresses.Fault("are several: name the sentinel_master that they watch, or set cluster: true")
	case r.Cluster && r.SentinelMaster != "":
		m.Get("cluster").Fault("cannot be together with sentinel_master")
	case r.Cluster && r.Database != 0:
		database.Fault("is always 0 in a cluster")
	case away && !r.TLS:
		encrypted.Fault("must be true where the server is on another machine")
	case !r.TLS && (r.CAFile != "" || r.Certificate != TLS{}):
		encrypted.Fault("must be true where certificates are named")
	case (r.Certificate.CertificateFile == "") != (r.Certificate.KeyFile == ""):
		m.Get("certificate_file").Fault("and key_file belong together")
	case len(r.Prefix) > 100 || strings.ContainsAny(r.Prefix, "{} \t\r\n"):
		prefix.Fault("must be short, without spaces and braces")
	}
	return &r
}

func readNamedSecretIfAny(v strict.Value) (path, secret string) {
	if !v.Present() {
		return "", ""
	}
	return readNamedSecret(v)
}

// readPrefix reads what becomes the beginning of names in a database.
func readPrefix(v strict.Value) string {
	s := v.Text()
	ok := len(s) <= 40 && (s == "" || s[0] >= 'a' && s[0] <= 'z')
	for _, c := range s {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_')
	}
	if !ok {
		v.Fault("must be at most 40 of a to z, 0 to 9 and _, and begin with a letter")
		return ""
	}
	return s
}

// Encryption is how the server is spoken to; nil: in the clear.
func (r Redis) Encryption() (*tls.Config, error) {
	if !r.TLS {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile != "" {
		text, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("store.redis: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("store.redis: %s holds no certificate", r.CAFile)
		}
	}
	if r.Certificate.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(r.Certificate.CertificateFile, r.Certificate.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("store.redis: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
