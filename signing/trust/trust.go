// Package trust reads and writes trust files: what a verifier believes
// beforehand, by purpose.
//
// It owns the format (YAML, strict) and BankID's production environment, which
// is built in. Test roots never are. What is done with a root is the verifiers'
// business. Each installation publishes its own trust file, and a receipt states
// that file's SHA-256.
package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"sigill/broker/kit/config/strict"
	"sigill/providers"
	"sigill/providers/bankid"
)

// Version is of the format.
const Version = 1

// Trust is what a verifier believes.
type Trust struct {
	Seal   Seal
	TSA    []*x509.Certificate // roots of timestamping authorities
	Audit  []PublicKey         // that sign audit heads
	BankID []BankID            // environments besides production, and what is said of that
	Freja  Freja
	SAML   SAML
}

// Freja is whose statements about Freja's users are believed.
type Freja struct {
	Roots []*x509.Certificate // above what Freja signs with
	// Certificates are what Freja signs with; none: any below Roots that bears its
	// name, which is weaker, since other certificates stand below them too.
	Certificates []*x509.Certificate
	Users        []*x509.Certificate // of people's own certificates, where they are known
	Approved     bool                // the installation is approved for level 3
}

// SAML is which identity providers are believed, by what they sign with.
type SAML struct {
	Metadata []*x509.Certificate // that sign metadata of one identity provider each
	IdPs     []IdP
}

// An IdP is a SAML identity provider and the e-ID that it stands for.
type IdP struct {
	EntityID     string
	Provider     providers.ID
	Certificates []*x509.Certificate // that it signs with; none: its signed metadata says
	Approved     bool                // the installation is approved for level 3
	// Levels are what its levels are worth, by URI, and Attributes the names of what
	// it tells, by claim, where they are not the usual ones.
	Levels     map[string]providers.Level
	Attributes map[string][]string
	// MappedBy are the ways of finding the person of a foreign e-ID that are believed.
	MappedBy []string
}

// levels are those that a trust file can name.
func levels() map[string]providers.Level {
	return map[string]providers.Level{"uncertified-loa3": providers.LevelUncertified3, "loa3": providers.Level3}
}

// Seal is whose seals are believed.
type Seal struct {
	Roots []*x509.Certificate
	// Organisation and OrgIdentifier, where set, are the only sealer.
	Organisation, OrgIdentifier string
}

// PublicKey is a key in DER (SubjectPublicKeyInfo).
type PublicKey []byte

// BankID is one of BankID's environments.
type BankID struct {
	Name     string
	Roots    []*x509.Certificate
	Policies []string
	Approved bool // the installation is approved for level 3
}

// Production is the name of the environment that is built in.
const Production = "production"

// BankIDs are all environments that are believed.
func (t Trust) BankIDs() []BankID {
	env := bankid.Production()
	built := BankID{Name: Production, Roots: env.SignatureRoots, Policies: env.Policies.All()}
	all := []BankID{}
	for _, b := range t.BankID {
		if b.Name == Production {
			built.Approved = b.Approved
		} else {
			all = append(all, b)
		}
	}
	return append([]BankID{built}, all...)
}

// Parse reads a trust file. The error is strict.Faults: all that is wrong, with
// lines.
func Parse(data []byte) (Trust, error) {
	f, root := strict.Parse("trust file", data)
	m := root.Map()
	if v := m.Get("version").Required(); v.Int(0, 1000) != Version && v.Present() {
		v.Fault("is not known here; this program reads version %d", Version)
	}
	t := Trust{
		Seal: readSeal(m.Get("seal")), TSA: readRoots(m.Get("tsa")), Audit: readKeys(m.Get("audit")), BankID: readBankID(m.Get("bankid")),
		Freja: readFreja(m.Get("freja")), SAML: readSAML(m.Get("saml-metadata")),
	}
	// A purpose of its own, though nothing is verified with it: no e-ID behind OpenID
	// Connect signs, so that no receipt holds such evidence. Files with it are read.
	readRoots(m.Get("oidc"))
	m.Close()
	if err := f.Err(); err != nil {
		return Trust{}, err
	}
	return t, nil
}

func readSeal(v strict.Value) Seal {
	m := v.Map()
	s := Seal{
		Organisation: m.Get("organisation").Text(), OrgIdentifier: m.Get("organisation_identifier").Text(),
		Roots: readPEM(m.Get("roots"), v.Present()),
	}
	m.Close()
	return s
}

func readRoots(v strict.Value) []*x509.Certificate {
	m := v.Map()
	roots := readPEM(m.Get("roots"), v.Present())
	m.Close()
	return roots
}

func readFreja(v strict.Value) Freja {
	m := v.Map()
	defer m.Close()
	return Freja{Roots: readPEM(m.Get("roots"), v.Present()), Certificates: readPEM(m.Get("certificates"), false), Users: readPEM(m.Get("users"), false), Approved: m.Get("approved").Bool()}
}

