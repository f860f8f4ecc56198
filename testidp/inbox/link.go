package inbox

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

var webAddress = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"]+`)

// A Piece is a run of a text: plain, or a web address.
type Piece struct {
	Text string
	Link bool
}

// Pieces cuts a text at its web addresses, as mail programs do to make them
// links. Together the pieces are the text.
func Pieces(text string) []Piece {
	var out []Piece
	plain := 0
	for _, at := range webAddress.FindAllStringIndex(text, -1) {
		address := trimmed(text[at[0]:at[1]])
		if u, err := url.Parse(address); err != nil || u.Host == "" {
			continue
		}
		if at[0] > plain {
			out = append(out, Piece{Text: text[plain:at[0]]})
		}
		out = append(out, Piece{Text: address, Link: true})
		plain = at[0] + len(address)
	}
	if plain < len(text) {
		out = append(out, Piece{Text: text[plain:]})
	}
	return out
}

// trimmed takes off what belongs to the sentence around an address.
func trimmed(address string) string {
	for {
		cut := strings.TrimRight(address, ".,;:!?'’”»…*")
		if open, closed := pair(cut); closed != "" && strings.Count(cut, open) < strings.Count(cut, closed) {
			cut = strings.TrimSuffix(cut, closed)
		}
		if cut == address {
			return cut
		}
		address = cut
	}
}

// pair tells which bracket a text ends with.
func pair(s string) (open, closed string) {
	switch {
	case strings.HasSuffix(s, ")"):
		return "(", ")"
	case strings.HasSuffix(s, "]"):
		return "[", "]"
	}
	return "", ""
}

// Links lists the web addresses of a message, each once: those of the text,
// then what the HTML links to or says.
func Links(text, page string) []string {
	out := []string{}
	add := func(address string) {
		if !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	addText := func(s string) {
		for _, p := range Pieces(s) {
			if p.Link {
				add(p.Text)
			}
		}
	}
	addText(text)
	silent := atom.Atom(0) // the element whose text nobody sees
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return out
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			switch t.DataAtom {
			case atom.Style, atom.Script, atom.Title:
				silent = t.DataAtom
			case atom.A, atom.Area:
				for _, a := range t.Attr {
					if u, err := url.Parse(strings.TrimSpace(a.Val)); a.Key == "href" && err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
						add(strings.TrimSpace(a.Val))
					}
				}
			}
		case html.EndTagToken:
			if t := z.Token(); t.DataAtom == silent {
				silent = 0
			}
		case html.TextToken:
			if silent == 0 {
				addText(z.Token().Data)
			}
		}
	}
}
