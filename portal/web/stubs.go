package web

import (
	"net/http"

	"sigill/broker/kit/i18n"
)

// Built next.

func textsInCode() []i18n.Use {
	var uses []i18n.Use
	for _, k := range []string{"error.title", "error.home", "error.not_found", "error.not_found.text", "error.method", "error.method.text", "error.too_large", "error.too_large.text",
		"error.malformed", "error.malformed.text", "error.internal", "error.internal.text", "error.origin", "error.origin.text"} {
		uses = append(uses, i18n.Use{Key: k, Where: "code"})
	}
	return uses
}

func (w *Web) land(rw http.ResponseWriter, r *http.Request, v visit) error         { return notFound() }
func (w *Web) serveStart(rw http.ResponseWriter, r *http.Request, v visit) error   { return notFound() }
func (w *Web) serveService(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveBegin(rw http.ResponseWriter, r *http.Request, v visit) error   { return notFound() }
func (w *Web) serveDraft(rw http.ResponseWriter, r *http.Request, v visit) error   { return notFound() }
func (w *Web) serveReview(rw http.ResponseWriter, r *http.Request, v visit) error  { return notFound() }
func (w *Web) serveSend(rw http.ResponseWriter, r *http.Request, v visit) error    { return notFound() }
func (w *Web) serveDraftFile(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveConflict(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveSettle(rw http.ResponseWriter, r *http.Request, v visit) error  { return notFound() }
func (w *Web) serveRemove(rw http.ResponseWriter, r *http.Request, v visit) error  { return notFound() }
func (w *Web) serveRemoved(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveLogin(rw http.ResponseWriter, r *http.Request, v visit) error   { return notFound() }
func (w *Web) serveLoginBegin(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveLoggedIn(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveLogout(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveLoggedOut(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveStay(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveLogo(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveStep(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveStepSave(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
