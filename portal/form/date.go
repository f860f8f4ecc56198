package form

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // days are those of Sweden, on any machine
)

const dateLayout = "2006-01-02"

// Today is the day it is in Sweden, at midnight UTC.
func (f Facts) Today() time.Time {
	now := f.Now.UTC()
	if zone, err := time.LoadLocation("Europe/Stockholm"); err == nil {
		now = f.Now.In(zone)
	}
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
}

// Bounds are the first and the last day that a date may be, on a day; zero: none.
func (f *Field) Bounds(today time.Time) (first, last time.Time) {
	first, _ = day(f.MinDate, today)
	last, _ = day(f.MaxDate, today)
	return first, last
}

// day reads "2026-01-31", "today", "today+30d", "today-18y".
func day(s string, today time.Time) (time.Time, bool) {
	rest, relative := strings.CutPrefix(s, "today")
	if !relative {
		t, err := time.Parse(dateLayout, s)
		return t, err == nil
	}
	if rest == "" {
		return today, true
	}
	n, err := strconv.Atoi(rest[1:max(1, len(rest)-1)])
	if err != nil || !digits(rest[1:len(rest)-1]) || n > 36525 {
		return time.Time{}, false
	}
	if rest[0] == '-' {
		n = -n
	} else if rest[0] != '+' {
		return time.Time{}, false
	}
	switch rest[len(rest)-1] {
	case 'd':
		return today.AddDate(0, 0, n), true
	case 'y':
		if n < -150 || n > 150 {
			return time.Time{}, false
		}
		return today.AddDate(n, 0, 0), true
	}
	return time.Time{}, false
}

// Parts of a date, in the order in which they are asked.
const (
	partDay   = "day"
	partMonth = "month"
	partYear  = "year"
)

// date reads the three parts of a date, with or without leading zeros. bad is the
// part that is wrong.
func (v Value) date() (t time.Time, bad string) {
	part := func(name string, least, most, low, high int) (int, bool) {
		s := strings.TrimSpace(v.Parts[name])
		n, err := strconv.Atoi(s)
		return n, err == nil && digits(s) && len(s) >= least && len(s) <= most && n >= low && n <= high
	}
	d, okDay := part(partDay, 1, 2, 1, 31)
	m, okMonth := part(partMonth, 1, 2, 1, 12)
	y, okYear := part(partYear, 4, 4, 1800, 2300)
	switch {
	case !okDay:
		return time.Time{}, partDay
	case !okMonth:
		return time.Time{}, partMonth
	case !okYear:
		return time.Time{}, partYear
	}
	t = time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if t.Day() != d { // such as 30 February
		return time.Time{}, partDay
	}
	return t, ""
}

func dateParts(t time.Time) map[string]string {
	return map[string]string{partDay: strconv.Itoa(t.Day()), partMonth: strconv.Itoa(int(t.Month())), partYear: fmt.Sprintf("%04d", t.Year())}
}
