package web

import (
	"strconv"
	"time"
	_ "time/tzdata" // times are said as people here say them, on any machine

	"sigill/broker/kit/i18n"
)

// when says a time as people say it, by the clock in Sweden.
func (w *Web) when(v visit, t time.Time) string {
	clock := "15.04"
	if v.lang == "en" {
		clock = "15:04"
	}
	return w.text(v, "when", "date", w.date(v, t), "time", t.In(w.zone).Format(clock))
}

// date says the day of a time.
func (w *Web) date(v visit, t time.Time) string {
	t = t.In(w.zone)
	return w.text(v, "date", "day", t.Day(), "month", w.text(v, "month."+strconv.Itoa(int(t.Month()))), "year", t.Year())
}

func whenTexts() []i18n.Use {
	uses := []i18n.Use{
		{Key: "when", Where: "code", Names: []string{"date", "time"}},
		{Key: "date", Where: "code", Names: []string{"day", "month", "year"}},
	}
	for m := time.January; m <= time.December; m++ {
		uses = append(uses, i18n.Use{Key: "month." + strconv.Itoa(int(m)), Where: "code"})
	}
	return uses
}
