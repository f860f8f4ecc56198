package xmlsec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"io"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Sign puts a signature into el: behind its saml:Issuer if that comes first, as in
// messages, else first, as in metadata. The element must have an ID, declare its
// namespaces itself, and be complete: nothing may be changed afterwards. Without a
// certificate the signature names no key.
func Sign(el *etree.Element, key crypto.Signer, cert *x509.Certificate) (err error) {
	defer contain(&err)
	if _, err := ownID(el); err != nil {
		return err
	}
	if Signed(el) {
		return refuse("signature-count", "signed already")
	}
	var chain [][]byte
	if cert != nil {
		chain = [][]byte{cert.Raw}
	}
	if pub, ok := key.Public().(*ecdsa.PublicKey); ok {
		key = plainECDSA{key, pub}
	}
	ctx, err := dsig.NewSigningContext(key, chain)
	if err != nil {
		return err
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	// The library canonicalizes in place: what is digested is a copy.
	sig, err := ctx.ConstructSignature(el.Copy(), true)
	if err != nil {
		return refuse("sign", "%w", err)
	}
	if cert == nil {
		sig.RemoveChild(Child(sig, nsDS, "KeyInfo"))
	}
	at := 0
	if all := el.ChildElements(); len(all) > 0 && Is(all[0], nsAssertion, "Issuer") {
		at = all[0].Index() + 1
	}
	el.InsertChildAt(at, sig)
	return nil
}

// plainECDSA signs in the form that XML Signature wants.
type plainECDSA struct {
	crypto.Signer
	pub *ecdsa.PublicKey
}

func (p plainECDSA) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	der, err := p.Signer.Sign(rand, digest, opts)
	if err != nil {
		return nil, err
	}
	return fromDER(der, p.pub)
}
