package orders

import "context"

// Due does what is due now, once.
func Due(s *Service, ctx context.Context) { s.due(ctx) }
