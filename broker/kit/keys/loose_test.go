package keys

import (
	"bytes"
	"slices"
	"testing"
)

func TestLoose(t *testing.T) {
	key := NewLoose()
	l, err := OpenLoose(key)
	if err != nil {
		t.Fatal(err)
	}
	plain, context := []byte("hemligt"), []byte("order 1 body")
	sealed := l.Seal(plain, context)
	if bytes.Contains(sealed, plain) || bytes.Equal(sealed, l.Seal(plain, context)) {
		t.Error("what is sealed shows something")
	}
	if got, err := l.Open(sealed, context); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened %q, %v", got, err)
	}
	other, _ := OpenLoose(NewLoose())
	for name, open := range map[string]func() ([]byte, error){
		"another place": func() ([]byte, error) { return l.Open(sealed, []byte("order 2 body")) },
		"another key":   func() ([]byte, error) { return other.Open(sealed, context) },
		"cut off":       func() ([]byte, error) { return l.Open(sealed[:len(sealed)-1], context) },
		"nothing":       func() ([]byte, error) { return l.Open(nil, context) },
		"no key":        func() ([]byte, error) { return Loose{}.Open(sealed, context) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if _, err := l.Open(bad, context); err == nil {
			t.Errorf("byte %d altered: opened", i)
		}
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := OpenLoose(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}
