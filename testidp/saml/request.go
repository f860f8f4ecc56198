package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of what is read.
const (
	maxRequest = 256 << 10
	maxRelay   = 80
	maxAge     = 5 * time.Minute
	skew       = time.Minute
)

// A request is an AuthnRequest that was understood and believed.
type request struct {
	id, acs  string
	relay    string
	peer     *peer
	levels   []string
	format   string // of the NameID
	numbers  []string
	signed   string // what SignMessage says; empty: nothing
	shown    string // what UserMessage says, or what is to be signed
	behind   string // on whose behalf the peer asks
	sum      [32]byte
	issued   time.Time
	refused  *status // the request is answered at once, with this
	passive  bool
	signing  bool // the peer is a signature service
	markdown bool
}

// A status is how a Response says that it did not work.
type status struct{ top, second, why string }

// received is a message as a binding brought it.
type received struct {
	xml    []byte
	relay  string
	octets []byte // what the query's signature is over; nil: the message has its own
	alg    string
	value  []byte
}

// receive reads the binding. Its errors are shown to people.
func receive(w http.ResponseWriter, r *http.Request) (received, error) {
	if r.Method == http.MethodPost {
		return receivePost(w, r)
	}
	return receiveQuery(r.URL.RawQuery)
}

// receiveQuery keeps the pieces of the query as they came: the signature is over
// those, and nobody can say how the sender wrote what has been decoded.
func receiveQuery(query string) (received, error) {
	if len(query) > maxRequest {
		return received{}, errors.New("the query is too long")
	}
	raw, value := map[string]string{}, map[string]string{}
	for _, piece := range strings.Split(query, "&") {
		name, v, _ := strings.Cut(piece, "=")
		plain, err := url.QueryUnescape(name)
		if err == nil {
			value[plain], err = url.QueryUnescape(v)
		}
		if err != nil {
			return received{}, errors.New("the query cannot be decoded")
		}
		if _, ok := raw[plain]; ok {
			return received{}, fmt.Errorf("the parameter %q stands there twice", plain)
		}
		if plain != name {
			return received{}, errors.New("a parameter whose name is encoded")
		}
		raw[plain] = piece
	}
	in := received{relay: value["RelayState"], alg: value["SigAlg"]}
	if e, ok := value["SAMLEncoding"]; ok && e != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE" {
		return in, errors.New("an unknown SAMLEncoding")
	}
	if raw["SigAlg"] == "" || raw["Signature"] == "" {
		return in, errors.New("the request is not signed")
	}
	octets := raw["SAMLRequest"]
	if raw["RelayState"] != "" {
		octets += "&" + raw["RelayState"]
	}
	in.octets = []byte(octets + "&" + raw["SigAlg"])
	var err error
	if in.value, err = base64.StdEncoding.Strict().DecodeString(value["Signature"]); err != nil {
		return in, errors.New("the parameter Signature is not base64")
	}
	deflated, err := base64.StdEncoding.Strict().DecodeString(value["SAMLRequest"])
	if err != nil || len(deflated) == 0 {
		return in, errors.New("SAMLRequest is missing or not base64")
	}
	in.xml, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(deflated)), maxRequest+1))
	if err != nil || len(in.xml) > maxRequest {
		return in, errors.New("SAMLRequest cannot be inflated, or is too big")
	}
	return in, nil
}

func receivePost(w http.ResponseWriter, r *http.Request) (received, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 2*maxRequest)
	if err := r.ParseForm(); err != nil {
		return received{}, errors.New("the form cannot be read")
	}
	if r.URL.RawQuery != "" {
		return received{}, errors.New("a form is posted to the address without a query")
	}
	for name, values := range r.PostForm {
		if len(values) != 1 {
			return received{}, fmt.Errorf("the field %q stands there twice", name)
		}
	}
	if r.PostForm.Has("SigAlg") || r.PostForm.Has("Signature") {
		return received{}, errors.New("with HTTP-POST the signature is in the message")
	}
	text, err := decode64(r.PostForm.Get("SAMLRequest"))
	if err != nil || len(text) == 0 || len(text) > maxRequest {
		return received{}, errors.New("SAMLRequest is missing, too big or not base64")
	}
	return received{xml: text, relay: r.PostForm.Get("RelayState")}, nil
}

