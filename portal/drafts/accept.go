package drafts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"sigill/portal/form"
)

// kind is a kind of file that can be enclosed.
type kind struct {
	name   string // as a field's Accept has it
	media  string
	ends   []string // of names; the first is given to those that have none
	begins string   // its content
	// clean gives what of a file is kept; nil: it is no such file.
	clean func([]byte) []byte
}

func kinds() []kind {
	return []kind{
		{"pdf", "application/pdf", []string{".pdf"}, "%PDF-", cleanPDF},
		{"jpg", "image/jpeg", []string{".jpg", ".jpeg"}, "\xff\xd8\xff", cleanJPEG},
		{"png", "image/png", []string{".png"}, pngHead, cleanPNG},
	}
}

// accept says what a file is, by its content, and gives what of it is kept.
func accept(f *form.Field, name string, raw []byte) (form.File, []byte, error) {
	allowed := f.Accept
	if len(allowed) == 0 {
		allowed = []string{"pdf", "jpg", "png"}
	}
	for _, k := range kinds() {
		if !bytes.HasPrefix(raw, []byte(k.begins)) || !slices.Contains(allowed, k.name) {
			continue
		}
		kept := k.clean(raw)
		if kept == nil {
			break
		}
		called := fileName(name, k)
		if called == "" {
			return form.File{}, nil, &BadFile{Why: FileName}
		}
		return form.File{Name: called, Type: k.media}, kept, nil
	}
	return form.File{}, nil, &BadFile{Why: FileType, Max: strings.Join(allowed, ", ")}
}

// maxFileName is what the signing service takes, in characters.
const maxFileName = 120

// fileName is a name that can be shown and stored anywhere: no folders, nothing
// that cannot be seen or that turns the text around, and an ending that fits.
// Empty: nothing is left of it.
func fileName(name string, k kind) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, ""))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		// Format characters turn or hide text; private and unassigned ones are
		// whatever a font makes of them.
		case r == utf8.RuneError || !unicode.IsGraphic(r) || strings.ContainsRune(`"*:<>?|`, r):
			return -1
		}
		return r
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	base, end := name, strings.ToLower(path.Ext(name))
	if slices.ContainsFunc(kinds(), func(k kind) bool { return slices.Contains(k.ends, end) }) {
		base = name[:len(name)-len(end)]
	}
	if !slices.Contains(k.ends, end) {
		end = k.ends[0]
	}
	base = strings.Trim(base, ". ")
	if base == "" {
		return ""
	}
	return cut(base, maxFileName-len(end)) + end
}

// cut leaves at most n characters, and none that is half of something seen.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)[:n]
	for len(r) > 1 && unicode.Is(unicode.M, []rune(s)[len(r)]) {
		r = r[:len(r)-1]
	}
	return strings.TrimRight(string(r), ". ")
}

// unused makes a name that no other file of the draft has: whoever signs must be
// able to tell them apart.
func unused(name string, taken map[string]bool) string {
	end := path.Ext(name)
	base := strings.TrimSuffix(name, end)
	for i := 2; taken[name]; i++ {
		mark := " (" + strconv.Itoa(i) + ")" + end
		name = cut(base, maxFileName-len(mark)) + mark
	}
	return name
}

// size is a limit as text for people.
func size(n int64) string {
	if n >= 1<<20 {
		return strconv.FormatInt(n>>20, 10) + " MB"
	}
	return strconv.FormatInt(max(n>>10, 1), 10) + " kB"
}

// cleanPDF looks whether a file begins and ends as a PDF does. What is between
// is for whoever reads it.
func cleanPDF(raw []byte) []byte {
	tail := raw[max(0, len(raw)-2048):]
	start := bytes.LastIndex(tail, []byte("startxref"))
	end := bytes.LastIndex(tail, []byte("%%EOF"))
	if len(raw) < 8 || raw[5] < '1' || raw[5] > '2' || raw[6] != '.' || raw[7] < '0' || raw[7] > '9' || start < 0 || end < start {
		return nil
	}
	return raw
}

// Pictures larger than this are no photographs, and drawing them would take more
// memory than a reader has.
const (
	maxSide   = 20_000
	maxPixels = 120_000_000
)

func fits(c image.Config, err error) bool {
	return err == nil && c.Width > 0 && c.Height > 0 && c.Width <= maxSide && c.Height <= maxSide && c.Width*c.Height <= maxPixels
}

