package signing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sigill/providers"
	"sigill/providers/personnummer"
)

const å = "å" // two bytes, one character

func long(n int) string { return strings.Repeat(å, n) }

// file is one of a size.
func file(name, media, magic string, size int) Document {
	return Document{Name: name, Kind: KindFile, Type: media, File: append([]byte(magic), make([]byte, size-len(magic))...)}
}

func pdf(name string, size int) Document { return file(name, "application/pdf", "%PDF-", size) }

func content(blocks ...Block) []Document {
	return []Document{{Name: "Ansökan", Kind: KindContent, Content: blocks}}
}

func rows(n int) Block { return Block{Rows: slices.Repeat([]Row{{Label: "l", Value: "v"}}, n)} }

// given collects everything that a client wrote in a wish.
func given(w Wish) (out []string) {
	out = append(out, w.Title, w.Message, w.Reference, w.Language, string(w.Sequence), string(w.Visibility), w.ReturnURL, w.Callback)
	for _, p := range w.Providers {
		out = append(out, string(p))
	}
	for _, d := range w.Documents {
		out = append(out, d.Name, d.Type, d.Text)
		for _, b := range d.Content {
			out = append(out, b.Heading, b.Text)
			for _, r := range b.Rows {
				out = append(out, r.Label, r.Value)
			}
		}
	}
	for _, s := range w.Signatories {
		out = append(out, s.Number, s.Name, s.Email, s.Phone, string(s.Invite), s.Language)
	}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < 6 })
}

