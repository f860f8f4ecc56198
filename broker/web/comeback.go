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
	say := func(status int, n func(lang string) Notice) error {
		w.Pages.Show(rw, r, status, page.Look{}, n)
		return nil
	}
	home, known := w.homes[back.Order.Owner]
	switch {
	case back.Outcome == flow.Welcome && known:
		page.SeeOther(rw, home(back.Order))
		return nil
	case back.Outcome == flow.WrongBrowser:
		return say(http.StatusForbidden, func(lang string) Notice {
			return Notice{
				Title: w.Pages.text(lang, "return.wrong.heading"), Heading: w.Pages.text(lang, "return.wrong.heading"),
				Text: w.Pages.text(lang, "return.wrong.text"), Next: w.Pages.text(lang, "return.wrong.next"),
				Beware: w.Pages.text(lang, "return.wrong.beware"), Sign: "bad", Icon: "alert",
				Reference: page.RequestID(r.Context()),
			}
		})
	case back.Outcome == flow.CloseWindow:
		return say(http.StatusOK, func(lang string) Notice {
			return Notice{
				Title: w.Pages.text(lang, "return.close.heading"), Heading: w.Pages.text(lang, "return.close.heading"),
				Text: w.Pages.text(lang, "return.close.text"), Icon: "check",
			}
		})
	}
	return say(http.StatusGone, func(lang string) Notice {
		return Notice{
			Title: w.Pages.text(lang, "return.spent.heading"), Heading: w.Pages.text(lang, "return.spent.heading"),
			Text: w.Pages.text(lang, "return.spent.text"), Sign: "warn", Icon: "clock",
		}
	})
}
