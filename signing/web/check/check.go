// Package check is the public page where anybody verifies a receipt.
//
// It owns the form and how a report is shown; what is true of a file is
// signing/verify's. It needs no login and keeps nothing: the file is read into
// memory, looked at, and forgotten, and personal numbers are shown masked.
package check

import (
	"context"
	"embed"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"time"

	"sigill/broker/kit/i18n"
	"sigill/broker/kit/page"
	brokerweb "sigill/broker/web"
	"sigill/signing/verify"
)

//go:embed sv.json en.json
var texts embed.FS

//go:embed all:templates
var templates embed.FS

// Path is where the page is.
const Path = "/verify"

// patience is how long a file may take to arrive.
const patience = 2 * time.Minute

// Verifier looks at a file; it is part of *verify.Verifier.
type Verifier interface {
	Verify(file []byte, at time.Time) verify.Report
}

// Config is what New needs; all but AtOnce and Now.
type Config struct {
	Pages    *brokerweb.Pages
	Verifier Verifier
	// Largest is how many bytes a file may have.
	Largest int64
	// AtOnce is how many files are looked at at a time, since each lies in memory
	// as a whole; default 2.
	AtOnce int
	Now    func() time.Time
}

// Check answers browsers.
type Check struct {
	Config
	room   *page.Room
	ground page.Ground
	slots  chan struct{}
	log    *slog.Logger
}

// New checks the configuration.
func New(c Config) (*Check, error) {
	if c.Pages == nil || c.Verifier == nil || c.Largest <= 0 {
		return nil, errors.New("check: incomplete configuration")
	}
	if c.AtOnce <= 0 {
		c.AtOnce = 2
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	files, err := fs.Sub(templates, "templates")
	if err != nil {
		return nil, err
	}
	use := []i18n.Use{}
	for _, key := range []string{codeBusy, codeNoFile, page.CodeTooLarge, page.CodeMalformed, page.CodeMethod, page.CodeInternal} {
		use = append(use, i18n.Use{Key: "problem." + key, Where: "code"})
	}
	room, err := page.NewRoom(page.RoomConfig{
		Address: c.Pages.Issuer, Assets: c.Pages.Assets, Cookies: c.Pages.Cookies, Log: c.Pages.Log,
		Templates: files, Texts: texts, InCode: use,
	})
	if err != nil {
		return nil, err
	}
	k := &Check{Config: c, room: room, slots: make(chan struct{}, c.AtOnce), log: c.Pages.Log}
	k.ground = page.Ground{HTTPS: room.HTTPS, Log: k.log, Draw: k.drawProblem, MaxBody: c.Largest + 64<<10}
	return k, nil
}

// Routes adds the page. It belongs behind http.CrossOriginProtection.
func (k *Check) Routes(mux *http.ServeMux) {
	mux.Handle(Path, k.ground.Handle(page.Methods{"GET": k.ask, "POST": k.look}))
}

// The codes of what is wrong with a request, besides page's own.
const (
	codeBusy   = "busy"
	codeNoFile = "no_file"
)

func (k *Check) ask(w http.ResponseWriter, r *http.Request) error {
	return k.form(w, r, http.StatusOK, "")
}

func (k *Check) form(w http.ResponseWriter, r *http.Request, status int, problem string) error {
	return k.room.Render(w, r, status, "ask", page.Look{}, page.Policy{}, func(lang string) any {
		b := struct{ Self, Problem string }{Self: Path}
		if problem != "" {
			b.Problem = k.room.Text(lang, "problem."+problem)
		}
		return b
	})
}

// look verifies the file that was sent.
func (k *Check) look(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	case <-ctx.Done():
		return &page.Problem{Status: http.StatusServiceUnavailable, Code: codeBusy}
	}
	// The server's own limit is for forms; a server without one needs none here.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
	file, err := k.file(r)
	if err != nil {
		return err
	}
	report := k.Verifier.Verify(file, k.Now())
	k.log.InfoContext(r.Context(), "receipt verified", "verdict", report.Verdict, "code", report.Code)
	return k.room.Render(w, r, http.StatusOK, "report", page.Look{Once: true}, page.Policy{}, func(lang string) any {
		return shown(report, lang)
	})
}

// file reads the one part that the form has.
func (k *Check) file(r *http.Request) ([]byte, error) {
	malformed := func(err error) error {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("not the form that was shown")}
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return nil, malformed(err)
	}
	form := multipart.NewReader(r.Body, params["boundary"])
	part, err := form.NextPart()
	if err != nil || part.FormName() != "file" {
		return nil, malformed(err)
	}
	file, err := io.ReadAll(part)
	if err != nil {
		return nil, malformed(err)
	}
	if _, err := form.NextPart(); !errors.Is(err, io.EOF) {
		return nil, malformed(err)
	}
	switch {
	case len(file) == 0:
		return nil, &page.Problem{Status: http.StatusUnprocessableEntity, Code: codeNoFile}
	case int64(len(file)) > k.Largest:
		return nil, &page.Problem{Status: http.StatusRequestEntityTooLarge, Code: page.CodeTooLarge}
	}
	return file, nil
}

// drawProblem shows the form again, with what was wrong.
func (k *Check) drawProblem(w http.ResponseWriter, r *http.Request, p *page.Problem) {
	code := p.Code
	switch code {
	case codeBusy, codeNoFile, page.CodeTooLarge, page.CodeMalformed, page.CodeMethod:
	default:
		code = page.CodeInternal
	}
	if err := k.form(w, r, p.Status, code); err != nil {
		k.log.ErrorContext(r.Context(), "error page not drawn", "error", err)
	}
}
