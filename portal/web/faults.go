package web

import (
	"slices"
	"time"
	"unicode/utf8"

	"sigill/portal/drafts"
	"sigill/portal/form"
)

// asked parts the types of fields by the verb that asks for an answer.
func asked(t form.Type) string {
	switch t {
	case form.TypeRadio, form.TypeDropdown, form.TypeYesNo:
		return "choose"
	case form.TypeCheckboxes:
		return "choose_some"
	case form.TypeRanking:
		return "rank"
	case form.TypeDate:
		return "date"
	case form.TypeChild:
		return "child"
	case form.TypeFile:
		return "file"
	}
	return "write"
}

// faultText says what is wrong in an answer and what to do, with the question's
// own words in it.
func (w *Web) faultText(v visit, f *form.Field, fault form.Fault) string {
	label := f.Label.In(v.lang)
	arg := func(name string) string { return fault.Args[name] }
	say := func(key string, pairs ...any) string {
		return w.text(v, "fault."+key, append([]any{"label", label}, pairs...)...)
	}
	switch fault.Code {
	case form.FaultRequired:
		if fault.Part == "email" || fault.Part == "phone" {
			return say("required." + fault.Part)
		}
		return say("required." + asked(f.Type))
	case form.FaultAdvised, form.FaultNumber, form.FaultDate, form.FaultEmail, form.FaultPhone, form.FaultNotify, form.FaultOption,
		form.FaultTwice, form.FaultPersonalID, form.FaultChild, form.FaultRegister, form.FaultSelf:
		return say(string(fault.Code))
	case form.FaultReach:
		if len(f.Channels) == 1 {
			return say("required." + f.Channels[0])
		}
		if !f.OneOf && len(f.Channels) > 1 {
			return say("reach.all")
		}
		return say("reach")
	case form.FaultDecimals:
		if arg("max") == "0" {
			return say("whole")
		}
		return say("decimals", "max", arg("max"))
	case form.FaultTooLong, form.FaultFiles:
		return say(string(fault.Code), "max", arg("max"))
	case form.FaultMany:
		return say("many", "max", arg("max"))
	case form.FaultFew:
		return say("few", "min", arg("min"))
	case form.FaultMin:
		return say("min", "min", w.amount(v, f, arg("min")))
	case form.FaultMax:
		return say("max", "max", w.amount(v, f, arg("max")))
	case form.FaultDateMin:
		return say("date_min", "min", w.dateWords(v, arg("min")))
	case form.FaultDateMax:
		return say("date_max", "max", w.dateWords(v, arg("max")))
	case form.FaultAge:
		switch {
		case arg("min") == "":
			return say("age.max", "max", arg("max"))
		case arg("max") == "":
			return say("age.min", "min", arg("min"))
		}
		return say("age.both", "min", arg("min"), "max", arg("max"))
	}
	return say("other")
}

// amount is a number with its unit.
func (w *Web) amount(v visit, f *form.Field, n string) string {
	if u := f.Unit.In(v.lang); u != "" {
		return n + " " + u
	}
	return n
}

// dateWords says a date of a fault as people do.
func (w *Web) dateWords(v visit, s string) string {
	t, err := time.ParseInLocation(time.DateOnly, s, w.zone)
	if err != nil {
		return s
	}
	return w.date(v, t)
}

// fileFaults are those of portal/drafts that have words.
func fileFaults() []drafts.FileFault {
	return []drafts.FileFault{drafts.FileEmpty, drafts.FileLarge, drafts.FileType, drafts.FileName, drafts.FileMany, drafts.FileTotal}
}

// shorten keeps a name short enough to be read in a sentence.
func shorten(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string(slices.Concat([]rune(s)[:most-1], []rune("…")))
}
