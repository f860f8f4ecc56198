package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"sigill/broker/kit/webhook"
	"sigill/portal"
)

// hookTolerance is how old a webhook may be: what the signing service's own
// retries never exceed, since it signs anew each time.
const hookTolerance = 5 * time.Minute

// serveNews takes a webhook of the signing service. What it says is not believed:
// it only makes us look, and looking twice is harmless.
func (w *Web) serveNews(rw http.ResponseWriter, r *http.Request, v visit) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	key, err := w.Secret(v.tenant.ID)
	if err != nil {
		return err
	}
	secret, err := webhook.SecretOf(key)
	if err != nil {
		return err
	}
	switch err := webhook.Verify(r.Header, body, w.Now(), hookTolerance, secret); {
	case errors.Is(err, webhook.ErrHeader):
		return plain(rw, http.StatusBadRequest)
	case err != nil:
		return plain(rw, http.StatusUnauthorized)
	}
	var news struct {
		Data struct {
			Order string `json:"order"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &news); err != nil || news.Data.Order == "" || len(news.Data.Order) > 64 {
		return plain(rw, http.StatusBadRequest)
	}
	// An order that is unknown here may have been withdrawn or have arrived: there
	// is nothing to look at, and nothing to tell again.
	if err := w.News(settled(r), v.tenant.ID, news.Data.Order); err != nil && !errors.Is(err, portal.ErrNotFound) {
		return err
	}
	rw.WriteHeader(http.StatusNoContent)
	return nil
}

// plain answers a machine.
func plain(rw http.ResponseWriter, status int) error {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, http.StatusText(status)+"\n")
	return nil
}
