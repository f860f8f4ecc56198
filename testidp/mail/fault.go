package mail

// The fault modes. down is drawn when a client connects, the others when it
// begins a mail.
const (
	down     = "down"     // 421 in place of the greeting
	tempfail = "tempfail" // 451 for each recipient
	reject   = "reject"   // 550 for each recipient: no such mailbox
	drop     = "drop"     // connection cut after the mail was taken, before the answer
	slow     = "slow"     // the answer to MAIL takes Config.Slow longer
)

func faultModes() []string { return []string{down, tempfail, reject, drop, slow} }
