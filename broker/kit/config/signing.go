package config

import (
	"cmp"
	"net"
	"regexp"
	"time"

	"sigill/broker/kit/config/strict"
	"sigill/broker/kit/contact"
)

// Signing are the settings of the signing room: what it seals with, how it
// reaches people, and how much it takes.
type Signing struct {
	Seal Seal
	// TrustFile says what else than our own seal may be trusted, when files are
	// verified; may be empty.
	TrustFile string
	Mail      *Mail // nil: nobody is invited by e-mail
	SMS       *SMS  // nil: nobody is invited by SMS
	Limits    SigningLimits
	// How long orders are kept after they have ended: completed ones, default 730
	// days, and those that came to nothing, default 90 days.
	CompletedLife, EndedLife time.Duration
}

// Seal is what finished documents are sealed with.
type Seal struct {
	CertificateFile string // PEM, our own certificate first, then those above it
	KeyFile         string
}

// How a mail server is spoken to.
const (
	MailPlain    = "none" // only on this machine
	MailStartTLS = "starttls"
	MailTLS      = "tls"
)

// Mail is the server that e-mail is handed to.
type Mail struct {
	Host string // host:port
	TLS  string // one of the constants above
	// Username and PasswordFile are both there or neither. See ReadSecret.
	Username, PasswordFile string
	From, FromName         string
}

// The kinds of SMS gateway.
const (
	SMS46elks = "46elks"
	SMSHTTP   = "http"
)

// SMS is the gateway that text messages are handed to.
type SMS struct {
	Kind string // one of the constants above
	URL  string
	// Username and PasswordFile are those of 46elks, TokenFile is that of a gateway
	// of kind http. See ReadSecret.
	Username, PasswordFile string
	TokenFile              string
	From                   string // a name of at most 11 letters and digits, or a number
}

// SigningLimits bound what one order may hold.
type SigningLimits struct {
	MaxDocuments, MaxSignatories int
	MaxFile, MaxOrder            int64 // bytes of one file, of all documents of an order
	// DefaultDeadline is how long an order waits for its signatories when the
	// client does not say, MaxDeadline the longest that it may say.
	DefaultDeadline, MaxDeadline time.Duration
}

// largestOrder leaves room in a receipt, which holds 100 MiB of attached files,
// for the proofs of a hundred signatories.
const largestOrder = 80 * mib

const (
	elksAddress = "https://api.46elks.com/a1/sms"
	mib         = 1 << 20
	day         = 24 * time.Hour
)

func readSigning(v strict.Value) *Signing {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	defer m.Close()
	var s Signing
	seal := m.Get("seal").Required().Map()
	s.Seal.CertificateFile = readExisting(seal.Get("certificate_file").Required())
	s.Seal.KeyFile = readSecretFile(seal.Get("key_file").Required())
	seal.Close()
	s.TrustFile = readExisting(m.Get("trust_file"))
	s.Mail = readMail(m.Get("mail"))
	s.SMS = readSMS(m.Get("sms"))
	s.Limits = readSigningLimits(m.Get("limits"))
	s.CompletedLife = durationOr(m.Get("completed_life"), day, 3650*day, 730*day)
	s.EndedLife = durationOr(m.Get("ended_life"), day, 3650*day, 90*day)
	return &s
}

func readMail(v strict.Value) *Mail {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	defer m.Close()
	var mail Mail
	host := m.Get("host").Required()
	mail.Host = host.Text()
	name, port, err := net.SplitHostPort(mail.Host)
	if mail.Host != "" && (err != nil || !hostName.MatchString(name) && net.ParseIP(name) == nil || !portNumber.MatchString(port)) {
		host.Fault("must be a host and a port, such as mail.example.se:587")
	}
	encryption := m.Get("tls")
	if mail.TLS = encryption.OneOf(MailPlain, MailStartTLS, MailTLS); mail.TLS == "" {
		mail.TLS = MailStartTLS
	}
	if mail.TLS == MailPlain && !loopbackHost(name) {
		encryption.Fault("none is only for a mail server on this machine")
	}
	mail.Username, mail.PasswordFile = readLogin(m)
	from := m.Get("from").Required()
	if mail.From, err = contact.Email(from.Text()); from.Present() && err != nil {
		from.Fault("must be an e-mail address alone, such as noreply@example.se")
	}
	mail.FromName = readName(m.Get("from_name"))
	return &mail
}