func TestWish(t *testing.T) {
	first := func(change func(*WishedSignatory)) func(*Wish) {
		return func(w *Wish) { change(&w.Signatories[0]) }
	}
	documents := func(ds ...Document) func(*Wish) { return func(w *Wish) { w.Documents = ds } }
	text := func(s string) func(*Wish) {
		return documents(Document{Name: "Ansökan", Kind: KindText, Text: s})
	}
	reach := func(email, phone string, invite Invite) func(*Wish) {
		return first(func(s *WishedSignatory) { s.Email, s.Phone, s.Invite = email, phone, invite })
	}
	numbered := func(as ...string) func(*Wish) {
		return func(w *Wish) {
			w.Signatories = nil
			for _, n := range as {
				w.Signatories = append(w.Signatories, WishedSignatory{Number: n, Name: "Testperson", Invite: InviteNone})
			}
		}
	}
	limits := Limits{Documents: 3, File: 1000, Order: 1500, Signatories: 3, MaxDeadline: 100 * 24 * time.Hour}
	for _, c := range []struct {
		name   string
		change func(*Wish)
		faults string // fields, with blanks between; empty: it is granted
	}{
		{"as it is", func(w *Wish) {}, ""},
		{"everything else is left out", func(w *Wish) { *w = Wish{Title: "T", Documents: w.Documents} }, ""},
		{"nothing", func(w *Wish) { *w = Wish{} }, "title documents"},

		{"title, longest", func(w *Wish) { w.Title = long(200) }, ""},
		{"title, too long", func(w *Wish) { w.Title = long(201) }, "title"},
		{"title, blank", func(w *Wish) { w.Title = " \n " }, "title"},
		{"title, two lines", func(w *Wish) { w.Title = "hemlig\ntitel" }, "title"},
		{"title, tab", func(w *Wish) { w.Title = "hemlig\ttitel" }, "title"},
		{"message, longest", func(w *Wish) { w.Message = long(1000) }, ""},
		{"message, too long", func(w *Wish) { w.Message = long(1001) }, "message"},
		{"message, lines", func(w *Wish) { w.Message = "Hej\r\n\tpå\n\ndig" }, ""},
		{"message, other line ends", func(w *Wish) { w.Message = "hemligt\rbrev" }, "message"},
		{"reference, longest", func(w *Wish) { w.Reference = long(100) }, ""},
		{"reference, too long", func(w *Wish) { w.Reference = long(101) }, "reference"},
		{"reference, two lines", func(w *Wish) { w.Reference = "hemlig\nhet" }, "reference"},
		{"not UTF-8", func(w *Wish) { w.Title, w.Message, w.Reference = "hemlig\xff", "hemlig\xc3", "hemlig\xed\xa0\x80" }, "title message reference"},
		{"language", func(w *Wish) { w.Language = "en" }, ""},
		{"language, unknown", func(w *Wish) { w.Language = "hemska" }, "language"},
		{"language, in capitals", func(w *Wish) { w.Language = "SV" }, "language"},

		{"order, unknown", func(w *Wish) { w.Sequence = "sideways" }, "order"},
		{"visibility, unknown", func(w *Wish) { w.Visibility = "everything" }, "visibility"},
		{"visibility", func(w *Wish) { w.Visibility = ShowNone }, ""},
		{"e-IDs", func(w *Wish) { w.Providers = []providers.ID{providers.BankID, providers.Freja} }, ""},
		{"e-ID, unknown", func(w *Wish) { w.Providers = []providers.ID{providers.BankID, "Hemligt id"} }, "allowedProviders[1]"},
		{"e-ID, twice", func(w *Wish) { w.Providers = []providers.ID{providers.BankID, providers.Freja, providers.BankID} }, "allowedProviders[2]"},

		{"deadline, earliest", func(w *Wish) { w.Deadline = t0.Add(time.Minute) }, ""},
		{"deadline, too early", func(w *Wish) { w.Deadline = t0.Add(time.Minute - 1) }, "deadline"},
		{"deadline, in the past", func(w *Wish) { w.Deadline = t0.AddDate(-1, 0, 0) }, "deadline"},
		{"deadline, latest", func(w *Wish) { w.Deadline = t0.AddDate(0, 0, 100) }, ""},
		{"deadline, too late", func(w *Wish) { w.Deadline = t0.AddDate(0, 0, 100).Add(1) }, "deadline"},
		{"reminders", func(w *Wish) { w.Reminders = []int{1, 365, 7, 7} }, ""},
		{"reminders, most", func(w *Wish) { w.Reminders = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10} }, ""},
		{"reminders, too many", func(w *Wish) { w.Reminders = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11} }, "reminders"},
		{"reminders, too early and late", func(w *Wish) { w.Reminders = []int{0, 1, 366, -1} }, "reminders[0] reminders[2] reminders[3]"},

		{"return", func(w *Wish) { w.ReturnURL, w.Callback = "https://app.example.se/r", "https://app.example.se/c" }, ""},
		{"return, not allowed", func(w *Wish) { w.ReturnURL = "https://forbidden.example.se/r" }, "returnUrl"},
		{"callback, not allowed", func(w *Wish) { w.Callback = "https://forbidden.example.se/c" }, "callbackUrl"},

		{"documents, most", documents(pdf("a", 5), pdf("b", 5), pdf("c", 5)), ""},
		{"documents, too many", documents(pdf("a", 5), pdf("b", 5), pdf("c", 5), pdf("d", 5)), "documents"},
		{"document, largest", documents(pdf("a", 1000)), ""},
		{"document, too large", documents(pdf("a", 1001)), "documents[0]"},
		{"documents, largest", documents(pdf("a", 1000), pdf("b", 500)), ""},
		{"documents, too large", documents(pdf("a", 1000), pdf("b", 501)), "documents"},
		{"text counts in bytes", text(long(500)), ""},
		{"text, too large", text(long(501)), "documents[0]"},
		{"content counts as it is written", documents(content(Block{Text: strings.Repeat("x", 987)})...), ""},
		{"content, too large", documents(content(Block{Text: strings.Repeat("x", 988)})...), "documents[0]"},
		{"documents of one name", documents(pdf("hemlig", 5), pdf(" hemlig ", 5), pdf("other", 5)), "documents[1].name"},
		{"document without name", documents(pdf(" ", 5)), "documents[0].name"},
		{"document's name, longest", documents(pdf(long(120), 5)), ""},
		{"document's name, too long", documents(pdf(long(121), 5)), "documents[0].name"},
		{"document's name, two lines", documents(pdf("hemlig\nfil", 5)), "documents[0].name"},
		{"document of no kind", documents(Document{Name: "a"}), "documents[0]"},
		{"document of another kind", documents(Document{Name: "a", Kind: "hemligt", Text: "hemligt"}), "documents[0]"},
		{"text and content", documents(Document{Name: "a", Kind: KindText, Text: "hemligt", Content: Content{{Text: "hemligare"}}}), "documents[0]"},
		{"text and file", documents(Document{Name: "a", Kind: KindText, Text: "hemligt", File: []byte("%PDF-")}), "documents[0]"},
		{"content and text", documents(Document{Name: "a", Kind: KindContent, Text: "hemligt", Content: Content{{Text: "hemligare"}}}), "documents[0]"},
		{"file and text", documents(Document{Name: "a", Kind: KindFile, Type: "application/pdf", Text: "hemligt", File: []byte("%PDF-")}), "documents[0]"},
		{"no text", text(" \n"), "documents[0].text"},
		{"text with something invisible", text("hemligt\u202e"), "documents[0].text"},

		{"PDF", documents(file("a", "application/pdf", "%PDF-1.7", 20)), ""},
		{"JPEG", documents(file("a", "image/jpeg", "\xff\xd8\xff\xe0", 20)), ""},
		{"PNG", documents(file("a", "image/png", "\x89PNG\r\n\x1a\n", 20)), ""},
		{"HTML", documents(file("a", "text/html", "<html>hemligt", 20)), "documents[0].file"},
		{"SVG", documents(file("a", "image/svg+xml", "<svg>hemligt", 20)), "documents[0].file"},
		{"a type with parameters", documents(file("a", "application/pdf; x=hemligt", "%PDF-", 20)), "documents[0].file"},
		{"no type", documents(file("a", "", "%PDF-", 20)), "documents[0].file"},
		{"a PDF that is none", documents(file("a", "application/pdf", "hemligt", 20)), "documents[0].file"},
		{"a PDF that begins later", documents(file("a", "application/pdf", "\n%PDF-", 20)), "documents[0].file"},
		{"a PNG that is a JPEG", documents(file("a", "image/png", "\xff\xd8\xff", 20)), "documents[0].file"},
		{"a file of nothing", documents(Document{Name: "a", Kind: KindFile, Type: "application/pdf"}), "documents[0].file"},

		{"content", documents(content(Block{Heading: "H"}, Block{Text: "T"}, Block{Rows: []Row{{Label: "L"}, {"M", "v\nw"}}})...), ""},
		{"no blocks", documents(Document{Name: "a", Kind: KindContent}), "documents[0].content"},
		{"block of nothing", documents(content(Block{Text: "T"}, Block{})...), "documents[0].content[1]"},
		{"block of two things", documents(content(Block{Heading: "hemlig", Text: "hemligare"})...), "documents[0].content[0]"},
		{"blank heading", documents(content(Block{Heading: "  "})...), "documents[0].content[0].heading"},
		{"blank text", documents(content(Block{Text: " \n"})...), "documents[0].content[0].text"},
		{"heading, longest", documents(content(Block{Heading: long(300)})...), ""},
		{"heading, too long", documents(content(Block{Heading: long(301)})...), "documents[0].content[0].heading"},
		{"heading, two lines", documents(content(Block{Heading: "hemlig\nhet"})...), "documents[0].content[0].heading"},
		{"label, longest", documents(content(Block{Rows: []Row{{Label: long(300)}}})...), ""},
		{"label, too long", documents(content(Block{Rows: []Row{{Label: long(301)}}})...), "documents[0].content[0].rows[0].label"},
		{"no label", documents(content(Block{Rows: []Row{{"L", ""}, {"", "hemligt"}}})...), "documents[0].content[0].rows[1].label"},
		{"value with something invisible", documents(content(Block{Rows: []Row{{"L", "hemligt\u200b"}}})...), "documents[0].content[0].rows[0].value"},

		{"nobody signs", func(w *Wish) { w.Signatories = nil }, ""},
		{"signatories, most", numbered(numbers[:3]...), ""},
		{"signatories, too many", numbered(numbers[:4]...), "signatories"},
		{"number missing", numbered(""), "signatories[0].pnr"},
		{"number with a wrong check digit", numbered("198006299253"), "signatories[0].pnr"},
		{"number of no date", numbered("198002309252"), "signatories[0].pnr"},
		{"number of an organisation", numbered("165566304928"), "signatories[0].pnr"},
		{"number of somebody not born", numbered("202704089276"), "signatories[0].pnr"},
		{"not a number", numbered("hemligt"), "signatories[0].pnr"},
		{"a coordination number", numbered("198011882399"), ""},
		{"the same twice", numbered(numbers[0], numbers[1], numbers[0]), "signatories[2].pnr"},
		{"the same, ten digits", numbered(numbers[0], "8006299252"), "signatories[1].pnr"},
		{"the same, with hyphen", numbered("800629-9252", "19800629-9252"), "signatories[1].pnr"},
		{"the same, spaces", numbered(" "+numbers[0]+" ", "800629-9252"), "signatories[1].pnr"},
		{"the same, over a hundred", numbered("970913+9803", "189709139803"), "signatories[1].pnr"},
		{"the same, coordination number", numbered("198011882399", "801188-2399"), "signatories[1].pnr"},
		{"two without number", numbered("", ""), "signatories[0].pnr signatories[1].pnr"},
		{"name missing", first(func(s *WishedSignatory) { s.Name = " " }), "signatories[0].name"},
		{"name, longest", first(func(s *WishedSignatory) { s.Name = long(120) }), ""},
		{"name, too long", first(func(s *WishedSignatory) { s.Name = long(121) }), "signatories[0].name"},
		{"name turned around", first(func(s *WishedSignatory) { s.Name = "hemlig \u202epmet" }), "signatories[0].name"},
		{"signatory's language", first(func(s *WishedSignatory) { s.Language = "en" }), ""},
		{"signatory's language, unknown", first(func(s *WishedSignatory) { s.Language = "hemska" }), "signatories[0].language"},

		{"by both", reach("a@example.se", "070-174 06 05", InviteBoth), ""},
		{"by both, without phone", reach("hemlig@example.se", "", InviteBoth), "signatories[0].phone"},
		{"by both, without mail", reach("", "070-174 06 05", InviteBoth), "signatories[0].email"},
		{"by mail, without", reach("", "070-174 06 05", InviteEmail), "signatories[0].email"},
		{"by SMS, without", reach("hemlig@example.se", "", InviteSMS), "signatories[0].phone"},
		{"by code, by phone", reach("", "070-174 06 05", InviteCode), ""},
		{"by code, by mail", reach("a@example.se", "", InviteCode), ""},
		{"by code, nowhere", reach("", "", InviteCode), "signatories[0].invite"},
		{"not at all", reach("", "", InviteNone), ""},
		{"no way given", reach("a@example.se", "", ""), "signatories[0].invite"},
		{"by pigeon", reach("a@example.se", "", "pigeon"), "signatories[0].invite"},
		{"bad address", reach("hemlig@", "", InviteEmail), "signatories[0].email"},
		{"bad address, unused", reach("hemlig@", "", InviteNone), "signatories[0].email"},
		{"bad number", reach("", "0701-hemligt", InviteSMS), "signatories[0].phone"},

		{"groups", func(w *Wish) { w.Sequence, w.Signatories[0].Group, w.Signatories[1].Group = Groups, 3, 1 }, ""},
		{"groups, none", func(w *Wish) { w.Sequence, w.Signatories[1].Group = Groups, 1 }, "signatories[0].group"},
		{"groups, too high", func(w *Wish) { w.Sequence, w.Signatories[0].Group, w.Signatories[1].Group = Groups, 4, -1 }, "signatories[0].group signatories[1].group"},
		{"a group in parallel", first(func(s *WishedSignatory) { s.Group = 1 }), "signatories[0].group"},
		{"a group in a sequence", func(w *Wish) { w.Sequence, w.Signatories[1].Group = Sequential, 2 }, "signatories[1].group"},

		{
			"all at once", func(w *Wish) {
				w.Title, w.Language, w.Reminders = "", "hemska", []int{0}
				w.Documents = []Document{{Kind: "hemligt"}}
				w.Signatories[1] = WishedSignatory{Number: "hemligt", Email: "hemligt"}
			},
			"title language reminders[0] signatories[1].pnr signatories[1].email signatories[1].invite signatories[1].name documents[0].name documents[0]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := aWish(Parallel, 2)
			c.change(&w)
			from := origin()
			from.URL = func(u string) string {
				if strings.Contains(u, "forbidden") {
					return "is not under an origin of this client"
				}
				return ""
			}
			o, _, err := New(w, from, limits.WithDefaults(), t0)
			if c.faults == "" {
				check(t, err)
				if o.State != Open || o.Digest == [32]byte{} {
					t.Errorf("order %+v", o)
				}
				return
			}
			var invalid *Invalid
			if !errors.As(err, &invalid) || o.ID != "" {
				t.Fatalf("granted: %v", err)
			}
			var fields []string
			for _, f := range invalid.Faults {
				fields = append(fields, f.Field)
				for _, secret := range given(w) {
					if strings.Contains(f.Problem+f.Field, secret) {
						t.Errorf("%s %s: repeats what was sent", f.Field, f.Problem)
					}
				}
			}
			if got := strings.Join(fields, " "); got != c.faults {
				t.Errorf("faults %v, not %s", invalid, c.faults)
			}
			if !strings.Contains(err.Error(), invalid.Faults[0].Problem) {
				t.Errorf("error %q", err)
			}
		})
	}
}

