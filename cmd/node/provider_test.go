package node

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/saml"
	"sigill/signing/trust"
	"sigill/testidp"
	simfreja "sigill/testidp/freja"
	"sigill/testidp/oidc"
)

// Where the e-IDs of issuers stand among the providers of withEIDs.
const (
	theFreja = 2 + iota
	theTelia
	theOther
)

// withEIDs are settings with an e-ID of each kind, whose issuers are simulated, and
// the roots that they would have people trust.
func withEIDs(t *testing.T) (config.Config, net.Listener, *testidp.Server) {
	t.Helper()
	sim := testidp.Start(t)
	c, l := settings(t)
	dir := t.TempDir()
	m, err := sim.FrejaMaterial()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	idp := sim.SAML(testidp.Telia)
	writeCertificates(t, in("federation.pem"), idp.FederationCertificate())
	party := func(name string, until time.Duration) config.SAMLParty {
		certificate, key := pair(t, dir, name, 1, time.Now().Add(until))
		return config.SAMLParty{CertificateFile: certificate, KeyFile: key}
	}
	_, key := pair(t, dir, "oidc", 1, time.Now().Add(time.Hour))
	both := providers.Text{SV: "Exempelby kommun", EN: "Exempelby municipality"}
	c.Providers = append(c.Providers,
		config.Provider{Name: "fr", Kind: config.KindFreja, Offers: []providers.ID{providers.Freja}, Freja: config.Freja{
			BaseURL: m.BaseURL, AppLink: m.AppURL, TLSRootFile: in(simfreja.TLSRootFile), JWSRootFile: in(simfreja.JWSRootFile),
			JWSCertificateFiles: []string{in(simfreja.JWSFile)}, JWSChainFile: in(simfreja.IntermediateFile),
			ClientCertificate: config.ClientCertificate{CertificateFile: in(simfreja.RPCertificateFile), KeyFile: in(simfreja.RPKeyFile)},
		}},
		config.Provider{Name: "te", Kind: config.KindSAML, Offers: []providers.ID{providers.Telia}, SAML: config.SAML{
			IdP: idp.EntityID(), Binding: "auto", Metadata: config.SAMLMetadata{URL: idp.FeedURL(), SignedByFile: in("federation.pem"), Refresh: time.Hour},
			Login: party("login", 200*24*time.Hour), Signing: party("signing", 100*24*time.Hour), NameID: "persistent", Attributes: "swedenconnect", ForceAuthn: true,
			Organisation: config.SAMLOrganisation{Name: both, DisplayName: both, URL: "https://exempelby.example.se", TechnicalContact: "drift@example.se"},
			Skew:         time.Minute, MaxAge: 90 * time.Second, Extensions: config.SAMLExtensions{PrincipalSelection: "auto", UserMessage: "auto"},
		}},
		config.Provider{Name: "an", Kind: config.KindOIDC, Offers: []providers.ID{"annan-id"}, Title: providers.Text{SV: "Annan", EN: "Another"}, OIDC: config.OIDC{
			Issuer: sim.OIDCIssuer(), ClientID: oidc.DefaultClientID, AuthMethod: "private_key_jwt", KeyFile: key, Preset: "freja",
		}},
	)
	sim.OIDCClient(oidc.Client{ID: oidc.DefaultClientID, Name: "Sigill Test", JWKS: c.Issuer + "/eid/an/jwks"})
	return c, l, sim
}

