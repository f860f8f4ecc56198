package web

import (
	"errors"
	"net/http"

	"sigill/broker/kit/i18n"
	"sigill/portal"
)

// seen makes a page of what rooms say to whoever may not see: there is nothing.
func seen(err error) error {
	if errors.Is(err, portal.ErrNotFound) {
		return notFound()
	}
	return err
}

// unseen is seen for what can be somebody's without a login too: who is not
// logged in is asked to, whether there is something or not.
func (w *Web) unseen(rw http.ResponseWriter, r *http.Request, v visit, err error) error {
	if errors.Is(err, portal.ErrNotFound) && !v.who.LoggedIn() {
		return w.land(rw, r, v)
	}
	return seen(err)
}

// elsewhere is the address of a tenant of the group, as the visitor's pages link
// to it.
func (w *Web) elsewhere(v visit, id portal.TenantID) string {
	if t, ok := w.Catalogue.Tenant(id); ok && id != v.tenant.ID {
		return t.BaseURL
	}
	return v.base
}

// otherTexts are the texts that the code of these pages shows.
func otherTexts() []i18n.Use {
	uses := whenTexts()
	use := func(names []string, keys ...string) {
		for _, k := range keys {
			uses = append(uses, i18n.Use{Key: k, Where: "code", Names: names})
		}
	}
	use(nil, "mina.sent.none", "mina.closed.none", "mina.ends.waiting", "mina.go", "mina.go.waiting", "mina.go.sign", "mina.state.saved",
		"mina.state.saved.text", "mina.state.returned", "mina.state.sending", "mina.state.sending.text", "mina.state.sign", "mina.state.sign.text",
		"mina.state.others", "mina.state.others.text", "mina.state.signing", "mina.state.sealing", "mina.state.sealing.text", "mina.party.you.signed",
		"mina.party.you.not", "mina.removed", "returned.refused.someone", "returned.expired", "returned.withdrawn", "returned.cancelled", "returned.failed",
		"returned.again", "state.arrived", "state.arrived.text", "state.in_progress", "state.in_progress.text", "state.supplement", "state.supplement.text",
		"state.closed", "state.closed.text", "case.file.signed", "case.file.receipt", "case.file.pdf", "case.file.image", "case.file.other", "case.signed",
		"case.event.arrived", "case.event.written", "case.event.answered", "case.message.label", "case.message.closed", "case.message.sent",
		"case.message.not", "case.message.from", "case.message.officer", "waiting.others", "waiting.others.next", "waiting.sign.heading", "waiting.sign.text",
		"waiting.sign.alone", "waiting.sign.many", "waiting.sealing", "waiting.sealing.text", "waiting.sealing.next", "waiting.sending",
		"waiting.sending.text", "waiting.stale", "waiting.party.later", "waiting.party.turn", "waiting.party.asked", "waiting.party.opened",
		"waiting.party.failed", "waiting.party.not", "waiting.party.signed.unknown", "waiting.party.refused", "waiting.party.expired", "waiting.queued.email",
		"waiting.queued.sms", "waiting.failed.email", "waiting.failed.sms", "waiting.corrected", "waiting.reminded", "waiting.not", "waiting.late", "waiting.unsaved",
		"withdraw.none", "sent.told.none", "sent.next.default", "profile.notify.email", "profile.notify.sms", "profile.notify.both", "profile.saved",
		"profile.fault.email", "profile.fault.phone", "profile.fault.notify", "profile.fault.reach", "profile.fault.other", "officer.filter.open",
		"officer.status.done", "officer.status.stale", "officer.message.label", "officer.message.sent", "officer.land", "officer.land.text", "officer.again",
		"officer.login", "officer.bye", "officer.bye.text", "officer.refused", "officer.refused.text", "waiting.ended", "waiting.ended.text", "waiting.remind.soon", "officer.unavailable", "officer.nameless", "officer.failed", "officer.failed.text",
		"case.event.no_email", "case.event.no_sms")
	use([]string{"a"}, "sent.told.one")
	use([]string{"a", "b"}, "sent.told.two")
	use([]string{"kind", "size"}, "case.file.about")
	use([]string{"most"}, "case.message.help", "case.message.empty")
	use([]string{"n"}, "mina.unread", "waiting.others.text", "withdraw.text", "officer.unread")
	use([]string{"name"}, "mina.party.signed", "mina.party.not", "returned.refused", "waiting.you")
	use([]string{"state"}, "case.event.status")
	use([]string{"when"}, "mina.ends", "mina.arrived", "mina.erased", "case.signed.at", "waiting.party.signed", "waiting.sent.email", "waiting.sent.sms",
		"waiting.deadline", "officer.changed")
	return uses
}
