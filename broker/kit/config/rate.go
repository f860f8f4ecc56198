package config

import (
	"strconv"
	"strings"
	"time"

	"sigill/broker/kit/config/strict"
)

// A Rate is how many requests may come within a time. The zero value is no limit.
type Rate struct {
	Requests int
	Within   time.Duration
}

// readRate reads "300/m", "5/s", "1000/h" or "off".
func readRate(v strict.Value, otherwise Rate) Rate {
	s := v.Text()
	switch s {
	case "":
		return otherwise
	case "off":
		return Rate{}
	}
	count, unit, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(count)
	within := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	if err != nil || n < 1 || n > 1_000_000 || within == 0 {
		v.Fault("must be a number of requests and a unit of time, such as 300/m, or off")
		return otherwise
	}
	return Rate{n, within}
}