func writeCertificates(t *testing.T, file string, list ...*x509.Certificate) {
	t.Helper()
	var b strings.Builder
	for _, c := range list {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// trusting is what has to be believed of the e-IDs of withEIDs.
func trusting(t *testing.T, c config.Config, sim *testidp.Server) trust.Trust {
	t.Helper()
	read := func(file string) []*x509.Certificate {
		list, err := readCertificates(file)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	f, idp := c.Providers[theFreja].Freja, sim.SAML(testidp.Telia)
	return trust.Trust{
		Freja: trust.Freja{Roots: read(f.JWSRootFile), Certificates: read(f.JWSCertificateFiles[0])},
		SAML:  trust.SAML{Metadata: []*x509.Certificate{idp.FederationCertificate()}, IdPs: []trust.IdP{{EntityID: idp.EntityID(), Provider: providers.Telia}}},
	}
}

// TestNodeWithoutMetadata: one e-ID without its metadata stops no other.
func TestNodeWithoutMetadata(t *testing.T) {
	c, l, _ := withEIDs(t)
	l.Close()
	file := filepath.Join(t.TempDir(), "gone")
	c.Providers[theTelia].SAML.Metadata.URL, c.Providers[theTelia].SAML.Metadata.File = "", file
	log, said := plainLog()
	e, err := openProviders(t.Context(), c.Providers, workshopOf(c, unused{}, time.Now, log))
	if err != nil || said.count("nobody logs in with this e-ID") != 1 {
		t.Fatalf("%v, %s", err, said)
	}
	p, ok := e.find(providers.Telia, "")
	if !ok {
		t.Fatal("Telia is not there")
	}
	var down *providers.Unavailable
	if _, _, err := p.Start(t.Context(), providers.Request{Mode: providers.ModeThis, Handle: "handle", Binding: make([]byte, 32)}); !errors.As(err, &down) {
		t.Errorf("a login starts: %v", err)
	}
}

func quietly(c config.Config) workshop {
	return workshopOf(c, unused{}, time.Now, slog.New(slog.DiscardHandler))
}

// TestBrokenFiles: what an e-ID cannot be made of is said with the names of the
// provider and the file, and of all providers at once.
func TestBrokenFiles(t *testing.T) {
	c, l, _ := withEIDs(t)
	l.Close()
	if _, err := openProviders(t.Context(), c.Providers, quietly(c)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	empty, gone := filepath.Join(dir, "empty"), filepath.Join(dir, "gone")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign, foreignKey := pair(t, dir, "foreign", 3, time.Now().Add(time.Hour))
	for name, tt := range map[string]struct {
		spoil func(*config.Provider)
		at    int
		want  []string
	}{
		"BankID without its certificate":   {func(p *config.Provider) { p.BankID.CertificateFile = gone }, 1, []string{gone}},
		"BankID with another's key":        {func(p *config.Provider) { p.BankID.KeyFile = foreignKey }, 1, []string{foreignKey, "does not match"}},
		"BankID in PKCS#12 that is none":   {func(p *config.Provider) { p.BankID.PKCS12File, p.BankID.PassphraseFile = foreign, empty }, 1, []string{foreign, "PKCS#12"}},
		"Freja without its certificate":    {func(p *config.Provider) { p.Freja.CertificateFile = gone }, theFreja, []string{gone}},
		"Freja without its key":            {func(p *config.Provider) { p.Freja.KeyFile = gone }, theFreja, []string{gone}},
		"Freja with a certificate of none": {func(p *config.Provider) { p.Freja.CertificateFile = empty }, theFreja, []string{empty}},
		"Freja with another's key":         {func(p *config.Provider) { p.Freja.KeyFile = foreignKey }, theFreja, []string{foreignKey, "does not match"}},
		"Freja without a TLS root":         {func(p *config.Provider) { p.Freja.TLSRootFile = gone }, theFreja, []string{gone}},
		"Freja with no JWS root":           {func(p *config.Provider) { p.Freja.JWSRootFile = empty }, theFreja, []string{empty, "holds no certificate"}},
		"Freja with a key for a chain":     {func(p *config.Provider) { p.Freja.JWSChainFile = foreignKey }, theFreja, []string{foreignKey, "not a certificate"}},
		"Freja with no JWS certificate":    {func(p *config.Provider) { p.Freja.JWSCertificateFiles = nil }, theFreja, []string{"no JWS certificate"}},
		"Freja with two that are gone":     {func(p *config.Provider) { p.Freja.TLSRootFile, p.Freja.UserRootFile = gone, empty }, theFreja, []string{gone, empty}},
		"SAML without a login key":         {func(p *config.Provider) { p.SAML.Login.KeyFile = gone }, theTelia, []string{"login: ", gone}},
		"SAML with a login key of another": {func(p *config.Provider) { p.SAML.Login.KeyFile = foreignKey }, theTelia, []string{"login: ", foreignKey}},
		"SAML with no signing key":         {func(p *config.Provider) { p.SAML.Signing.CertificateFile = empty }, theTelia, []string{"signing: ", empty, "no certificate"}},
		"SAML with a key before that is no": {func(p *config.Provider) {
			p.SAML.Login.PreviousCertificateFile, p.SAML.Login.PreviousKeyFile = foreign, empty
		}, theTelia, []string{"login: ", empty}},
		"SAML with no signer of metadata":   {func(p *config.Provider) { p.SAML.Metadata.SignedByFile = empty }, theTelia, []string{empty, "holds no certificate"}},
		"SAML with a TLS root that is gone": {func(p *config.Provider) { p.SAML.Metadata.TLSRootFile = gone }, theTelia, []string{gone}},
		"SAML with metadata that is gone":   {func(p *config.Provider) { p.SAML.Metadata.URL, p.SAML.Metadata.File = "", gone }, theTelia, []string{gone}},
		"SAML with metadata that is none":   {func(p *config.Provider) { p.SAML.Metadata.URL, p.SAML.Metadata.File = "", empty }, theTelia, []string{"metadata"}},
		"OIDC without a key":                {func(p *config.Provider) { p.OIDC.KeyFile = gone }, theOther, []string{gone}},
		"OIDC with a certificate for a key": {func(p *config.Provider) { p.OIDC.KeyFile = foreign }, theOther, []string{foreign, "cannot be read"}},
		"OIDC with no key":                  {func(p *config.Provider) { p.OIDC.KeyFile = empty }, theOther, []string{empty, "no key in PEM"}},
		"OIDC with an empty secret": {func(p *config.Provider) {
			p.OIDC.AuthMethod, p.OIDC.KeyFile, p.OIDC.SecretFile = "client_secret_basic", "", empty
		}, theOther, []string{empty, "is empty"}},
		"OIDC with a TLS root that is gone": {func(p *config.Provider) { p.OIDC.TLSRootFile = gone }, theOther, []string{gone}},
	} {
		t.Run(name, func(t *testing.T) {
			list := slices.Clone(c.Providers)
			tt.spoil(&list[tt.at])
			list[0].Kind = "mojleg" // one fault hides no other
			w := quietly(c)
			w.offline = true // as check: a node goes on without metadata
			_, err := openProviders(t.Context(), list, w)
			if err == nil || !strings.Contains(err.Error(), `provider one: there is no kind "mojleg"`) {
				t.Fatalf("got %v", err)
			}
			for _, want := range append(tt.want, "provider "+list[tt.at].Name+": ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Error("it quotes a key")
			}
		})
	}
}

// hangsUp counts who connects, and says nothing.
type hangsUp struct {
	net.Listener
	calls atomic.Int64
}

func listen(t *testing.T) *hangsUp {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &hangsUp{Listener: l}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a.calls.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-over
	})
	return a
}

// TestCheckAsksNobody: a configuration is checked where no issuer can be reached,
// and where none may know of it.
func TestCheckAsksNobody(t *testing.T) {
	c, l, sim := withEIDs(t)
	l.Close()
	believed := trusting(t, c, sim)
	sealed(t, &c, func(b *trust.Trust) { b.Freja, b.SAML = believed.Freja, believed.SAML })
	a := listen(t)
	address := "http://" + a.Addr().String()
	c.Providers[theFreja].Freja.BaseURL = "https://" + a.Addr().String()
	c.Providers[theTelia].SAML.Metadata.URL = address + "/metadata"
	c.Providers[theOther].OIDC.Issuer = address
	check := func(when string) {
		t.Helper()
		if err := Check(t.Context(), c); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if w := Warnings(c, time.Now()); len(w) != 2 { // of BankID's, in two days
			t.Errorf("%s: warnings %q", when, w)
		}
		if n := a.calls.Load(); n != 0 {
			t.Errorf("%s: somebody was asked %d times", when, n)
		}
		if _, err := os.Stat(c.Data); err == nil != (when != "first") {
			t.Errorf("%s: the data folder: %v", when, err)
		}
	}
	check("first")
	if err := os.MkdirAll(filepath.Join(c.Data, "metadata"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("without a copy")
	// A node that has run leaves a copy, which is read.
	kept := c
	kept.Providers = slices.Clone(c.Providers)
	kept.Providers[theTelia].SAML.Metadata.URL = sim.SAML(testidp.Telia).FeedURL()
	if _, err := openProviders(t.Context(), kept.Providers, quietly(kept)); err != nil {
		t.Fatal(err)
	}
	e, err := openProviders(t.Context(), kept.Providers, lookOf(kept, time.Now))
	if err != nil {
		t.Fatal(err)
	}
	telia, _ := e.find(providers.Telia, "")
	if _, err := telia.(*saml.Provider).Source.IdP(kept.Providers[theTelia].SAML.IdP); err != nil {
		t.Errorf("the copy is not read: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(c.Data, "metadata", "*")); err != nil || len(left) == 0 {
		t.Errorf("no copy: %v", err)
	}
}

// TestProofsOfEIDs: what would stop every receipt with a signature of an e-ID is
// said before the first order.
func TestProofsOfEIDs(t *testing.T) {
	c, l, sim := withEIDs(t)
	l.Close()
	foreign, _ := pair(t, t.TempDir(), "foreign", 3, time.Now().Add(time.Hour))
	strangers, err := readCertificates(foreign)
	if err != nil {
		t.Fatal(err)
	}
	idp := sim.SAML(testidp.Telia)
	federation := []*x509.Certificate{idp.FederationCertificate()}
	listed := func(p trust.IdP) trust.SAML {
		p.EntityID = idp.EntityID()
		return trust.SAML{Metadata: federation, IdPs: []trust.IdP{p}}
	}
	const not = ": its signatures would not be believed: "
	for name, tt := range map[string]struct {
		change func(list []config.Provider, b *trust.Trust)
		want   []string // nothing: it is fine
	}{
		"all":                        {func([]config.Provider, *trust.Trust) {}, nil},
		"any certificate of Freja's": {func(_ []config.Provider, b *trust.Trust) { b.Freja.Certificates = nil }, nil},
		"no Freja":                   {func(_ []config.Provider, b *trust.Trust) { b.Freja = trust.Freja{} }, []string{"provider fr" + not + "nothing under freja in the trust file stands above"}},
		"another root of Freja's":    {func(_ []config.Provider, b *trust.Trust) { b.Freja.Roots = strangers }, []string{"nothing under freja in the trust file stands above"}},
		"half of Freja's":            {func(_ []config.Provider, b *trust.Trust) { b.Freja.Certificates = b.Freja.Certificates[:1] }, []string{"the certificates under freja in the trust file lack"}},
		"approved for Freja":         {func(l []config.Provider, b *trust.Trust) { l[theFreja].Approved, b.Freja.Approved = true, true }, nil},
		"Freja not approved there":   {func(l []config.Provider, b *trust.Trust) { l[theFreja].Approved = true }, []string{"provider fr" + not + "it is approved for level 3, and freja in the trust file is not"}},
		"no identity provider":       {func(_ []config.Provider, b *trust.Trust) { b.SAML = trust.SAML{} }, []string{"provider te" + not + "saml-metadata in the trust file does not name the identity provider " + idp.EntityID()}},
		"no identity provider, that nobody signs with": {func(l []config.Provider, b *trust.Trust) {
			b.SAML, l[theTelia].SAML.Signing = trust.SAML{}, config.SAMLParty{}
		}, nil},
		"an identity provider that is another e-ID": {func(_ []config.Provider, b *trust.Trust) { b.SAML = listed(trust.IdP{Provider: "annan-id"}) }, []string{"the trust file says that " + idp.EntityID() + " is annan-id"}},
		"an identity provider not approved there":   {func(l []config.Provider, _ *trust.Trust) { l[theTelia].Approved = true }, []string{"it is approved for level 3, and " + idp.EntityID() + " in the trust file is not"}},
		"an identity provider approved there": {func(l []config.Provider, b *trust.Trust) {
			l[theTelia].Approved, b.SAML = true, listed(trust.IdP{Provider: providers.Telia, Approved: true})
		}, nil},
		"unsigned metadata": {func(l []config.Provider, _ *trust.Trust) { l[theTelia].SAML.Metadata.Unsigned = true }, []string{"its metadata is unsigned, so the trust file must hold the certificates"}},
		"unsigned metadata, and certificates": {func(l []config.Provider, b *trust.Trust) {
			l[theTelia].SAML.Metadata.Unsigned, b.SAML = true, listed(trust.IdP{Provider: providers.Telia, Certificates: idp.SigningCertificates()})
		}, nil},
		"levels of the framework": {func(l []config.Provider, _ *trust.Trust) {
			l[theTelia].SAML.AcceptLevels = map[string]providers.Level{saml.LoA3: providers.LevelUncertified3}
		}, nil},
		"a level of one's own": {func(l []config.Provider, _ *trust.Trust) {
			l[theTelia].SAML.AcceptLevels = map[string]providers.Level{"urn:example:loa3": providers.LevelUncertified3}
		}, []string{"accept_levels has urn:example:loa3"}},
		"names of either preset": {func(l []config.Provider, _ *trust.Trust) {
			l[theTelia].SAML.Names = map[string][]string{"number": {"Subject_SerialNumber", "urn:oid:1.2.752.29.4.13"}}
		}, nil},
		"a name of one's own": {func(l []config.Provider, _ *trust.Trust) {
			l[theTelia].SAML.Names = map[string][]string{"number": {"urn:oid:1.2.752.29.4.13", "personalNumber"}}
		}, []string{"attribute_names reads number from personalNumber"}},
		"mapped numbers": {func(l []config.Provider, _ *trust.Trust) {
			l[theTelia].SAML.MappedNumbers = []string{"http://id.swedenconnect.se/x"}
		}, []string{"mapped_numbers"}},
		"a clock's skew": {func(l []config.Provider, _ *trust.Trust) { l[theTelia].SAML.Skew = 2 * time.Minute }, []string{"clock_skew"}},
	} {
		t.Run(name, func(t *testing.T) {
			list, b := slices.Clone(c.Providers), trusting(t, c, sim)
			tt.change(list, &b)
			var said []string
			for _, p := range list {
				if err := checkProofs(p, b); err != nil {
					said = append(said, strings.Split(err.Error(), "\n")...)
				}
			}
			if len(tt.want) == 0 && len(said) > 0 {
				t.Errorf("got %q", said)
			}
			for _, want := range tt.want {
				if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, want) }) {
					t.Errorf("got %q, want %q", said, want)
				}
			}
		})
	}

	// Whose keys the metadata names is known once it was fetched.
	e, err := openProviders(t.Context(), c.Providers, quietly(c))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		saml trust.SAML
		bad  bool
	}{
		"an entry of its own signature": {listed(trust.IdP{}), false},
		"nobody":                        {trust.SAML{IdPs: listed(trust.IdP{}).IdPs}, true},
		"another signer":                {trust.SAML{Metadata: strangers, IdPs: listed(trust.IdP{}).IdPs}, true},
		"its certificates":              {trust.SAML{IdPs: listed(trust.IdP{Certificates: idp.SigningCertificates()}).IdPs}, false},
		"one of its certificates":       {trust.SAML{IdPs: listed(trust.IdP{Certificates: idp.SigningCertificates()[:1]}).IdPs}, false},
		"others":                        {trust.SAML{IdPs: listed(trust.IdP{Certificates: strangers}).IdPs}, true},
	} {
		if err := e.checkEntries(trust.Trust{SAML: tt.saml}); (err != nil) != tt.bad || err != nil && !strings.HasPrefix(err.Error(), "provider te"+not) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tried are the findings of a trial that are bad, by instance.
func tried(t *testing.T, c config.Config, name string) map[string][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	trials, err := Try(ctx, c, name)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]string{}
	for _, trial := range trials {
		bad[trial.Instance] = []string{}
		for _, f := range trial.Findings {
			if f.What == "" || f.Said == "" {
				t.Errorf("%s: a finding without words: %+v", trial.Instance, f)
			}
			if f.Bad {
				bad[trial.Instance] = append(bad[trial.Instance], f.What+": "+f.Said)
			}
		}
		if len(trial.Findings) == 0 || trial.Bad() != (len(bad[trial.Instance]) > 0) {
			t.Errorf("%s: %d findings", trial.Instance, len(trial.Findings))
		}
	}
	return bad
}

// TestTry: an issuer is tried without a person, and what is wrong is said in a way
// that tells how to mend it.
func TestTry(t *testing.T) {
	c, l, sim := withEIDs(t)
	believed := trusting(t, c, sim)
	sealed(t, &c, func(b *trust.Trust) { b.Freja, b.SAML = believed.Freja, believed.SAML })
	n, _, _ := run(t, c, l) // the issuer behind OpenID Connect asks it for our keys
	c.Providers = n.settings.Providers[theFreja:]

	for name, want := range map[string][]string{
		"": {"an", "fr", "te"}, "fr": {"fr"}, string(providers.Freja): {"fr"}, string(providers.Telia): {"te"}, "annan-id": {"an"},
	} {
		got := tried(t, c, name)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
			t.Errorf("%q: tried %v", name, slices.Sorted(maps.Keys(got)))
		}
		for instance, bad := range got {
			if len(bad) > 0 {
				t.Errorf("%q: %s: %q", name, instance, bad)
			}
		}
	}
	if _, err := Try(t.Context(), c, "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a name that fits nothing: %v", err)
	}

	dir := t.TempDir()
	foreign, foreignKey := pair(t, dir, "foreign", 3, time.Now().Add(time.Hour))
	ended, endedKey := pair(t, dir, "ended", 4, time.Now().Add(-time.Hour))
	l2 := listen(t)
	nowhere := l2.Addr().String()
	l2.Close()
	at := func(i int) int { return i - theFreja }
	for name, tt := range map[string]struct {
		at    int
		spoil func(*config.Provider)
		want  string
	}{
		"Freja below another root":       {theFreja, func(p *config.Provider) { p.Freja.TLSRootFile = foreign }, "does not end at a configured TLS root"},
		"Freja nowhere":                  {theFreja, func(p *config.Provider) { p.Freja.BaseURL = "https://" + nowhere }, "connection to 127.0.0.1"},
		"a stranger at Freja":            {theFreja, func(p *config.Provider) { p.Freja.CertificateFile, p.Freja.KeyFile = foreign, foreignKey }, "refuses our certificate"},
		"Freja with an ended one":        {theFreja, func(p *config.Provider) { p.Freja.CertificateFile, p.Freja.KeyFile = ended, endedKey }, "files of rp:fr: the certificate ended on "},
		"Freja with a root of another's": {theFreja, func(p *config.Provider) { p.Freja.JWSRootFile = foreign }, "no answer signed with it is believed"},
		"Freja without its certificate":  {theFreja, func(p *config.Provider) { p.Freja.CertificateFile = filepath.Join(dir, "gone") }, "configuration: provider fr: "},
		"metadata signed by another":     {theTelia, func(p *config.Provider) { p.SAML.Metadata.SignedByFile = foreign }, "metadata of te: "},
		"metadata nowhere":               {theTelia, func(p *config.Provider) { p.SAML.Metadata.URL = "http://" + nowhere + "/metadata" }, "metadata of te: "},
		"an IdP that is not there":       {theTelia, func(p *config.Provider) { p.SAML.IdP = "https://idp.example.se" }, "https://idp.example.se"},
		"an issuer nowhere":              {theOther, func(p *config.Provider) { p.OIDC.Issuer = "http://" + nowhere }, "the issuer's server: "},
		"an issuer by another name":      {theOther, func(p *config.Provider) { p.OIDC.Issuer += "/" }, "must be written exactly as it calls itself"},
		"a client that it does not know": {theOther, func(p *config.Provider) { p.OIDC.ClientID = "somebody" }, "the client: "},
		"a key that is not published":    {theOther, func(p *config.Provider) { p.OIDC.KeyFile = foreignKey }, "the client: "},
		"a scope that it has not":        {theOther, func(p *config.Provider) { p.OIDC.Scopes = []string{"openid", "frobnicate"} }, "the issuer does not list frobnicate"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := c
			bad.Providers = slices.Clone(c.Providers)
			p := &bad.Providers[at(tt.at)]
			tt.spoil(p)
			for instance, said := range tried(t, bad, "") {
				if instance != p.Name {
					if len(said) > 0 {
						t.Errorf("%s: %q", instance, said)
					}
				} else if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, tt.want) }) {
					t.Errorf("said %q, want %q", said, tt.want)
				}
			}
		})
	}
	t.Run("a trust file that believes no entry", func(t *testing.T) {
		bad := c
		sealed(t, &bad, func(b *trust.Trust) {
			b.Freja, b.SAML = believed.Freja, believed.SAML
			b.SAML.Metadata = believed.Freja.Roots
		})
		if said := tried(t, bad, "te")["te"]; len(said) != 1 || !strings.Contains(said[0], "proofs of signatures: provider te: its signatures would not be believed") {
			t.Errorf("said %q", said)
		}
		if err := Check(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "provider te: its signatures would not be believed") {
			t.Errorf("check: %v", err)
		}
	})
}

