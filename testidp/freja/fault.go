package freja

// The fault modes. Those of the first block concern one HTTP exchange and are
// drawn when it happens, those of the second are drawn when a transaction is
// made; the others concern what is signed and are drawn when the person
// approves. Each changes exactly what it says, so that everything else still
// fits together. "Harmless" are those that a relying party should not mind.
const (
	http400       = "http400"       // 400 without a body
	http401       = "http401"       // 401 without a body
	http500       = "http500"       // 500 with a page of HTML
	http503       = "http503"       // 503 with a page of HTML
	slow          = "slow"          // the answer takes Timings.Slow longer
	drop          = "drop"          // connection broken after the result was looked up, or the transaction cancelled
	dropStart     = "dropStart"     // connection broken after a transaction was made
	garbage       = "garbage"       // 200 with something that is not JSON
	foreignEcho   = "foreignEcho"   // the result says that it is another transaction's
	unknownFields = "unknownFields" // harmless: members that no document mentions, in answers and statements
	statusOpened  = "statusOpened"  // harmless: OPENED while pending
	unknownStatus = "unknownStatus" // harmless: a pending status that no document mentions
	textDetails   = "textDetails"   // harmless: details hold arbitrary text while there is no statement
	stringCode    = "stringCode"    // harmless: errors carry their code as a string
	lost          = "lost"          // 1100 in place of a result

	slowStarted  = "slowStarted"  // harmless: the app does not fetch the request by itself
	oldReference = "oldReference" // harmless: a reference with plus sign and slash
	code1005     = "code1005"     // the user has switched the service off
	code1012     = "code1012"     // no such user, whoever is named
	code2000     = "code2000"     // an earlier authentication collided
	codeUnknown  = "codeUnknown"  // an error that no document mentions

	wrongX5t        = "wrongX5t"         // x5t of no certificate
	otherX5t        = "otherX5t"         // x5t of the next certificate, which did not sign
	noX5t           = "noX5t"            // no x5t
	critHeader      = "critHeader"       // a critical extension in the header
	algNone         = "algNone"          // alg none and no signature
	algHS256        = "algHS256"         // HMAC with the certificate's PEM as the key
	badSignature    = "badSignature"     // the payload was altered to another person's after signing
	brokenSignature = "brokenSignature"  // a flipped bit in the signature
	expiredCert     = "expiredCert"      // signed with the certificate that ran out
	wrongRoot       = "wrongRoot"        // signed with a certificate of the same names under another root
	rollover        = "rollover"         // harmless where it is pinned: signed with the next certificate
	foreignRef      = "foreignRef"       // the statement is about another reference
	innerStatus     = "innerStatus"      // the statement says CANCELED
	oldTimestamp    = "oldTimestamp"     // stated an hour before the transaction began
	futureTimestamp = "futureTimestamp"  // stated in an hour
	replay          = "replay"           // the whole statement of an earlier transaction of the same person
	base64UserInfo  = "base64UserInfo"   // harmless: userInfo of SSN as it was sent
	jsonUserInfo    = "jsonUserInfo"     // harmless: userInfo of SSN as JSON, which it is anyway
	wrongUserInfo   = "wrongUserInfo"    // userInfo names another person than was asked for
	wrongInfoType   = "wrongInfoType"    // another userInfoType than was asked for
	lowerMinimum    = "lowerMinimum"     // another minRegistrationLevel than was asked for
	lowerLevel      = "lowerLevel"       // attributes say EXTENDED and LOA2
	missingLevel    = "missingLevel"     // attributes without registrationLevel and loaLevel
	missingSSN      = "missingSSN"       // attributes without ssn
	missingNumber   = "missingNumber"    // ssn with a country and no number
	missingName     = "missingName"      // attributes without basicUserInfo
	notSwedish      = "notSwedish"       // ssn of the country NO
	wrongPerson     = "wrongPerson"      // another person's attributes; for SSN, userInfo is as asked
	attributesDiff  = "attributesDiffer" // harmless: the answer repeats another person's attributes, the statement does not
	emptyDetails    = "emptyDetails"     // APPROVED with empty details
	hugeDetails     = "hugeDetails"      // APPROVED with 32 MiB of details

	textDiffers        = "textDiffers"        // the user signed another text
	binaryDiffers      = "binaryDiffers"      // the user signed other binary data
	missingBinary      = "missingBinary"      // the user signed no binary data
	plainInnerText     = "plainInnerText"     // harmless: EXTENDED holds the text itself, not Base64
	wrongSignatureType = "wrongSignatureType" // SIMPLE for EXTENDED or the reverse
	missingSignature   = "missingSignature"   // no signatureData
	badUserSignature   = "badUserSignature"   // a flipped bit in the user's signature
	badOCSP            = "badOCSP"            // a flipped bit in the OCSP answer's signature
	ocspRevoked        = "ocspRevoked"        // the user's certificate was revoked
	ocspStale          = "ocspStale"          // produced an hour before the signature
	ocspGarbage        = "ocspGarbage"        // not an OCSP answer
	userCertificate    = "userCertificate"    // harmless: the user's chain in the inner header
)

func faultModes() []string {
	return []string{
		http400, http401, http500, http503, slow, drop, dropStart, garbage, foreignEcho,
		unknownFields, statusOpened, unknownStatus, textDetails, stringCode, lost,
		slowStarted, oldReference, code1005, code1012, code2000, codeUnknown,
		wrongX5t, otherX5t, noX5t, critHeader, algNone, algHS256, badSignature, brokenSignature, expiredCert, wrongRoot, rollover,
		foreignRef, innerStatus, oldTimestamp, futureTimestamp, replay, base64UserInfo, jsonUserInfo, wrongUserInfo, wrongInfoType,
		lowerMinimum, lowerLevel, missingLevel, missingSSN, missingNumber, missingName, notSwedish, wrongPerson, attributesDiff,
		emptyDetails, hugeDetails,
		textDiffers, binaryDiffers, missingBinary, plainInnerText, wrongSignatureType, missingSignature, badUserSignature,
		badOCSP, ocspRevoked, ocspStale, ocspGarbage, userCertificate,
	}
}
