// Package providers is the vocabulary of e-IDs: what it means to let a person
// prove who they are, or sign something, with an electronic identification.
//
// It owns the words that every e-ID and every user of e-IDs share, and nothing
// else: no HTTP, no storage, no configuration. Each e-ID lives in a package of
// its own beside this one and implements Provider; the broker's flow runs them
// without knowing which is which.
package providers

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"sigill/providers/personnummer"
)

// ID names an e-ID the way relying parties and configuration see it.
type ID string

// The e-IDs known from the start. Which of them an installation offers is
// configuration.
const (
	BankID  ID = "bankid"  // BankID on this device, any kind
	MBankID ID = "mbankid" // Mobilt BankID only
	Freja   ID = "freja"
	Telia   ID = "telia"
)

var idForm = regexp.MustCompile(`^[a-z][a-z0-9-]{1,29}$`)

// Valid reports whether id has the form of an e-ID's name. Configuration may
// offer others than the known ones, from any SAML or OIDC issuer.
func (id ID) Valid() bool { return idForm.MatchString(string(id)) }

// Known reports whether id is one of the e-IDs that Sigill knows of.
func (id ID) Known() bool {
	switch id {
	case BankID, MBankID, Freja, Telia:
		return true
	}
	return false
}

// Name is what people call the e-ID.
func (id ID) Name() string {
	switch id {
	case BankID:
		return "BankID"
	case MBankID:
		return "Mobilt BankID"
	case Freja:
		return "Freja eID+"
	case Telia:
		return "Telia e-legitimation"
	}
	return string(id)
}

// Mode says where the person's e-ID is. An order keeps its mode for life.
type Mode string

const (
	ModeThis  Mode = "this"  // on the device that shows our page: app link and return address
	ModeOther Mode = "other" // on another device: animated QR code, no return address
	ModePhone Mode = "phone" // in an ongoing phone call: neither
)

// Kind is what the person is asked to do.
type Kind string

const (
	KindAuth Kind = "auth"
	KindSign Kind = "sign"
)

// Level is a level of assurance. The zero value is no level at all.
// Levels are compared by this order and never by their URIs.
type Level int

const (
	LevelNone         Level = iota
	LevelUncertified3       // an approved e-ID's level 3, delivered by a service that is not itself approved
	Level3                  // level 3 of the Swedish framework, from an approved service
)

// Markup is the format of a visible text.
type Markup string

const (
	Plain            Markup = ""
	SimpleMarkdownV1 Markup = "simpleMarkdownV1"
)

// Info is what a provider is and can do.
type Info struct {
	ID           ID
	Instance     string // the configured instance that stands behind the id
	Name         string // what people call it: "Mobilt BankID"
	Title        Text   // the same in both languages, where they differ; zero: Name
	Site         bool   // the person goes to the issuer's own web site: no app of ours to open, no QR
	Help         Help   // where people get on when it does not work
	Level        Level  // what a login with it gives, at most
	Modes        []Mode // of a Site only ModeThis
	TextLimit    int    // bytes of visible text at signing, before any encoding; 0 if it cannot sign
	AuthText     int    // bytes of visible text at login, 0 if it shows none
	Markdown     bool   // understands SimpleMarkdownV1
	NonVisible   int    // bytes of non-visible data at signing, 0 if it has no such field
	CoordNumbers bool   // holders may have a samordningsnummer
}

// Named is what people call the e-ID in a language.
func (i Info) Named(lang string) string {
	if name := i.Title.In(lang); name != "" {
		return name
	}
	return i.Name
}

// Help is who helps with an e-ID. Empty fields are not known.
type Help struct {
	Issuer string // whose e-ID it is: "Telia"
	URL    string // the issuer's help
	Test   string // where people can try whether their e-ID works
	Get    string // how to get one
}

// Device is what the broker knows about the browser that shows our page.
type Device struct {
	IP        string // literal address, from a trusted source only
	UserAgent string
	ID        string // random, outlives sessions, is never a session id; at most 64 characters
	Domain    string // the host our page was shown on
}

