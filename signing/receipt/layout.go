package receipt

import (
	"strconv"
	"strings"

	"sigill/providers"
	"sigill/signing"
)

// How texts are set. Nothing changes these.
var (
	titleStyle   = style{bold, 240, 3000, ink}
	orderStyle   = style{regular, 150, 2100, ink}
	leadStyle    = style{regular, 110, 1650, ink}
	headingStyle = style{bold, 150, 2000, accent}
	partStyle    = style{bold, 115, 1650, ink}
	blockStyle   = style{bold, 100, 1450, ink}
	bodyStyle    = style{regular, 100, 1450, ink}
	strongStyle  = style{bold, 100, 1450, ink}
	labelStyle   = style{regular, 100, 1450, soft}
	smallStyle   = style{regular, 85, 1250, soft}
	digestStyle  = style{regular, 80, 1450, soft}
	linkStyle    = style{regular, 100, 1450, accent}
	footStyle    = style{regular, 80, 1100, soft}
)

// The height of a row of one line, and of all that is said of one signature
// above its text.
const (
	rowHeight     = 1450 + 2*padding
	detailsHeight = 9 * rowHeight
)

// sheet is what the pages are drawn from.
type sheet struct {
	*drawing
	w           *words
	k           *Kvittens
	m           *signing.Manifest
	attachments []Attachment // kvittens.json and all others
	code        *code        // of the address where the receipt is verified
	below       int          // where the heading of the section ends
}

func (s *sheet) title() string {
	if len(s.k.Signatures) == 0 {
		return s.w.titleSealed
	}
	return s.w.title
}

func (s *sheet) draw() {
	s.front()
	s.documents()
	if len(s.k.Signatures) > 0 {
		s.signatures()
	}
	s.seal()
	s.attached()
}

func (s *sheet) front() {
	s.box(left, s.y, 4400, 350, accent)
	s.y += 2000
	s.paragraph("H1", s.title(), &titleStyle, left, body)
	s.y += 200
	s.paragraph("P", s.m.Title, &orderStyle, left, body)
	s.y += 1000
	s.paragraph("P", s.summary(), &leadStyle, left, body)
	s.y += 1200

	done := s.w.completed
	if len(s.k.Signatures) == 0 {
		done = s.w.completedSealed
	}
	g := s.table(columns(3, 8))
	g.fact(s.w.client, s.k.ClientName)
	if s.m.Message != "" {
		g.fact(s.w.message, s.m.Message)
	}
	if s.m.Reference != "" {
		g.fact(s.w.reference, s.m.Reference)
	}
	g.fact(s.w.order, s.m.Order)
	g.fact(s.w.created, s.w.time(s.w, s.k.Created))
	g.fact(done, s.w.time(s.w, s.k.CompletedAt))
	g.fact(s.w.sealedBy, s.k.SealedBy)
	g.end()

	if len(s.k.Signatures) == 0 {
		return
	}
	s.heading(s.w.signatures, 4*bodyStyle.lead)
	g = s.table(columns(4, 4, 4), s.w.name, s.w.eid, s.w.when)
	for i := range s.k.Signatures {
		sig := &s.k.Signatures[i]
		g.row(
			cell{ofRow, []piece{{sig.Name, &strongStyle}, {sig.Masked, &smallStyle}}},
			cell{"", []piece{{sig.ProviderName, &bodyStyle}, {s.w.levelInWords(sig.Level), &smallStyle}}},
			cell{"", []piece{{s.w.time(s.w, sig.At), &bodyStyle}}},
		)
	}
	g.end()
}

func (s *sheet) summary() string {
	sealed := fill(s.w.sealedLead, s.k.SealedBy)
	sigs := s.k.Signatures
	var who string
	switch len(sigs) {
	case 0:
		return sealed
	case 1:
		return fill(s.w.signedByOne, sigs[0].Name) + " " + fill(s.w.signedOnce, s.w.time(s.w, s.k.CompletedAt)) + " " + sealed
	case 2:
		who = fill(s.w.signedByTwo, sigs[0].Name, sigs[1].Name)
	default:
		who = fill(s.w.signedByMany, strconv.Itoa(len(sigs)))
	}
	return who + " " + fill(s.w.lastSigned, s.w.time(s.w, s.k.CompletedAt)) + " " + sealed
}

