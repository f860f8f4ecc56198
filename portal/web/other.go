package web

import (
	"net/http"

	"sigill/broker/kit/i18n"
)

// The other half of the pages; each moves to a file of its own when it is built.

// otherTexts are the texts that the code of these pages shows.
func otherTexts() []i18n.Use { return whenTexts() }

func (w *Web) serveWaiting(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveWaitingDo(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveSigned(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveCase(rw http.ResponseWriter, r *http.Request, v visit) error   { return notFound() }
func (w *Web) serveCaseFile(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveSent(rw http.ResponseWriter, r *http.Request, v visit) error    { return notFound() }
func (w *Web) serveMessage(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveMine(rw http.ResponseWriter, r *http.Request, v visit) error    { return notFound() }
func (w *Web) serveProfile(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveProfileSave(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficer(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
func (w *Web) serveOfficerLogin(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerLoginBegin(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerLoggedIn(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerLogout(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerLoggedOut(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerCase(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerFile(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerMessage(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveOfficerStatus(rw http.ResponseWriter, r *http.Request, v visit) error {
	return notFound()
}
func (w *Web) serveNews(rw http.ResponseWriter, r *http.Request, v visit) error { return notFound() }
