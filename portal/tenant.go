package portal

import (
	"strings"
	"time"

	"sigill/portal/form"
)

// Tenant is a municipality or another authority with a portal of its own.
type Tenant struct {
	ID   TenantID
	Name form.Text
	// BaseURL is where its portal lies, without a slash at the end; a host, or a
	// path of one.
	BaseURL string
	Group   GroupID
	// Grouped says that its own file names the group: nobody else can bring it
	// into one.
	Grouped bool
	// Prefix begins its case numbers: two to eight capitals and digits, no other
	// tenant's. See CasePrefix.
	Prefix string
	// Providers are the e-IDs that it accepts, for login and signature, in the
	// order in which they are shown.
	Providers []string
	// AskingBody is who asks, in the e-ID's app; empty: Name.
	AskingBody string
	Theme      Theme
	Contact    Contact // the general one: kundtjänst, växel, medborgarservice
	// Coordination lets people with a samordningsnummer in.
	Coordination bool
	// Invite is how other parties are asked: "email", "sms", "both" or "code".
	Invite string
	// Services are those that it offers; nil: all that there are.
	Services []ServiceID
	// Lists are alternatives that e-services take from their tenant.
	Lists map[string][]form.Option
	// Groups are its officers: a group's name, and the values of the directory's
	// claim "groups" that make somebody one of it.
	Groups map[string][]string
	// Authorities are its boards (nämnder), which decide and are responsible for
	// personal data.
	Authorities map[string]Authority
	// Protected is what people with protected identity are told besides Contact.
	Protected form.Text
	// Privacy is the address of its own page on personal data; may be empty.
	Privacy string
	// Idle is how long somebody logged in may do nothing; default 20 min.
	Idle time.Duration
	// Send is the word on the button that sends without a signature.
	Send form.Text
	// Welcome is the text of the first page.
	Welcome form.Text
}

// Theme is the look of a tenant.
type Theme struct {
	Accent string // "#rrggbb"; empty: ours
	Logo   string // file in the tenant's folder; empty: the name in words
}

// Contact is how people reach somebody.
type Contact struct {
	Name    form.Text
	Phone   string
	Email   string
	Hours   form.Text
	Address string
	URL     string
}

// Authority is a board of a tenant, or of another one that handles its cases.
type Authority struct {
	Name    form.Text
	Contact Contact
}

// CasePrefix is Prefix, or where there is none the beginning of the id.
func (t Tenant) CasePrefix() string {
	if t.Prefix != "" {
		return t.Prefix
	}
	id := strings.ToUpper(strings.ReplaceAll(string(t.ID), "-", ""))
	return id[:min(len(id), 3)]
}

// Client is the tenant's client id at the broker.
func (t Tenant) Client() string { return "portal-" + string(t.ID) }
