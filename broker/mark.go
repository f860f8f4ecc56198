package broker

import "time"

// Mark says for good that something has been used up or has ended. The
// short-lived store decides who is first; a mark keeps that from being undone
// when the store comes back with old data, or with none.
type Mark struct {
	Kind    string
	Digest  []byte // of what must not be told
	Expires time.Time
	// Again is set where the same may well be said twice.
	Again bool
}
