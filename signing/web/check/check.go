// Package check is the public page where anybody verifies a receipt.
//
// It owns the form and how a report is shown; what is true of a file is
// signing/verify's. It needs no login and keeps nothing: the file is read into
// memory, looked at, and forgotten, and personal numbers are shown masked. Since
// anybody may send anything, how many files arrive at once, how slowly, and how
// much memory they take is bounded, and who sends nothing keeps nobody waiting.
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
	"os"
	"sync/atomic"
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

// How files may arrive.
const (
	arrive  = time.Minute      // the longest that a file may take
	silence = 5 * time.Second  // and for how long nothing may come
	pace    = 16 << 10         // bytes a second, on the whole, once the first silence is over
	turn    = 5 * time.Second  // how long a file that is there waits to be looked at
	rest    = 90 * time.Second // for all that follows, until the answer has been read
	readers = 64               // files that arrive at the same time
)

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
	// AtOnce is how many files are looked at at a time; default 2. All files that
	// are looked at, wait or arrive take at most as much memory as three times as
	// many of the largest.
	AtOnce int
	Now    func() time.Time
}

// Check answers browsers.
type Check struct {
	Config
	room   *page.Room
	ground page.Ground
	doors  chan struct{} // for those who send
	slots  chan struct{} // for what is looked at
	held   atomic.Int64  // bytes of files in memory
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
	k := &Check{Config: c, room: room, doors: make(chan struct{}, readers), slots: make(chan struct{}, c.AtOnce), log: c.Pages.Log}
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
	file, free, err := k.receive(w, r)
	if err != nil {
		return err
	}
	defer free()
	report, err := k.verify(r.Context(), file)
	if err != nil {
		return err
	}
	k.log.InfoContext(r.Context(), "receipt verified", "verdict", report.Verdict, "code", report.Code)
	return k.room.Render(w, r, http.StatusOK, "report", page.Look{Once: true}, page.Policy{}, func(lang string) any {
		return shown(report, lang)
	})
}

func busy() error { return &page.Problem{Status: http.StatusServiceUnavailable, Code: codeBusy} }

// receive reads the file that is sent, in the time that a file may take. free
// gives back the memory that is counted for it.
func (k *Check) receive(w http.ResponseWriter, r *http.Request) (file []byte, free func(), err error) {
	select {
	case k.doors <- struct{}{}:
		defer func() { <-k.doors }()
	default:
		return nil, nil, busy()
	}
	server := http.NewResponseController(w)
	// The server's own limits are for forms; a server without any needs none here.
	_ = server.SetWriteDeadline(time.Now().Add(arrive + rest))
	b := &body{check: k, from: r.Body, deadline: server.SetReadDeadline, start: time.Now()}
	if file, err = k.file(r, b); err != nil {
		b.free()
		return nil, nil, err
	}
	// Whoever then says nothing more is not gone yet.
	_ = server.SetReadDeadline(time.Now().Add(rest))
	_ = server.SetWriteDeadline(time.Now().Add(rest))
	return file, b.free, nil
}

// verify looks at a file when it is its turn, which is soon or not at all.
func (k *Check) verify(ctx context.Context, file []byte) (verify.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, turn)
	defer cancel()
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	case <-ctx.Done():
		return verify.Report{}, busy()
	}
	return k.Verifier.Verify(file, k.Now()), nil
}

// file reads the one part that the form has.
func (k *Check) file(r *http.Request, b *body) ([]byte, error) {
	malformed := func(err error) error {
		var large *http.MaxBytesError
		var own *page.Problem
		if errors.As(err, &large) || errors.As(err, &own) {
			return err
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errSlow) {
			return &page.Problem{Status: http.StatusRequestTimeout, Code: page.CodeMalformed, Err: errSlow}
		}
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("not the form that was shown")}
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return nil, malformed(err)
	}
	form := multipart.NewReader(b, params["boundary"])
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
