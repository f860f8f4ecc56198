package saml

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A peer is a service provider as its metadata describes it.
type peer struct {
	entityID   string
	names      map[string]string // DisplayName by language
	signing    []crypto.PublicKey
	encryption *x509.Certificate // nil: it wants nothing encrypted
	methods    []string          // of encryption
	wantSigned bool              // the assertion too
	services   []service
	categories []string
}

// A service is where a peer takes answers.
type service struct {
	location string
	index    int
	first    bool // isDefault
}

func (p *peer) has(category string) bool { return slices.Contains(p.categories, category) }

// name is what people know the peer as.
func (p *peer) name(lang string) string {
	for _, l := range []string{lang, "sv", "en"} {
		if n := p.names[l]; n != "" {
			return n
		}
	}
	return p.entityID
}

const (
	maxMetadata = 1 << 20
	peerKept    = 5 * time.Second
	maxPeers    = 100
)

// peers finds service providers: the entityID is the address of the metadata, and
// an address of this machine.
type peers struct {
	client   *http.Client
	now      func() time.Time
	wanted   []string // entity categories, one of which a peer must have
	mu       sync.Mutex
	byEntity map[string]knownPeer
}

type knownPeer struct {
	peer *peer
	at   time.Time
}

// loopbackClient reaches nothing but this machine, whatever a name resolves to.
func loopbackClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil || !a.Addr().IsLoopback() {
			return errors.New("not an address of this machine")
		}
		return nil
	}}
	return &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		Timeout:   5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// local reports whether an address is a web address of this machine.
func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// find returns a peer, from metadata that is a few seconds old at most.
func (p *peers) find(ctx context.Context, entityID string) (*peer, error) {
	p.mu.Lock()
	known, ok := p.byEntity[entityID]
	p.mu.Unlock()
	if ok && p.now().Sub(known.at) < peerKept {
		return known.peer, nil
	}
	found, err := p.fetch(ctx, entityID)
	if err != nil {
		return nil, fmt.Errorf("the metadata of the Issuer: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.byEntity) >= maxPeers {
		clear(p.byEntity)
	}
	p.byEntity[entityID] = knownPeer{found, p.now()}
	return found, nil
}

func (p *peers) fetch(ctx context.Context, entityID string) (*peer, error) {
	if !local(entityID) {
		return nil, errors.New("the entityID is not an address of this machine")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, entityID, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/samlmetadata+xml")
	answer, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d", answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxMetadata+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxMetadata {
		return nil, errors.New("it is too big")
	}
	return readPeer(data, entityID, p.wanted, p.now())
}

// readPeer reads the metadata of a service provider and holds it to the rules of
// telia-saml.md 2.1.
func readPeer(data []byte, entityID string, wanted []string, now time.Time) (*peer, error) {
	root, err := read(data, true)
	if err != nil {
		return nil, err
	}
	if !root.is(nsMetadata, "EntityDescriptor") || root.attr("entityID") != entityID {
		return nil, errors.New("it is not an EntityDescriptor with this entityID")
	}
	if until, ok := root.lookup("validUntil"); ok {
		if t, err := time.Parse(time.RFC3339, until); err != nil || !now.Before(t) {
			return nil, errors.New("it is no longer valid")
		}
	}
	role := root.all(nsMetadata, "SPSSODescriptor")
	if len(role) != 1 {
		return nil, errors.New("there is not exactly one SPSSODescriptor")
	}
	sp := role[0]
	out := &peer{entityID: entityID, names: map[string]string{}, wantSigned: truth(sp.attr("WantAssertionsSigned"))}
	if !slices.Contains(strings.Fields(sp.attr("protocolSupportEnumeration")), protocolSAML2) {
		return nil, errors.New("protocolSupportEnumeration lacks SAML 2.0")
	}
	if !truth(sp.attr("AuthnRequestsSigned")) {
		return nil, errors.New("AuthnRequestsSigned is not true")
	}
	if err := out.readKeys(sp); err != nil {
		return nil, err
	}
	if err := out.readServices(sp); err != nil {
		return nil, err
	}
	for _, name := range sp.child(nsMetadata, "Extensions").child(nsUI, "UIInfo").all(nsUI, "DisplayName") {
		out.names[name.lang()] = name.content()
	}
	if out.names["sv"] == "" {
		return nil, errors.New("UIInfo has no Swedish DisplayName")
	}
	for _, a := range root.child(nsMetadata, "Extensions").child(nsEntityAttributes, "EntityAttributes").all(nsAssertion, "Attribute") {
		if a.attr("Name") == entityCategory {
			for _, v := range a.all(nsAssertion, "AttributeValue") {
				out.categories = append(out.categories, v.content())
			}
		}
	}
	if len(wanted) > 0 && !slices.ContainsFunc(wanted, out.has) {
		return nil, errors.New("it has no service entity category in common with the IdP")
	}
	// Who signs a document of its own can at least be held to it.
	if root.child(nsSignature, "Signature") != nil {
		if err := verify(root, out.signing); err != nil {
			return nil, fmt.Errorf("its own signature: %w", err)
		}
	}
	return out, nil
}

func (p *peer) readKeys(sp *node) error {
	for _, k := range sp.all(nsMetadata, "KeyDescriptor") {
		data := k.child(nsSignature, "KeyInfo").child(nsSignature, "X509Data").all(nsSignature, "X509Certificate")
		if len(data) != 1 {
			return errors.New("a KeyDescriptor without exactly one X509Certificate")
		}
		der, err := decode64(data[0].content())
		if err != nil {
			return errors.New("a certificate that is not base64")
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return errors.New("a certificate that cannot be read")
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
			return errors.New("an RSA key of less than 2048 bits")
		}
		use := k.attr("use")
		if use != "" && use != "signing" && use != "encryption" {
			return errors.New("a key for an unknown use")
		}
		if use != "encryption" {
			p.signing = append(p.signing, cert.PublicKey)
		}
		if _, ok := cert.PublicKey.(*rsa.PublicKey); ok && use != "signing" && p.encryption == nil {
			p.encryption = cert
			for _, m := range k.all(nsMetadata, "EncryptionMethod") {
				p.methods = append(p.methods, m.attr("Algorithm"))
			}
		}
	}
	if len(p.signing) == 0 || p.encryption == nil {
		return errors.New("there must be a key for signing and an RSA key for encryption")
	}
	return nil
}

func (p *peer) readServices(sp *node) error {
	for _, s := range sp.all(nsMetadata, "AssertionConsumerService") {
		if s.attr("Binding") != bindingPOST {
			continue
		}
		index, err := strconv.Atoi(s.attr("index"))
		if err != nil || index < 0 || index > 65535 {
			return errors.New("an AssertionConsumerService without index")
		}
		if !local(s.attr("Location")) {
			return errors.New("an AssertionConsumerService that is no web address of this machine")
		}
		p.services = append(p.services, service{s.attr("Location"), index, truth(s.attr("isDefault"))})
	}
	if len(p.services) == 0 {
		return errors.New("there is no AssertionConsumerService with HTTP-POST")
	}
	return nil
}

func truth(s string) bool { return s == "true" || s == "1" }