// What the least wish becomes, and what is tidied.
func TestWishBecomes(t *testing.T) {
	o, b, err := New(Wish{
		Title: " Ansökan ", Message: "Hej\r\ndu \n", Documents: []Document{{Name: " D ", Kind: KindText, Text: "\r\nrad\r\n"}}, Reminders: []int{7, 1, 7},
		Signatories: []WishedSignatory{
			{Number: "800629-9252", Name: " Testperson Ett ", Email: " Ett@EXAMPLE.se ", Phone: "070-174 06 05", Invite: InviteBoth},
			{Number: numbers[1], Name: "Testperson Två", Invite: InviteNone, Language: "en"},
		},
	}, origin(), Limits{}.WithDefaults(), t0.Add(time.Millisecond))
	check(t, err)
	want := Order{
		ID: "order", Client: "demo", State: Open, Title: "Ansökan", Message: "Hej\ndu", Language: "sv", Sequence: Parallel, Visibility: ShowNames,
		Deadline: t0.AddDate(0, 0, 30), Reminders: []int{1, 7}, Revision: 1, Digest: o.Digest, Created: t0.Add(time.Millisecond),
		Signatories: []Signatory{
			{N: 1, Number: number(t, 0), Name: "Testperson Ett", Email: "Ett@example.se", Phone: "+46701740605", Group: 1, Invite: InviteBoth, Language: "sv", State: Waiting},
			{N: 2, Number: number(t, 1), Name: "Testperson Två", Group: 1, Invite: InviteNone, Language: "en", State: Waiting},
		},
	}
	sameOrder(t, want, o)
	wantBody := Body{
		NumberKey: origin().NumberKey, Documents: []Document{{Name: "D", Kind: KindText, Type: TextType, Text: "rad"}},
		Manifest: Manifest{
			Format: ManifestFormat, Issuer: "https://sigill.example.se", Client: "demo", Order: "order", Revision: 1, Title: "Ansökan", Message: "Hej\ndu", Sequence: Parallel,
			Documents:   []ManifestDocument{{Name: "D", Kind: KindText, Type: TextType, Size: 3, SHA256: b.Manifest.Documents[0].SHA256}},
			Signatories: []ManifestSignatory{{1, NumberDigest(origin().NumberKey, number(t, 0)), 1}, {2, NumberDigest(origin().NumberKey, number(t, 1)), 1}},
		},
	}
	if diff := cmp.Diff(wantBody, b); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	for sequence, groups := range map[Sequence]string{Parallel: "[1 1 1]", Sequential: "[1 2 3]", Groups: "[1 1 2]"} {
		o, _, err := New(aWish(sequence, 3), origin(), Limits{}.WithDefaults(), t0)
		check(t, err)
		var got []int
		for _, s := range o.Signatories {
			got = append(got, s.Group)
		}
		if fmt.Sprint(got) != groups {
			t.Errorf("%s: groups %v", sequence, got)
		}
	}
}

