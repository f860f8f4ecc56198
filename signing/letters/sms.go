package letters

import "strings"

// A text message in the 7-bit alphabet of GSM 03.38 holds 160 characters, and
// two that are shown as one hold 153 each.
const (
	oneSMS  = 160
	partSMS = 153
	mostSMS = 2 * partSMS
)

// gsm is the 7-bit alphabet without its extension table, whose characters count
// twice.
const gsm = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"

// sms fills in a text message. One character outside the alphabet would make all
// of it more than twice as long, so none is let in; and who asks is shortened
// before anything else is: a link must stay whole.
func sms(pattern string, p phrase, l Letter, asker string, reads bool) string {
	end := ""
	switch {
	case reads && l.NoLink:
		end = strings.NewReplacer("{where}", where(l), "{code}", l.Code).Replace(p.smsCode)
	case reads:
		end = " " + l.Link
	}
	rest := strings.ReplaceAll(pattern, "{by}", p.short(l.Deadline))
	asker = plain(asker)
	room := mostSMS - length(strings.ReplaceAll(rest, "{asker}", "")) - length(end)
	if n := []rune(asker); len(n) > room {
		asker = strings.TrimSpace(string(n[:max(room-1, 20)])) + "."
	}
	return strings.ReplaceAll(rest, "{asker}", asker) + end
}

// plain writes a text in the 7-bit alphabet.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(gsm, r):
			return r
		case strings.ContainsRune("–—‑", r):
			return '-'
		case strings.ContainsRune("’‘´`", r):
			return '\''
		case strings.ContainsRune("”“«»", r):
			return '"'
		case r == '\u00a0':
			return ' '
		case strings.ContainsRune("áâã", r):
			return 'a'
		case strings.ContainsRune("êë", r):
			return 'e'
		case strings.ContainsRune("íîï", r):
			return 'i'
		case strings.ContainsRune("óôõ", r):
			return 'o'
		case strings.ContainsRune("úû", r):
			return 'u'
		}
		return '?'
	}, s)
}

// length counts a text in characters of the alphabet. Those of its extension
// table count twice.
func length(s string) int {
	n := 0
	for _, r := range s {
		if strings.ContainsRune("^{}\\[~]|€", r) {
			n++
		}
		n++
	}
	return n
}

// parts is how many messages a text is sent as.
func parts(s string) int {
	for _, r := range s {
		if !strings.ContainsRune(gsm, r) && !strings.ContainsRune("^{}\\[~]|€", r) {
			n := len([]rune(s))
			if n <= 70 {
				return 1
			}
			return (n + 66) / 67
		}
	}
	if n := length(s); n > oneSMS {
		return (n + partSMS - 1) / partSMS
	}
	return 1
}
