package orders

import "context"

// Due does what is due now, once.
func Due(ctx context.Context, s *Service) { s.due(ctx) }

// Turn does what the clock has for one order, as it was found.
func Turn(ctx context.Context, s *Service, row Row) error { return s.turn(ctx, row) }

// Purge does what is done each hour, once.
func Purge(ctx context.Context, s *Service) error { return s.purge(ctx, s.now()) }
