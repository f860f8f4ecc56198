package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigill/testidp/inbox"
)

// How far a message may be nested and split.
const (
	maxDepth = 5
	maxParts = 50
)

// Header fields that may come once (RFC 5322 section 3.6, RFC 2045 section 3).
var once = []string{
	"From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-Id", "In-Reply-To", "References", "Subject", "Date",
	"Mime-Version", "Content-Type", "Content-Transfer-Encoding",
}

// parse reads a message as it came over the wire. Sender and recipient are the
// envelope's and left open.
func parse(raw []byte) (inbox.Message, error) {
	if err := lines(raw); err != nil {
		return inbox.Message{}, err
	}
	read, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return inbox.Message{}, fmt.Errorf("header: %w", err)
	}
	h := read.Header
	for _, name := range once {
		if len(h[name]) > 1 {
			return inbox.Message{}, fmt.Errorf("%s stands there twice", name)
		}
	}
	if _, err := h.Date(); err != nil {
		return inbox.Message{}, fmt.Errorf("field Date: %w", err)
	}
	m := inbox.Message{Channel: inbox.Email, Header: h, Reference: h.Get("Message-Id")}
	if m.Reference != "" && !messageID(m.Reference) {
		return inbox.Message{}, errors.New("Message-ID is not <name@domain>")
	}
	if m.From, err = from(h); err != nil {
		return inbox.Message{}, fmt.Errorf("field From: %w", err)
	}
	if m.Subject, err = words(h.Get("Subject")); err != nil {
		return inbox.Message{}, fmt.Errorf("field Subject: %w", err)
	}
	if len(h["Mime-Version"]) == 0 {
		if len(h["Content-Type"])+len(h["Content-Transfer-Encoding"]) > 0 {
			return inbox.Message{}, errors.New("MIME-Version is missing")
		}
	} else if h.Get("Mime-Version") != "1.0" {
		return inbox.Message{}, errors.New("MIME-Version is not 1.0")
	}
	r := reading{message: &m}
	if err := r.entity(textproto.MIMEHeader(h), read.Body, 0); err != nil {
		return inbox.Message{}, err
	}
	return m, nil
}

// lines wants CR and LF together only, no NUL, and a header in ASCII.
func lines(raw []byte) error {
	header := true
	for i, c := range raw {
		switch {
		case c == 0:
			return errors.New("a NUL")
		case c == '\n' && (i == 0 || raw[i-1] != '\r'), c == '\r' && (i+1 == len(raw) || raw[i+1] != '\n'):
			return errors.New("CR and LF must stand together")
		case c == '\n' && i >= 3 && raw[i-2] == '\n', c == '\n' && i == 1:
			header = false
		case header && c >= 0x80:
			return errors.New("the header is not ASCII")
		}
	}
	return nil
}

// messageID wants <left@right> without white space.
func messageID(s string) bool {
	inner, ok := strings.CutPrefix(s, "<")
	inner, ok2 := strings.CutSuffix(inner, ">")
	left, right, ok3 := strings.Cut(inner, "@")
	return ok && ok2 && ok3 && left != "" && right != "" && !strings.ContainsAny(inner, " \t<>") && !strings.Contains(right, "@")
}

// from is the sender as a mail program shows it.
func from(h mail.Header) (string, error) {
	parser := mail.AddressParser{WordDecoder: decoder()}
	list, err := parser.ParseList(h.Get("From"))
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", errors.New("more than one")
	}
	if err := oneLine(list[0].Name); err != nil {
		return "", err
	}
	if list[0].Name == "" {
		return list[0].Address, nil
	}
	return list[0].Name + " <" + list[0].Address + ">", nil
}

func decoder() *mime.WordDecoder {
	// Besides what it knows itself, which is UTF-8, ISO-8859-1 and ASCII.
	return &mime.WordDecoder{CharsetReader: func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("unknown character set %q", charset)
	}}
}

// words decodes a header's text (RFC 2047).
func words(s string) (string, error) {
	out, err := decoder().DecodeHeader(s)
	if err != nil {
		return "", err
	}
	return out, oneLine(out)
}

