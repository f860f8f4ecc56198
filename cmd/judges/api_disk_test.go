package judges

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk fills the disk on which everything lies: what was acknowledged is
// there afterwards, what was not is not half there, and orders go on by
// themselves. The broker is killed while nothing can be written.
func TestFullDisk(t *testing.T) {
	judged(t)
	var disk smallDisk
	p := newPremises(t, premisesWish{process: true, log: "api-disk", before: func(dir string) { disk = mountSmall(t, filepath.Join(dir, "data"), 24) }})
	one, two := p.phone.person(t, 0), p.phone.person(t, 1)
	fill := func(leave int64) { t.Helper(); disk.fill(t, leave) }
	free := func() { t.Helper(); disk.free(t) }

	// A signature that is on its way when the disk becomes full.
	under := p.open(p.wishFor("Under tiden", p.signatoryOf(one, "none"), p.signatoryOf(two, "both")))
	p.until(under.ID, "sent", func(o apiOrder) bool { return o.deliveries(2) == "email sent, sms sent" })
	declined := p.open(p.wishFor("Nekas", p.signatoryOf(two, "none")))
	cancelled := p.open(p.wishFor("Avbryts", p.signatoryOf(two, "none")))
	g := p.guest(one)
	at, err := g.comes(under.Signatories[0].SignURL)
	if err != nil {
		t.Fatal(err)
	}
	wait, err := g.picks(at)
	if err != nil {
		t.Fatal(err)
	}
	late := p.guest(two)
	if _, err := late.comes(p.placeOf(under.ID, 2)); err != nil {
		t.Fatal(err)
	}
	fill(0)

	acknowledged := map[string]string{} // key to order
	refused := map[string]string{}
	for i := range 60 {
		if i == 20 { // some is left, for some
			free()
			fill(600 << 10)
		}
		key := rand.Text()
		w := p.wishFor(fmt.Sprint("Fullt ", i), p.signatoryOf(two, "email"))
		w["documents"] = []members{{"name": "D", "text": strings.Repeat("fullt ", 3000)}}
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		a, err := p.send(asker, "POST", "/api/v1/orders", string(text), "Idempotency-Key: "+key)
		switch {
		case err != nil:
			t.Fatal(err)
		case a.status == http.StatusCreated:
			acknowledged[key] = p.read(a).ID
		case a.status == http.StatusInternalServerError && a.code == "internal":
			refused[key] = string(text)
		default:
			t.Errorf("on a full disk: %d %s", a.status, a.body)
		}
	}
	if len(refused) == 0 {
		t.Fatal("the disk does not become full: this judges nothing")
	}
	if o := p.get(under.ID); o.State != "open" {
		t.Errorf("the order is %s", o.State)
	}
	// The person approves now; the answer can be taken from the issuer only once.
	if _, err := g.proved(wait); err != nil {
		t.Fatal(err)
	}
	// Whatever else is pressed and called is answered as it is: what cannot be
	// written down is not told as done. (Sometimes it can: a log of writes that has
	// been copied is written over.)
	fill(0)
	told := map[string]bool{}
	to, err := late.post(p.placeOf(declined.ID, 1)+"/refuse", url.Values{"reason": {"Nej"}})
	if err != nil || to.status != http.StatusOK && to.status < 500 {
		t.Errorf("refusing on a full disk: %v %s", err, to)
	}
	told[declined.ID] = err == nil && to.status == http.StatusOK
	a := p.call(asker, "POST", "/api/v1/orders/"+cancelled.ID+"/cancel", nil)
	if a.status != http.StatusOK && a.code != "internal" {
		t.Errorf("cancelling on a full disk: %d %s", a.status, a.body)
	}
	told[cancelled.ID] = a.status == http.StatusOK
	time.Sleep(500 * time.Millisecond)
	free()

	for id, state := range map[string]string{declined.ID: "refused", cancelled.ID: "cancelled"} {
		if o := p.get(id); (o.State == state) != told[id] {
			t.Errorf("told that it is %s: %v, and it is %s", state, told[id], o.State)
		}
	}

	// It goes on by itself: the signature that was made meanwhile counts.
	p.until(under.ID, "signed by the first", func(o apiOrder) bool { return o.Signatories[0].State == "signed" })
	if err := p.guest(two).signsAt(p.placeOf(under.ID, 2)); err != nil {
		t.Fatal(err)
	}
	p.becomes(under.ID, "completed")
	p.receipt(under.ID, 2)
	p.told(under.ID, "signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed")

	// Full once more, killed, started again on a disk with room.
	fill(100 << 10)
	for i := range 10 {
		key := rand.Text()
		text, err := json.Marshal(p.wishFor(fmt.Sprint("Fullt igen ", i), p.signatoryOf(two, "email")))
		if err != nil {
			t.Fatal(err)
		}
		a, err := p.send(asker, "POST", "/api/v1/orders", string(text), "Idempotency-Key: "+key)
		if err == nil && a.status == http.StatusCreated {
			acknowledged[key] = p.read(a).ID
		} else {
			refused[key] = string(text)
		}
	}
	p.broker.kill()
	free()
	p.serve("api-disk")
	kept := len(acknowledged)
	for _, id := range acknowledged {
		if o := p.get(id); o.State != "open" {
			t.Errorf("an acknowledged order is %s", o.State)
		}
	}
	for key, text := range refused {
		a := p.call(asker, "POST", "/api/v1/orders", text, "Idempotency-Key: "+key)
		if a.status != http.StatusCreated || a.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("what was refused: %d %v", a.status, a.header.Get("Idempotency-Replayed"))
			continue
		}
		acknowledged[key] = p.read(a).ID
	}
	for _, id := range acknowledged {
		p.until(id, "sent", func(o apiOrder) bool { return o.deliveries(1) == "email sent" })
	}
	names := map[string]int{}
	for _, m := range p.idp.Messages(p.mailOf(two)) {
		if strings.Contains(m.Reference, "-invite-") {
			names[m.Reference]++
		}
	}
	if len(names) != len(acknowledged)+1 {
		t.Errorf("%d invitations by name, of %d orders", len(names), len(acknowledged)+1)
	}
	p.audited()
	t.Logf("%d orders acknowledged, %d refused while the disk was full", kept, len(refused))
}

// A smallDisk is a file system that can be filled.
type smallDisk struct{ ballast string }

// mountSmall mounts one of so many MB where root may, until the test ends.
func mountSmall(t *testing.T, at string, size int) smallDisk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a small disk is mounted by root alone") // the stores' own tests fail each statement for everybody
	}
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return smallDisk{filepath.Join(at, "ballast")}
}

// fill leaves so many bytes.
func (d smallDisk) fill(t *testing.T, leave int64) {
	t.Helper()
	f, err := os.OpenFile(d.ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; { // to the last byte
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Truncate(info.Size() - leave)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (d smallDisk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		t.Fatal(err)
	}
}
