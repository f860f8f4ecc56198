package web

import (
	"fmt"
	"strconv"
	"strings"
)

// size writes a number of bytes as people do.
func size(lang string, n int64) string {
	switch {
	case n < 1000:
		return strconv.FormatInt(n, 10) + " byte"
	case n < 1_000_000:
		return strconv.FormatInt((n+500)/1000, 10) + " kB"
	}
	s := fmt.Sprintf("%.1f MB", float64(n)/1e6)
	if lang == "sv" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}
