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

// capped is a configured table with nothing in it that the e-ID cannot have.
func capped(levels map[string]providers.Level, id providers.ID, approved bool) map[string]providers.Level {
	most := DefaultLevels(id, approved)[LoA3]
	out := make(map[string]providers.Level, len(levels))
	for loa, level := range levels {
		if loa != LoA3 && loa != LoA4 {
			most := providers.LevelUncertified3
			out[loa] = min(level, most)
			continue
		}
		out[loa] = min(level, most)
	}
	return out
}
