package main

import (
	"bytes"
	"image"
	"image/png"
	"sync/atomic"
	"testing"
	"time"
)

// A clock can be put forward, for the whole demo at once.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// hall runs a demo whose signing orders are looked at often.
func hall(t *testing.T, c Config) (Running, *clock) {
	t.Helper()
	k := &clock{}
	c.Now, c.Due, c.Collect = k.now, 50*time.Millisecond, 50*time.Millisecond
	return start(t, c), k
}

// Answers that may be sent. Of the child, the key is known on the page alone.
func preschool(child string) said {
	start := time.Now().AddDate(0, 3, 0)
	return said{
		"barn": "~" + child, "vh2_kontakt.email": "tva@example.se", "vh2_kontakt.phone": "070-174 06 12",
		"startdatum.day": start.Format("2"), "startdatum.month": start.Format("1"), "startdatum.year": start.Format("2006"),
		"forskolor.1": "eken", "omfattning": "37,5", "sysselsattning": "arbetar", "syskon": "no",
		"mina.email": "ett@example.se", "mina.notify": "email", "ovrigt": planted,
	}
}

// planted is what is looked for where it must not be.
const planted = "Grythyttan-hemlighet"

func fault() said {
	return said{"slag": "ljus", "plats": "Storgatan 1", "beskrivning": planted + " lampan är släckt", "aterkoppling": "yes", "mina.email": "anonym@example.se", "mina.notify": "email"}
}

func picture(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The whole way of an application, from the first page to the officer's list.
func TestApplication(t *testing.T) {
	r, _ := hall(t, Config{})
	ett, tva := someone(t, r, "ett", "exempelby"), someone(t, r, "tva", "exempelby")
	wait := ett.begins("forskoleplats").fills(preschool("Testbarn Ett")).sends().signs().back().inside("/vantar")
	if wait.heading() != "Väntar på flerpartssignering" {
		t.Errorf("after the first signature: %s", wait)
	}
	link, _ := told(t, r, tva.mail(), "email", "Exempelby kommun ber")
	tva.opens(link).signs()
	done := ett.reload("the arrival", wait.url.String(), func(s screen) bool { return s.heading() == "Ditt ärende är nu inskickat" })
	done.inside("/inskickat")
	_, list := officer(t, r, "ett", "exempelby")
	if !list.says("Ansökan om förskoleplats") {
		t.Errorf("the officer's list: %s", list)
	}
}
