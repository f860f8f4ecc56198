package orders

import (
	"net/url"
	"strconv"
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