// What is an operator's mistake, not the client's, is no *Invalid.
func TestOrigin(t *testing.T) {
	for name, spoil := range map[string]func(*Origin){
		"id": func(o *Origin) { o.ID = "" }, "client": func(o *Origin) { o.Client = "" }, "no key": func(o *Origin) { o.NumberKey = nil },
		"short key": func(o *Origin) { o.NumberKey = o.NumberKey[:31] }, "long key": func(o *Origin) { o.NumberKey = make([]byte, 33) },
	} {
		from := origin()
		spoil(&from)
		_, _, err := New(aWish(Parallel, 1), from, Limits{}.WithDefaults(), t0)
		if invalid := (*Invalid)(nil); err == nil || errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	from := origin()
	from.URL = nil
	w := aWish(Parallel, 1)
	_, _, err := New(w, from, Limits{}.WithDefaults(), t0)
	check(t, err)
	w.ReturnURL = "https://app.example.se/"
	if _, _, err := New(w, from, Limits{}.WithDefaults(), t0); err == nil {
		t.Error("any address may be used where none is allowed")
	}
}

func TestLimits(t *testing.T) {
	want := Limits{20, 10 << 20, 25 << 20, 20, 30 * 24 * time.Hour, 365 * 24 * time.Hour}
	if got := (Limits{}).WithDefaults(); got != want {
		t.Errorf("%+v", got)
	}
	if got := (Limits{Documents: -1, MaxDeadline: -1}).WithDefaults(); got != want {
		t.Errorf("%+v", got)
	}
	own := Limits{1, 2, 3, 4, 5, 6}
	if got := own.WithDefaults(); got != own {
		t.Errorf("%+v", got)
	}
	l := Limits{}.WithDefaults()
	for _, c := range []struct {
		name   string
		ds     []Document
		faults string
	}{
		{"largest file", []Document{pdf("a", 10<<20)}, ""},
		{"too large a file", []Document{pdf("a", 10<<20+1)}, "documents[0]"},
		{"largest order", []Document{pdf("a", 10<<20), pdf("b", 10<<20), pdf("c", 5<<20)}, ""},
		{"too large an order", []Document{pdf("a", 10<<20), pdf("b", 10<<20), pdf("c", 5<<20+1)}, "documents"},
		{"longest text", []Document{{Name: "a", Kind: KindText, Text: long(1 << 20)}}, ""},
		{"too long a text", []Document{{Name: "a", Kind: KindText, Text: long(1<<20 + 1)}}, "documents[0].text"},
		{"longest block", content(Block{Text: long(100_000)}, Block{Rows: []Row{{"l", long(100_000)}}}), ""},
		{"too long a block", content(Block{Text: long(100_001)}, Block{Rows: []Row{{"l", long(100_001)}}}), "documents[0].content[0].text documents[0].content[1].rows[0].value"},
		{"most blocks", content(slices.Repeat([]Block{{Heading: "h"}}, 5000)...), ""},
		{"too many blocks", content(slices.Repeat([]Block{{Heading: "h"}}, 5001)...), "documents[0].content"},
		{"most rows", content(rows(10_000), rows(10_000)), ""},
		{"too many rows", content(rows(10_000), rows(10_001)), "documents[0].content"},
	} {
		got, err := CheckDocuments(c.ds, l)
		if fields := faultFields(err); fields != c.faults || (err == nil) != (len(got) > 0) {
			t.Errorf("%s: %v, %d documents", c.name, err, len(got))
		}
	}
	days := Wish{Title: "T", Documents: []Document{{Name: "D", Kind: KindText, Text: "t"}}, Deadline: t0.AddDate(0, 0, 365)}
	if _, _, err := New(days, origin(), l, t0); err != nil {
		t.Error(err)
	}
}

func faultFields(err error) string {
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		return ""
	}
	var fields []string
	for _, f := range invalid.Faults {
		fields = append(fields, f.Field)
	}
	return strings.Join(fields, " ")
}