// Request asks for a proof of identity.
type Request struct {
	Mode   Mode
	Device Device
	// Text is shown in the e-ID's own app where it can: what the login is for.
	Text   string
	Markup Markup
	// Binding ties the evidence to this one order. It travels in the e-ID's
	// non-visible data where there is such a field.
	Binding []byte
	// Number, unless zero, is the only person who may complete the order.
	Number personnummer.Number
	// ReturnURL is where the app sends the person back to, with the one-time
	// nonce in its query. Only in ModeThis.
	ReturnURL string
	// Caller says who made the phone call, in ModePhone: "user" or "RP".
	Caller string
	// Email, unless empty, finds the person at an issuer that can do that.
	Email string
	// Handle is what an issuer with a Site sends back with its answer (SAML's
	// RelayState, OAuth's state) for us to find the order by: secret, one-time,
	// URL-safe, at most 80 bytes. It proves nothing of the answer.
	Handle string
	// Lang is the language of the person: "sv" or "en".
	Lang string
}

// LogValue keeps the person and the text out of logs.
func (r Request) LogValue() slog.Value {
	return slog.GroupValue(slog.String("mode", string(r.Mode)), slog.Any("number", r.Number))
}

// SignRequest asks for a signature. Text is what the person signs; Binding is
// the digest of everything that the signature covers.
type SignRequest struct {
	Request
}

// State is what a provider must remember between calls. It is opaque to
// everyone else, stored sealed, and handed back to any instance of the same
// provider. It is JSON, so that it can be looked at in a debugger.
type State []byte

// LogValue keeps what a state holds out of logs.
func (s State) LogValue() slog.Value { return slog.IntValue(len(s)) }

// EventKind says why Continue is called.
type EventKind string

const (
	Tick     EventKind = "tick"     // it is time to ask the issuer
	Callback EventKind = "callback" // the browser came back with the issuer's answer
)

// Event is what happened to an order since the last call.
type Event struct {
	Kind EventKind
	// At is where the browser came back to: BackPath or SignBackPath. Form is what
	// it brought, at most BackLimit bytes. Both only with Callback.
	At   string
	Form map[string][]string
	// Came is when it came: what it brought is judged by that time, however much
	// later it is looked at. Zero: now. Only with Callback.
	Came time.Time
}

// Where issuers with a Site send browsers back to, by GET or POST, below the
// address of the instance ({issuer}/eid/{instance}/). The broker finds the order
// by the fields RelayState or state, which bring Request.Handle back; everything
// else is the provider's to read.
const (
	BackPath     = "back"      // after a login
	SignBackPath = "sign/back" // after a signature
	BackLimit    = 512 << 10   // bytes of what a browser may bring
)

// LogValue keeps the issuer's answer out of logs.
func (e Event) LogValue() slog.Value { return slog.StringValue(string(e.Kind)) }

// A Provider lets a person prove who they are with one kind of e-ID.
// It keeps nothing of an order between calls: what it must remember it returns
// as State, which the broker stores sealed and hands back. Any instance can
// continue what another began.
//
// An error means that we or the issuer are broken (see Unavailable); everything
// a person did, or did not do, is a Step.
type Provider interface {
	Info() Info
	Start(context.Context, Request) (State, Step, error)
	Continue(context.Context, State, Event) (State, Step, error)
	// Cancel tells the issuer that nobody waits any more. Cancelling twice, or
	// what is already over, is not an error.
	Cancel(context.Context, State) error
}

// A Signer is a Provider whose e-ID can also sign.
type Signer interface {
	StartSignature(context.Context, SignRequest) (State, Step, error)
}

// A Shower can say what to show for an order right now without asking the
// issuer: a QR frame changes each second, far more often than the issuer may
// be asked.
type Shower interface {
	Show(State, time.Time) (Wait, error)
}

// A Publisher has documents of its own that issuers fetch, such as SAML metadata.
// They are served below the address of the instance; the keys are the paths there.
// Of the e-IDs of one instance the first that is a Publisher is asked.
type Publisher interface {
	Documents() map[string]Document
}

// A Document is something that a Publisher publishes.
type Document struct {
	MediaType string
	Bytes     []byte
}

