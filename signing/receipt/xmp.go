package receipt

import (
	"encoding/xml"
	"strings"
	"time"
)

const (
	producer = "Sigill"
	xmpDate  = "2006-01-02T15:04:05+00:00"
)

// metadata is what the file says of itself (XMP, ISO 16684-1): that it means to
// be PDF/A-3a and PDF/UA-1, and the same as its information dictionary. PDF/A
// wants the property of PDF/UA to be described.
func metadata(title, language, author string, created, modified time.Time) []byte {
	var b strings.Builder
	b.Grow(3000)
	escaped := func(s string) string {
		var out strings.Builder
		xml.EscapeText(&out, []byte(s)) // a strings.Builder takes everything
		return out.String()
	}
	parts := []string{escaped(title), escaped(language), escaped(author), created.UTC().Format(xmpDate), modified.UTC().Format(xmpDate)}
	text := xmpTemplate
	for {
		before, after, more := strings.Cut(text, "{")
		b.WriteString(before)
		if !more {
			return []byte(b.String())
		}
		b.WriteString(parts[after[0]-'0'])
		text = after[2:]
	}
}

// {0} is the title, {1} the language, {2} who made it, {3} and {4} when it was
// created and completed.
const xmpTemplate = `<?xpacket begin="` + "\uFEFF" + `" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{0}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{2}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>{1}</rdf:li></rdf:Bag></dc:language>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<xmp:CreatorTool>` + producer + `</xmp:CreatorTool>
<xmp:CreateDate>{3}</xmp:CreateDate>
<xmp:ModifyDate>{4}</xmp:ModifyDate>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
<pdf:Producer>` + producer + `</pdf:Producer>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>3</pdfaid:part>
<pdfaid:conformance>A</pdfaid:conformance>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<pdfuaid:part>1</pdfuaid:part>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 that the file conforms to</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`
