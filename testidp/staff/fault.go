package staff

// The fault modes, drawn once for each call.
const (
	http503       = "http503"       // discovery and tokens: 503 with a text
	garbage       = "garbage"       // tokens: 200 with something that is not JSON
	badSignature  = "badSignature"  // the ID Token is signed with another key
	wrongNonce    = "wrongNonce"    // the ID Token belongs to another login
	wrongAudience = "wrongAudience" // the ID Token is for another client
	wrongIssuer   = "wrongIssuer"   // the ID Token is from elsewhere
	expired       = "expired"       // the ID Token is an hour old
	noGroups      = "noGroups"      // the claim groups is missing
)

func faultModes() []string {
	return []string{http503, garbage, badSignature, wrongNonce, wrongAudience, wrongIssuer, expired, noGroups}
}
