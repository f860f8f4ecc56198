package orders

import "context"

// Due does what is due now, once.
func Due(s *Service, ctx context.Context) { s.due(ctx) }

// Turn does what the clock has for one order, as it was found.
func Turn(s *Service, ctx context.Context, row Row) error { return s.turn(ctx, row) }
