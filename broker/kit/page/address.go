package page

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Addresses finds the address of the person's device. X-Forwarded-For counts
// only behind the configured proxies: the right-most address that is not one of
// them. The zero value trusts the connection alone.
type Addresses struct{ Trusted []netip.Prefix }

// Of gives the literal address, in its shortest form and without a zone.
func (a Addresses) Of(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "127.0.0.1" // an in-process caller has no address
	}
	addr = addr.Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && a.trusts(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr.String()
}

func (a Addresses) trusts(addr netip.Addr) bool {
	for _, p := range a.Trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
