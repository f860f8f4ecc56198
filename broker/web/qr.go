package web

import (
	"bytes"
	"fmt"
	"html"
	"strconv"

	"rsc.io/qr"
)

// quiet is the white edge that a reader needs, in modules.
const quiet = 4

// qrSVG draws a code, always dark on white, whatever the colours around it:
// many cameras cannot read the reverse. Rows become runs, so that the picture
// stays small.
func qrSVG(content, description string) ([]byte, error) {
	code, err := qr.Encode(content, qr.L)
	if err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	side := code.Size + 2*quiet
	b := make([]byte, 0, 8<<10)
	b = fmt.Appendf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`,
		side, side, html.EscapeString(description), side, side)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			run := 1
			for x+run < code.Size && code.Black(x+run, y) {
				run++
			}
			b = append(b, 'M')
			b = strconv.AppendInt(b, int64(x+quiet), 10)
			b = append(b, ' ')
			b = strconv.AppendInt(b, int64(y+quiet), 10)
			b = append(b, 'h')
			b = strconv.AppendInt(b, int64(run), 10)
			b = append(b, "v1h-"...)
			b = strconv.AppendInt(b, int64(run), 10)
			b = append(b, 'z')
			x += run
		}
	}
	return append(bytes.TrimSpace(b), `"/></svg>`...), nil
}
