package check

import (
	"errors"
	"io"
	"time"
)

// body is what somebody sends: read at a pace that a person's line has, and
// counted as memory that is taken.
type body struct {
	check    *Check
	from     io.Reader
	deadline func(time.Time) error
	start    time.Time
	read     int64
}

var errSlow = errors.New("the file came too slowly")

func (b *body) Read(p []byte) (int, error) {
	now := time.Now()
	end := b.start.Add(arrive)
	if now.After(end) {
		return 0, errSlow
	}
	if wait := now.Add(silence); wait.Before(end) {
		end = wait
	}
	_ = b.deadline(end) // a server without deadlines needs none here
	n, err := b.from.Read(p)
	b.read += int64(n)
	if b.check.held.Add(int64(n)) > 3*int64(b.check.AtOnce)*b.check.ground.MaxBody {
		return 0, busy()
	}
	if late := time.Since(b.start) - silence; err == nil && late > 0 && float64(b.read) < late.Seconds()*pace {
		return 0, errSlow
	}
	return n, err
}

// free gives back what was counted.
func (b *body) free() {
	b.check.held.Add(-b.read)
	b.read = 0
}
