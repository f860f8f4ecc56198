package sms

import "strings"

// phoneNumber wants E.164: a plus sign, a country code that does not begin
// with zero, 7 to 15 digits in all.
func phoneNumber(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// senderName wants 3 to 11 letters and digits of ASCII, a letter first: what
// phone networks carry as a sender in words.
func senderName(s string) bool {
	if len(s) < 3 || len(s) > 11 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func sender(s string) bool { return phoneNumber(s) || senderName(s) }

// The characters of GSM 03.38; those of the second string count twice.
const (
	gsm = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmTwice = "\f^{}\\[~]|€"
)

// parts is how many messages a text is split into: 160 characters of GSM 03.38
// or 70 of UTF-16 go into one, somewhat fewer when there are several.
func parts(message string) int {
	n, single, several := 0, 160, 153
	for _, r := range message {
		switch {
		case strings.ContainsRune(gsm, r):
			n++
		case strings.ContainsRune(gsmTwice, r):
			n += 2
		default:
			single = 70
		}
	}
	if single == 70 {
		several, n = 67, 0
		for _, r := range message {
			if n++; r > 0xffff {
				n++
			}
		}
	}
	if n <= single {
		return 1
	}
	return (n + several - 1) / several
}
