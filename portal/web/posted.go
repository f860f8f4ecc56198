package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"sigill/broker/kit/page"
)

// posted is a form that came, in memory and nowhere else: what is enclosed may
// lie on no disk that is not sealed.
type posted struct {
	values url.Values
	files  []upload
	// cut says that more came than is taken: the rest was not read.
	cut bool
}

// upload is a file that came with a form.
type upload struct {
	field, name string
	content     []byte
	large       bool // more than is taken; the content is left out
}

// The most of a form's words.
const (
	maxTyped  = 256 << 10
	maxInputs = 1000
)

// get is an input that comes once.
func (p posted) get(name string) string { return p.values.Get(name) }

// readPosted reads a form without keeping files: it is only known that they came.
func readPosted(r *http.Request) (posted, error) { return readForm(r, nil) }

// readForm reads a form, with the files of the fields in takes, which says how
// large each may be. What else comes as a file is read past. What has been typed
// is there also when a file was too large to be taken.
func readForm(r *http.Request, takes map[string]int64) (posted, error) {
	malformed := func(why string) error {
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New(why)}
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return posted{}, malformed("no form")
	}
	switch media {
	case "application/x-www-form-urlencoded":
		if r.PostForm == nil {
			r.Body = http.MaxBytesReader(nil, r.Body, maxTyped)
		}
		if err := r.ParseForm(); err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return posted{}, err
			}
			return posted{}, malformed("the form cannot be decoded")
		}
		n := 0
		for _, v := range r.PostForm {
			n += len(v)
		}
		if n > maxInputs {
			return posted{}, malformed("too many inputs")
		}
		return posted{values: r.PostForm}, nil
	case "multipart/form-data":
		if params["boundary"] == "" || len(params["boundary"]) > 70 {
			return posted{}, malformed("no boundary")
		}
	default:
		return posted{}, malformed("no form")
	}
	reader, err := r.MultipartReader()
	if err != nil {
		return posted{}, malformed("the form cannot be decoded")
	}
	p, typed, inputs := posted{values: url.Values{}}, 0, 0
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			return p, nil
		}
		if p.cut, err = cutShort(p, err); p.cut {
			return p, nil
		} else if err != nil {
			return posted{}, malformed("the form cannot be decoded")
		}
		if inputs++; inputs > maxInputs {
			return posted{}, malformed("too many inputs")
		}
		name := part.FormName()
		if _, isFile := contentDisposition(part.Header.Get("Content-Disposition")); !isFile {
			b, err := io.ReadAll(io.LimitReader(part, maxTyped+1))
			if p.cut, err = cutShort(p, err); p.cut {
				return p, nil
			} else if err != nil {
				return posted{}, malformed("the form cannot be decoded")
			}
			if typed += len(b); typed > maxTyped {
				return posted{}, &page.Problem{Status: http.StatusRequestEntityTooLarge, Code: page.CodeTooLarge, Err: errors.New("too many words")}
			}
			p.values.Add(name, string(b))
			continue
		}
		u := upload{field: name, name: part.FileName()}
		var n int64
		most, keep := takes[name]
		if keep {
			u.content, err = io.ReadAll(io.LimitReader(part, most+1))
			n = int64(len(u.content))
		}
		if err == nil && (!keep || n > most) {
			u.large, u.content = keep, nil
			var rest int64
			rest, err = io.Copy(io.Discard, part) // what follows may be words
			n += rest
		}
		// An input of files without one comes as an empty one without a name.
		if u.name != "" || n > 0 {
			u.large = u.large || err != nil
			p.files = append(p.files, u)
		}
		if p.cut, err = cutShort(p, err); p.cut {
			return p, nil
		} else if err != nil {
			return posted{}, malformed("the form cannot be decoded")
		}
	}
}

// cutShort tells the end that we set from a form that is broken.
func cutShort(p posted, err error) (bool, error) {
	var large *http.MaxBytesError
	return p.cut || errors.As(err, &large), err
}

// contentDisposition reports whether a part is a file: it names one, though the
// name may be empty.
func contentDisposition(header string) (name string, isFile bool) {
	_, params, err := mime.ParseMediaType(header)
	if err != nil {
		return "", false
	}
	name, isFile = params["filename"]
	return name, isFile
}
