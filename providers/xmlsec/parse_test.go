package xmlsec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

func nested(n int) string {
	return `<a xmlns="urn:d">` + strings.Repeat("<a>", n-1) + strings.Repeat("</a>", n)
}

// many writes something once for each number below n.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	laughs := `<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;">]><a xmlns="urn:d">&d;</a>`
	for _, c := range []struct{ name, doc, refused string }{
		{"plain", `<a xmlns="urn:d"/>`, ""},
		{"declaration", `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n<a xmlns='urn:d'/>\n", ""},
		{"byte order mark", "\xef\xbb\xbf" + `<?xml version="1.0"?><a xmlns="urn:d"/>`, ""},
		{"CDATA", `<a xmlns="urn:d"><![CDATA[<b>&amp;]]></a>`, ""},
		{"references to characters", `<a xmlns="urn:d" b="&#xE5;&quot;">&#229;&lt;&amp;&#13;</a>`, ""},
		{"namespaces", `<p:a xmlns:p="urn:p" xmlns="urn:d"><b p:c="1" c="2" xmlns="urn:e"/><p:b xmlns:p="urn:q"/></p:a>`, ""},
		{"xml:lang", `<a xmlns="urn:d" xml:lang="sv"/>`, ""},
		{"IDs that differ", `<a xmlns="urn:d" ID="1"><b Id="2"/><c id="3"/></a>`, ""},
		{"a prefix that is called id", `<a xmlns="urn:d" xmlns:id="urn:1"><b xmlns:id="urn:1"/></a>`, ""},
		{"deep, but not too deep", nested(maxDepth), ""},

		{"document type", `<!DOCTYPE a><a xmlns="urn:d"/>`, "dtd"},
		{"billion laughs", laughs, "dtd"},
		{"external entity", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a xmlns="urn:d">&x;</a>`, "dtd"},
		{"directive inside", `<a xmlns="urn:d"><!ELEMENT b ANY></a>`, "dtd"},
		{"undeclared entity", `<a xmlns="urn:d">&x;</a>`, "syntax"},
		{"comment", `<a xmlns="urn:d"><!-- b --></a>`, "comment"},
		{"comment that cuts a name", `<a xmlns="urn:d">good@idp<!-- -->.evil</a>`, "comment"},
		{"comment before", `<!-- b --><a xmlns="urn:d"/>`, "comment"},
		{"instruction", `<a xmlns="urn:d"><?php ?></a>`, "instruction"},
		{"style sheet", `<?xml-stylesheet href="a"?><a xmlns="urn:d"/>`, "instruction"},
		{"declaration not first", ` <?xml version="1.0"?><a xmlns="urn:d"/>`, "instruction"},
		{"declaration twice", `<?xml version="1.0"?><?xml version="1.0"?><a xmlns="urn:d"/>`, "instruction"},
		{"too deep", nested(maxDepth + 1), "depth"},
		{"far too deep", `<a xmlns="urn:d">` + strings.Repeat("<a>", 80_000), "depth"},
		{"too long", `<a xmlns="urn:d">` + strings.Repeat(" ", limit) + `</a>`, "size"},
		{"empty", ``, "syntax"},
		{"only a declaration", `<?xml version="1.0"?>`, "syntax"},
		{"only text", `a`, "syntax"},
		{"text before", `b<a xmlns="urn:d"/>`, "syntax"},
		{"text behind", `<a xmlns="urn:d"/>b`, "syntax"},
		{"two roots", `<a xmlns="urn:d"/><a xmlns="urn:d"/>`, "syntax"},
		{"unfinished", `<a xmlns="urn:d"><b></b>`, "syntax"},
		{"ends too often", `<a xmlns="urn:d"></a></a>`, "syntax"},
		{"ends before it begins", `</a><a xmlns="urn:d">`, "syntax"},
		{"ends another", `<a xmlns="urn:d"></b>`, "syntax"},
		{"crossed", `<a xmlns="urn:d"><b></a></b>`, "syntax"},
		{"prefix of the end differs", `<p:a xmlns:p="urn:p" xmlns:q="urn:p"></q:a>`, "syntax"},
		{"broken tag", `<a`, "syntax"},
		{"attribute without quotes", `<a xmlns="urn:d" b=c/>`, "syntax"},
		{"control character", "<a xmlns='urn:d'>\x00</a>", "syntax"},
		{"not UTF-8", "<a xmlns='urn:d'>\xe5</a>", "syntax"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?><a xmlns="urn:d"/>`, "syntax"},
		{"another version", `<?xml version="1.1"?><a xmlns="urn:d"/>`, "syntax"},
		{"UTF-16", "\xff\xfe<\x00a\x00/\x00>\x00", "syntax"},

		{"ID twice", `<a xmlns="urn:d" ID="1"><b ID="1"/></a>`, "duplicate-id"},
		{"ID and Id", `<a xmlns="urn:d" ID="1"><b Id="1"/></a>`, "duplicate-id"},
		{"ID and id", `<a xmlns="urn:d" ID="1"><b id="1"/></a>`, "duplicate-id"},
		{"ID and xml:id", `<a xmlns="urn:d" ID="1"><b xml:id="1"/></a>`, "duplicate-id"},
		{"ID with another prefix", `<a xmlns="urn:d" xmlns:p="urn:p" ID="1"><b p:Id="1"/></a>`, "duplicate-id"},
		{"ID far apart", `<a xmlns="urn:d"><b><c ID="1"/></b><d><e ID="1"/></d></a>`, "duplicate-id"},
		{"two IDs on one element", `<a xmlns="urn:d" ID="1" Id="2"/>`, "duplicate-id"},
		{"attribute twice", `<a xmlns="urn:d" b="1" b="2"/>`, "duplicate-attribute"},
		{"attribute twice by two prefixes", `<a xmlns="urn:d" xmlns:p="urn:p" xmlns:q="urn:p" p:b="1" q:b="2"/>`, "duplicate-attribute"},
		{"namespace declared twice", `<a xmlns="urn:a" xmlns="urn:b"/>`, "duplicate-attribute"},

		{"undeclared prefix", `<p:a/>`, "namespace"},
		{"undeclared prefix of an attribute", `<a xmlns="urn:d" p:b="1"/>`, "namespace"},
		{"prefix declared elsewhere", `<a xmlns="urn:d"><b xmlns:p="urn:p"/><p:c/></a>`, "namespace"},
		{"prefix for nothing", `<a xmlns="urn:d" xmlns:p=""/>`, "namespace"},
		{"prefix xmlns", `<a xmlns:xmlns="urn:p"/>`, "namespace"},
		{"prefix xml for something else", `<a xmlns="urn:d" xmlns:xml="urn:p"/>`, "namespace"},
		{"another prefix for xml", `<a xmlns="urn:d" xmlns:p="http://www.w3.org/XML/1998/namespace"/>`, "namespace"},
		{"prefix for xmlns", `<a xmlns="urn:d" xmlns:p="http://www.w3.org/2000/xmlns/"/>`, "namespace"},
		{"xml as default", `<a xmlns="http://www.w3.org/XML/1998/namespace"/>`, "namespace"},
		{"two colons", `<p:a:b xmlns:p="urn:p"/>`, "syntax"},
		{"two colons in an attribute", `<p:a xmlns:p="urn:p" p:b:c="1"/>`, "syntax"},
		{"a name that none may have behind a prefix", `<p:1 xmlns:p="urn:p"/>`, "unstable"},
		{"no namespace", `<a/>`, "namespace"},
		{"no namespace any more", `<a xmlns="urn:d"><b xmlns=""/></a>`, "namespace"},
		{"an element of XML's own", `<xml:a/>`, "namespace"},
		{"an element that is a declaration", `<xmlns:a/>`, "namespace"},
		{"empty prefix", `<:a/>`, "namespace"},
		{"empty prefix of an attribute", `<a xmlns="urn:d" :b="1"/>`, "namespace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, err := Parse([]byte(c.doc), limit)
			if check(err) != c.refused {
				t.Errorf("refused at %q, want %q: %v", check(err), c.refused, err)
			}
			if (root != nil) != (c.refused == "") {
				t.Error("an element and an error, or neither")
			}
		})
	}
}

