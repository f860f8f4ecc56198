package oidc

// The fault modes. Those of the first block concern one HTTP exchange of the
// client's own and are drawn when it happens; the others concern what becomes of
// a login and are drawn when the person approves. Each changes exactly what it
// says, so that everything else still fits together.
const (
	http503         = "http503"         // 503 with a text
	http500         = "http500"         // 500 with a text
	slow            = "slow"            // the answer takes Timings.Slow longer
	drop            = "drop"            // connection broken after the call has had its effect: a code is used up
	garbage         = "garbage"         // 200 with something that is not JSON
	html200         = "html200"         // 200 with a page of HTML
	huge            = "huge"            // 200 with eight megabytes of JSON
	discoveryIssuer = "discoveryIssuer" // discovery names another issuer

	mixUpIss     = "mixUpIss"     // the answer comes with another issuer's iss
	noIss        = "noIss"        // … without iss, which discovery promises
	issTwice     = "issTwice"     // … with two iss
	stateMangled = "stateMangled" // … with another state
	noState      = "noState"      // … without state
	codeTwice    = "codeTwice"    // … with the parameter code twice, the second made up
	noCode       = "noCode"       // … with neither code nor error
	wrongCode    = "wrongCode"    // … with a code that nobody gave out
	errorAndCode = "errorAndCode" // … with a code and an error

	accessDenied = "accessDenied" // error access_denied, although the person approved
	errorServer  = "errorServer"  // error server_error
	errorBusy    = "errorBusy"    // error temporarily_unavailable
	errorUnmet   = "errorUnmet"   // error unmet_authentication_requirements
	errorUnknown = "errorUnknown" // an error that no document mentions

	tokenError   = "tokenError"   // the token endpoint says invalid_grant
	tokenType    = "tokenType"    // token_type is one that nobody knows
	noIDToken    = "noIDToken"    // the token answer lacks id_token
	badSignature = "badSignature" // the ID Token's signature has a flipped bit
	algNone      = "algNone"      // … is not signed: alg none
	hs256        = "hs256"        // … is signed by HS256 with the public key as the secret
	foreignKey   = "foreignKey"   // … is signed with another key, by the name of the right one
	unknownKid   = "unknownKid"   // … is signed with another key, by its own name
	embeddedKey  = "embeddedKey"  // … is signed with another key that its header brings along
	critHeader   = "critHeader"   // … has a critical header that nobody knows

	wrongIssuer   = "wrongIssuer"
	wrongAudience = "wrongAudience"
	twoAudiences  = "twoAudiences" // aud names a second client, azp that one
	wrongNonce    = "wrongNonce"
	noNonce       = "noNonce"
	expired       = "expired"     // exp lies in the past, iat an hour before it
	futureIat     = "futureIat"   // iat and exp are an hour ahead
	oldAuth       = "oldAuth"     // auth_time lies two hours before the login began
	noSubject     = "noSubject"   // sub is missing
	wrongAtHash   = "wrongAtHash" // at_hash belongs to another access token
	replay        = "replay"      // an earlier ID Token of the same person, or one made up that is ten minutes older
	swapped       = "swapped"     // the newest ID Token that somebody else got, or one made up for another person with another nonce

	wrongPerson    = "wrongPerson"   // another person, consistently
	lowerLevel     = "lowerLevel"    // the level below
	noLevel        = "noLevel"       // no claim about the level
	unknownLevel   = "unknownLevel"  // a level that no document mentions
	missingNumber  = "missingNumber" // no number, as with a foreigner
	emptyNumber    = "emptyNumber"
	tenDigits      = "tenDigits"      // the number without its century
	wrongDigit     = "wrongDigit"     // the check digit does not fit
	numberType     = "numberType"     // the number is a JSON number and no string
	numberTwice    = "numberTwice"    // the claim stands there twice, first with another person's number
	notSwedish     = "notSwedish"     // the country is another, or the number one that is not Swedish
	coordination   = "coordination"   // a person who has a samordningsnummer, consistently (harmless)
	userinfoOther  = "userinfoOther"  // UserInfo is about another person, sub and all
	userinfoNumber = "userinfoNumber" // UserInfo has the right sub with another person's number

	keyRollover = "keyRollover" // a new key signs from now on and stands in the JWKS beside the old ones (harmless)
	extraClaims = "extraClaims" // claims and members that no document mentions (harmless)
)

func faultModes() []string {
	return []string{
		http503, http500, slow, drop, garbage, html200, huge, discoveryIssuer,
		mixUpIss, noIss, issTwice, stateMangled, noState, codeTwice, noCode, wrongCode, errorAndCode,
		accessDenied, errorServer, errorBusy, errorUnmet, errorUnknown,
		tokenError, tokenType, noIDToken, badSignature, algNone, hs256, foreignKey, unknownKid, embeddedKey, critHeader,
		wrongIssuer, wrongAudience, twoAudiences, wrongNonce, noNonce, expired, futureIat, oldAuth, noSubject, wrongAtHash, replay, swapped,
		wrongPerson, lowerLevel, noLevel, unknownLevel, missingNumber, emptyNumber, tenDigits, wrongDigit, numberType, numberTwice,
		notSwedish, coordination, userinfoOther, userinfoNumber,
		keyRollover, extraClaims,
	}
}
