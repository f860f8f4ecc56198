package web

import "strings"

// spoken writes a telephone number as people in Sweden do: +46701740605 is
// 070-174 06 05. Others stay as they are.
func spoken(number string) string {
	d, ok := strings.CutPrefix(number, "+467")
	if !ok || len(d) != 8 {
		return number
	}
	return "07" + d[:1] + "-" + d[1:4] + " " + d[4:6] + " " + d[6:]
}