var ncName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,255}$`)

// The children of an AuthnRequest, in their order (telia-saml.md 2.7).
var childOrder = []string{"Issuer", "Signature", "Extensions", "Subject", "NameIDPolicy", "Conditions", "RequestedAuthnContext", "Scoping"}

// understand checks a message in the order of telia-saml.md section 5: who sent
// it, that the sender signed it, and then what it asks. Its errors are shown to
// people; what the sender can be told is in the request.
func (p *IdP) understand(ctx context.Context, in received) (*request, error) {
	root, err := parse(in.xml)
	if err != nil {
		return nil, fmt.Errorf("SAMLRequest: %w", err)
	}
	if !root.is(nsProtocol, "AuthnRequest") {
		return nil, errors.New("the message is not an AuthnRequest")
	}
	issuer := root.child(nsAssertion, "Issuer")
	if f := issuer.attr("Format"); f != "" && f != formatEntity {
		return nil, errors.New("the Issuer has another Format than entity")
	}
	sp, err := p.peers.find(ctx, issuer.content())
	if err != nil {
		return nil, err
	}
	if in.octets != nil {
		if root.child(nsSignature, "Signature") != nil {
			return nil, errors.New("with HTTP-Redirect the signature is in the query alone")
		}
		err = check(sp.signing, in.alg, in.octets, in.value)
	} else {
		err = verify(root, sp.signing)
	}
	if err != nil {
		return nil, fmt.Errorf("the request's signature: %w", err)
	}

	q := &request{id: root.attr("ID"), relay: in.relay, peer: sp, sum: sha256.Sum256(in.xml), signing: sp.has(categorySigning)}
	at := 0
	for _, k := range root.elements() {
		i := slices.Index(childOrder, k.local)
		if i < at {
			return nil, fmt.Errorf("the element %q is in the wrong place, unknown, or there twice", k.local)
		}
		at = i + 1
	}
	q.issued, err = time.Parse(time.RFC3339Nano, root.attr("IssueInstant"))
	now := p.config.Now()
	_, hasForce := root.lookup("ForceAuthn")
	switch {
	case !ncName.MatchString(q.id):
		return nil, errors.New("the ID is no NCName")
	case root.attr("Version") != "2.0":
		return nil, errors.New("the Version is not 2.0")
	case err != nil || !strings.HasSuffix(root.attr("IssueInstant"), "Z"):
		return nil, errors.New("IssueInstant is not a time in UTC")
	case now.Sub(q.issued) > maxAge:
		return nil, errors.New("the request is too old")
	case q.issued.Sub(now) > skew:
		return nil, errors.New("the request is from the future")
	case root.attr("Destination") != p.ssoURL():
		return nil, errors.New("the Destination is not this address")
	case root.attr("ProtocolBinding") != "" && root.attr("ProtocolBinding") != bindingPOST:
		return nil, errors.New("the ProtocolBinding is not HTTP-POST")
	case !hasForce:
		return nil, errors.New("ForceAuthn is not written")
	case len(in.relay) > maxRelay:
		return nil, errors.New("RelayState is longer than 80 bytes")
	}
	if q.acs, err = sp.service(root); err != nil {
		return nil, err
	}
	q.passive = truth(root.attr("IsPassive"))
	q.refused, err = p.wishes(q, root)
	return q, err
}

// service is where the answer goes: a registered address, and one alone.
func (p *peer) service(root *node) (string, error) {
	location, hasLocation := root.lookup("AssertionConsumerServiceURL")
	index, hasIndex := root.lookup("AssertionConsumerServiceIndex")
	if hasLocation && hasIndex {
		return "", errors.New("AssertionConsumerServiceURL and -Index together")
	}
	for _, s := range p.services {
		if hasLocation && s.location == location || hasIndex && strconv.Itoa(s.index) == index || !hasLocation && !hasIndex && s.first {
			return s.location, nil
		}
	}
	if !hasLocation && !hasIndex {
		return p.services[0].location, nil
	}
	return "", errors.New("the AssertionConsumerService is not in the metadata")
}

// wishes reads what the request asks for. What cannot be granted is a status.
func (p *IdP) wishes(q *request, root *node) (*status, error) {
	if root.child(nsAssertion, "Subject") != nil {
		return &status{statusRequester, statusUnsupported, "Subject is not supported"}, nil
	}
	extensions := root.child(nsProtocol, "Extensions")
	if refused, err := p.extensions(q, root, extensions); refused != nil || err != nil {
		return refused, err
	}
	q.format = persistent
	if f := root.child(nsProtocol, "NameIDPolicy").attr("Format"); f != "" && f != formatAny {
		q.format = f
	}
	if q.format != persistent && q.format != transient {
		return &status{statusRequester, statusNameID, "the NameID format is not supported"}, nil
	}
	if scoping := root.child(nsProtocol, "Scoping"); scoping != nil {
		for _, r := range scoping.all(nsProtocol, "RequesterID") {
			q.behind = r.content()
		}
		if list := scoping.child(nsProtocol, "IDPList"); list != nil && !slices.ContainsFunc(list.all(nsProtocol, "IDPEntry"), func(e *node) bool { return e.attr("ProviderID") == p.EntityID() }) {
			return &status{statusRequester, statusNoIDP, "the IDPList does not name this IdP"}, nil
		}
	}
	if q.passive {
		return &status{statusResponder, statusNoPassive, "nobody is logged in here"}, nil
	}
	return p.levelsOf(q, root.child(nsProtocol, "RequestedAuthnContext"))
}

// levelsOf picks the level to prove: of those that are asked for the one that
// this IdP would rather give.
func (p *IdP) levelsOf(q *request, asked *node) (*status, error) {
	if asked == nil {
		q.levels = p.config.Levels[:1]
		return nil, nil
	}
	if c, ok := asked.lookup("Comparison"); ok && c != "exact" {
		return &status{statusRequester, statusUnsupported, "only Comparison exact is supported"}, nil
	}
	refs := asked.all(nsAssertion, "AuthnContextClassRef")
	if len(refs) == 0 || len(refs) != len(asked.elements()) {
		return nil, errors.New("RequestedAuthnContext has something else than AuthnContextClassRef")
	}
	for _, level := range p.config.Levels {
		if slices.ContainsFunc(refs, func(r *node) bool { return r.content() == level }) {
			q.levels = append(q.levels, level)
		}
	}
	if len(q.levels) == 0 {
		return &status{statusRequester, statusNoContext, "none of the levels is supported"}, nil
	}
	return nil, nil
}

func (p *IdP) extensions(q *request, root, extensions *node) (*status, error) {
	if extensions == nil {
		return nil, nil
	}
	for _, e := range extensions.elements() {
		var refused *status
		var err error
		switch {
		case e.is(nsPrincipal, "PrincipalSelection"):
			for _, m := range e.all(nsPrincipal, "MatchValue") {
				if f := m.attr("NameFormat"); m.attr("Name") == oidNumber && (f == "" || f == formatURI) {
					q.numbers = append(q.numbers, m.content())
				}
			}
		case e.is(nsUserMessage, "UserMessage"):
			err = q.userMessage(e)
		case e.is(nsCSig, "SignMessage"):
			refused, err = p.signMessage(q, root, e)
		case e.is(nsSAP, "SADRequest"):
			refused = &status{statusRequester, statusUnsupported, "this IdP has no signature activation"}
		}
		if refused != nil || err != nil {
			return refused, err
		}
	}
	return nil, nil
}

func (q *request) userMessage(e *node) error {
	mime := e.attr("mimeType")
	if mime != "" && mime != "text/plain" && mime != "text/markdown" {
		return errors.New("UserMessage has an unknown mimeType")
	}
	messages := e.all(nsUserMessage, "Message")
	if len(messages) == 0 {
		return errors.New("UserMessage has no Message")
	}
	texts := map[string]string{}
	for _, m := range messages {
		text, err := message(m)
		if err != nil {
			return fmt.Errorf("UserMessage: %w", err)
		}
		if texts[m.lang()] != "" || m.lang() == "" {
			return errors.New("UserMessage has a language twice or none")
		}
		texts[m.lang()] = text
	}
	if q.signed == "" {
		q.shown = texts["sv"]
		if q.shown == "" {
			q.shown = texts[messages[0].lang()]
		}
		q.markdown = mime == "text/markdown"
	}
	return nil
}

// message reads the text of a message: base64 of UTF-8.
func message(m *node) (string, error) {
	if len(m.elements()) > 0 {
		return "", errors.New("the message is not text")
	}
	text, err := decode64(m.content())
	if err != nil || len(text) == 0 || !utf8.Valid(text) {
		return "", errors.New("the message is empty or not base64 of UTF-8")
	}
	return string(text), nil
}

func (p *IdP) signMessage(q *request, root, e *node) (*status, error) {
	if !q.signing {
		return &status{statusRequester, statusUnsupported, "SignMessage is for signature services alone"}, nil
	}
	if !truth(root.attr("ForceAuthn")) {
		return nil, errors.New("a signature needs ForceAuthn")
	}
	if d, ok := e.lookup("DisplayEntity"); ok && d != p.EntityID() {
		return &status{statusRequester, statusUnsupported, "DisplayEntity is another"}, nil
	}
	switch m, ok := e.lookup("MimeType"); {
	case ok && m != "text" && m != "text/markdown":
		return &status{statusRequester, statusUnsupported, "the text cannot be shown in this MimeType"}, nil
	default:
		q.markdown = m == "text/markdown"
	}
	parts := e.elements()
	if len(parts) != 1 {
		return nil, errors.New("SignMessage has not exactly one message")
	}
	m := parts[0]
	if m.is(nsCSig, "EncryptedMessage") {
		plain, err := decrypt(m.child(nsEncryption, "EncryptedData"), p.keys.decryption())
		if err == nil {
			m, err = parse(plain)
		}
		if err != nil {
			return nil, fmt.Errorf("EncryptedMessage: %w", err)
		}
	}
	if !m.is(nsCSig, "Message") {
		return nil, errors.New("SignMessage has no Message")
	}
	text, err := message(m)
	if err != nil {
		return nil, fmt.Errorf("SignMessage: %w", err)
	}
	q.signed, q.shown = text, text
	return nil, nil
}

// decryption are the keys that what is sent here may be encrypted to.
func (k *keys) decryption() []*rsa.PrivateKey {
	var out []*rsa.PrivateKey
	for _, s := range k.encryption {
		if key, ok := s.key.(*rsa.PrivateKey); ok {
			out = append(out, key)
		}
	}
	return out
}
