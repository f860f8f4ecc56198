package web

import (
	"strings"

	"sigill/broker/kit/i18n"
	"sigill/broker/kit/page"
	"sigill/portal/form"
	"sigill/portal/people"
)

// textsInCode are the texts that code shows and no template names.
func textsInCode() []i18n.Use {
	var uses []i18n.Use
	use := func(names string, keys ...string) {
		for _, k := range keys {
			uses = append(uses, i18n.Use{Key: k, Where: "code", Names: strings.Fields(names)})
		}
	}
	use("", "error.title", "error.home", "menu.mine", "protected.text", "protected.heading", "protected.nothing", "category.other")
	for _, code := range []string{page.CodeNotFound, page.CodeMethod, page.CodeTooLarge, page.CodeMalformed, page.CodeInternal, codeOrigin} {
		use("", "error."+code, "error."+code+".text")
	}
	for _, c := range categories() {
		use("", "category."+c)
	}
	for _, b := range bases() {
		use("", "basis."+b)
	}

	use("", "service.audience.both", "service.audience.company", "service.login", "service.login.no", "service.sign", "service.sign.no",
		"service.files.no", "privacy.authority", "privacy.purpose", "privacy.data", "privacy.basis", "privacy.draft", "privacy.closed", "privacy.kept")
	use("n", "service.steps", "span.years", "span.days")
	use("keep", "service.drafts", "service.sign.guardian", "service.sign.others", "service.sign.perhaps", "privacy.draft.text", "privacy.closed.text")
	use("label", "service.file.optional", "service.file.sometimes", "service.file.required")

	use("", "login.heading", "many.heading", "many.text", "refused.title", "refused.again", "out.heading", "out.text", "out.idle", "out.not", "out.not.text", "out.now", "menu.officer", "out.again",
		"held.heading", "held.contact", "held.files", "held.lost", "held.none", "held.message", "held.profile", "held.gone", "held.gone.text", "held.gone.go", "profile.unanswered")
	use("tenant", "login.lead", "login.land")
	use("minutes", "held.step", "held.words", "held.pressed", "out.idle.text")
	for _, why := range []string{string(people.Coordination), string(people.Unknown), "cancelled", "failed", "unavailable"} {
		use("", "refused."+why, "refused."+why+".text", "refused."+why+".next")
	}

	use("", "step.more", "step.restored", "step.lost", "step.busy", "progress.done", "progress.here", "progress.open", "progress.closed", "progress.review",
		"progress.sign", "saved.title", "saved.heading", "saved.go", "need.optional", "need.recommended", "origin.profile",
		"origin."+string(form.FromRegister), "origin."+string(form.FromLogin), "known."+string(form.FromRegister), "known."+string(form.FromLogin), "date.day", "date.month", "date.year", "contact.email", "contact.phone",
		"contact.notify", "notify.email", "notify.sms", "notify.both", "answer.yes", "answer.no", "child.register", "child.hidden", "child.none",
		"limit.personal_id", "limit.one")
	use("reason", "step.reason")
	use("title", "saved.text")
	use("date", "saved.keep")
	use("n", "rank", "limit.length", "limit.files", "limit.many")
	use("year", "child.born")
	use("kinds max", "limit.file")

	use("label", "fault.other", "fault.whole", "fault.reach", "fault.reach.all", "fault.required.email", "fault.required.phone")
	for _, t := range form.Types() {
		use("label", "fault.required."+asked(t))
	}
	for _, c := range []form.Code{form.FaultAdvised, form.FaultNumber, form.FaultDate, form.FaultEmail, form.FaultPhone, form.FaultNotify, form.FaultOption,
		form.FaultTwice, form.FaultPersonalID, form.FaultChild, form.FaultRegister, form.FaultSelf} {
		use("label", "fault."+string(c))
	}
	use("label max", "fault.decimals", "fault.too_long", "fault.files", "fault.many", "fault.max", "fault.date_max", "fault.age.max")
	use("label min", "fault.few", "fault.min", "fault.date_min", "fault.age.min")
	use("label min max", "fault.age.both")
	use("name", "file.file_empty", "file.file_name")
	use("name max", "file.file_large", "file.file_type", "file.file_many", "file.file_total")
	use("max", "file.cut")

	use("", "review.changed", "review.notice.changed", "review.send", "review.sign", "review.problem", "review.none", "signer.you", "signer.alone", "signer.unreached", "and",
		"unsent.changed", "unsent.changed.text", "unsent.changed.go", "unsent.nothing", "unsent.not_taken", "unsent.not_taken.text", "unsent.not_taken.go", "conflict.first", "unsent.unsure", "unsent.unsure.text", "unsent.again", "unsent.review")
	use("to", "signer.link", "signer.code")
	use("agency", "review.notice")
	return uses
}