func oneLine(s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return errors.New("control characters or broken UTF-8")
	}
	return nil
}

// A reading collects the parts of a message.
type reading struct {
	message *inbox.Message
	parts   int
}

// entity reads a message's body or a part of one.
func (r *reading) entity(h textproto.MIMEHeader, body io.Reader, depth int) error {
	if r.parts++; depth > maxDepth || r.parts > maxParts {
		return errors.New("too many parts")
	}
	mediaType, params := "text/plain", map[string]string{}
	if v := h.Get("Content-Type"); v != "" {
		var err error
		if mediaType, params, err = mime.ParseMediaType(v); err != nil {
			return fmt.Errorf("field Content-Type: %w", err)
		}
	}
	encoding := strings.ToLower(h.Get("Content-Transfer-Encoding"))
	if strings.HasPrefix(mediaType, "multipart/") {
		if encoding != "" && encoding != "7bit" && encoding != "8bit" {
			return fmt.Errorf("%s must not be encoded", mediaType)
		}
		return r.multipart(multipart.NewReader(body, params["boundary"]), params["boundary"], depth)
	}
	content, err := decoded(body, encoding)
	if err != nil {
		return err
	}
	disposition, name := "inline", ""
	if v := h.Get("Content-Disposition"); v != "" {
		var p map[string]string
		if disposition, p, err = mime.ParseMediaType(v); err != nil {
			return fmt.Errorf("field Content-Disposition: %w", err)
		}
		name = p["filename"]
	}
	if disposition != "inline" || mediaType != "text/plain" && mediaType != "text/html" {
		r.message.Attachments = append(r.message.Attachments, strings.TrimSpace(mediaType+" "+name))
		return nil
	}
	text, err := charset(content, params["charset"])
	if err != nil {
		return fmt.Errorf("%s: %w", mediaType, err)
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if mediaType == "text/html" {
		r.message.HTML += text
	} else {
		r.message.Text += text
	}
	return nil
}

func (r *reading) multipart(parts *multipart.Reader, boundary string, depth int) error {
	if boundary == "" || len(boundary) > 70 {
		return errors.New("multipart without a boundary of 1 to 70 characters")
	}
	for n := 0; ; n++ {
		// Raw, since the other method decodes behind our back.
		p, err := parts.NextRawPart()
		if err == io.EOF && n > 0 { // not wrapped: the last boundary was there
			return nil
		}
		if err != nil {
			return fmt.Errorf("multipart: %w", err)
		}
		for _, name := range once {
			if len(p.Header[name]) > 1 {
				return fmt.Errorf("%s stands there twice in a part", name)
			}
		}
		if err := r.entity(p.Header, p, depth+1); err != nil {
			return err
		}
	}
}

// decoded undoes a transfer encoding (RFC 2045 section 6).
func decoded(body io.Reader, encoding string) ([]byte, error) {
	switch encoding {
	case "", "7bit", "8bit":
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	default:
		return nil, fmt.Errorf("unknown transfer encoding %q", encoding)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("body (%s): %w", encoding, err)
	}
	for _, c := range content {
		if (encoding == "" || encoding == "7bit") && c >= 0x80 {
			return nil, errors.New("8 bits in a body of 7")
		}
	}
	return content, nil
}

// charset makes a text of bytes.
func charset(content []byte, name string) (string, error) {
	switch strings.ToLower(name) {
	case "utf-8":
		if !utf8.Valid(content) {
			return "", errors.New("broken UTF-8")
		}
		return string(content), nil
	case "", "us-ascii":
		for _, c := range content {
			if c >= 0x80 {
				return "", errors.New("not ASCII")
			}
		}
		return string(content), nil
	case "iso-8859-1":
		runes := make([]rune, len(content))
		for i, c := range content {
			runes[i] = rune(c)
		}
		return string(runes), nil
	}
	return "", fmt.Errorf("unknown character set %q", name)
}
