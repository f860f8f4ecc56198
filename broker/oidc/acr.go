package oidc

import (
	"slices"

	"sigill/broker"
	"sigill/providers"
)

// The levels of assurance that we state. The first is for everybody; the
// second only where the operator is approved, which is what gives a provider
// its Level3.
const (
	acrUncertified3 = "http://id.swedenconnect.se/loa/1.0/uncertified-loa3"
	acrLevel3       = "http://id.elegnamnden.se/loa/1.0/loa3"
)

func acrOf(l providers.Level) string {
	switch l {
	case providers.LevelUncertified3:
		return acrUncertified3
	case providers.Level3:
		return acrLevel3
	}
	return ""
}

// levelOf is the exact inverse of acrOf: what is not in the table is no level.
func levelOf(acr string) providers.Level {
	switch acr {
	case acrUncertified3:
		return providers.LevelUncertified3
	case acrLevel3:
		return providers.Level3
	}
	return providers.LevelNone
}

// reaches reports whether a login at level l may be called acr: at its own
// level or below, never above.
func reaches(l providers.Level, acr string) bool {
	wanted := levelOf(acr)
	return wanted != providers.LevelNone && wanted <= l
}

// stated is the acr of an answer: of the essential ones the highest that l
// reaches, else the first wish that it reaches, else its own. False when l
// reaches none of the essential ones, or is no level at all.
func stated(l providers.Level, wish broker.AuthorizationWish) (string, bool) {
	if len(wish.EssentialACR) > 0 {
		best := ""
		for _, acr := range wish.EssentialACR {
			if reaches(l, acr) && levelOf(acr) > levelOf(best) {
				best = acr
			}
		}
		return best, best != ""
	}
	for _, acr := range wish.ACRValues {
		if reaches(l, acr) {
			return acr, true
		}
	}
	own := acrOf(l)
	return own, own != ""
}

// offer chooses the e-IDs that may answer a request. authnProvider selects;
// essential levels exclude; acr_values is a preference, so it restricts only
// as long as something is left.
func offer(infos []providers.Info, wish broker.AuthorizationWish) ([]providers.ID, *protocolError) {
	if len(infos) == 0 {
		return nil, refuse(errUnavailable, "no e-ID is available to this client at the moment")
	}
	left := slices.Clone(infos)
	if wish.AuthnProvider != "" {
		left = slices.DeleteFunc(left, func(i providers.Info) bool { return string(i.ID) != wish.AuthnProvider })
		if len(left) == 0 {
			return nil, refuse(errInvalidRequest, "authnProvider names no e-ID that this client may use")
		}
	}
	left = slices.DeleteFunc(left, func(i providers.Info) bool {
		_, ok := stated(i.Level, wish)
		return !ok
	})
	if len(left) == 0 {
		return nil, refuse(errUnmet, "no e-ID that may be used reaches an acr that was asked for as essential")
	}
	preferred := slices.DeleteFunc(slices.Clone(left), func(i providers.Info) bool {
		return !slices.ContainsFunc(wish.ACRValues, func(acr string) bool { return reaches(i.Level, acr) })
	})
	if len(preferred) > 0 {
		left = preferred
	}
	ids := make([]providers.ID, len(left))
	for n, i := range left {
		ids[n] = i.ID
	}
	return ids, nil
}