// A Runner has something to do while the program runs, such as keeping an issuer's
// metadata fresh. Run returns nil when ctx ends, and never before. An e-ID must
// work without it with what it had at the start.
type Runner interface {
	Run(ctx context.Context) error
}

// A Checker can try its issuer without a person: `sigill provider test`.
type Checker interface {
	// Check looks at one thing after the other, and goes on after a fault.
	Check(ctx context.Context) []Finding
}

// A Finding is one thing that was looked at. No text holds anything secret.
type Finding struct {
	What string    // "the issuer's TLS certificate"
	Said string    // what was found, or what is wrong and how to mend it
	Bad  bool      // it does not work
	Ends time.Time // what was found holds until then; zero: not limited
	// Renews: a newer one is fetched long before, without anybody's doing.
	Renews bool
}

// A Dated has certificates or documents that end, besides those that the program
// itself reads from files. Metrics and `sigill check` warn of them.
type Dated interface {
	Dates() []Finding
}

// A Replay remembers what may be used once, over all nodes.
type Replay interface {
	// Seen notes key for owner until then, and reports whether another owner had
	// noted it before. The same owner may ask again, as after a crash.
	Seen(ctx context.Context, key, owner string, until time.Time) (bool, error)
}

// Step is one of Wait, Redirect, PostForm, Done, Failed.
type Step interface{ step() }

// Wait means that the person has not finished. Next is how long to wait before
// the next Tick. Next zero means: the State holds the issuer's final answer,
// which it gives only once; store it durably, then call Continue with a Tick at
// once, which will not ask the issuer again.
type Wait struct {
	Hint     string // the issuer's own word for what it waits for
	Text     Text   // the same for people
	QR       string // content of the QR frame for this moment; empty: show none
	Link     string // app link; empty: show none
	PickedUp bool   // the person's app has the order
	Next     time.Duration
}

// LogValue keeps the tokens that start the app out of logs.
func (w Wait) LogValue() slog.Value { return slog.StringValue(w.Hint) }

// Redirect sends the browser to the issuer. The order then waits for a Callback;
// a Tick before that asks nobody, and is answered by a Wait with PickedUp.
type Redirect struct{ URL string }

// LogValue keeps what an address carries out of logs.
func (Redirect) LogValue() slog.Value { return slog.StringValue("redirect") }

// LogValue keeps what a form carries out of logs.
func (PostForm) LogValue() slog.Value { return slog.StringValue("post") }

// PostForm sends the browser to the issuer with a form; as Redirect.
type PostForm struct {
	URL    string
	Fields map[string]string
}

// Done is a verified proof.
type Done struct {
	Identity Identity
	Evidence Evidence
}

// LogValue keeps the evidence out of logs.
func (d Done) LogValue() slog.Value { return d.Identity.LogValue() }

// Failed is an order that ended without a proof.
type Failed struct {
	Reason Reason `json:"reason"`
	Hint   string `json:"hint"` // the issuer's own word, if it had one
	Text   Text   `json:"text"`
	// Check names the step of verification that refused the evidence, for the
	// log and the audit; never shown to people. Only with EvidenceRefused.
	Check string `json:"check,omitempty"`
}

func (Wait) step()     {}
func (Redirect) step() {}
func (PostForm) step() {}
func (Done) step()     {}
func (Failed) step()   {}

// Text is a message to people in the languages that we speak.
type Text struct {
	SV string `json:"sv"`
	EN string `json:"en"`
}

// In returns the text in the language, Swedish unless it is "en".
func (t Text) In(lang string) string {
	if lang == "en" {
		return t.EN
	}
	return t.SV
}

// Reason is why an order ended without a proof. The list is closed, since it
// is a metric label and an audit field.
type Reason string

