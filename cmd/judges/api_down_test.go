package judges

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// deliveries gives what became of the messages to a signatory.
func (o apiOrder) deliveries(n int) string {
	var list []string
	for _, d := range o.Signatories[n-1].Deliveries {
		list = append(list, d.Channel+" "+d.State)
	}
	return strings.Join(list, ", ")
}

// TestDown takes away what carries messages: orders wait, say so, and go on by
// themselves.
func TestDown(t *testing.T) {
	judged(t)
	p := newPremises(t, premisesWish{log: "api-down"})
	one, two := p.phone.person(t, 0), p.phone.person(t, 1)
	fails := func(provider, fault string) { p.idp.Fault(provider, fault) }

	// What may pass is tried again.
	for _, c := range []struct{ provider, fault, invite, waits, sent string }{
		{"mail", "down", "email", "email queued", "email sent"}, {"mail", "tempfail", "email", "email queued", "email sent"},
		{"mail", "drop", "email", "email queued", "email sent"}, {"sms", "http503", "sms", "sms queued", "sms sent"},
		{"sms", "drop", "sms", "sms queued", "sms sent"}, {"mail", "down", "both", "email queued, sms sent", "email sent, sms sent"},
	} {
		t.Run(c.provider+" "+c.fault+" "+c.invite, func(t *testing.T) {
			p.t = t
			p.idp.ClearMessages()
			fails(c.provider, c.fault)
			defer p.idp.ClearFaults()
			o := p.open(p.wishFor("Väntar", p.signatoryOf(one, c.invite)))
			time.Sleep(300 * time.Millisecond) // a try or two
			o = p.until(o.ID, c.waits, func(o apiOrder) bool { return o.deliveries(1) == c.waits })
			if o.State != "open" || o.Signatories[0].State != "invited" {
				t.Errorf("meanwhile the order is %s, the signatory %s", o.State, o.Signatories[0].State)
			}
			p.idp.ClearFaults()
			p.later(time.Minute) // the next try is due
			p.until(o.ID, c.sent, func(o apiOrder) bool { return o.deliveries(1) == c.sent })
			names := map[string]bool{}
			var link string
			for _, m := range p.idp.Messages("") {
				if strings.Contains(m.Reference, o.ID) {
					names[m.Channel+m.Reference] = true
					link = m.Links[0]
				}
			}
			if len(names) != len(strings.Split(c.sent, ",")) {
				t.Errorf("messages by the names %v", names)
			}
			if err := p.guest(one).signsAt(link); err != nil {
				t.Fatal(err)
			}
			p.becomes(o.ID, "completed")
			p.told(o.ID, "signatory.signed 1", "order.sealing", "order.completed")
		})
	}

	// What is refused for good is said at once, and a corrected contact heals it.
	for _, c := range []struct{ provider, fault, invite, failed string }{
		{"mail", "reject", "email", "email failed"}, {"sms", "reject", "sms", "sms failed"},
	} {
		t.Run(c.provider+" "+c.fault, func(t *testing.T) {
			p.t = t
			p.idp.ClearMessages()
			fails(c.provider, c.fault)
			defer p.idp.ClearFaults()
			o := p.open(p.wishFor("Når ingen", p.signatoryOf(one, c.invite)))
			o = p.until(o.ID, "failed", func(o apiOrder) bool { return o.Signatories[0].State == "delivery failed" })
			if o.State != "open" || o.deliveries(1) != c.failed {
				t.Errorf("%s, %s", o.State, o.deliveries(1))
			}
			p.told(o.ID, "signatory.delivery_failed 1")
			p.idp.ClearFaults()
			a := p.call(asker, "PATCH", "/api/v1/orders/"+o.ID+"/signatories/1", members{"email": "ny@example.se", "phone": p.mobileOf(two)})
			if a.status != http.StatusOK || p.read(a).Signatories[0].State != "invited" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			sent := strings.Replace(c.failed, "failed", "sent", 1)
			p.until(o.ID, sent, func(o apiOrder) bool { return o.deliveries(1) == sent })
			var links []string
			for _, m := range p.idp.Messages("") {
				if strings.Contains(m.Reference, o.ID) {
					links = append(links, m.Links...)
				}
			}
			if len(links) != 1 {
				t.Fatalf("%d links", len(links))
			}
			if err := p.guest(one).signsAt(links[0]); err != nil {
				t.Fatal(err)
			}
			p.becomes(o.ID, "completed")
		})
	}

	// One of two ways is enough.
	t.Run("one of both", func(t *testing.T) {
		p.t = t
		fails("mail", "reject")
		o := p.open(p.wishFor("Når en väg", p.signatoryOf(one, "both")))
		o = p.until(o.ID, "half sent", func(o apiOrder) bool { return o.deliveries(1) == "email failed, sms sent" })
		if o.Signatories[0].State != "invited" {
			t.Errorf("the signatory is %s", o.Signatories[0].State)
		}
		p.told(o.ID, "signatory.delivery_failed 1")
		p.idp.ClearFaults()
	})

	// Three days of trying, and then it is said that nobody was reached.
	t.Run("for days", func(t *testing.T) {
		p.t = t
		fails("mail", "down")
		defer p.idp.ClearFaults()
		o := p.open(p.wishFor("Tre dygn", p.signatoryOf(one, "email")))
		for range 200 {
			p.later(30 * time.Minute)
			time.Sleep(30 * time.Millisecond)
			if p.get(o.ID).Signatories[0].State == "delivery failed" {
				break
			}
		}
		o = p.until(o.ID, "failed", func(o apiOrder) bool { return o.Signatories[0].State == "delivery failed" })
		p.told(o.ID, "signatory.delivery_failed 1")
		if o.State != "open" {
			t.Errorf("the order is %s", o.State)
		}
		// Reminding tries once more.
		p.idp.ClearFaults()
		if a := p.call(asker, "POST", "/api/v1/orders/"+o.ID+"/remind", nil); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		o = p.until(o.ID, "sent", func(o apiOrder) bool { return o.deliveries(1) == "email sent" })
		if o.Signatories[0].State != "invited" {
			t.Errorf("reached again, the signatory is %s", o.Signatories[0].State)
		}
	})

	// A client that does not listen is told later, everything and in order.
	t.Run("the client", func(t *testing.T) {
		p.t = t
		p.hooks.broken.Store(true)
		o := p.open(p.wishFor("Kunden", p.signatoryOf(one, "none"), p.signatoryOf(two, "none")))
		for i, who := range []person{one, two} {
			if err := p.guest(who).signsAt(o.Signatories[i].SignURL); err != nil {
				t.Fatal(err)
			}
		}
		p.becomes(o.ID, "completed") // which waits for nobody's webhook
		p.hooks.broken.Store(false)
		p.later(6 * time.Hour)
		p.told(o.ID, "signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed")
	})

	// The e-ID is down: the page says so, and it can be tried again.
	t.Run("the e-ID", func(t *testing.T) {
		p.t = t
		o := p.open(p.wishFor("Driftstopp", p.signatoryOf(one, "none")))
		g := p.guest(one)
		at, err := g.comes(o.Signatories[0].SignURL)
		if err != nil || at.kind() != review {
			t.Fatal(err, at)
		}
		fails("bankid", "http503")
		wait, err := g.post(at.url.String(), g.formOf(at))
		if err != nil || headingOf(wait) != "E-legitimationen svarar inte" {
			t.Errorf("%v %s", err, wait)
		}
		p.idp.ClearFaults()
		if at, err = g.visit(o.Signatories[0].SignURL); err != nil || at.kind() != review {
			t.Fatal(err, at)
		}
		time.Sleep(200 * time.Millisecond) // nobody presses again sooner
		if at, err = g.signs(at); err != nil || at.kind() != standing {
			t.Fatalf("%v", err)
		}
		p.becomes(o.ID, "completed")
	})
}
