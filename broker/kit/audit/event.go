// Package audit keeps the record of security-relevant acts (invariant I10).
//
// It owns the closed list of event types, their rows (written in the
// transaction of the act itself, without a position), the sequencer that gives
// each row its position and links it by hash, the hourly signed head, and the
// verifier of all that. It does not know what the acts mean. Persons appear as
// keyed digests only, so that erasure and audit can both hold.
package audit

import "time"

// Type is what happened. The list is closed: it is read by machines.
type Type string

const (
	LoginAsked      Type = "login.asked"      // an authorization request was accepted
	LoginRefused    Type = "login.refused"    // an authorization request was refused
	LoginCompleted  Type = "login.completed"  // a code was issued
	LoginAbandoned  Type = "login.abandoned"  // the person went back, or the rules said no
	LoginReused     Type = "login.reused"     // a session answered instead of an e-ID
	OrderStarted    Type = "order.started"    // an e-ID order was started at the issuer
	OrderRestarted  Type = "order.restarted"  // silently or by the person's button
	OrderCompleted  Type = "order.completed"  // evidence verified
	OrderFailed     Type = "order.failed"     // ended without proof; Reason says why
	EvidenceRefused Type = "evidence.refused" // the issuer said complete, our verification said no
	WrongBrowser    Type = "browser.wrong"    // came back in another browser
	CodeRefused     Type = "code.refused"     // a code that was used, expired, foreign or unknown
	CodeReplayed    Type = "code.replayed"    // a used code, by its rightful client: tokens revoked
	TokenIssued     Type = "token.issued"
	TokenRevoked    Type = "token.revoked"  // by its client
	ClientRefused   Type = "client.refused" // client authentication failed
	SessionEnded    Type = "session.ended"
	InputRefused    Type = "input.refused" // malformed, oversized or tampered input on a page
	KeyCreated      Type = "key.created"
	KeyRotated      Type = "key.rotated"
	KeyRetired      Type = "key.retired"
	ClientAdded     Type = "client.added"
	ClientRemoved   Type = "client.removed"
	ClientSecret    Type = "client.secret" // a new one, or the one before was retired
)

// Acts upon signing orders. Order names the signing order, Login the e-ID order
// that a signature was made in; where a person is meant, Person is that of the
// signatory or of whoever tried.
const (
	SigningCreated           Type = "signing.order_created"
	SigningChanged           Type = "signing.order_changed"       // documents or signatories: every signature is void
	SigningContactCorrected  Type = "signing.contact_corrected"   //
	SigningReminded          Type = "signing.reminded"            // by the client
	SigningInvitationRefused Type = "signing.invitation_refused"  // a token or code that was not this person's, or no longer good
	SigningOpened            Type = "signing.order_opened"        // by a signatory, for the first time
	SigningRead              Type = "signing.read"                // documents, receipt or evidence; Reason says which
	SigningBegun             Type = "signing.signature_begun"     //
	SigningSigned            Type = "signing.order_signed"        //
	SigningDiscarded         Type = "signing.signature_discarded" // verified, and did not count; Reason says why
	SigningDeliveryFailed    Type = "signing.delivery_failed"     // Reason is the channel
	SigningRefused           Type = "signing.order_refused"       // by a signatory
	SigningCancelled         Type = "signing.order_cancelled"     // by the client
	SigningExpired           Type = "signing.order_expired"       //
	SigningCompleted         Type = "signing.order_completed"     // the sealed receipt is stored
	SigningErased            Type = "signing.order_erased"        // Reason: by whom
)

// Event is one act. Every field is safe to keep for ever: no personal number,
// name, token, code or free text from outside.
type Event struct {
	Type     Type
	At       time.Time
	Client   string
	Provider string
	Instance string
	Order    string // the e-ID order
	Login    string // digest-like name of the login; never usable as a handle
	Person   string // keyed digest, hex; see keys.Ring
	Reason   string // from a closed list of the room that writes it
}