// What is only there to make work is refused before it has made any. What bounds
// it bounds the work too: each name is looked up among so many prefixes at most.
func TestParseBounds(t *testing.T) {
	child := `<b xmlns:b="urn:b"/>`
	for _, c := range []struct{ name, doc, refused string }{
		{"as many attributes as there may be", `<a xmlns="urn:d"` + many(maxAttributes-1, ` b%d=""`) + `/>`, ""},
		{"one more", `<a xmlns="urn:d"` + many(maxAttributes, ` b%d=""`) + `/>`, "attributes"},
		{"20000 attributes", `<a xmlns="urn:d"` + many(20_000, ` b%d=""`) + `/>`, "attributes"},
		{"8000 prefixes", `<a xmlns="urn:d"` + many(8_000, ` xmlns:b%d="u"`) + `>` + strings.Repeat(child, 4_000) + `</a>`, "attributes"},
		{"prefixes in every element", `<a xmlns="urn:d">` + many(30, `<a xmlns:p%[1]d="u" xmlns:q%[1]d="u" xmlns:r%[1]d="u">`), "prefixes"},
		{"prefixes that hide each other", `<a xmlns="urn:d">` + many(30, `<a xmlns:p="u%[1]d" xmlns:q="u%[1]d" xmlns:r="u%[1]d">`), "prefixes"},
		{"the same prefixes again and again", `<a xmlns="urn:d">` + strings.Repeat(`<a xmlns="urn:d" xmlns:p="u" xmlns:q="u" xmlns:r="u">`, 30) + strings.Repeat(`</a>`, 31), ""},
		{"prefixes one after the other", `<a xmlns="urn:d">` + many(1_000, `<a xmlns:p%d="u"/>`) + `</a>`, ""},
		{"as many elements as there may be", `<a xmlns="urn:d">` + strings.Repeat("<b/>", limit/minNode-1) + `</a>`, ""},
		{"one more element", `<a xmlns="urn:d">` + strings.Repeat("<b/>", limit/minNode) + `</a>`, "nodes"},
		{"texts in pieces", `<a xmlns="urn:d">` + strings.Repeat("<![CDATA[]]>", limit/minNode) + `</a>`, "nodes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(c.doc) > limit {
				t.Fatalf("%d bytes", len(c.doc))
			}
			if _, err := Parse([]byte(c.doc), limit); check(err) != c.refused {
				t.Errorf("refused at %q, want %q: %v", check(err), c.refused, err)
			}
		})
	}
	// What a feed may be long, it may have elements.
	feed := `<a xmlns="urn:d">` + strings.Repeat("<b/>", limit/minNode) + `</a>`
	if _, err := Parse([]byte(feed), 64<<20); err != nil {
		t.Error(err)
	}
}

