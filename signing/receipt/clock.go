package receipt

import "time"

// SwedishTime is a time by Sweden's clocks, and its distance from UTC. It
// follows the rule of directive 2000/84/EC, and no time zone database of the
// machine, since a receipt must come out the same everywhere and for ever.
// Summer time goes from 01:00 UTC on the last Sunday of March to 01:00 UTC on
// the last Sunday of October.
func SwedishTime(t time.Time) (local time.Time, zone string) {
	t = t.UTC()
	begin, end := lastSunday(t.Year(), time.March), lastSunday(t.Year(), time.October)
	if t.Before(begin) || !t.Before(end) {
		return t.Add(time.Hour), "UTC+1"
	}
	return t.Add(2 * time.Hour), "UTC+2"
}

// lastSunday is 01:00 UTC on the last Sunday of a month with 31 days.
func lastSunday(year int, month time.Month) time.Time {
	last := time.Date(year, month, 31, 1, 0, 0, 0, time.UTC)
	return last.AddDate(0, 0, -int(last.Weekday()))
}
