package notify

import (
	"strings"
	"unicode/utf16"
)

// The characters of GSM 03.38 (3GPP TS 23.038 section 6.2.1), and those of its
// extension, which take the room of two.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// Segments tells how many SMS a text takes, and whether a character that GSM does
// not know has made it UCS-2, with room for less than half. In a text of several,
// each part gives up some of its room to say which it is, and no character is cut
// in two.
func Segments(text string) (parts int, ucs2 bool) {
	var sizes []int // of each character, in septets or in 16-bit units
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			sizes = append(sizes, 1)
		case strings.ContainsRune(gsmExtended, r):
			sizes = append(sizes, 2)
		default:
			ucs2 = true
		}
	}
	whole, part := 160, 153
	if ucs2 {
		whole, part = 70, 67
		sizes = sizes[:0]
		for _, r := range text {
			sizes = append(sizes, utf16.RuneLen(r))
		}
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	if total <= whole {
		return 1, ucs2
	}
	left := 0
	for _, n := range sizes {
		if n > left {
			parts++
			left = part
		}
		left -= n
	}
	return parts, ucs2
}