// Who sends a million faults gets a hundred back.
func TestManyFaults(t *testing.T) {
	w := aWish(Parallel, 1)
	w.Reminders = make([]int, 1_000_000)
	_, _, err := New(w, origin(), Limits{}.WithDefaults(), t0)
	var invalid *Invalid
	if !errors.As(err, &invalid) || len(invalid.Faults) != 100 {
		t.Errorf("%d faults", len(invalid.Faults))
	}
}

func TestInvisible(t *testing.T) {
	for r, hidden := range map[rune]bool{
		// Turning text around, by embedding, override, isolation and marks.
		'\u202a': true, '\u202b': true, '\u202c': true, '\u202d': true, '\u202e': true, '\u2066': true, '\u2067': true, '\u2068': true, '\u2069': true,
		'\u200e': true, '\u200f': true, '\u061c': true,
		// Controls, C1 too, and what ends lines unseen.
		0: true, 1: true, '\b': true, '\v': true, '\f': true, '\r': true, 0x1b: true, 0x7f: true, 0x80: true, 0x85: true, 0x9f: true, '\u2028': true, '\u2029': true,
		// What hides, or is nothing.
		'\u200b': true, '\u2060': true, '\u2063': true, '\ufeff': true, '\ufffd': true, '\u180e': true, '\ufff9': true, 0xe0001: true, 0xe0041: true,
		// Letters and how they are spelled.
		'å': false, '\u0301': false, '\u00a0': false, '\u00ad': false, '\u200c': false, '\u200d': false, '\ufe0f': false, '😀': false, '中': false, 'ש': false, 'ع': false,
		'\n': false, '\t': false, ' ': false, '"': false, '<': false,
	} {
		_, err := CheckReason("a" + string(r) + "b")
		if (err != nil) != hidden {
			t.Errorf("%U: %v", r, err)
		}
	}
}

