package sqldb

import (
	"strings"
	"unicode/utf8"
)

// kept are the arguments as both engines can keep them. Text from outside may hold
// anything; PostgreSQL takes no NUL in it and nothing that is no UTF-8. Each of
// these becomes U+FFFD: what nobody has written is not found, rather than an
// error, and a note of what somebody sent is still one.
func kept(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok && !plain(s) {
			out := append([]any(nil), args...)
			for j := i; j < len(out); j++ {
				if s, ok := out[j].(string); ok {
					out[j] = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
				}
			}
			return out
		}
	}
	return args
}

func plain(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }
