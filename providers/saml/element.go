package saml

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"

	"sigill/providers/xmlsec"
)

// one gives the only child with the name.
func one(el *etree.Element, namespace, tag string) (*etree.Element, error) {
	all := xmlsec.Children(el, namespace, tag)
	if len(all) != 1 {
		return nil, fmt.Errorf("%d elements %s where one should be", len(all), tag)
	}
	return all[0], nil
}

// count counts the elements with the name anywhere below, and el itself.
func count(el *etree.Element, namespace, tag string) int {
	n := 0
	if xmlsec.Is(el, namespace, tag) {
		n++
	}
	for _, c := range el.ChildElements() {
		n += count(c, namespace, tag)
	}
	return n
}

// text is the element's text without the space around it. An element with others
// inside has none: what stands behind them would be lost.
func text(el *etree.Element) string {
	var b strings.Builder
	for _, t := range el.Child {
		c, ok := t.(*etree.CharData)
		if !ok {
			return ""
		}
		b.WriteString(c.Data)
	}
	return strings.TrimSpace(b.String())
}

// instant reads a time, which SAML writes in UTC (core 1.3.3).
func instant(value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, errors.New("no time")
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}, errors.New("not a time")
	}
	return t.UTC(), nil
}