func TestCheckReason(t *testing.T) {
	for _, c := range []struct {
		in, out string
		bad     bool
	}{
		{"", "", false}, {" \n", "", false}, {" Nej.\r\nAldrig.\n", "Nej.\nAldrig.", false},
		{long(MaxReason), long(MaxReason), false}, {long(MaxReason + 1), "", true}, {"  " + long(MaxReason) + "\n", long(MaxReason), false}, {"\xff", "", true},
	} {
		got, err := CheckReason(c.in)
		if got != c.out || (err != nil) != c.bad || c.bad && faultFields(err) != "reason" {
			t.Errorf("%.20q: %.20q, %v", c.in, got, err)
		}
	}
}

func TestCheckSignatory(t *testing.T) {
	o := Order{Language: "en"}
	s, err := CheckSignatory(WishedSignatory{Number: "800629-9252", Name: " T ", Email: "a@EXAMPLE.se", Invite: InviteEmail, Group: 7}, o, t0)
	check(t, err)
	if want := (Signatory{Number: number(t, 0), Name: "T", Email: "a@example.se", Invite: InviteEmail, Language: "en", State: Waiting}); !cmp.Equal(want, s, cmp.Comparer(func(a, b personnummer.Number) bool { return a == b })) {
		t.Errorf("%+v", s)
	}
	_, err = CheckSignatory(WishedSignatory{Name: "T", Invite: InviteNone}, o, t0)
	if fmt.Sprint(err) != "pnr is missing" {
		t.Errorf("%v", err)
	}
	_, err = CheckSignatory(WishedSignatory{Number: "hemligt", Email: "hemligt", Phone: "hemligt", Invite: InviteSMS, Language: "hemska"}, o, t0)
	if got := faultFields(err); got != "pnr email phone name language" || strings.Contains(err.Error(), "heml") {
		t.Errorf("%v", err)
	}
}