const (
	Cancelled       Reason = "cancelled"        // the person said no, in the app or on our page
	TimedOut        Reason = "timed_out"        // the person took too long
	StartFailed     Reason = "start_failed"     // no app picked the order up in time; may be restarted
	Blocked         Reason = "blocked"          // the e-ID is blocked, revoked or too old
	InProgress      Reason = "in_progress"      // another order is under way for the same person
	Replaced        Reason = "replaced"         // a newer order for the same person replaced it
	Declined        Reason = "declined_call"    // the person denied the phone call
	Unsuitable      Reason = "unsuitable"       // the app or device cannot do what is needed
	RiskBlocked     Reason = "risk_blocked"     // the issuer's risk rules stopped it
	StepUpFailed    Reason = "step_up_failed"   // an extra check did not succeed
	WrongPerson     Reason = "wrong_person"     // somebody else than the one asked
	LevelTooLow     Reason = "level_too_low"    // the proof is weaker than asked
	EvidenceRefused Reason = "evidence_refused" // the proof did not pass our verification
	ResultLost      Reason = "result_lost"      // the issuer's one-time result was lost, or it knows no such order
	WrongBrowser    Reason = "wrong_browser"    // came back in another browser than the one that started
	IssuerDown      Reason = "issuer_down"      // the issuer does not answer as it should
	Unknown         Reason = "unknown"
)

// Identity is who a person is, after verification. Every field comes from the
// verified evidence, none from what an API merely said.
type Identity struct {
	Number    personnummer.Number `json:"number"`
	Name      string              `json:"name"`
	GivenName string              `json:"given_name"`
	Surname   string              `json:"surname"`
	Provider  ID                  `json:"provider"`
	Level     Level               `json:"level"`
	Policy    string              `json:"policy"` // the issuer's word for the kind of e-ID that was used
	DeviceIP  string              `json:"device_ip,omitempty"`
	At        time.Time           `json:"at"` // when the proof was made, by the issuer's own clock
	// ValidFrom and ValidTo are the validity of the e-ID, zero if not known.
	ValidFrom time.Time `json:"valid_from,omitzero"`
	ValidTo   time.Time `json:"valid_to,omitzero"`
	// Certificate is the person's certificate (DER), if the e-ID has one.
	Certificate []byte `json:"certificate,omitempty"`
	// Transaction is the issuer's name for the order.
	Transaction string `json:"transaction"`
}

// LogValue keeps what names the person out of logs, where an Identity as a whole
// would be written as JSON, number and all.
func (i Identity) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("number", i.Number), slog.String("provider", string(i.Provider)), slog.String("transaction", i.Transaction))
}

// Evidence is the proof itself: self-contained bytes that a stranger can
// verify later with nothing but a trusted root and what was expected.
type Evidence struct {
	MediaType string `json:"media_type"`
	Bytes     []byte `json:"bytes"`
}

// LogValue keeps the person that evidence names out of logs.
func (e Evidence) LogValue() slog.Value { return slog.StringValue(e.MediaType) }

// Expected is what evidence must prove. It is rebuilt from our own records,
// never from the evidence.
type Expected struct {
	Kind    Kind
	Text    string
	Markup  Markup
	Binding []byte
	Number  personnummer.Number // unless zero, the only acceptable person
	Started time.Time           // the proof was not made before this
	Ended   time.Time           // nor after this; zero skips the upper bound (archives)
}

// LogValue keeps the person and the text out of logs.
func (e Expected) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", string(e.Kind)), slog.Any("number", e.Number))
}

// Unavailable is the error of an issuer that does not answer as it should.
// While an order can live, the broker simply asks again at the next tick.
type Unavailable struct {
	Issuer string
	Err    error
}

func (e *Unavailable) Error() string { return fmt.Sprintf("%s is unavailable: %v", e.Issuer, e.Err) }
func (e *Unavailable) Unwrap() error { return e.Err }

// Refused is the error of evidence that did not pass verification. Check names
// the step that failed; it is safe to log, Err may hold details but never a
// personal number.
type Refused struct {
	Check string
	Err   error
}

func (e *Refused) Error() string { return fmt.Sprintf("evidence refused at %s: %v", e.Check, e.Err) }
func (e *Refused) Unwrap() error { return e.Err }

// BadRequest is the error of a caller who asked for what the e-ID cannot do:
// a text too long, a mode it does not have. Field and Problem are safe to show.
type BadRequest struct {
	Field   string
	Problem string
}

func (e *BadRequest) Error() string { return e.Field + ": " + e.Problem }
