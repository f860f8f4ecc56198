package drafts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sigill/portal/form"
)

// drawn is a small picture, each time the same.
func drawn() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 24, 16))
	for y := range 16 {
		for x := range 24 {
			m.Set(x, y, color.RGBA{uint8(x * 10), uint8(y * 15), uint8(x * y), 255})
		}
	}
	return m
}

func encoded(kind string) []byte {
	var b bytes.Buffer
	switch kind {
	case "png":
		_ = png.Encode(&b, drawn())
	case "jpg":
		_ = jpeg.Encode(&b, drawn(), nil)
	case "pdf":
		b.WriteString("%PDF-1.7\n1 0 obj\n<<>>\nendobj\nstartxref\n9\n%%EOF\n")
	}
	return b.Bytes()
}

func picture(kind string) io.Reader { return bytes.NewReader(encoded(kind)) }

// segment is one of a JPEG file.
func segment(marker byte, content string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(content))), content...)
}

func behindStart(raw []byte, more ...[]byte) []byte {
	return slices.Concat(raw[:2], slices.Concat(more...), raw[2:])
}

// exif says which side is up, and much else.
func exif(order binary.ByteOrder, up uint16) string {
	b := []byte("MM\x00\x2a")
	if order == binary.LittleEndian {
		b = []byte("II\x2a\x00")
	}
	b = appendUint32(order, b, 8)
	b = appendUint16(order, b, 2)
	for _, e := range []struct{ tag, value uint16 }{{0x10f, 1}, {0x112, up}} {
		b = appendUint16(order, b, e.tag)
		b = appendUint16(order, b, 3)
		b = appendUint32(order, b, 1)
		b = appendUint16(order, b, e.value)
		b = appendUint16(order, b, 0)
	}
	return "Exif\x00\x00" + string(appendUint32(order, b, 0)) + "planted camera and planted place"
}

func appendUint16(o binary.ByteOrder, b []byte, v uint16) []byte {
	var x [2]byte
	o.PutUint16(x[:], v)
	return append(b, x[:]...)
}

func appendUint32(o binary.ByteOrder, b []byte, v uint32) []byte {
	var x [4]byte
	o.PutUint32(x[:], v)
	return append(b, x[:]...)
}

func sameDrawing(t *testing.T, a, b []byte) {
	t.Helper()
	one, _, err := image.Decode(bytes.NewReader(a))
	check(t, err)
	two, _, err := image.Decode(bytes.NewReader(b))
	check(t, err)
	if one.Bounds() != two.Bounds() {
		t.Fatalf("%v and %v", one.Bounds(), two.Bounds())
	}
	for y := one.Bounds().Min.Y; y < one.Bounds().Max.Y; y++ {
		for x := one.Bounds().Min.X; x < one.Bounds().Max.X; x++ {
			if one.At(x, y) != two.At(x, y) {
				t.Fatalf("another colour at %d, %d", x, y)
			}
		}
	}
}

