package web

import (
	"net/http"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
)

// comeBack is the one-time address that an app sends the person to. It shows
// nothing of the order to anybody but the browser that started it.
func (w *Web) comeBack(rw http.ResponseWriter, r *http.Request) error {
	nonce := r.URL.Query()["n"]
	if len(nonce) != 1 || len(nonce[0]) > 128 {
		nonce = []string{""}
	}
	back, err := w.Flow.Return(r.Context(), broker.OrderID(r.PathValue("order")), nonce[0], w.Pages.Cookies.Browser(r))
	if err != nil {
		return err
	}
	say := func(status int, n func(lang string) notice) error {
		w.Pages.show(rw, r, status, look{}, n)
		return nil
	}
	switch {
	case back.Outcome == flow.Welcome && back.Order.Owner == owner:
		page.SeeOther(rw, orderPage(back.Order.Ref, back.Order.ID))
		return nil
	case back.Outcome == flow.WrongBrowser:
		return say(http.StatusForbidden, func(lang string) notice {
			return notice{
				Title: w.Pages.text(lang, "return.wrong.heading"), Heading: w.Pages.text(lang, "return.wrong.heading"),
				Text: w.Pages.text(lang, "return.wrong.text"), Next: w.Pages.text(lang, "return.wrong.next"),
				Beware: w.Pages.text(lang, "return.wrong.beware"), Sign: "bad", Icon: "alert",
				Reference: page.RequestID(r.Context()),
			}
		})
	case back.Outcome == flow.CloseWindow:
		return say(http.StatusOK, func(lang string) notice {
			return notice{
				Title: w.Pages.text(lang, "return.close.heading"), Heading: w.Pages.text(lang, "return.close.heading"),
				Text: w.Pages.text(lang, "return.close.text"), Icon: "check",
			}
		})
	}
	return say(http.StatusGone, func(lang string) notice {
		return notice{
			Title: w.Pages.text(lang, "return.spent.heading"), Heading: w.Pages.text(lang, "return.spent.heading"),
			Text: w.Pages.text(lang, "return.spent.text"), Sign: "warn", Icon: "clock",
		}
	})
}
