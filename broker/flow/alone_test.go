package flow

import (
	"errors"
	"path/filepath"
	"testing"
)

// Whoever is alone in a data folder stays alone, in an empty one as well.
func TestAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	use := func(want error) (release func()) {
		t.Helper()
		release, err := Use(dir)
		if !errors.Is(err, want) {
			t.Fatalf("used: %v, want %v", err, want)
		}
		return release
	}
	alone := func(want error) (release func()) {
		t.Helper()
		release, err := Alone(dir)
		if !errors.Is(err, want) {
			t.Fatalf("alone: %v, want %v", err, want)
		}
		return release
	}
	first, second := use(nil), use(nil) // nodes do not mind each other
	alone(ErrNotAlone)
	first()
	alone(ErrNotAlone)
	second()

	release := alone(nil)
	use(ErrHeld)
	alone(ErrNotAlone)
	release()

	// One that has a name and does not say that it is there.
	_, leave, err := NodeID(dir)
	if err != nil {
		t.Fatal(err)
	}
	alone(ErrNotAlone)
	use(nil)() // and nothing stays locked
	leave()
	release = alone(nil)
	release()
}
