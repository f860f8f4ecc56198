package config

import (
	"strings"

	"sigill/broker/kit/config/strict"
)

// Portal are the settings of the municipal portal: where it listens, which
// tenants and e-services it has, and whom it asks.
type Portal struct {
	Listen string // default 127.0.0.1:8081
	// Tenants and Services are folders of YAML files.
	Tenants, Services string
	Register          *Register // nil: there is none; names are the e-ID's
	Staff             *Staff    // nil: no officer can log in
}

// Register is the population register (folkbokföringen), or what stands before
// it in the municipality's network.
type Register struct {
	URL       string // without a slash at the end
	TokenFile string // see ReadSecret
}

// Staff is the OpenID Connect issuer that case officers log in at.
type Staff struct {
	Issuer     string
	ClientID   string
	SecretFile string // see ReadSecret
}

func readPortal(v strict.Value, c Config) *Portal {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	defer m.Close()
	if c.Signing == nil {
		v.Fault("needs a signing part: applications are signed and receipts sealed there")
	}
	var p Portal
	listen := m.Get("listen")
	p.Listen = readListen(listen, "127.0.0.1:8081")
	switch {
	case !c.Secure() && c.Issuer != "" && !loopbackListen(p.Listen):
		listen.Fault("plain http is served on this machine only; listen on 127.0.0.1")
	case p.Listen == c.Listen && !strings.HasSuffix(p.Listen, ":0"), p.Listen == c.AdminListen && p.Listen != "":
		listen.Fault("is the address of another part")
	}
	p.Tenants = readFolder(m.Get("tenants").Required())
	p.Services = readFolder(m.Get("services").Required())
	if r := m.Get("register"); r.Present() {
		rm := r.Map()
		p.Register = &Register{URL: strings.TrimSuffix(readAddress(rm.Get("url").Required()), "/")}
		p.Register.TokenFile, _ = readNamedSecret(rm.Get("token_file").Required())
		rm.Close()
	}
	if s := m.Get("staff"); s.Present() {
		sm := s.Map()
		p.Staff = &Staff{Issuer: readAddress(sm.Get("issuer").Required()), ClientID: readLine(sm.Get("client_id").Required())}
		p.Staff.SecretFile, _ = readNamedSecret(sm.Get("secret_file").Required())
		sm.Close()
	}
	return &p
}
