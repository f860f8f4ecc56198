package xmlsec

import (
	"bytes"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

func nested(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }

func TestParse(t *testing.T) {
	laughs := `<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;">]><a>&d;</a>`
	for _, c := range []struct{ name, doc, refused string }{
		{"plain", `<a/>`, ""},
		{"declaration", `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n<a/>\n", ""},
		{"byte order mark", "\xef\xbb\xbf" + `<?xml version="1.0"?><a/>`, ""},
		{"CDATA", `<a><![CDATA[<b>&amp;]]></a>`, ""},
		{"references to characters", `<a b="&#xE5;&quot;">&#229;&lt;&amp;&#13;</a>`, ""},
		{"namespaces", `<p:a xmlns:p="urn:p" xmlns="urn:d"><b p:c="1" c="2" xmlns=""/><p:b xmlns:p="urn:q"/></p:a>`, ""},
		{"xml:lang", `<a xml:lang="sv"/>`, ""},
		{"IDs that differ", `<a ID="1"><b Id="2"/><c id="3"/></a>`, ""},
		{"a prefix that is called id", `<a xmlns:id="urn:1"><b xmlns:id="urn:1"/></a>`, ""},
		{"deep, but not too deep", nested(maxDepth), ""},

		{"document type", `<!DOCTYPE a><a/>`, "dtd"},
		{"billion laughs", laughs, "dtd"},
		{"external entity", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>`, "dtd"},
		{"directive inside", `<a><!ELEMENT b ANY></a>`, "dtd"},
		{"undeclared entity", `<a>&x;</a>`, "syntax"},
		{"comment", `<a><!-- b --></a>`, "comment"},
		{"comment that cuts a name", `<a>good@idp<!-- -->.evil</a>`, "comment"},
		{"comment before", `<!-- b --><a/>`, "comment"},
		{"instruction", `<a><?php ?></a>`, "instruction"},
		{"style sheet", `<?xml-stylesheet href="a"?><a/>`, "instruction"},
		{"declaration not first", ` <?xml version="1.0"?><a/>`, "instruction"},
		{"declaration twice", `<?xml version="1.0"?><?xml version="1.0"?><a/>`, "instruction"},
		{"too deep", nested(maxDepth + 1), "depth"},
		{"far too deep", strings.Repeat("<a>", 80_000), "depth"},
		{"too long", `<a>` + strings.Repeat(" ", limit) + `</a>`, "size"},
		{"empty", ``, "syntax"},
		{"only a declaration", `<?xml version="1.0"?>`, "syntax"},
		{"only text", `a`, "syntax"},
		{"text before", `b<a/>`, "syntax"},
		{"text behind", `<a/>b`, "syntax"},
		{"two roots", `<a/><a/>`, "syntax"},
		{"unfinished", `<a><b></b>`, "syntax"},
		{"ends too often", `<a></a></a>`, "syntax"},
		{"ends before it begins", `</a><a>`, "syntax"},
		{"ends another", `<a></b>`, "syntax"},
		{"crossed", `<a><b></a></b>`, "syntax"},
		{"prefix of the end differs", `<p:a xmlns:p="urn:p" xmlns:q="urn:p"></q:a>`, "syntax"},
		{"broken tag", `<a`, "syntax"},
		{"attribute without quotes", `<a b=c/>`, "syntax"},
		{"control character", "<a>\x00</a>", "syntax"},
		{"not UTF-8", "<a>\xe5</a>", "syntax"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "syntax"},
		{"another version", `<?xml version="1.1"?><a/>`, "syntax"},
		{"UTF-16", "\xff\xfe<\x00a\x00/\x00>\x00", "syntax"},

		{"ID twice", `<a ID="1"><b ID="1"/></a>`, "duplicate-id"},
		{"ID and Id", `<a ID="1"><b Id="1"/></a>`, "duplicate-id"},
		{"ID and id", `<a ID="1"><b id="1"/></a>`, "duplicate-id"},
		{"ID and xml:id", `<a ID="1"><b xml:id="1"/></a>`, "duplicate-id"},
		{"ID with another prefix", `<a xmlns:p="urn:p" ID="1"><b p:Id="1"/></a>`, "duplicate-id"},
		{"ID far apart", `<a><b><c ID="1"/></b><d><e ID="1"/></d></a>`, "duplicate-id"},
		{"two IDs on one element", `<a ID="1" Id="2"/>`, "duplicate-id"},
		{"attribute twice", `<a b="1" b="2"/>`, "duplicate-attribute"},
		{"attribute twice by two prefixes", `<a xmlns:p="urn:p" xmlns:q="urn:p" p:b="1" q:b="2"/>`, "duplicate-attribute"},
		{"namespace declared twice", `<a xmlns="urn:a" xmlns="urn:b"/>`, "duplicate-attribute"},

		{"undeclared prefix", `<p:a/>`, "namespace"},
		{"undeclared prefix of an attribute", `<a p:b="1"/>`, "namespace"},
		{"prefix declared elsewhere", `<a><b xmlns:p="urn:p"/><p:c/></a>`, "namespace"},
		{"prefix for nothing", `<a xmlns:p=""/>`, "namespace"},
		{"prefix xmlns", `<a xmlns:xmlns="urn:p"/>`, "namespace"},
		{"prefix xml for something else", `<a xmlns:xml="urn:p"/>`, "namespace"},
		{"another prefix for xml", `<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>`, "namespace"},
		{"prefix for xmlns", `<a xmlns:p="http://www.w3.org/2000/xmlns/"/>`, "namespace"},
		{"xml as default", `<a xmlns="http://www.w3.org/XML/1998/namespace"/>`, "namespace"},
		{"two colons", `<p:a:b xmlns:p="urn:p"/>`, "syntax"},
		{"two colons in an attribute", `<p:a xmlns:p="urn:p" p:b:c="1"/>`, "syntax"},
		{"a name that none may have behind a prefix", `<p:1 xmlns:p="urn:p"/>`, "unstable"},
		{"empty prefix", `<:a/>`, "namespace"},
		{"empty prefix of an attribute", `<a :b="1"/>`, "namespace"},
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