// TestDocumentsAndDates: what issuers fetch is served, and when what they say ends
// is told.
func TestDocumentsAndDates(t *testing.T) {
	c, l, _ := withEIDs(t)
	n, _, client := run(t, c, l)
	for path, want := range map[string]struct {
		status int
		media  string
		holds  string
	}{
		"te/metadata":      {200, "application/samlmetadata+xml", `entityID="` + c.Issuer + `/eid/te/metadata"`},
		"te/sign/metadata": {200, "application/samlmetadata+xml", `entityID="` + c.Issuer + `/eid/te/sign/metadata"`},
		"an/jwks":          {200, "application/jwk-set+json", `"keys":[`},
		"te/jwks":          {404, "", ""},
		"an/metadata":      {404, "", ""},
		"fr/metadata":      {404, "", ""},
		"one/jwks":         {404, "", ""},
		"nobody/metadata":  {404, "", ""},
		"te/":              {404, "", ""},
	} {
		status, body, h := send(t, client, http.MethodGet, c.Issuer+"/eid/"+path, "")
		if status != want.status || !strings.Contains(body, want.holds) || want.media != "" && !strings.HasPrefix(h.Get("Content-Type"), want.media) {
			t.Errorf("%s: %d of %s, want %d of %s with %s", path, status, h.Get("Content-Type"), want.status, want.media, want.holds)
		}
		if strings.Contains(body, `"d":`) || strings.Contains(body, "PRIVATE") {
			t.Errorf("%s publishes a private key", path)
		}
	}
	_, text, _ := send(t, client, http.MethodGet, "http://"+n.AdminAddr().String()+"/metrics", "")
	for _, want := range []string{
		`sigill_certificate_days_left{what="rp:fr"} `, `sigill_certificate_days_left{what="te: our key for logins"} 199.`,
		`sigill_certificate_days_left{what="te: our key for signatures"} 99.`, `sigill_certificate_days_left{what="fr: JWS certificate `,
		`sigill_eid_metadata_hours_left{instance="te"} `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(text, `instance="an"} `) && strings.Contains(text, `sigill_eid_metadata_hours_left{instance="an"}`) {
		t.Error("an issuer without such metadata has hours left")
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "sigill_certificate_days_left") && strings.Contains(line, "metadata") {
			t.Errorf("metadata that renews itself is a certificate: %s", line)
		}
	}
}