func TestCleanJPEG(t *testing.T) {
	raw := encoded("jpg")
	for name, c := range map[string]struct {
		in []byte
		up int
	}{
		"plain":                  {raw, 0},
		"said much":              {behindStart(raw, segment(0xe0, "JFIF\x00\x01\x01\x01\x00\x48\x00\x48\x00\x00"), segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00planted"), segment(0xe2, "ICC_PROFILE\x00planted"), segment(0xed, "Photoshop planted"), segment(0xfe, "planted")), 0},
		"other colours":          {behindStart(raw, segment(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x00")), 0},
		"JFIF and other colours": {behindStart(raw, segment(0xe0, "JFIF\x00\x01\x01\x01\x00\x48\x00\x48\x00\x00"), segment(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x00")), 0},
		"turned":                 {behindStart(raw, segment(0xe1, exif(binary.BigEndian, 6))), 6},
		"turned, Intel":          {behindStart(raw, segment(0xe1, exif(binary.LittleEndian, 3))), 3},
		"upright":                {behindStart(raw, segment(0xe1, exif(binary.LittleEndian, 1))), 0},
		"turned nowhere":         {behindStart(raw, segment(0xe1, exif(binary.BigEndian, 9))), 0},
		"broken Exif":            {behindStart(raw, segment(0xe1, "Exif\x00\x00MM\x00\x2a\xff\xff\xff\xffplanted")), 0},
		"behind its end":         {append(slices.Clone(raw), "planted"...), 0},
		"padded":                 {behindStart(raw, []byte{0xff, 0xff}, segment(0xfe, "planted")), 0},
		"thumbnail":              {behindStart(raw, segment(0xe1, exif(binary.BigEndian, 8)+string(raw))), 8},
		"one more behind":        {append(slices.Clone(raw), behindStart(raw, segment(0xfe, "planted"))...), 0},
	} {
		t.Run(name, func(t *testing.T) {
			out := cleanJPEG(c.in)
			if out == nil {
				t.Fatal("refused")
			}
			sameDrawing(t, c.in, out)
			if bytes.Contains(out, []byte("planted")) {
				t.Error("something planted is still there")
			}
			up := 0
			if i := bytes.Index(out, []byte("Exif")); i > 0 {
				up = orientation(out[i : i+int(binary.BigEndian.Uint16(out[i-2:]))-2])
			}
			if up != c.up {
				t.Errorf("%d is up, not %d", up, c.up)
			}
			if again := cleanJPEG(out); !bytes.Equal(again, out) {
				t.Error("cleaning again changes it")
			}
			if bytes.Contains(c.in, []byte("JFIF")) != bytes.Contains(out, []byte("JFIF")) {
				t.Error("it is JFIF, or is not")
			}
		})
	}
	for name, in := range map[string][]byte{
		"empty": {}, "nothing but a beginning": raw[:3], "half": raw[:len(raw)/2], "no end": raw[:len(raw)-2], "text": []byte("\xff\xd8\xffnothing"),
		"another coding": behindStart(raw, segment(0xcc, "x")),
		"large":          largeJPEG(raw),
	} {
		if cleanJPEG(in) != nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// largeJPEG says that it has more pixels than anybody draws.
func largeJPEG(raw []byte) []byte {
	b := slices.Clone(raw)
	i := bytes.Index(b, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(b[i+5:], 20_000)
	binary.BigEndian.PutUint16(b[i+7:], 20_000)
	return b
}

func chunk(name, content string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	b = append(append(b, name...), content...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func TestCleanPNG(t *testing.T) {
	raw := encoded("png")
	head := raw[:33]
	with := func(more ...[]byte) []byte { return slices.Concat(head, slices.Concat(more...), raw[33:]) }
	for name, in := range map[string][]byte{
		"plain": raw, "said much": with(chunk("tEXt", "planted"), chunk("eXIf", "planted"), chunk("iCCP", "planted"), chunk("tIME", "planted")),
		"behind its end": append(slices.Clone(raw), "planted"...), "moving": with(chunk("acTL", "planted8")),
	} {
		out := cleanPNG(in)
		if out == nil {
			t.Errorf("%s: refused", name)
			continue
		}
		if !bytes.Equal(out, raw) {
			t.Errorf("%s: not what the picture alone is", name)
		}
		sameDrawing(t, raw, out)
	}
	broken := with(chunk("tEXt", "x"))
	broken[40]++
	wide := slices.Clone(raw)
	binary.BigEndian.PutUint32(wide[16:], 1<<20)
	binary.BigEndian.PutUint32(wide[29:], crc32.ChecksumIEEE(wide[12:29]))
	for name, in := range map[string][]byte{
		"empty": {}, "half": raw[:len(raw)/2], "no end": raw[:len(raw)-12], "an altered chunk": broken, "too wide": wide,
		"no picture": slices.Concat(head, chunk("IEND", "")), "something that must be understood": with(chunk("NEUE", "x")),
	} {
		if cleanPNG(in) != nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAccept(t *testing.T) {
	html := "<html><script>alert(1)</script></html>"
	for name, c := range map[string]struct {
		accept []string
		file   string
		in     string
		want   string // name and type, or the fault
	}{
		"pdf":                      {nil, "plan.pdf", string(encoded("pdf")), "plan.pdf application/pdf"},
		"jpg":                      {nil, "foto.JPEG", string(encoded("jpg")), "foto.jpeg image/jpeg"},
		"png":                      {nil, "bild.png", string(encoded("png")), "bild.png image/png"},
		"by its content":           {nil, "bild.png", string(encoded("jpg")), "bild.jpg image/jpeg"},
		"without ending":           {nil, "bild", string(encoded("png")), "bild.png image/png"},
		"another ending":           {nil, "rapport.v2", string(encoded("pdf")), "rapport.v2.pdf application/pdf"},
		"a program by name":        {nil, "plan.exe", string(encoded("pdf")), "plan.exe.pdf application/pdf"},
		"not this kind":            {[]string{"jpg"}, "bild.png", string(encoded("png")), "file_type jpg"},
		"a web page":               {nil, "plan.pdf", html, "file_type pdf, jpg, png"},
		"a web page before a PDF":  {nil, "plan.pdf", html + string(encoded("pdf")), "file_type pdf, jpg, png"},
		"a PDF that is cut short":  {[]string{"pdf"}, "plan.pdf", "%PDF-1.7\n1 0 obj", "file_type pdf"},
		"a PDF of no version":      {[]string{"pdf"}, "plan.pdf", "%PDF-x.y startxref %%EOF", "file_type pdf"},
		"its end before its table": {[]string{"pdf"}, "plan.pdf", "%PDF-1.4 %%EOF startxref", "file_type pdf"},
		"a moving picture":         {nil, "bild.gif", "GIF89a\x01\x00\x01\x00", "file_type pdf, jpg, png"},
		"no name":                  {nil, "///", string(encoded("png")), "file_name "},
		"an ending alone":          {nil, ".png", string(encoded("png")), "file_name "},
	} {
		f, kept, err := accept(&form.Field{Accept: c.accept}, c.file, []byte(c.in))
		got := f.Name + " " + f.Type
		var bad *BadFile
		if errors.As(err, &bad) {
			got = string(bad.Why) + " " + bad.Max
		} else if err != nil || len(kept) == 0 {
			t.Errorf("%s: %v, %d bytes", name, err, len(kept))
		}
		if got != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}

func TestFileName(t *testing.T) {
	pdf := kinds()[0]
	for in, want := range map[string]string{
		"plan.pdf": "plan.pdf", "Ritning åäö 2.PDF": "Ritning åäö 2.pdf", `C:\Users\Namn\plan.pdf`: "plan.pdf", "../../etc/passwd": "passwd.pdf",
		"a\x00b\nc.pdf": "ab c.pdf", "fdp\u202eplan.pdf": "fdpplan.pdf", "zero\u200bwidth.pdf": "zerowidth.pdf", "A\u030a.pdf": "Å.pdf",
		"  . a .  .pdf": "a.pdf", "..": "", "": "", "\u202e": "", "bad\xff\xfe.pdf": "bad.pdf", `<a>:"b"|?*.pdf`: "ab.pdf", "två  ord.pdf": "två ord.pdf",
		"a.tar.gz": "a.tar.gz.pdf", "😀.pdf": "😀.pdf",
		strings.Repeat("å", 200) + ".pdf": strings.Repeat("å", 116) + ".pdf",
	} {
		if got := fileName(in, pdf); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	taken := map[string]bool{"a.pdf": true, "a (2).pdf": true, strings.Repeat("b", 116) + ".pdf": true}
	for in, want := range map[string]string{
		"a.pdf": "a (3).pdf", "c.pdf": "c.pdf", strings.Repeat("b", 116) + ".pdf": strings.Repeat("b", 112) + " (2).pdf",
	} {
		if got := unused(in, taken); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

func FuzzAccept(f *testing.F) {
	for _, kind := range []string{"pdf", "jpg", "png"} {
		f.Add("a."+kind, encoded(kind))
	}
	f.Add("..\\\u202e", behindStart(encoded("jpg"), segment(0xe1, exif(binary.LittleEndian, 6)), segment(0xfe, "x")))
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		file, kept, err := accept(&form.Field{}, name, raw)
		if err != nil {
			if !errors.As(err, new(*BadFile)) {
				t.Fatal(err)
			}
			return
		}
		if n := utf8.RuneCountInString(file.Name); n == 0 || n > maxFileName || strings.ContainsAny(file.Name, "/\\\x00\n\u202e") || !utf8.ValidString(file.Name) {
			t.Errorf("name %q", file.Name)
		}
		if len(kept) == 0 || len(kept) > len(raw)+64 {
			t.Errorf("%d bytes of %d", len(kept), len(raw))
		}
		// What is kept is of its kind, and is kept as it is.
		again, more, err := accept(&form.Field{}, file.Name, kept)
		if err != nil || !bytes.Equal(more, kept) || again != file {
			t.Errorf("once more: %v, %d bytes of %d, %+v", err, len(more), len(kept), again)
		}
	})
}

func FuzzOutgoing(f *testing.F) {
	b, err := Outgoing{Revision: 2, Body: []byte("body"), Title: "Titel"}.bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := parseOutgoing(b)
		if err != nil {
			return
		}
		if _, err := out.bytes(); err != nil {
			t.Error(err)
		}
	})
}