// cleanJPEG keeps of a JPEG file what the picture is drawn from, byte for byte,
// and which side of it is up. Where and when it was taken, by which camera, its
// thumbnail and whatever stands behind its end are gone.
func cleanJPEG(raw []byte) []byte {
	if !fits(jpeg.DecodeConfig(bytes.NewReader(raw))) {
		return nil
	}
	var out []byte
	jfif, up := false, 1
	scans := 0
	for rest := raw[2:]; ; {
		marker, segment, next, err := jpegSegment(rest)
		if err != nil {
			return nil
		}
		switch {
		case marker == 0xd9: // end
			if scans == 0 {
				return nil
			}
			return append(append(jpegHead(jfif, up), out...), 0xff, 0xd9)
		case marker == 0xda: // a scan, with the picture's data behind it
			data := jpegScan(next)
			if data < 0 {
				return nil
			}
			out = append(append(out, segment...), next[:data]...)
			next = next[data:]
			scans++
		case marker == 0xc4 || marker == 0xdb || marker == 0xdd || marker >= 0xc0 && marker <= 0xc2:
			out = append(out, segment...)
		case marker == 0xee && len(segment) == 16 && string(segment[4:9]) == "Adobe": // how colours are meant
			out = append(out, segment...)
		case marker == 0xe0 && bytes.HasPrefix(segment[4:], []byte("JFIF\x00")): // as well
			jfif = true
		case marker == 0xe1 && scans == 0:
			if o := orientation(segment[4:]); o > 1 {
				up = o
			}
		case marker >= 0xe0 && marker <= 0xef || marker == 0xfe: // said about the picture
		default:
			return nil
		}
		rest = next
	}
}

var errJPEG = errors.New("no JPEG segment")

// jpegSegment takes one segment, with its marker.
func jpegSegment(b []byte) (marker byte, segment, rest []byte, err error) {
	for len(b) > 1 && b[0] == 0xff && b[1] == 0xff { // padding
		b = b[1:]
	}
	if len(b) < 2 || b[0] != 0xff {
		return 0, nil, nil, errJPEG
	}
	if b[1] == 0xd9 {
		return b[1], b[:2], b[2:], nil
	}
	if len(b) < 4 {
		return 0, nil, nil, errJPEG
	}
	n := 2 + int(binary.BigEndian.Uint16(b[2:]))
	if n < 4 || n > len(b) {
		return 0, nil, nil, errJPEG
	}
	return b[1], b[:n], b[n:], nil
}

// jpegScan says where the data of a scan end: at a marker that is none of
// theirs.
func jpegScan(b []byte) int {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == 0xff && b[i+1] != 0 && b[i+1] != 0xff && (b[i+1] < 0xd0 || b[i+1] > 0xd7) {
			return i
		}
	}
	return -1
}

// orientation finds in an Exif segment which side is up: 1 to 8; 0: it is not
// said.
func orientation(b []byte) int {
	b, ok := bytes.CutPrefix(b, []byte("Exif\x00\x00"))
	if !ok || len(b) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	if string(b[:2]) == "II" {
		order = binary.LittleEndian
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 0
	}
	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == 0x112 && order.Uint16(entries[2:]) == 3 {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}

// jpegHead is how a file begins: that it is JFIF, which decides how its colours
// are meant, and which side is up; nothing else.
func jpegHead(jfif bool, up int) []byte {
	head := []byte("\xff\xd8")
	if jfif {
		head = append(head, "\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"...)
	}
	if up > 1 {
		head = append(head, "\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"...)
		head = append(head, byte(up), 0, 0, 0, 0, 0, 0)
	}
	return head
}

const pngHead = "\x89PNG\r\n\x1a\n"

// cleanPNG keeps of a PNG file the chunks that the picture is drawn from.
func cleanPNG(raw []byte) []byte {
	if !fits(png.DecodeConfig(bytes.NewReader(raw))) {
		return nil
	}
	out := []byte(pngHead)
	data := false
	for rest := raw[len(pngHead):]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest)) + 12
		if n > uint64(len(rest)) {
			return nil
		}
		chunk := rest[:n]
		rest = rest[n:]
		name := string(chunk[4:8])
		if crc32.ChecksumIEEE(chunk[4:n-4]) != binary.BigEndian.Uint32(chunk[n-4:]) {
			return nil
		}
		switch name {
		case "IHDR", "PLTE", "tRNS", "IDAT", "IEND":
			out = append(out, chunk...)
		default:
			if name[0]&0x20 == 0 { // must be understood, and is not
				return nil
			}
		}
		data = data || name == "IDAT"
		if name == "IEND" {
			if !data {
				return nil
			}
			return out
		}
	}
	return nil
}
