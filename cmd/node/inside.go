package node

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
)

// inside is the way from one room to another within the process: requests to an
// address of ours go to our own handler, all others over the network. Nothing
// else changes: the same client works when the rooms run apart.
type inside struct {
	origin  string
	handler atomic.Pointer[http.Handler] // set when it is made; before that nobody answers
	other   http.RoundTripper
}

func newInside(address string, other http.RoundTripper) *inside {
	return &inside{origin: originOf(address), other: other}
}

func (i *inside) serve(h http.Handler) { i.handler.Store(&h) }

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// RoundTrip answers a request with the handler.
func (i *inside) RoundTrip(r *http.Request) (*http.Response, error) {
	h := i.handler.Load()
	if h == nil || r.URL.Scheme+"://"+r.URL.Host != i.origin {
		return i.other.RoundTrip(r)
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	defer body.Close()
	asked := r.Clone(r.Context())
	asked.Body = body
	asked.RequestURI = r.URL.RequestURI()
	asked.URL.Scheme, asked.URL.Host = "", "" // as a server has it
	if asked.Host == "" {
		asked.Host = r.URL.Host
	}
	asked.RemoteAddr = "127.0.0.1:1"
	if asked.Header == nil {
		asked.Header = http.Header{}
	}
	w := &recorder{header: http.Header{}}
	if err := answerInside(*h, w, asked); err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK) // when nobody did
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// answerInside makes a panic what it is over the network: a broken connection,
// whoever asked.
func answerInside(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the connection was broken off")
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// recorder keeps an answer.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
