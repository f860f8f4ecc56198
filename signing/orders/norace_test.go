//go:build !race

package orders_test

// underRace: the race detector is off.
const underRace = false
