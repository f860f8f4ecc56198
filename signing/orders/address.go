package orders

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sigill/broker"
)

// Addresses of the signing room. They hold no secret but an invitation's token,
// and no person.

// Room is where a client's signing room begins.
func Room(client string) string { return "/signing/" + url.PathEscape(client) + "/" }

// InvitationPath is where an invitation by link leads.
func InvitationPath(client, token string) string { return Room(client) + "i/" + token }

// CodePath is where a code is typed.
func CodePath(client string) string { return Room(client) + "kod" }

// SignPath is the place of one signatory in one order: login decides who may see
// it.
func SignPath(client, order string, n int) string {
	return Room(client) + "o/" + order + "/" + strconv.Itoa(n)
}

// addressProblem says why an address may not be used by a client; empty: it may.
// Its origin is compared letter by letter, as browsers do.
func (s *Service) addressProblem(c broker.Client, address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > 2000 || u.Opaque != "" || u.Host == "" || u.Hostname() == "" || strings.ContainsAny(address, " \\\t\r\n"):
		return "is not a whole address"
	case u.User != nil:
		return "must not hold a user name"
	case strings.Contains(address, "#"):
		return "must not have a fragment"
	}
	loopback := loopbackHost(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return "must begin with https"
	}
	if slices.Contains(c.CallbackOrigins, origin(u)) || loopback && c.LoopbackCallbacks && s.loopback {
		return ""
	}
	return "is not under an origin that is registered for this client"
}

// origin is an address's, as browsers write it (RFC 6454).
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(host, port)
}

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
