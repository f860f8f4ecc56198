package pki

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"
)

// A Kind is the kind of an e-ID.
type Kind string

// The kinds of bankid.md section 7.
const (
	File   Kind = "file"
	Card   Kind = "card"
	Mobile Kind = "mobile"
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{File, Card, Mobile} }

// Policy is the test policy of the kind.
func (k Kind) Policy() string {
	switch k {
	case Card:
		return "1.2.3.4.10"
	case Mobile:
		return "1.2.3.4.25"
	default:
		return "1.2.3.4.5"
	}
}

func (k Kind) label() string {
	switch k {
	case Card:
		return "BankID på kort"
	case Mobile:
		return "Mobilt BankID"
	default:
		return "BankID på fil"
	}
}

// A Use is what a certificate's key may do. Every e-ID has one of each.
type Use string

// The uses: digitalSignature and contentCommitment (nonRepudiation).
const (
	Identify Use = "identify"
	Sign     Use = "sign"
)

// A Holder is the person that an e-ID names.
type Holder struct {
	Number  string
	Given   string
	Surname string
}

// A LeafSpec says which certificate is wanted. The zero values of the last
// three fields give the genuine one; the others exist for fault modes and
// certify the same key.
type LeafSpec struct {
	Holder  Holder
	Kind    Kind
	Use     Use
	Policy  string // another policy than the kind's
	Expired bool   // ran out before now
	Foreign bool   // chain to another root with the same names
}

// A Leaf is a person's certificate with its key, its issuers and the OCSP
// responder that answers for it.
type Leaf struct {
	Key       *rsa.PrivateKey
	Chain     []*x509.Certificate // leaf, Customer CA, bank CA
	Policy    string
	IssueDate string // as bankIdIssueDate writes it
	Responder Responder
}

// Certificate is the person's own certificate.
func (l *Leaf) Certificate() *x509.Certificate { return l.Chain[0] }

// Issuer is the Customer CA.
func (l *Leaf) Issuer() *x509.Certificate { return l.Chain[1] }

// Leaf makes or finds a certificate. Keys and genuine certificates are kept in
// the cache folder; everything is kept in memory, so that a second order of
// the same person costs nothing.
func (p *PKI) Leaf(spec LeafSpec) (*Leaf, error) {
	p.mu.Lock()
	slot, ok := p.leaves[spec]
	if !ok {
		slot = &leafSlot{}
		p.leaves[spec] = slot
	}
	p.mu.Unlock()
	// A lock per certificate: making one must not hold up the others.
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.leaf == nil {
		leaf, err := p.makeLeaf(spec)
		if err != nil {
			return nil, err
		}
		slot.leaf = leaf
	}
	return slot.leaf, nil
}

func (p *PKI) makeLeaf(spec LeafSpec) (*Leaf, error) {
	genuine := LeafSpec{Holder: spec.Holder, Kind: spec.Kind, Use: spec.Use}
	home := p.home
	if spec.Foreign {
		var err error
		if home, err = p.foreign(); err != nil {
			return nil, err
		}
	}
	ca := home[customerCA(spec.Kind)]
	var own *entity
	if spec == genuine {
		var err error
		own, err = p.cache.entity(leafFile(spec), func(key *rsa.PrivateKey) (*entity, error) {
			return issueLeaf(spec, key, ca, p.epoch)
		})
		if err != nil {
			return nil, err
		}
	} else {
		base, err := p.Leaf(genuine)
		if err != nil {
			return nil, err
		}
		own, err = issueLeaf(spec, base.Key, ca, p.epoch)
		if err != nil {
			return nil, err
		}
	}
	policy := spec.Policy
	if policy == "" {
		policy = spec.Kind.Policy()
	}
	return &Leaf{
		Key:       own.key,
		Chain:     []*x509.Certificate{own.cert, ca.cert, home[bankCA].cert},
		Policy:    policy,
		IssueDate: own.cert.NotBefore.In(swedishMidnight(own.cert.NotBefore).Location()).Format("2006-01-02") + "Z",
		Responder: responderOf(home, spec.Kind),
	}, nil
}

// issueLeaf makes a person's certificate with the profile of bankid.md 7.1.
func issueLeaf(spec LeafSpec, key *rsa.PrivateKey, ca *entity, epoch time.Time) (*entity, error) {
	notBefore := swedishMidnight(epoch.AddDate(0, 0, -30))
	notAfter := notBefore.AddDate(4, 0, 0)
	if spec.Kind == File {
		notAfter = notBefore.AddDate(2, 0, 0)
	}
	if spec.Expired {
		notBefore, notAfter = swedishMidnight(epoch.AddDate(0, 0, -300)), swedishMidnight(epoch.AddDate(0, 0, -2))
	}
	full := spec.Holder.Given + " " + spec.Holder.Surname
	subject, err := encodeName([]attribute{
		country(),
		organization(bankName),
		surname(spec.Holder.Surname),
		given(spec.Holder.Given),
		serial(spec.Holder.Number),
		displayName(fmt.Sprintf("(%s) %s - %s", notBefore.Format("060102 15.04"), full, spec.Kind.label())),
		commonName(full),
	})
	if err != nil {
		return nil, err
	}
	policy := spec.Policy
	if policy == "" {
		policy = spec.Kind.Policy()
	}
	policies, err := policyExtension(policy)
	if err != nil {
		return nil, err
	}
	usage := x509.KeyUsageDigitalSignature
	if spec.Use == Sign {
		usage = x509.KeyUsageContentCommitment
	}
	return issue(&x509.Certificate{
		SerialNumber:       newSerial(),
		RawSubject:         subject,
		NotBefore:          notBefore,
		NotAfter:           notAfter,
		SignatureAlgorithm: x509.SHA256WithRSA,
		KeyUsage:           usage,
		SubjectKeyId:       keyID(&key.PublicKey),
		OCSPServer:         []string{"http://revocationstatus.simulator.example.se"},
		ExtraExtensions:    []pkix.Extension{policies},
	}, &key.PublicKey, ca, key)
}