func readSAML(v strict.Value) SAML {
	m := v.Map()
	defer m.Close()
	s := SAML{Metadata: readPEM(m.Get("roots"), false)}
	idps := m.Get("idps")
	if v.Present() {
		idps = idps.Required()
	}
	for _, item := range idps.List() {
		p := item.Required().Map()
		id := p.Get("provider").Required()
		idp := IdP{
			EntityID: p.Get("entity_id").Required().Text(), Provider: providers.ID(id.Text()),
			Certificates: readPEM(p.Get("certificates"), len(s.Metadata) == 0), Approved: p.Get("approved").Bool(),
		}
		idp.Levels, idp.Attributes, idp.MappedBy = readLevels(p.Get("levels")), readNames(p.Get("attributes")), p.Get("mapped_by").Texts()
		p.Close()
		switch {
		case id.Present() && !idp.Provider.Valid():
			id.Fault("is no name of an e-ID")
		case id.Present() && idp.Provider.Known() && idp.Provider != providers.Telia:
			id.Fault("%s does not stand behind a SAML identity provider", idp.Provider)
		case slices.ContainsFunc(s.IdPs, func(o IdP) bool { return o.EntityID == idp.EntityID }):
			item.Fault("there is another identity provider %s", idp.EntityID)
		}
		s.IdPs = append(s.IdPs, idp)
	}
	return s
}

func readLevels(v strict.Value) map[string]providers.Level {
	if !v.Present() {
		return nil
	}
	table := map[string]providers.Level{}
	for _, e := range v.Map().Entries() {
		table[e.Key] = levels()[e.Required().OneOf("uncertified-loa3", "loa3")]
	}
	return table
}

func readNames(v strict.Value) map[string][]string {
	if !v.Present() {
		return nil
	}
	names := map[string][]string{}
	for _, e := range v.Map().Entries() {
		names[e.Key] = e.Required().Texts()
	}
	return names
}

func readBankID(v strict.Value) []BankID {
	var list []BankID
	for _, item := range v.List() {
		m := item.Required().Map()
		b := BankID{Name: m.Get("name").Required().Text(), Approved: m.Get("approved").Bool()}
		if b.Name == Production {
			for _, key := range []string{"roots", "policies"} {
				if it := m.Get(key); it.Present() {
					it.Fault("must not be given: the production environment is built in")
				}
			}
		} else {
			b.Roots = readPEM(m.Get("roots"), true)
			b.Policies = readPolicies(m.Get("policies").Required())
		}
		m.Close()
		if slices.ContainsFunc(list, func(o BankID) bool { return o.Name == b.Name }) {
			item.Fault("there is another environment with the name %s", b.Name)
		}
		list = append(list, b)
	}
	return list
}

func readPolicies(v strict.Value) []string {
	policies := v.Texts()
	if v.IsList() && len(policies) == 0 {
		v.Fault("must name at least one policy")
	}
	for i, p := range policies {
		if oid, err := x509.ParseOID(p); err != nil || oid.String() != p {
			v.List()[i].Fault("must be an object identifier such as 1.2.752.78.1.5")
		}
	}
	return policies
}

// maxCertificates bounds a bundle.
const maxCertificates = 100

func readPEM(v strict.Value, required bool) []*x509.Certificate {
	var list []*x509.Certificate
	blocks(v, required, "CERTIFICATE", func(der []byte) bool {
		c, err := x509.ParseCertificate(der)
		if err != nil || slices.ContainsFunc(list, c.Equal) {
			return false
		}
		list = append(list, c)
		return true
	})
	return list
}

func readKeys(v strict.Value) []PublicKey {
	m := v.Map()
	var list []PublicKey
	blocks(m.Get("keys"), v.Present(), "PUBLIC KEY", func(der []byte) bool {
		if _, err := x509.ParsePKIXPublicKey(der); err != nil {
			return false
		}
		list = append(list, der)
		return true
	})
	m.Close()
	return list
}

// blocks reads PEM and nothing else. What is between and around the blocks must
// be white space: a line that looks like a root and is not one is worse than
// none.
func blocks(v strict.Value, required bool, kind string, take func(der []byte) bool) {
	if required {
		v = v.Required()
	}
	rest := []byte(v.Text())
	for n := 0; len(bytes.TrimSpace(rest)) > 0; n++ {
		if !bytes.HasPrefix(bytes.TrimSpace(rest), []byte("-----BEGIN "+kind+"-----")) || n == maxCertificates {
			v.Fault("must be at most %d PEM blocks of type %s and nothing else", maxCertificates, kind)
			return
		}
		block, after := pem.Decode(rest)
		// The decoder passes over what it cannot read, to the next block.
		read := rest[:len(rest)-len(after)]
		rest = after
		if block == nil || bytes.Count(read, []byte("-----BEGIN")) != 1 || block.Type != kind || len(block.Headers) > 0 || !take(block.Bytes) {
			v.Fault("block %d cannot be read, or stands there twice", n+1)
			return
		}
	}
}