// readLogin reads a user name and the file of its password: both or neither.
func readLogin(m *strict.Map) (username, passwordFile string) {
	user, password := m.Get("username"), m.Get("password_file")
	switch {
	case user.Present() && !password.Present():
		password.Fault("is missing beside username")
	case password.Present() && !user.Present():
		user.Fault("is missing beside password_file")
	}
	passwordFile, _ = readNamedSecret(password)
	return readLine(user), passwordFile
}

// readLine reads a text of one line.
func readLine(v strict.Value) string {
	s := v.Text()
	if len(s) > 200 || controls.MatchString(s) {
		v.Fault("must be one line of at most 200 letters")
		return ""
	}
	return s
}

var (
	hostName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	portNumber = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
	controls   = regexp.MustCompile(`[\x00-\x1f\x7f]`)
	smsSender  = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]{2,10}|\+[1-9][0-9]{6,14})$`)
)

func readSMS(v strict.Value) *SMS {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	defer m.Close()
	var sms SMS
	sms.Kind = m.Get("kind").Required().OneOf(SMS46elks, SMSHTTP)
	address := m.Get("url")
	if sms.Kind == SMSHTTP {
		address.Required()
	}
	if sms.URL = readAddress(address); sms.Kind == SMS46elks && !address.Present() {
		sms.URL = elksAddress
	}
	sms.Username, sms.PasswordFile = readLogin(m)
	token := m.Get("token_file")
	sms.TokenFile, _ = readNamedSecret(token)
	credentials := m.Get("username").Present() || m.Get("password_file").Present()
	switch {
	case sms.Kind == SMS46elks && token.Present():
		token.Fault("is not for 46elks, which takes username and password_file")
	case sms.Kind == SMS46elks && !credentials:
		m.Get("username").Fault("is missing")
	case sms.Kind == SMSHTTP && credentials:
		v.Fault("username and password_file are for 46elks; a gateway of kind http takes a token_file")
	case sms.Kind == SMSHTTP:
		token.Required()
	}
	from := m.Get("from").Required()
	if sms.From = from.Text(); sms.From != "" && !smsSender.MatchString(sms.From) {
		from.Fault("must be 3 to 11 letters and digits that begin with a letter, or a number such as +46700000000")
	}
	return &sms
}

func readSigningLimits(v strict.Value) SigningLimits {
	m := v.Map()
	defer m.Close()
	l := SigningLimits{
		MaxDocuments: m.Get("max_documents").Int(1, 100), MaxSignatories: m.Get("max_signatories").Int(1, 100),
		MaxFile: m.Get("max_file").Size(1<<10, largestOrder), MaxOrder: m.Get("max_order").Size(1<<10, largestOrder),
		DefaultDeadline: m.Get("default_deadline").Duration(time.Hour, 3650*day),
		MaxDeadline:     m.Get("max_deadline").Duration(time.Hour, 3650*day),
	}
	if l.MaxFile > 0 && l.MaxOrder > 0 && l.MaxFile > l.MaxOrder {
		m.Get("max_file").Fault("is more than max_order")
	}
	if l.DefaultDeadline > 0 && l.MaxDeadline > 0 && l.DefaultDeadline > l.MaxDeadline {
		m.Get("default_deadline").Fault("is longer than max_deadline")
	}
	// Of two that belong together, the one that is not said gives way.
	l.MaxDocuments, l.MaxSignatories = cmp.Or(l.MaxDocuments, 20), cmp.Or(l.MaxSignatories, 20)
	l.MaxOrder = cmp.Or(l.MaxOrder, max(25*mib, l.MaxFile))
	l.MaxFile = cmp.Or(l.MaxFile, min(10*mib, l.MaxOrder))
	l.MaxDeadline = cmp.Or(l.MaxDeadline, max(365*day, l.DefaultDeadline))
	l.DefaultDeadline = cmp.Or(l.DefaultDeadline, min(30*day, l.MaxDeadline))
	return l
}
