package judges

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/andybalholm/cascadia"
	"golang.org/x/sync/errgroup"

	"sigill/testidp"
	"sigill/testidp/persons"
	"sigill/testidp/saml"
)

// A shibboleth is Debian's service provider: Apache with mod_shib, and shibd. The
// templates in the folder shibboleth are filled from it.
type shibboleth struct {
	Dir                string   // of configuration, keys and logs
	Sources            []string // of metadata
	Copies             string   // folder for what came from them
	URL, Listen, Shibd string   // where Apache is, and the port of shibd
	IdP                string
	Modules            []string
	ModuleDir          string
	User, Group        string // whom Apache becomes; empty: it stays who it is
	shibd              string // the program
}

// What it shows to whoever is logged in.
const shibbolethPage = `<dl>
<dt>user</dt><dd><!--#echo var="REMOTE_USER" --></dd>
<dt>number</dt><dd><!--#echo var="number" --></dd>
<dt>name</dt><dd><!--#echo var="givenName" --> <!--#echo var="sn" --></dd>
<dt>born</dt><dd><!--#echo var="dateOfBirth" --></dd>
<dt>issuer</dt><dd><!--#echo var="Shib-Identity-Provider" --></dd>
<dt>level</dt><dd><!--#echo var="Shib-AuthnContext-Class" --></dd>
</dl>`

// Its logs name people, so they are in a folder that goes.
const shibbolethLog = `log4j.rootCategory=WARN, file
log4j.appender.file=org.apache.log4j.FileAppender
log4j.appender.file.fileName=%s
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%%p %%c: %%m%%n
`

func newShibboleth(t *testing.T, idp *testidp.Server) *shibboleth {
	t.Helper()
	apache, shibd := program(t, "apache2", "httpd"), program(t, "shibd")
	modules := filepath.Dir(file(t, "/usr/lib/apache2/modules/mod_shib.so"))
	port := freePort(t)
	// Apache run by root gives its privileges away, so the folder must be open to
	// whom it becomes.
	dir, err := os.MkdirTemp("", "shibboleth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	url := idp.SAMLURL(testidp.Telia)
	s := &shibboleth{
		Dir: dir, Copies: dir, Sources: []string{url + "/metadata", url + "/feed"}, IdP: url,
		URL: "http://127.0.0.1:" + port, Listen: "127.0.0.1:" + port, Shibd: freePort(t), shibd: shibd,
		ModuleDir: modules, Modules: []string{"mpm_event", "authn_core", "authz_core", "authz_user", "include", "shib"},
	}
	for _, name := range []string{"signing", "encryption"} {
		certified(t, s.Dir, name)
	}
	if err := idp.WriteFiles(s.Dir); err != nil {
		t.Fatal(err)
	}
	s.letIn(t)
	s.write(t, "pages/index.html", []byte(shibbolethPage))
	for _, name := range []string{"attributes.xml", "metadata.xml", "shibboleth2.xml", "apache.conf"} {
		s.write(t, name, s.filled(t, name))
	}
	for name, of := range map[string]string{"log.conf": "shibd.log", "log-inside.conf": "mod_shib.log"} {
		s.write(t, name, fmt.Appendf(nil, shibbolethLog, filepath.Join(s.Dir, of)))
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"shibd.log", "mod_shib.log", "apache.log"} {
				text, _ := os.ReadFile(filepath.Join(s.Dir, name))
				t.Logf("%s:\n%s", name, masked(string(text[max(0, len(text)-4000):])))
			}
		}
	})
	start(t, "saml-shibd.log", listens("127.0.0.1:"+s.Shibd), exec.Command(shibd, "-F", "-f", "-c", filepath.Join(s.Dir, "shibboleth2.xml"), "-p", filepath.Join(s.Dir, "shibd.pid")))
	start(t, "saml-apache.log", answers(s.entityID()), exec.Command(apache, "-f", filepath.Join(s.Dir, "apache.conf"), "-DFOREGROUND"))
	return s
}

func (s *shibboleth) entityID() string { return s.URL + "/Shibboleth.sso/Metadata" }