// file is a trust file as it is written.
type file struct {
	Version      int           `yaml:"version"`
	Seal         *fileSeal     `yaml:"seal,omitempty"`
	TSA          *fileRoots    `yaml:"tsa,omitempty"`
	Audit        *fileKeys     `yaml:"audit,omitempty"`
	BankID       []*fileBankID `yaml:"bankid,omitempty"`
	Freja        *fileFreja    `yaml:"freja,omitempty"`
	SAMLMetadata *fileSAML     `yaml:"saml-metadata,omitempty"`
}

type fileSeal struct {
	Organisation  string `yaml:"organisation,omitempty"`
	OrgIdentifier string `yaml:"organisation_identifier,omitempty"`
	Roots         string `yaml:"roots"`
}

type fileRoots struct {
	Roots string `yaml:"roots"`
}

type fileFreja struct {
	Approved     bool   `yaml:"approved,omitempty"`
	Roots        string `yaml:"roots"`
	Certificates string `yaml:"certificates,omitempty"`
	Users        string `yaml:"users,omitempty"`
}

type fileSAML struct {
	Roots string     `yaml:"roots,omitempty"`
	IdPs  []*fileIdP `yaml:"idps"`
}

type fileIdP struct {
	EntityID     string              `yaml:"entity_id"`
	Provider     string              `yaml:"provider"`
	Approved     bool                `yaml:"approved,omitempty"`
	Levels       map[string]string   `yaml:"levels,omitempty"`
	Attributes   map[string][]string `yaml:"attributes,omitempty"`
	MappedBy     []string            `yaml:"mapped_by,omitempty"`
	Certificates string              `yaml:"certificates,omitempty"`
}

type fileKeys struct {
	Keys string `yaml:"keys"`
}

type fileBankID struct {
	Name     string   `yaml:"name"`
	Approved bool     `yaml:"approved,omitempty"`
	Policies []string `yaml:"policies,omitempty"`
	Roots    string   `yaml:"roots,omitempty"`
}

// Write gives the file of a Trust: the same bytes for the same trust, and what
// Parse reads.
func Write(t Trust) ([]byte, error) {
	f := file{
		Version: Version, TSA: rootsOf(t.TSA),
	}
	if len(t.Freja.Roots) > 0 {
		f.Freja = &fileFreja{t.Freja.Approved, encode(t.Freja.Roots), encode(t.Freja.Certificates), encode(t.Freja.Users)}
	}
	if len(t.SAML.IdPs) > 0 {
		f.SAMLMetadata = &fileSAML{Roots: encode(t.SAML.Metadata)}
		for _, p := range t.SAML.IdPs {
			f.SAMLMetadata.IdPs = append(f.SAMLMetadata.IdPs, &fileIdP{
				p.EntityID, string(p.Provider), p.Approved, namesOf(p.Levels), p.Attributes, p.MappedBy, encode(p.Certificates),
			})
		}
	}
	if len(t.Seal.Roots) > 0 {
		f.Seal = &fileSeal{t.Seal.Organisation, t.Seal.OrgIdentifier, encode(t.Seal.Roots)}
	}
	if len(t.Audit) > 0 {
		var b strings.Builder
		for _, k := range t.Audit {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k}))
		}
		f.Audit = &fileKeys{b.String()}
	}
	for _, e := range t.BankID {
		w := &fileBankID{Name: e.Name, Approved: e.Approved}
		if e.Name != Production {
			w.Policies, w.Roots = e.Policies, encode(e.Roots)
		}
		f.BankID = append(f.BankID, w)
	}
	var out bytes.Buffer
	out.WriteString("# What a verifier of receipts believes, by purpose.\n")
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("trust file: %w", err)
	}
	if _, err := Parse(out.Bytes()); err != nil {
		return nil, fmt.Errorf("trust file: %w", err)
	}
	return out.Bytes(), nil
}

func namesOf(table map[string]providers.Level) map[string]string {
	var names map[string]string
	for uri, level := range table {
		for name, l := range levels() {
			if l == level {
				if names == nil {
					names = map[string]string{}
				}
				names[uri] = name
			}
		}
	}
	return names
}

func rootsOf(list []*x509.Certificate) *fileRoots {
	if len(list) == 0 {
		return nil
	}
	return &fileRoots{encode(list)}
}

func encode(list []*x509.Certificate) string {
	var b strings.Builder
	for _, c := range list {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.String()
}
