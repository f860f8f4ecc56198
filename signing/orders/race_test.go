//go:build race

package orders_test

// underRace: the race detector is on.
const underRace = true
