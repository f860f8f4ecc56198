package providers

import "testing"

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"Testperson Ett": "Testperson Ett",
		"# a\n---\n*b*":  `\# a \-\-\- \*b\*`,
		`\|+`:            `\\\|\+`,
		"åäö é €":        "åäö é €",
		"a\u202eb\x00c":  "a?b?c",
		"\U0001F600":     "?",
		"a\xffb":         "a?b",
	} {
		if got := SimpleMarkdownV1.Escape(in); got != want {
			t.Errorf("%q: %q instead of %q", in, got, want)
		}
	}
	if got := Plain.Escape("#1\n*b*\u202e"); got != "#1 *b*?" {
		t.Errorf("plain: %q", got)
	}
}