// What is refused may hold a person: no error quotes it.
func TestErrorsQuoteNothing(t *testing.T) {
	for _, doc := range []string{
		`<a>Testperson Ett&`, `<a Testperson Ett="1"/>`, `<Testperson></Ett>`, `<a b="Testperson Ett"><Testperson:Ett/></a>`,
		`<a ID="Testperson Ett"><b ID="Testperson Ett"/></a>`, `<a>&Testperson;</a>`, `Testperson Ett`, `<!Testperson Ett>`,
	} {
		_, err := Parse([]byte(doc), limit)
		if err == nil || strings.Contains(err.Error(), "Testperson") || strings.Contains(err.Error(), "Ett") {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// FuzzParse: what is read is written so that it is read to the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(message))
	f.Add([]byte(`<?xml version="1.0"?><p:a xmlns:p="urn:p" xmlns="urn:d" ID="1"><b p:c="1" c="&#13;&#10;&quot;"><![CDATA[<>]]>&#13;` + "\r\n" + `</b></p:a>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>`))
	f.Add([]byte(`<a><!-- --><?a?></a>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		root, err := Parse(raw, limit)
		if err != nil {
			if c := check(err); c == "panic" || strings.HasPrefix(c, "untyped") {
				t.Errorf("refused at %q", c)
			}
			return
		}
		theirs := etree.NewDocument()
		if err := theirs.ReadFromBytes(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))); err != nil {
			t.Fatalf("etree does not read it: %v", err)
		}
		once := Bytes(root)
		if same := Bytes(theirs.Root()); !bytes.Equal(once, same) {
			t.Errorf("read\n%s\nand by etree\n%s", once, same)
		}
		again, err := Parse(once, 10*limit)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if twice := Bytes(again); !bytes.Equal(once, twice) {
			t.Errorf("written\n%s\nand again\n%s", once, twice)
		}
	})
}

// Comments in metadata are left out, and what they stand in is read whole.
func TestParseMetadata(t *testing.T) {
	root, err := ParseMetadata([]byte(`<!-- a --><a xmlns="urn:d"><!-- b --><b>good@idp<!-- c -->.evil</b></a><!-- d -->`), 1000)
	if err != nil || root.ChildElements()[0].Text() != "good@idp.evil" || len(root.Child) != 1 {
		t.Errorf("%v", err)
	}
	many := `<a xmlns="urn:d">` + strings.Repeat("<!---->", 100) + `</a>`
	if _, err := ParseMetadata([]byte(many), len(many)); err == nil {
		t.Error("any number of comments is read")
	}
}
