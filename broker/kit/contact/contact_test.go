package contact

import (
	"net/mail"
	"regexp"
	"strings"
	"testing"
)

func TestEmail(t *testing.T) {
	for text, want := range map[string]string{
		"person.ett@example.se": "person.ett@example.se", " a@example.se\n": "a@example.se", "A.B+c_d-e@Sub.Example.SE": "A.B+c_d-e@sub.example.se",
		"a@räksmörgås.example": "a@xn--rksmrgs-5wao1o.example", "a@xn--rksmrgs-5wao1o.example": "a@xn--rksmrgs-5wao1o.example",
		"!#$%&'*/=?^`{|}~@example.se":           "!#$%&'*/=?^`{|}~@example.se",
		"a@3.example":                           "a@3.example",
		strings.Repeat("a", 64) + "@example.se": strings.Repeat("a", 64) + "@example.se",

		"": "", "a": "", "@example.se": "", "a@": "", "a@b@example.se": "", "a@example": "", "a@localhost": "",
		"Testperson Ett <a@example.se>": "", "<a@example.se>": "", "a@example.se, b@example.se": "", "a b@example.se": "", "a@example.se b": "",
		`"a b"@example.se`: "", `"a"@example.se`: "", "a(b)@example.se": "", ".a@example.se": "", "a.@example.se": "", "a..b@example.se": "",
		"å@example.se": "", "a@[192.0.2.1]": "", "a@192.0.2.1": "", "a@exa mple.se": "", "a@-example.se": "", "a@example-.se": "", "a@exa_mple.se": "",
		"a@example.se.": "", "a@.example.se": "", "a@example..se": "", "a@xn--a.example": "",
		"a@example.se\r\nRCPT TO:<b@example.se>": "", "a\x00@example.se": "", "a@example.se\x00": "", "a@ex\u200bample.se": "a@example.se", "0@0.00000000000000\xcd0": "",
		"a@" + strings.Repeat("å.", 80) + "se":  "", // 244 bytes, and as ASCII too many
		strings.Repeat("a", 65) + "@example.se": "", "a@" + strings.Repeat("a", 64) + ".se": "", "a@" + strings.Repeat("a.", 130) + "se": "",
	} {
		got, err := Email(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.80q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestPhone(t *testing.T) {
	for text, want := range map[string]string{
		"070-174 06 05": "+46701740605", "0701740605": "+46701740605", "(070) 174.06/05": "+46701740605", "070–174\u00a006 05": "+46701740605",
		"+46701740605": "+46701740605", "+46 (0)70-174 06 05": "+46701740605", "+46 070 174 06 05": "+46701740605",
		"0046701740605": "+46701740605", "0046 (0)70 174 06 05": "+46701740605", "00 46 70 174 06 05": "+46701740605",
		"08-465 004 00": "+46846500400", "031-390 06 00": "+46313900600",
		"+47 22 00 00 00": "+4722000000", "004722000000": "+4722000000", "+358 9 1234567": "+35891234567",

		"": "", "+": "", "0": "", "mamma": "", "701740605": "", "46701740605": "", "++46701740605": "", "070+1740605": "",
		"070-174 06 0": "", "070-174 06 050": "", "+4670174060": "", "+0701740605": "", "000701740605": "", "+460": "",
		"+1234567890123456": "", "070 174 06 05, 070 174 06 06": "", "070-174 06 05 Testperson": "", "०७०१७४०६०५": "", "tel:+46701740605": "",
		"+46 (0) 070-174 06 05": "", "+46701740605\n070": "", "070\x001740605": "",
	} {
		got, err := Phone(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// What is read is in one form, reads the same again, and is an address to others.
func FuzzEmail(f *testing.F) {
	for _, s := range []string{"person.ett@example.se", "a@räksmörgås.example", "a@example.se\r\nBcc: b@example.se", `"a b"@example.se`, "a@ß.example", "a@EXAMPLE。se"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Email(s)
		if err != nil {
			if got != "" {
				t.Errorf("%q and an error", got)
			}
			return
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c > '~' {
				t.Fatalf("%q holds %x", got, c)
			}
		}
		if again, err := Email(got); again != got || err != nil {
			t.Errorf("%q becomes %q, %v", got, again, err)
		}
		if a, err := mail.ParseAddress(got); err != nil || a.Address != got || a.Name != "" {
			t.Errorf("%q is to others %v, %v", got, a, err)
		}
		if len(got) > 254 || strings.ContainsAny(got, "<>,;:\"\\()[]") || strings.Count(got, "@") != 1 {
			t.Errorf("%q", got)
		}
	})
}

func FuzzPhone(f *testing.F) {
	for _, s := range []string{"070-174 06 05", "+46 (0)70-174 06 05", "0046 0701740605", "+1 555 0100", "०७०"} {
		f.Add(s)
	}
	e164 := regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Phone(s)
		if err != nil {
			if got != "" {
				t.Errorf("%q and an error", got)
			}
			return
		}
		if !e164.MatchString(got) || strings.HasPrefix(got, "+460") {
			t.Errorf("%q", got)
		}
		if again, err := Phone(got); again != got || err != nil {
			t.Errorf("%q becomes %q, %v", got, again, err)
		}
	})
}
