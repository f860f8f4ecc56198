package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// Origin gives scheme, host and port of an address as origins are compared; an
// error when it is not one that webhooks are sent to.
func Origin(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("webhook: not an absolute http address without user and fragment")
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return u.Scheme + "://" + host, nil
	}
	return u.Scheme + "://" + host + ":" + port, nil
}

func allowed(origin string, origins []string) bool {
	return slices.ContainsFunc(origins, func(o string) bool {
		o, err := Origin(o)
		return err == nil && o == origin
	})
}

// The networks that are not the open internet, though the address looks like any
// other (IANA's registries of special-purpose addresses, RFC 6890). Those of which
// netip has a notion are checked by it.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), // Teredo and others that lead elsewhere
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address inside
	netip.MustParsePrefix("3fff::/20"),
}

// globalUnicast is all that is given out of IPv6. What lies outside, as addresses
// translated from IPv4 (64:ff9b::/96) and site-local ones, is not called.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// errAddress is about the network address, after names were resolved. The address
// itself is not told: it would tell a caller what our network looks like inside.
var errAddress = errors.New("the receiver's network address is not one that may be called")

// control looks at each connection before it is made. A name that resolves to one
// thing when it is checked and to another when it is called gains nothing, since it
// is checked here alone.
func control(may func(netip.Addr) bool) func(string, string, syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("network address: %w", err)
		}
		if !may(a.Addr()) {
			return errAddress
		}
		return nil
	}
}

func loopback(a netip.Addr) bool { return a.Unmap().IsLoopback() }