// heading is that of a section; this much of the section should stand on the
// same page.
func (s *sheet) heading(text string, height int) {
	s.space(2600)
	s.need(headingStyle.lead + 600 + height)
	s.entry(text, false)
	s.paragraph("H2", text, &headingStyle, left, body)
	s.y += 600
	s.below = s.y
}

// entry puts the heading that comes next into the outline.
func (s *sheet) entry(text string, part bool) {
	s.entries = append(s.entries, entry{s.fonts.oneLine(text), part, len(s.pages) - 1, s.y})
}

// part is the heading of a part of a section; this much of the part should stand
// on the same page.
func (s *sheet) part(text string, height int) {
	if s.y != s.below {
		s.space(1800)
	}
	s.need(partStyle.lead + 400 + height)
	s.entry(text, true)
	s.paragraph("H3", text, &partStyle, left, body)
	s.y += 400
}

// fact is a row of a label and a value.
func (g *grid) fact(label, value string) {
	g.row(cell{ofRow, []piece{{label, &labelStyle}}}, cell{"", []piece{{value, &bodyStyle}}})
}

func (g *grid) digest(label, value string) {
	g.row(cell{ofRow, []piece{{label, &labelStyle}}}, cell{"", []piece{{groups(value), &digestStyle}}})
}

func (s *sheet) documents() {
	if len(s.m.Documents) == 0 {
		return
	}
	if len(s.k.Signatures) == 0 {
		s.heading(s.w.documentsSealed, 6*bodyStyle.lead)
	} else {
		s.heading(s.w.documents, 6*bodyStyle.lead)
	}
	for i := range s.m.Documents {
		entry, d := &s.m.Documents[i], &s.k.Documents[i]
		name := entry.Name
		if len(s.m.Documents) > 1 {
			name = strconv.Itoa(i+1) + ". " + name
		}
		height := 3 * bodyStyle.lead
		if entry.Kind == signing.KindFile {
			height = 4 * rowHeight
		}
		s.part(name, height)
		switch entry.Kind {
		case signing.KindText:
			s.plain(*d.Text, left, body)
		case signing.KindContent:
			s.blocks(d.Content)
		default:
			g := s.table(columns(3, 8))
			g.fact(s.w.file, d.Attachment)
			g.fact(s.w.kind, entry.Type)
			g.fact(s.w.size, s.w.sizeInWords(entry.Size))
			g.digest(s.w.digest, entry.SHA256)
			g.end()
			continue
		}
		s.space(600)
		s.paragraph("P", s.w.digest+": "+groups(entry.SHA256), &smallStyle, left, body)
	}
}

// plain draws a plain text as it is: empty lines stay empty.
func (s *sheet) plain(text string, x, width int) {
	text = s.fonts.clean(text)
	for text != "" {
		trimmed := strings.TrimLeft(text, "\n")
		s.space((len(text) - len(trimmed)) * bodyStyle.lead)
		if text = trimmed; text == "" || s.tooLarge {
			return
		}
		var block string
		if end := strings.Index(text, "\n\n"); end < 0 {
			block, text = text, ""
		} else {
			block, text = text[:end], text[end+1:]
		}
		s.paragraph("P", strings.TrimSuffix(block, "\n"), &bodyStyle, x, width)
	}
}

func (s *sheet) blocks(c signing.Content) {
	for i := range c {
		b := &c[i]
		switch {
		case b.Heading != "":
			s.space(900)
			s.need(blockStyle.lead + 3*bodyStyle.lead)
			s.paragraph("H4", b.Heading, &blockStyle, left, body)
			s.y += 300
		case b.Text != "":
			s.plain(b.Text, left, body)
			s.y += 500
		case len(b.Rows) > 0:
			g := s.table(columns(4, 6))
			for j := range b.Rows {
				g.fact(b.Rows[j].Label, b.Rows[j].Value)
			}
			g.end()
			s.y += 700
		}
	}
}

