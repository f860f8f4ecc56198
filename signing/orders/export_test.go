package orders

import "context"

// Due does what is due now, once.
func Due(s *Service, ctx context.Context) { s.due(ctx) }

// Turn does what the clock has for one order, as it was found.
func Turn(s *Service, ctx context.Context, row Row) error { return s.turn(ctx, row) }

// Purge does what is done each hour, once.
func Purge(s *Service, ctx context.Context) error { return s.purge(ctx, s.now()) }
