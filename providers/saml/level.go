package saml

import "sigill/providers"

// Levels of assurance as URIs (registry of the Swedish eID Framework, 1.8). They
// are names: nothing is read out of their parts.
const (
	LoA3            = "http://id.elegnamnden.se/loa/1.0/loa3"
	LoA4            = "http://id.elegnamnden.se/loa/1.0/loa4"
	UncertifiedLoA3 = "http://id.swedenconnect.se/loa/1.0/uncertified-loa3"
)

// DefaultLevels are the levels that are accepted where the configuration names
// none. Telia e-legitimation has no Swedish quality mark, whatever its identity
// provider writes, and an e-ID's level 3 is ours only where we are approved too.
func DefaultLevels(id providers.ID, approved bool) map[string]providers.Level {
	three := providers.LevelUncertified3
	if approved && id != providers.Telia {
		three = providers.Level3
	}
	return map[string]providers.Level{
		LoA3: three, LoA4: three, UncertifiedLoA3: providers.LevelUncertified3,
	}
}

// tooLow are levels of the registry, and of SAML itself, that can never be accepted:
// they are below level 3, or of people who have no Swedish number.
func tooLow() []string {
	const eln, sc, eu, class = "http://id.elegnamnden.se/loa/1.0/", "http://id.swedenconnect.se/loa/1.0/",
		"http://eidas.europa.eu/", "urn:oasis:names:tc:SAML:2.0:ac:classes:"
	return []string{
		eln + "loa1", eln + "loa2", eln + "loa2-sigmessage", sc + "uncertified-loa2",
		sc + "loa2-nonresident", sc + "loa3-nonresident", sc + "loa4-nonresident",
		eln + "eidas-low", eln + "eidas-nf-low", eln + "eidas-low-sigm", eln + "eidas-nf-low-sigm", sc + "uncertified-eidas-low",
		eu + "LoA/low", eu + "NotNotified/LoA/low",
		class + "unspecified", class + "Password", class + "PasswordProtectedTransport", class + "PreviousSession",
		class + "InternetProtocol", class + "InternetProtocolPassword", class + "NomadTelephony", class + "PersonalTelephony",
	}
}

// capped is a configured table with nothing in it that the e-ID cannot have.
func capped(levels map[string]providers.Level, id providers.ID, approved bool) map[string]providers.Level {
	most := DefaultLevels(id, approved)
	out := make(map[string]providers.Level, len(levels))
	for loa, level := range levels {
		ceiling, registered := most[loa]
		if !registered {
			ceiling = providers.LevelUncertified3
		}
		out[loa] = min(level, ceiling)
	}
	return out
}
