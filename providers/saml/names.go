package saml

// Namespaces of what is written and read.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsAttribute = "urn:oasis:names:tc:SAML:metadata:attribute"
	nsUI        = "urn:oasis:names:tc:SAML:metadata:ui"
	nsDSig      = "http://www.w3.org/2000/09/xmldsig#"
	nsXMLEnc    = "http://www.w3.org/2001/04/xmlenc#"
	nsPrincipal = "http://id.swedenconnect.se/authn/1.0/principal-selection/ns"
	nsMessage   = "http://id.swedenconnect.se/authn/1.0/user-message/ns"
	nsCSig      = "http://id.elegnamnden.se/csig/1.1/dss-ext/ns"
)

// Entity categories (Sweden Connect, 1.9).
const (
	categoryName        = "http://macedir.org/entity-category"
	categoryLoA3        = "http://id.elegnamnden.se/ec/1.0/loa3-pnr"
	categorySignService = "http://id.elegnamnden.se/st/1.0/sigservice"
	categoryCoordNumber = "http://id.swedenconnect.se/general-ec/1.0/accepts-coordination-number"
	categoryUserMessage = "http://id.swedenconnect.se/general-ec/1.0/supports-user-message"
)

const (
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	bindingPost     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	nameFormatURI   = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	bearer          = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	persistent      = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	transient       = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	digestSHA256    = "http://www.w3.org/2001/04/xmlenc#sha256"
)