// letIn gives the folder to whom Apache becomes.
func (s *shibboleth) letIn(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(nobody.Gid)
	if err != nil {
		t.Fatal(err)
	}
	s.User, s.Group = nobody.Username, group.Name
	uid, err := strconv.Atoi(nobody.Uid)
	if err == nil {
		err = os.Chown(s.Dir, uid, -1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *shibboleth) write(t *testing.T, name string, text []byte) {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// filled is a template, filled in.
func (s *shibboleth) filled(t *testing.T, name string) []byte {
	t.Helper()
	form, err := template.ParseFiles(filepath.Join("shibboleth", name))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := form.Execute(&text, s); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// goes has a person log in, with a fault in the answer, if any. It gives the page
// where that ends.
func (s *shibboleth) goes(who persons.Person, fault string) (sight, error) {
	b := traveller{newWalker(s.URL), who.ID}
	defer b.http.CloseIdleConnections()
	at, err := b.ask(http.MethodGet, s.URL+"/index.html", nil, nil)
	if err != nil {
		return at, err
	}
	if at.find("select[name=person]") == nil {
		return at, fmt.Errorf("the simulator lets nobody log in: %s", at)
	}
	if at, err = b.submit(at, "form", "person", b.name, "action", "approve", "fault", fault); err != nil {
		return at, err
	}
	if at.find(responseForm) == nil {
		return at, fmt.Errorf("the simulator gives no answer: %s", at)
	}
	return b.returns(at)
}

// What an answer says is not a service provider's affair but the application's:
// these answers are let in, and say what they say.
var unjudged = []string{
	"wrongPerson", "tenDigits", "hyphen", "coordination", "twoValues", "twoAttributes", "friendlyNameSpoof", "missingNumber", "nameIdOnly",
	"noAttributeStatement", "twoAssertions", "otherIdP", "wrongLevel", "levelWithSpaces", "levelCase",
}

// lenient are the faults that Shibboleth closes its eyes to, and why; whom it lets
// in is the right person all the same.
var lenient = map[string]string{
	"noSignMessageDigest": "of signatures", "wrongSignMessageDigest": "of signatures",
	"noAudience": "SAML allows it, the Swedish profile does not", "noConditions": "the same", "noIssuer": "the same", "twoAuthnStatements": "the same",
	"oldAuthnInstant": "it does not hold it against ForceAuthn", "futureAuthnInstant": "the same",
	"unsignedResponse": "the assertion is signed", "unsignedAssertion": "the response is signed",
	"xsw3": "the assertion that is signed counts", "duplicateIdAfter": "the same", "emptyReference": "the whole document is the response",
	"sha1": "its defaults", "sha1Digest": "the same", "tripleDes": "the same", "c14nComments": "the same", "unencrypted": "the same",
	"comment": "its reader skips them", "commentInDigest": "the same", "deepNesting": "it has no such limit", "huge": "the same",
}

// objections are what Shibboleth says of all other faults.
var objections = map[string][]string{
	"Message was signed, but signature could not be verified": {"badSignature", "badAssertionSignature", "foreignKey", "hmac", "wrongIssuer", "ecdsaDER", "swappedAssertion"},
	"Invalid signature profile":                               {"noReference", "twoReferences", "xpathTransform", "signatureObject", "xsw1", "xsw6", "xsw8", "xsw8SameId"},
	"exception while loading signature":                       {"twoSignedInfo", "xsltTransform"},
	"Unable to establish security of incoming assertion":      {"xsw5", "xsw7"},
	"Invalid child element":                                   {"twoSignatures", "xsw2", "xsw4", "notResponse"},
	"Invalid attribute":                                       {"fooId"},
	"Rejecting replayed message ID":                           {"duplicateId"},
	"Rejecting non-correlated response":                       {"foreignInResponseTo", "noInResponseTo", "replay"},
	"lack of correlation ID":                                  {"relayStateMangled", "relayStateMissing", "relayStateLong"},
	"Unable to locate satisfiable bearer SubjectConfirmation": {"wrongConfirmedRequest", "wrongRecipient", "noRecipient", "noSubjectConfirmation", "noConfirmationData", "senderVouches"},
	"delivered with POST to incorrect server URL":             {"wrongDestination"},
	"missing Destination":                                     {"noDestination"},
	"unacceptable AudienceRestriction":                        {"wrongAudience"},
	"An Issuer was supplied that conflicts":                   {"wrongAssertionIssuer"},
	"Assertion is no longer valid":                            {"expired"},
	"Assertion is not yet valid":                              {"notYet"},
	"issued too long ago":                                     {"oldIssue"},
	"issued in the future":                                    {"futureIssue", "clockAhead90"},
	"must have a Subject":                                     {"noSubject"},
	"AuthnContext must have":                                  {"noLevel"},
	"valid authentication statement was not found":            {"noAuthnStatement", "badCiphertext", "shortCiphertext", "oddCiphertext", "rsa15", "encryptedForOther", "commentInNumber"},
	"contained no SAML assertions":                            {"successWithoutAssertion"},
	"reported an IdP error":                                   {"errorWithAssertion", "unsignedError"},
	"XML error(s) during parsing":                             {"doctype", "billionLaughs", "notXML"},
	"Unable to decode base64":                                 {"garbageResponse"},
}

// testShibboleth lets Debian's Shibboleth judge the simulated identity provider: a
// login works, what is unusual works too, and what is a fault is one to somebody
// who has never heard of us.
func testShibboleth(t *testing.T, _ string) {
	idp := testidp.Start(t)
	s := newShibboleth(t, idp)
	who := idp.People()[0]
	page, err := traveller{walker: newWalker(s.URL)}.ask(http.MethodGet, s.URL+"/index.html", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var faults []string
	for _, o := range cascadia.QueryAll(page.doc, cascadia.MustCompile("select[name=fault] option")) {
		faults = append(faults, wordsOf(o))
	}
	if len(faults) < 100 {
		t.Fatalf("the page offers %d faults: %s", len(faults), page)
	}
	faults[0] = "" // none
	var all errgroup.Group
	all.SetLimit(4)
	for _, fault := range faults {
		all.Go(func() error {
			at, err := s.goes(who, fault)
			if err == nil {
				err = s.judges(at, fault, who)
			}
			if err != nil {
				t.Errorf("fault %q: %v", fault, err)
			}
			return nil
		})
	}
	all.Wait()

	const unsigned, key, other = "Root metadata element was unsigned", "Unable to verify signature with supplied key", "did not supply any candidate keys"
	for _, c := range []struct{ source, fault, objection string }{
		{"/metadata", "", ""},
		{"/metadata", "metadataBadSignature", key},
		{"/metadata", "metadataUnsigned", unsigned},
		{"/metadata", "metadataUnknownSigner", other},
		{"/metadata", "metadataExpired", "invalid at time of acquisition"},
		{"/feed", "", ""},
		{"/feed", "feedBadSignature", key},
		{"/feed", "feedUnsigned", unsigned},
		{"/feed", "feedUnknownSigner", other},
		{"/feed", "feedExpired", "invalid at time of acquisition"},
		{"/feed", "feedNoValidUntil", "did not include a validUntil attribute"},
	} {
		idp.ClearFaults()
		if c.fault != "" {
			idp.Fault(testidp.Telia, c.fault)
		}
		said := s.reads(t, c.source)
		if refused := strings.Contains(said, "failure initializing MetadataProvider"); refused != (c.objection != "") || !strings.Contains(said, c.objection) {
			t.Errorf("of %s with fault %q Shibboleth does not say %q:\n%s", c.source, c.fault, c.objection, said)
		}
	}
}

// reads has another shibd read one source of metadata, and gives what it says.
func (s *shibboleth) reads(t *testing.T, source string) string {
	t.Helper()
	other := *s
	other.Copies, other.Sources = t.TempDir(), []string{s.IdP + source}
	config := filepath.Join(other.Copies, "shibboleth2.xml")
	if err := os.WriteFile(config, other.filled(t, "shibboleth2.xml"), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(s.shibd, "-t", "-c", config).CombinedOutput()
	if err != nil {
		t.Fatalf("shibd -t: %v\n%s", err, said)
	}
	return string(said)
}

// judges holds what came of a fault against what must.
func (s *shibboleth) judges(at sight, fault string, who persons.Person) error {
	_, closed := lenient[fault]
	if fault == "" || closed || slices.Contains(saml.Harmless(), fault) {
		return s.shows(at, who)
	}
	text := masked(at.words("body"))
	if slices.Contains(unjudged, fault) {
		if at.status != http.StatusOK {
			return fmt.Errorf("Shibboleth does not let it in any more: %s", text)
		}
		return nil
	}
	for objection, faults := range objections {
		if slices.Contains(faults, fault) {
			if at.status != http.StatusInternalServerError || !strings.Contains(text, objection) {
				return fmt.Errorf("Shibboleth does not say %q: %d %s", objection, at.status, text)
			}
			return nil
		}
	}
	return fmt.Errorf("nobody has written down what Shibboleth says: %d %s", at.status, text)
}

// shows holds the page against whom the identity provider identified.
func (s *shibboleth) shows(at sight, who persons.Person) error {
	shown := map[string]string{}
	for _, dt := range cascadia.QueryAll(at.doc, cascadia.MustCompile("dt")) {
		shown[wordsOf(dt)] = wordsOf(dt.NextSibling)
	}
	switch {
	case at.status != http.StatusOK || len(shown) != 6:
		return fmt.Errorf("Shibboleth lets nobody in: %s", masked(at.words("body")))
	case shown["number"] != who.Number || shown["name"] != who.Name() || strings.ReplaceAll(shown["born"], "-", "") != who.Number[:8]:
		return errors.New("Shibboleth takes the person for somebody else")
	case shown["user"] == "" || strings.Contains(shown["user"], who.Number):
		return errors.New("Shibboleth has no name for the user, or the number as name")
	case shown["issuer"] != s.IdP+"/metadata" || shown["level"] != acrUncertified:
		return fmt.Errorf("Shibboleth says: by %s at %s", shown["issuer"], shown["level"])
	}
	return nil
}
