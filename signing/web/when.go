package web

import (
	"strconv"
	"time"
)

// when says a time as people say it, by the clock in Sweden.
func (w *Web) when(lang string, t time.Time) string {
	t = t.In(w.zone)
	return w.text(lang, "date", "weekday", w.text(lang, "day."+strconv.Itoa(int(t.Weekday()))), "day", t.Day(),
		"month", w.text(lang, "month."+strconv.Itoa(int(t.Month()))), "year", t.Year(), "time", clock(lang, t))
}

func clock(lang string, t time.Time) string {
	if lang == "en" {
		return t.Format("15:04")
	}
	return t.Format("15.04")
}

// left says how long there is until a deadline, in whole days, hours or minutes
// that really are left; empty when there is none.
func (w *Web) left(lang string, now, deadline time.Time) string {
	d := deadline.Sub(now)
	switch {
	case d >= 48*time.Hour:
		return w.text(lang, "left.days", "n", int(d/(24*time.Hour)))
	case d >= time.Hour:
		return w.text(lang, "left.hours", "n", int(d/time.Hour))
	case d > 0:
		return w.text(lang, "left.minutes", "n", int(d/time.Minute)+1)
	}
	return ""
}
