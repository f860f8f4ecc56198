package receipt

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

func TestSwedishTime(t *testing.T) {
	stockholm, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	check := func(t interface{ Errorf(string, ...any) }, at time.Time) {
		local, zone := SwedishTime(at)
		want := at.In(stockholm)
		_, offset := want.Zone()
		if local.Format(time.DateTime) != want.Format(time.DateTime) || (zone == "UTC+2") != (offset == 7200) {
			t.Errorf("%v: %v %s, want %v", at, local, zone, want)
		}
	}
	for year := 2000; year < 2038; year++ {
		for _, month := range []time.Month{time.March, time.October} {
			change := lastSunday(year, month)
			for _, d := range []time.Duration{-time.Second, 0, time.Second} {
				check(t, change.Add(d))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, time.Unix(rapid.Int64Range(946684800, 2145916800).Draw(t, "unix"), 0).UTC())
	})
}
