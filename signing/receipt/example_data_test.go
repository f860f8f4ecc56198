package receipt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sigill/signing"
)

// order is what tests make receipts of.
type order struct {
	k     Kvittens
	m     signing.Manifest
	files []File
}

// newOrder is a small order in Swedish without documents and signatures.
func newOrder() *order {
	created := time.Date(2026, 11, 20, 8, 14, 5, 123456000, time.UTC)
	return &order{
		k: Kvittens{
			Layout: Layout, ClientName: "Exempel kommun", Language: "sv", Created: created,
			CompletedAt: time.Date(2026, 11, 21, 18, 3, 9, 0, time.UTC), SealedBy: "Exempel kommun",
			VerifyURL: "https://sign.example.se/verify", TrustSHA256: digestOf([]byte("trust")),
		},
		m: signing.Manifest{
			Format: signing.ManifestFormat, Issuer: "https://sign.example.se", Client: "exempel", Order: "01JD3Q8ZK4T7V9",
			Revision: 1, Title: "Ansökan om plats i förskola", Message: "Båda vårdnadshavarna behöver skriva under ansökan.",
			Reference: "BUN 2026-1182", Sequence: signing.Parallel,
		},
	}
}

func (o *order) text(t testing.TB, name, text string) *order {
	return o.document(t, signing.Document{Name: name, Kind: signing.KindText, Type: signing.TextType, Text: text}, Document{Text: &text})
}

func (o *order) content(t testing.TB, name string, c signing.Content) *order {
	return o.document(t, signing.Document{Name: name, Kind: signing.KindContent, Type: signing.ContentType, Content: c}, Document{Content: c})
}

func (o *order) file(t testing.TB, name, file, kind string, b []byte) *order {
	o.attach(file, kind, "Source", b)
	return o.document(t, signing.Document{Name: name, Kind: signing.KindFile, Type: kind, File: b}, Document{Attachment: file})
}

func (o *order) document(t testing.TB, d signing.Document, in Document) *order {
	t.Helper()
	entry, err := d.Entry()
	if err != nil {
		t.Fatal(err)
	}
	o.m.Documents = append(o.m.Documents, entry)
	o.k.Documents = append(o.k.Documents, in)
	return o
}

func (o *order) attach(name, kind, relationship string, b []byte) *order {
	o.files = append(o.files, File{Name: name, Type: kind, Relationship: relationship, Bytes: b})
	return o
}