func TestCheckContact(t *testing.T) {
	c, err := CheckContact(" a@EXAMPLE.se", "070-174 06 05", InviteBoth)
	check(t, err)
	if c != (Contact{Email: "a@example.se", Phone: "+46701740605", Invite: InviteBoth}) {
		t.Errorf("%+v", c)
	}
	for _, bad := range []struct {
		email, phone string
		invite       Invite
		fields       string
	}{
		{"", "", InviteBoth, "email"}, {"a@example.se", "", InviteBoth, "phone"}, {"hemligt", "hemligt", InviteCode, "email phone"}, {"", "", InviteCode, "invite"},
		{"", "", "hemligt", "invite"}, {"", "", InviteSMS, "phone"},
	} {
		c, err := CheckContact(bad.email, bad.phone, bad.invite)
		if faultFields(err) != bad.fields || strings.Contains(fmt.Sprint(err), "hemligt") || c != (Contact{}) {
			t.Errorf("%+v: %+v, %v", bad, c, err)
		}
	}
}

// Whatever is wished, it is refused with reasons, or granted; and what is
// granted would be granted again, as it is.
func TestWishProperties(t *testing.T) {
	granted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		// Half of them are nearly good, or few would be granted.
		tame := rapid.Bool().Draw(t, "tame")
		text := rapid.SampledFrom([]string{"Ansökan", " a ", "b\u00a0c", "*å*\u00a0", "<😀>"})
		if !tame {
			text = rapid.OneOf(text, rapid.StringOfN(rapid.SampledFrom([]rune("aå b\n\t\r\u202e*#<😀\u00a0")), 0, 20, -1), rapid.String())
		}
		w := Wish{Title: text.Draw(t, "title"), Message: text.Draw(t, "message"), Reference: text.Draw(t, "reference"),
			Sequence: rapid.SampledFrom([]Sequence{"", Parallel, Sequential, Groups}).Draw(t, "sequence"),
			Deadline: rapid.SampledFrom([]time.Time{{}, t0, t0.AddDate(0, 1, 0)}).Draw(t, "deadline")}
		if tame {
			w.Deadline = time.Time{}
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "documents") {
			d := Document{Name: text.Draw(t, "name") + strings.Repeat("x", i), Kind: rapid.SampledFrom([]Kind{KindText, KindContent, KindFile}).Draw(t, "kind")}
			switch d.Kind {
			case KindText:
				d.Text = text.Draw(t, "text")
			case KindContent:
				for range rapid.IntRange(min(i, 1), 3).Draw(t, "blocks") {
					d.Content = append(d.Content, rapid.SampledFrom([]Block{{Heading: text.Draw(t, "heading")}, {Text: text.Draw(t, "paragraph")},
						{Rows: []Row{{text.Draw(t, "label"), text.Draw(t, "value")}}}}).Draw(t, "block"))
				}
			case KindFile:
				d.Type, d.File = "application/pdf", []byte(rapid.SampledFrom([]string{"%PDF-1", "%PDF-2", "%PDF-3", "x"}).Draw(t, "file"))
			}
			w.Documents = append(w.Documents, d)
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "signatories") {
			ws := WishedSignatory{Number: numbers[i], Name: text.Draw(t, "person"), Email: "a@EXAMPLE.se", Invite: InviteEmail}
			if w.Sequence == Groups {
				ws.Group = rapid.IntRange(1, 2).Draw(t, "group")
			}
			if !tame {
				ws.Number = rapid.SampledFrom(append(numbers[:4:4], "800629-9252", "x")).Draw(t, "number")
				ws.Group = rapid.IntRange(0, 2).Draw(t, "any group")
			}
			w.Signatories = append(w.Signatories, ws)
		}
		o, b, err := New(w, origin(), Limits{}.WithDefaults(), t0)
		if err != nil {
			refused++
			if faultFields(err) == "" || o.ID != "" || b.Documents != nil {
				t.Fatalf("%v, %+v", err, o)
			}
			return
		}
		granted++
		_, digest, err := b.Manifest.Encode()
		if err != nil || digest != o.Digest {
			t.Fatalf("digest %x, %v", o.Digest, err)
		}
		again := Wish{Title: o.Title, Message: o.Message, Reference: o.Reference, Language: o.Language, Sequence: o.Sequence, Deadline: o.Deadline,
			Reminders: o.Reminders, Visibility: o.Visibility, Documents: b.Documents}
		for _, s := range o.Signatories {
			ws := WishedSignatory{Number: s.Number.Digits(), Name: s.Name, Email: s.Email, Phone: s.Phone, Invite: s.Invite, Language: s.Language}
			if o.Sequence == Groups {
				ws.Group = s.Group
			}
			again.Signatories = append(again.Signatories, ws)
		}
		o2, b2, err := New(again, origin(), Limits{}.WithDefaults(), t0)
		if err != nil || o2.Digest != o.Digest || !cmp.Equal(b, b2) {
			t.Fatalf("it was granted, and again: %v\n%s", err, cmp.Diff(b, b2))
		}
	})
	t.Logf("%d granted, %d refused", granted, refused)
	if (granted < 5 || refused < 5) && !t.Failed() {
		t.Error("the wishes are too much alike")
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "Nej.\r\n", "\xff", "a\u202eb", "\u00a0x\u2003", "\r", "\r\r\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := CheckReason(in)
		if err != nil {
			if out != "" || faultFields(err) == "" {
				t.Fatalf("%q: %q, %v", in, out, err)
			}
			return
		}
		if !utf8.ValidString(out) || utf8.RuneCountInString(out) > MaxReason || strings.TrimSpace(out) != out || strings.ContainsAny(out, "\r\u202e\x00") {
			t.Fatalf("%q became %q", in, out)
		}
		if again, err := CheckReason(out); err != nil || again != out {
			t.Fatalf("%q became %q, %v", out, again, err)
		}
	})
}
