// Package design is the look that all our pages share: the stylesheet, the one
// script, the icons, the frame that every page sits in, and the colours that a
// client may choose.
//
// It owns how things look and nothing of what they say or do: pages and their
// texts lie with the handlers that show them (the few texts of the frame itself
// are in Texts). Everything is made by us; no art, font or logo of others is
// here, and the e-IDs are named in words.
//
// Files are served under /static/ by addresses that hold a digest of their
// content, so that browsers may keep them for ever.
package design

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static
var static embed.FS

//go:embed icons
var icons embed.FS

//go:embed texts
var texts embed.FS

//go:embed frame
var frame embed.FS

// Texts are the words of the frame: sv.json and en.json.
func Texts() fs.FS { return sub(texts, "texts") }

// Frame holds the templates that pages build on.
func Frame() fs.FS { return sub(frame, "frame") }

func sub(f embed.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	if err != nil {
		return f // a constant name: cannot be
	}
	return s
}

// Prefix is where the files are served.
const Prefix = "/static/"

// Assets knows the files, their content and their addresses.
type Assets struct {
	address map[string]string // by name: "sigill.css"
	files   map[string]file   // by the last part of the address
	icons   map[string]template.HTML
}

type file struct {
	content []byte
	media   string
}

// New reads the built-in files and, unless it is nil, those of an installation:
// the logos that its clients' themes name.
func New(logos fs.FS) (*Assets, error) {
	a := &Assets{address: map[string]string{}, files: map[string]file{}, icons: map[string]template.HTML{}}
	if err := a.read(sub(static, "static")); err != nil {
		return nil, err
	}
	if logos != nil {
		if err := a.read(logos); err != nil {
			return nil, err
		}
	}
	entries, err := fs.ReadDir(icons, "icons")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		b, err := fs.ReadFile(icons, "icons/"+e.Name())
		if err != nil {
			return nil, err
		}
		a.icons[strings.TrimSuffix(e.Name(), ".svg")] = template.HTML(bytes.TrimSpace(b)) // our own files
	}
	return a, nil
}

// With gives these files and, besides, those of a room that needs some of its
// own.
func (a *Assets) With(room fs.FS) (*Assets, error) {
	more := &Assets{address: maps.Clone(a.address), files: maps.Clone(a.files), icons: a.icons}
	return more, more.read(room)
}

func (a *Assets) read(from fs.FS) error {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		media, ok := mediaType(e.Name())
		if !ok {
			continue
		}
		if _, double := a.address[e.Name()]; double {
			return fmt.Errorf("design: the file %s exists twice", e.Name())
		}
		b, err := fs.ReadFile(from, e.Name())
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(e.Name())
		last := strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:8]) + ext
		a.address[e.Name()] = Prefix + last
		a.files[last] = file{b, media}
	}
	return nil
}

func mediaType(name string) (string, bool) {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8", true
	case ".js":
		return "text/javascript; charset=utf-8", true
	case ".svg":
		return "image/svg+xml", true
	case ".png":
		return "image/png", true
	}
	return "", false
}

// URL gives the address of a file by its name, or the empty string.
func (a *Assets) URL(name string) string { return a.address[name] }

// Icon gives one of our icons to stand in a page. It takes the colour of the
// text around it and says nothing to a screen reader.
func (a *Assets) Icon(name string) (template.HTML, error) {
	icon, ok := a.icons[name]
	if !ok {
		return "", fmt.Errorf("design: no icon %s", name)
	}
	return icon, nil
}

// ServeHTTP answers below Prefix.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	last := strings.TrimPrefix(r.URL.Path, Prefix)
	f, ok := a.files[last]
	if !ok {
		f, ok = themeFile(last)
	}
	h := w.Header()
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", f.media)
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// A picture opened by itself is a document, and may hold anything.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.content)
	}
}