// signed adds a signatory who has signed.
func (o *order) signed(name string) *order {
	n := len(o.m.Signatories) + 1
	o.m.Signatories = append(o.m.Signatories, signing.ManifestSignatory{N: n, Number: digestOf([]byte(name)), Group: 1})
	evidence := fmt.Sprintf("underskrift-%d.json", n)
	part := fmt.Sprintf("underskrift-%d-bankid.xml", n)
	o.attach(evidence, "application/vnd.sigill.bankid+json", "Source", []byte(`{"evidence":"`+strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo", 150)+`"}`))
	o.attach(part, "application/xml", "Source", []byte("<Signature>"+strings.Repeat("MIIEpAIBAAKCAQEA", 400)+"</Signature>"))
	at := time.Date(2026, 11, 21, 18, 3, 9, 0, time.UTC).Add(time.Duration(n-2) * 26 * time.Hour)
	o.k.NumberKey = []byte(strings.Repeat("k", 32))
	o.k.Signatures = append(o.k.Signatures, Signature{
		Signatory: n, Name: name, Masked: "1990********", Provider: "mbankid", ProviderName: "Mobilt BankID", Level: "uncertified-loa3",
		Policy: "1.2.752.78.1.5", Started: at.Add(-95 * time.Second), At: at,
		Text:   "Exempel kommun ber dig skriva under:\n\nAnsökan om plats i förskola\n\n1. Ansökan (SHA-256 3f1c 90aa …)\n2. Hyresavtal.pdf (SHA-256 77b0 12cd …)\n\nReferens: BUN 2026-1182",
		Markup: "text", EIDOrder: fmt.Sprintf("eid-%02d-8Q2M", n), Transaction: "131daac9-16c6-4618-beb0-365768f37288",
		Evidence: evidence, EvidenceType: "application/vnd.sigill.bankid+json", Parts: []string{part},
	})
	return o
}

// kvittens gives what Make takes.
func (o *order) kvittens(t testing.TB) (Kvittens, []File) {
	t.Helper()
	canonical, digest, err := o.m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o.k.Manifest, o.k.ManifestSHA256 = canonical, fmt.Sprintf("%x", digest)
	return o.k, o.files
}

// preschool is an order as they come: a form, a text, a file, two guardians.
func preschool(t testing.TB) *order {
	return newOrder().
		content(t, "Ansökan", signing.Content{
			{Heading: "Barnet"},
			{Rows: []signing.Row{{Label: "Namn", Value: "Testbarn Ett"}, {Label: "Önskad start", Value: "2027-01-11"}, {Label: "Önskade förskolor", Value: "1. Åkerbäret\n2. Ängsklockan\n3. Sjöstugan"}}},
			{Heading: "Vårdnadshavare"},
			{Text: "Båda vårdnadshavarna intygar att uppgifterna är riktiga och att ändrade förhållanden anmäls till kommunen."},
			{Rows: []signing.Row{{Label: "Omfattning per vecka, i genomsnitt under hela terminen", Value: "35 timmar"}, {Label: "Syskon i förskola", Value: "Nej"}}},
		}).
		text(t, "Villkor", "Plats erbjuds inom fyra månader.\n\nAvgiften följer kommunens taxa och betalas tolv månader om året. Den som får en plats och inte längre behöver den säger upp den minst två månader i förväg.\n\nPlatsen gäller från den dag som står i beslutet.").
		file(t, "Hyresavtal", "hyresavtal.pdf", "application/pdf", []byte("%PDF-1.4 not really\n")).
		signed("Testperson Ett").
		signed("Åsa-Märta Testperson Två")
}

// difficult is an order whose texts nobody should be able to draw well.
func difficult(t testing.TB) *order {
	o := newOrder()
	o.m.Title = "Ett ärende med ett namn som är så långt att det inte får plats på en rad, inte ens på två, utan som fortsätter länge till"
	o.m.Message = "Rad ett\nRad två\r\nRad tre\tefter tabb"
	o.m.Reference = "https://exempel.example.se/" + strings.Repeat("mycket/lång/adress/", 8)
	o.k.ClientName = "Södra Älmhults gemensamma nämnd för överförmyndarärenden och vissa andra frågor"
	o.text(t, "Alla slags tecken", strings.Join([]string{
		"Färdiga: åäö ÅÄÖ é ü ñ ç ø æ œ ß ł đ ž š č ğ ő ű",
		"Sammansatta: a\u030a a\u0308 o\u0308 A\u030a e\u0301 u\u0308 n\u0303",
		"Kyrilliska: Олександр Шевченко, Україна. Grekiska: Αθανάσιος Παπαδόπουλος. Vietnamesiska: Nguyễn Thị Ánh.",
		"Tecken: “citat” ”citat” ’apostrof’ – tankstreck — 100 € ½ ≤ ≥ ≠ → ← • … № ™ ± × ÷ √ ∞ ♠ ■ □",
		"Bindestreck som inte bryts: a\u2011b. Mellanslag som inte bryts: 10\u00a0000\u202fkr.",
		"Arabiska: محمد. Hebreiska: שלום. Kinesiska: 王小明. Emoji: 😀👩‍👧.",
		"Styrtecken: \x00\x01\x1b[31m\x7f\u0085. Mjukt bindestreck: a\u00adb. Nollbredd: a\u200bb\u200cc\u200dd\ufeffe.",
		"Vänd: \u202egnp.exe\u202c och \u2066isolerad\u2069 och \u200fRLM.",
		"Staplade märken: Z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b slut",
		strings.Repeat("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", 4),
		"    Indragen rad.   Flera   mellanslag.",
		"", "", "Efter tre tomma rader. (Parenteser) \\och\\ ((nästlade)).",
	}, "\n"))
	o.content(t, "Långa svar", signing.Content{
		{Heading: "En rubrik som är så lång att den måste brytas över flera rader eftersom den som skrev den inte visste bättre än så"},
		{Rows: []signing.Row{
			{Label: "Kort", Value: strings.Repeat("Ett svar som aldrig tar slut och därför går över flera sidor. ", 200)},
			{Label: strings.Repeat("Lång fråga ", 30), Value: "Kort"},
			{Label: "", Value: ""},
			{Label: "Tomt svar", Value: ""},
		}},
		{Text: strings.Repeat("Ett långt stycke. ", 400)},
	})
	o.signed("Testperson \u202eEtt").signed("王小明").signed(strings.Repeat("Karl-Gustav ", 12))
	o.k.Signatures[2].Text = strings.Repeat("En text som fyller mer än en sida i appen.\n", 80)
	o.k.Signatures[0].Level = "loa3"
	o.k.Signatures[0].Markup = "simpleMarkdownV1"
	o.k.Signatures[0].Text = "# Underskrift\n\nBegärs av: *Exempel kommun*\n\n+ Ansökan (kontrollsumma ab12 ab12 ab12 ab12)"
	o.k.Signatures[1].Level = "http://example.se/loa/other"
	return o
}
