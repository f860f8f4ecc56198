package saml

// What prefixes stand for in everything that is written here.
var prefixes = map[string]string{
	"saml":   nsAssertion,
	"samlp":  nsProtocol,
	"md":     nsMetadata,
	"mdui":   nsUI,
	"mdattr": nsEntityAttributes,
	"ds":     nsSignature,
	"ec":     algExclusive,
	"xenc":   nsEncryption,
	"xs":     "http://www.w3.org/2001/XMLSchema",
	"xsi":    "http://www.w3.org/2001/XMLSchema-instance",
	"psc":    nsPrincipal,
	"foo":    "urn:example:foo",
	"xml":    nsXML,
	"csig":   nsCSig,
	"umsg":   nsUserMessage,
}

// Namespaces.
const (
	nsAssertion        = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsProtocol         = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsMetadata         = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsUI               = "urn:oasis:names:tc:SAML:metadata:ui"
	nsEntityAttributes = "urn:oasis:names:tc:SAML:metadata:attribute"
	nsSignature        = "http://www.w3.org/2000/09/xmldsig#"
	nsEncryption       = "http://www.w3.org/2001/04/xmlenc#"
	nsPrincipal        = "http://id.swedenconnect.se/authn/1.0/principal-selection/ns"
	nsUserMessage      = "http://id.swedenconnect.se/authn/1.0/user-message/ns"
	nsCSig             = "http://id.elegnamnden.se/csig/1.1/dss-ext/ns"
	nsSAP              = "http://id.elegnamnden.se/csig/1.1/sap/ns"
	nsXML              = "http://www.w3.org/XML/1998/namespace"
)

// Algorithms.
const (
	algExclusive         = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algExclusiveComments = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"
	algEnveloped         = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	algXPath             = "http://www.w3.org/TR/1999/REC-xpath-19991116"
	algXSLT              = "http://www.w3.org/TR/1999/REC-xslt-19991116"
	algSHA1              = "http://www.w3.org/2000/09/xmldsig#sha1"
	algSHA256            = "http://www.w3.org/2001/04/xmlenc#sha256"
	algSHA384            = "http://www.w3.org/2001/04/xmldsig-more#sha384"
	algSHA512            = "http://www.w3.org/2001/04/xmlenc#sha512"
	algRSASHA1           = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	algRSASHA256         = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	algRSASHA384         = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
	algRSASHA512         = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
	algECDSASHA256       = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	algHMACSHA256        = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	algCBC128            = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
	algCBC192            = "http://www.w3.org/2001/04/xmlenc#aes192-cbc"
	algCBC256            = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
	algGCM128            = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
	algGCM192            = "http://www.w3.org/2009/xmlenc11#aes192-gcm"
	algGCM256            = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	algTripleDES         = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"
	algOAEP              = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	algRSA15             = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
	typeElement          = "http://www.w3.org/2001/04/xmlenc#Element"
)

// Bindings and formats.
const (
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	bindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	formatEntity    = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
	formatAny       = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	persistent      = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	transient       = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	formatURI       = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	formatBasic     = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
	methodBearer    = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	methodVouches   = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
	protocolSAML2   = nsProtocol
)

// Levels of assurance (telia-saml.md 2.3).
const (
	LevelTwo         = "http://id.elegnamnden.se/loa/1.0/loa2"
	LevelThree       = "http://id.elegnamnden.se/loa/1.0/loa3"
	UncertifiedThree = "http://id.swedenconnect.se/loa/1.0/uncertified-loa3"
)

// Entity categories and certification (telia-saml.md 2.1 and 2.2).
const (
	entityCategory      = "http://macedir.org/entity-category"
	certification       = "urn:oasis:names:tc:SAML:attribute:assurance-certification"
	CategoryThree       = "http://id.elegnamnden.se/ec/1.0/loa3-pnr"
	categoryMessage     = "http://id.swedenconnect.se/general-ec/1.0/supports-user-message"
	categorySigning     = "http://id.elegnamnden.se/st/1.0/sigservice"
	categoryCoordinated = "http://id.swedenconnect.se/general-ec/1.0/accepts-coordination-number"
)

// Attributes (telia-saml.md 2.4).
const (
	oidNumber      = "urn:oid:1.2.752.29.4.13"
	oidSurname     = "urn:oid:2.5.4.4"
	oidGivenName   = "urn:oid:2.5.4.42"
	oidDisplayName = "urn:oid:2.16.840.1.113730.3.1.241"
	oidBirth       = "urn:oid:1.3.6.1.5.5.7.9.1"
	oidDigest      = "urn:oid:1.2.752.201.3.14"
)

// Statuses (telia-saml.md 7).
const (
	statusSuccess       = "urn:oasis:names:tc:SAML:2.0:status:Success"
	statusRequester     = "urn:oasis:names:tc:SAML:2.0:status:Requester"
	statusResponder     = "urn:oasis:names:tc:SAML:2.0:status:Responder"
	statusAuthnFailed   = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"
	statusNoContext     = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"
	statusNoPassive     = "urn:oasis:names:tc:SAML:2.0:status:NoPassive"
	statusUnknown       = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"
	statusDenied        = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
	statusUnsupported   = "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported"
	statusNameID        = "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"
	statusNoIDP         = "urn:oasis:names:tc:SAML:2.0:status:NoSupportedIDP"
	statusCancel        = "http://id.elegnamnden.se/status/1.0/cancel"
	statusFraud         = "http://id.elegnamnden.se/status/1.0/fraud"
	statusPossibleFraud = "http://id.elegnamnden.se/status/1.0/possibleFraud"
)
