package web

import (
	"strconv"

	"sigill/broker/kit/i18n"
	"sigill/broker/kit/page"
	brokerweb "sigill/broker/web"
	"sigill/signing/orders"
)

// wordsOf gives the texts of an error page.
func wordsOf(code string) (heading, text string) {
	switch code {
	case page.CodeNotFound, page.CodeMethod, page.CodeTooLarge, page.CodeMalformed, brokerweb.CodeChoice:
		return "error." + code, "error." + code + ".text"
	}
	return "error.internal", "error.internal.text"
}

// uncounted says in words why a signature that was made does not count.
func uncounted(outcome string) string {
	switch outcome {
	case orders.OutcomeOutdated, orders.OutcomeLate, orders.OutcomeOver, orders.OutcomeDoubted:
		return "uncounted." + outcome
	}
	return "uncounted.other"
}

// textsInCode are the texts that code shows and no template names.
func textsInCode() []i18n.Use {
	var uses []i18n.Use
	use := func(names []string, keys ...string) {
		for _, k := range keys {
			uses = append(uses, i18n.Use{Key: k, Where: "code", Names: names})
		}
	}
	client, when, number := []string{"client"}, []string{"when"}, []string{"n"}
	use(nil, "error.title", "out.heading", "out.text", "code.empty", "code.wrong", "code.too_many", "note.cancelled", "note.changed",
		"list.signed", "steps.signed", "steps.refused", "at.not_yet.told", "at.not_yet.next", "steps.never", "steps.later", "steps.asked", "file.pdf", "file.image", "file.other",
		"uncounted.outdated", "uncounted.late", "uncounted.over", "uncounted.not_believed", "uncounted.other")
	for _, code := range []string{page.CodeNotFound, page.CodeMethod, page.CodeTooLarge, page.CodeMalformed, page.CodeInternal, brokerweb.CodeChoice} {
		use(nil, "error."+code, "error."+code+".text")
	}
	for _, w := range []why{toSee, toCode, toList, again} {
		use(nil, "land."+string(w))
		use(client, "land."+string(w)+".text")
	}
	use([]string{"name"}, "land.stay")
	use(client, "land.stay.text")
	for _, s := range []stage{notYet, waiting, sealing, completed, declined, refused, expired, cancelled} {
		use(nil, "at."+string(s))
	}
	for _, s := range []stage{sealing, declined, refused, expired, cancelled} {
		use(nil, "at."+string(s)+".text")
	}
	use(nil, "at.sealing.next", "at.completed.next")
	use(client, "at.over.next", "at.over.signed", "at.not_yet.text")
	use(number, "at.waiting.text", "left.days", "left.hours", "left.minutes", "steps.others")
	use([]string{"client", "when"}, "at.waiting.next")
	use(when, "at.waiting.told", "at.completed.text", "list.until", "steps.signed.at")
	use([]string{"n", "of"}, "steps.others.signed")
	use([]string{"name"}, "steps.you")
	use([]string{"most"}, "refuse.problem")
	use([]string{"weekday", "day", "month", "year", "time"}, "date")
	for d := range 7 {
		use(nil, "day."+strconv.Itoa(d))
	}
	for m := range 12 {
		use(nil, "month."+strconv.Itoa(m+1))
	}
	return uses
}
