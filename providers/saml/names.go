package saml

// Namespaces of what is written and read.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsDSig      = "http://www.w3.org/2000/09/xmldsig#"
	nsXMLEnc    = "http://www.w3.org/2001/04/xmlenc#"
	nsPrincipal = "http://id.swedenconnect.se/authn/1.0/principal-selection/ns"
	nsMessage   = "http://id.swedenconnect.se/authn/1.0/user-message/ns"
	nsCSig      = "http://id.elegnamnden.se/csig/1.1/dss-ext/ns"
)

// Entity categories (Sweden Connect, 1.9).
const (
	categoryLoA3 = "http://id.elegnamnden.se/ec/1.0/loa3-pnr"
)

const (
	bearer       = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	persistent   = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	transient    = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	digestSHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
)
