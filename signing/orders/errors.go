package orders

import "errors"

// What a caller or a person can be told. Everything else is our fault.
var (
	ErrMismatch  = errors.New("the idempotency key was used for another order")
	ErrTooSoon   = errors.New("somebody would be written to too often")
	ErrTooMany   = errors.New("too many wrong codes")
	ErrStillOpen = errors.New("the order is not over")
	ErrLevel     = errors.New("the login is too old, or not by an e-ID that the order allows")
)