func (s *sheet) signatures() {
	s.heading(s.w.details, detailsHeight)
	for i := range s.k.Signatures {
		sig := &s.k.Signatures[i]
		s.part(strconv.Itoa(sig.Signatory)+". "+sig.Name, detailsHeight)
		g := s.table(columns(3, 8))
		g.fact(s.w.number, sig.Masked)
		g.fact(s.w.eid, sig.ProviderName)
		g.fact(s.w.level, s.w.levelInWords(sig.Level))
		g.fact(s.w.policy, sig.Policy)
		g.fact(s.w.started, s.w.time(s.w, sig.Started))
		g.fact(s.w.signed, s.w.time(s.w, sig.At))
		g.fact(s.w.transaction, sig.Transaction)
		g.fact(s.w.eidOrder, sig.EIDOrder)
		g.fact(s.w.evidence, strings.Join(append([]string{sig.Evidence}, sig.Parts...), ", "))
		g.end()
		s.y += 700
		s.need(smallStyle.lead + 300 + 2*bodyStyle.lead)
		shown := s.w.shown
		if sig.Markup == string(providers.SimpleMarkdownV1) {
			shown = s.w.shownMarkup
		}
		s.paragraph("P", shown, &labelStyle, left, body)
		s.y += 300
		s.quote(sig.Text)
	}
}

// quote draws a text with a bar beside it.
func (s *sheet) quote(text string) {
	s.open("BlockQuote", "")
	s.bar = s.y
	s.plain(text, left+1400, body-1400)
	s.endBar()
	s.bar = 0
	s.close()
}

func (s *sheet) seal() {
	signed := len(s.k.Signatures) > 0
	meaning, how := s.w.meaning, s.w.verifyHow
	if !signed {
		meaning, how = s.w.meaningSealed, s.w.verifyHowSealed
	}
	s.heading(meaning, 4*bodyStyle.lead)
	s.paragraph("P", fill(s.w.sealCovers, s.k.SealedBy), &bodyStyle, left, body)
	if signed {
		s.y += 600
		s.paragraph("P", s.w.signaturesCover, &bodyStyle, left, body)
	}

	const facts = 5
	s.heading(s.w.verify, qrSide+1900+facts*rowHeight)
	y := s.y
	narrow := body
	if s.k.VerifyURL != "" {
		s.figure(right-qrSide, y+300, fill(s.w.verifyAlt, s.fonts.oneLine(s.k.VerifyURL)))
		narrow -= qrSide + 2400
	}
	s.paragraph("P", how, &bodyStyle, left, narrow)
	if s.k.VerifyURL != "" {
		s.y += 500
		s.paragraph("P", s.k.VerifyURL, &linkStyle, left, narrow)
	}
	s.y += 500
	s.paragraph("P", s.w.verifyOffline, &labelStyle, left, narrow)
	s.y = max(s.y, y+300+qrSide) + 1600

	g := s.table(columns(3, 8))
	g.digest(s.w.manifestDigest, s.k.ManifestSHA256)
	g.fact(s.w.order, s.m.Order)
	g.fact(s.w.service, s.m.Issuer)
	g.digest(s.w.trust, s.k.TrustSHA256)
	g.fact(s.w.layout, s.k.Layout)
	g.end()
}

func (s *sheet) attached() {
	s.heading(s.w.attachments, 6*bodyStyle.lead)
	s.paragraph("P", s.w.attachmentsHow, &bodyStyle, left, body)
	s.y += 700
	g := s.table(columns(5, 3, 7), s.w.name, s.w.size, s.w.digest)
	for i := range s.attachments {
		a := &s.attachments[i]
		g.row(
			cell{ofRow, []piece{{a.Name, &bodyStyle}, {a.Type, &smallStyle}}},
			cell{"", []piece{{s.w.sizeInWords(a.Size), &bodyStyle}}},
			cell{"", []piece{{groups(a.SHA256), &smallStyle}}},
		)
	}
	g.end()
}

// footers draws what stands below the text of each page, when the number of
// pages is known.
func (s *sheet) footers() {
	count := strconv.Itoa(len(s.pages))
	what := s.fonts.oneLine(fill(s.w.footer, s.title(), s.m.Order))
	for i := range s.pages {
		s.pages[i].footer = len(s.content)
		s.unset()
		s.content = append(s.content, "/Artifact<</Subtype/Footer/Type/Pagination>>BDC\n"...)
		page := fill(s.w.page, strconv.Itoa(i+1), count)
		width := s.fonts.width(page, &footStyle)
		s.lines = s.fonts.lines(s.lines[:0], what, &footStyle, body-width-2400)
		s.text(left, footerLine, s.lines[:1])
		s.text(right-width, footerLine, []line{{page, &footStyle, false}})
		s.unmark()
	}
}
