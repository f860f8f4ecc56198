package bankid

// The fault modes. Those of the first block concern one HTTP exchange and are
// drawn when it happens; the others concern what is signed and are drawn when
// the person approves. Each changes exactly what it says, so that everything
// else in the answer still fits together.
const (
	http503     = "http503"     // 503 maintenance
	http408     = "http408"     // 408 requestTimeout
	http500     = "http500"     // 500 internalError
	html403     = "html403"     // 403 with a page of HTML
	slow        = "slow"        // the answer takes Timings.Slow longer
	drop        = "drop"        // connection broken after a terminal result was used up
	dropStart   = "dropStart"   // connection broken after an order was made
	garbage     = "garbage"     // 200 with something that is not JSON
	extraFields = "extraFields" // members that no document mentions
	unknownHint = "unknownHint" // a pending hint that no document mentions

	badSignature    = "badSignature"   // SignatureValue has a flipped bit
	badDigest       = "badDigest"      // the signed data's DigestValue is another, signed
	wrongKey        = "wrongKey"       // signed with a key that is not the certificate's
	wrongRoot       = "wrongRoot"      // a complete chain with the same names to another root
	expiredLeaf     = "expiredLeaf"    // the person's certificate ran out before now
	wrongPolicy     = "wrongPolicy"    // an e-ID of a policy that the order does not accept
	wrongCondition  = "wrongCondition" // the fulfilled policy in the XML is not the certificate's
	wrongKU         = "wrongKU"        // the e-ID's other certificate: signed for identifying or the reverse
	wrongFuncID     = "wrongFuncId"    // Identification for Signing or the reverse
	alteredText     = "alteredText"    // another visible text was signed
	alteredHidden   = "alteredNonVisible"
	missingType     = "missingType"    // first Reference without Type
	extraReference  = "extraReference" // a third Reference
	wrapped         = "wrapped"        // unsigned duplicate with the right text before the signed data with another
	comment         = "comment"        // a comment inside the signed data, which C14N would drop
	dtd             = "dtd"            // a document type declaration
	badOCSP         = "badOCSP"        // the OCSP signature has a flipped bit
	ocspRevoked     = "ocspRevoked"
	ocspUnknown     = "ocspUnknown"
	ocspSerial      = "ocspWrongSerial"    // an answer about a number that no certificate has
	ocspPerson      = "ocspOtherPerson"    // an answer about another person's certificate
	ocspResponder   = "ocspWrongResponder" // signed by the responder of another Customer CA
	ocspNoEKU       = "ocspNoEKU"          // the responder's certificate is not for OCSP
	ocspNoNonce     = "ocspNonceAbsent"
	ocspNestedNonce = "ocspNonceNested" // an OCTET STRING inside the OCTET STRING
	ocspOtherNonce  = "ocspNonceOther"  // bound to another signature
	ocspStale       = "ocspStale"       // produced an hour ago
	ocspFuture      = "ocspFuture"      // produced in an hour
	replay          = "replay"          // signature and OCSP of an earlier order of the same person
	swapped         = "swapped"         // the whole result of another order
	wrongPerson     = "wrongPerson"     // another person, consistently
	userMismatch    = "userMismatch"    // user names another person than the certificate
	wrongRP         = "wrongRP"         // srvInfo names another relying party
	wrongUHI        = "wrongUHI"        // device.uhi is not the signed one
)

func faultModes() []string {
	return []string{
		http503, http408, http500, html403, slow, drop, dropStart, garbage, extraFields, unknownHint,
		badSignature, badDigest, wrongKey, wrongRoot, expiredLeaf, wrongPolicy, wrongCondition, wrongKU, wrongFuncID,
		alteredText, alteredHidden, missingType, extraReference, wrapped, comment, dtd,
		badOCSP, ocspRevoked, ocspUnknown, ocspSerial, ocspPerson, ocspResponder, ocspNoEKU,
		ocspNoNonce, ocspNestedNonce, ocspOtherNonce, ocspStale, ocspFuture,
		replay, swapped, wrongPerson, userMismatch, wrongRP, wrongUHI,
	}
}
