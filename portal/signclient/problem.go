package signclient

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const problemType = "application/problem+json"

// Problem is the API's refusal.
type Problem struct {
	Status int
	Code   string // of its closed list
	Fields []string
	Wait   time.Duration // that it asks for before another try; zero: it does not
}

func (p *Problem) Error() string { return fmt.Sprintf("signing api: %d %s", p.Status, p.Code) }

// RetryAfter is how long the outbox waits.
func (p *Problem) RetryAfter() time.Duration { return p.Wait }

// maxWait bounds what is believed of Retry-After, maxFields what is kept of the
// fields.
const (
	maxWait   = 24 * time.Hour
	maxFields = 100
	maxCode   = 40
)

// problem reads a refusal. What it says in words is not kept: it may quote.
func (c *Client) problem(a *http.Response) error {
	raw, err := readAll(a.Body, maxAnswer)
	if err != nil {
		return err
	}
	var body struct {
		Code   string `json:"code"`
		Faults []struct {
			Field string `json:"field"`
		} `json:"faults"`
	}
	p := &Problem{Status: a.StatusCode, Wait: wait(a.Header.Get("Retry-After"), c.config.Now())}
	if json.Unmarshal(raw, &body) != nil || !plain(body.Code, maxCode) {
		return fmt.Errorf("signing api: an unreadable problem with status %d", a.StatusCode)
	}
	p.Code = body.Code
	for _, f := range body.Faults {
		if len(p.Fields) < maxFields && plain(f.Field, 200) {
			p.Fields = append(p.Fields, f.Field)
		}
	}
	return p
}

// plain reports whether a text is a name that a program would give: it goes into
// logs.
func plain(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			if digits++; digits > 5 {
				return false
			}
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '.', r == '[', r == ']', r == '-':
			digits = 0
		default:
			return false
		}
	}
	return true
}

// wait reads Retry-After: seconds or a date (RFC 9110 section 10.2.3).
func wait(text string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		d = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(text); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxWait)
}
