package sqldb

import (
	"fmt"
	"runtime/debug"
)

// The driver is C translated to Go against one version of its C library; any
// other pair compiles, and has been seen to corrupt memory.
const (
	testedDriver = "v1.55.0"
	testedLibc   = "v1.74.1"
)

// testedPair refuses to run on another pair than the tests did. A test binary
// does not know its modules; go.mod pins them there.
func testedPair() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return checkPair(info.Deps)
}

func checkPair(deps []*debug.Module) error {
	for _, m := range deps {
		if m.Replace != nil {
			m = m.Replace
		}
		switch {
		case m.Path == "modernc.org/sqlite" && m.Version != testedDriver,
			m.Path == "modernc.org/libc" && m.Version != testedLibc:
			return fmt.Errorf("sqldb: built with %s %s, tested with sqlite %s and libc %s only",
				m.Path, m.Version, testedDriver, testedLibc)
		}
	}
	return nil
}