// TestTenantsInstances: a tenant's e-IDs are its own where it has any: an instance
// by its name, or by its name and the e-ID's.
func TestTenantsInstances(t *testing.T) {
	c, l, sim := withEIDs(t)
	believed := trusting(t, c, sim)
	sealed(t, &c, func(b *trust.Trust) { b.Freja, b.SAML = believed.Freja, believed.SAML })
	named := func(i int, name string) config.Provider {
		p := c.Providers[i]
		p.Name = name
		return p
	}
	c.Providers = append(c.Providers, named(1, "exempelby"), named(theFreja, "exempelby-freja"), named(theFreja, "provinge-freja"), named(theFreja, "exempelby-telia-x"))
	examples := filepath.Join("..", "demo")
	c.Portal = &config.Portal{Listen: "127.0.0.1:0", Tenants: filepath.Join(examples, "tenants"), Services: filepath.Join(examples, "services")}
	n, err := New(t.Context(), Config{Settings: c, Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	for tenant, want := range map[string]string{
		"exempelby": "mbankid@exempelby bankid@exempelby freja@exempelby-freja telia@te",
		"provinge":  "mbankid@one",
	} {
		client, ok, err := n.townhall.client("portal-" + tenant)
		if !ok || err != nil {
			t.Fatalf("%s: %v", tenant, err)
		}
		var got []string
		for _, i := range n.eids.offers(client) {
			got = append(got, fmt.Sprintf("%s@%s", i.ID, i.Instance))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s offers %v, want %s", tenant, got, want)
		}
	}
}
