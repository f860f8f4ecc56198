package web

import (
	"cmp"
	"slices"
	"strings"

	"sigill/providers"
)

// names are what people call an e-ID and what belongs to it.
type names struct {
	eid    string // "Telia e-legitimation"
	app    string // "Freja", in "the Freja app"
	issuer string // "Telia"; empty: not known
	whose  string // "Telias"; empty: not known
}

// namesOf names an e-ID; what info leaves open is as everybody calls the ones that
// are known.
func namesOf(lang string, id providers.ID, info providers.Info) names {
	n := names{eid: cmp.Or(info.Named(lang), id.Name()), issuer: info.Help.Issuer}
	switch id {
	case providers.BankID, providers.MBankID:
		n.app = "BankID"
	case providers.Freja:
		n.app, n.issuer = "Freja", cmp.Or(n.issuer, "Freja")
	case providers.Telia:
		n.app, n.issuer = "Telia", cmp.Or(n.issuer, "Telia")
	default:
		n.app = n.eid
	}
	if n.issuer != "" {
		n.whose = genitive(lang, n.issuer)
	}
	return n
}

// genitive says that something is somebody's.
func genitive(lang, name string) string {
	ends := strings.HasSuffix(name, "s") || strings.HasSuffix(name, "x") || strings.HasSuffix(name, "z")
	switch {
	case lang == "en":
		return name + "’s"
	case ends:
		return name
	}
	return name + "s"
}

// help is where people get on with an e-ID; addresses may be empty.
type help struct {
	Name           string
	Test, URL, Get string
}

// helpOf gives the addresses of one e-ID, of which there may be none.
func helpOf(n names, id providers.ID, h providers.Help) help {
	name := n.eid
	if id == providers.MBankID {
		name = n.app // one page of BankID's helps with both kinds of it
	}
	return help{name, safeHome(h.Test), safeHome(h.URL), safeHome(h.Get)}
}

// link is one address, for What: "test", "help", "get".
type link struct{ What, Name, URL string }

// Trouble are the links for whoever cannot get on: first of all to test the e-ID.
func (h help) Trouble() []link {
	return present(link{"test", h.Name, h.Test}, link{"help", h.Name, h.URL})
}

// Getting is the link for whoever has no e-ID.
func (h help) Getting() []link { return present(link{"get", h.Name, h.Get}) }

func present(list ...link) []link {
	return slices.DeleteFunc(list, func(l link) bool { return l.URL == "" })
}

// helps gives those of all e-IDs that are offered, each issuer's once.
func helps(lang string, ids []providers.ID, infos []providers.Info) []help {
	var list []help
	var seen []providers.Help
	for _, id := range ids {
		for _, i := range infos {
			if i.ID == id && !slices.Contains(seen, i.Help) {
				seen = append(seen, i.Help)
				list = append(list, helpOf(namesOf(lang, id, i), id, i.Help))
			}
		}
	}
	return list
}
