package judges

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// signings are orders of three that go through a cluster.
type signings struct {
	c       *cluster
	seen    tally
	mu      sync.Mutex
	over    []*keptOrder
	faults  []error
	repeats map[string]int
}

func (x *signings) fault(i int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = append(x.faults, fmt.Errorf("order %d: %w", i, err))
}

// one is the i-th order of a load, from the client's call to the sealed PDF.
func (x *signings) one(i int) {
	o := &keptOrder{title: fmt.Sprintf("Avtal %d för tre", i), why: map[string]int{}}
	for n := range 3 {
		o.people = append(o.people, x.c.people[(3*i+n)%len(x.c.people)])
	}
	if err := x.c.signedByThree(o, i%2 == 0, new(happenings)); err != nil {
		x.fault(i, err)
		return
	}
	x.seen.add("ended in one sealed PDF")
	if o.again == 0 {
		x.seen.add("signed once by each")
	} else {
		x.seen.add("somebody signed again")
	}
	for why, n := range o.why {
		x.seen.addn(why, n)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = append(x.over, o)
}

// inspected looks at every order when all is up: the same file comes from every
// node, the client and the people heard of everything once, and no invitation
// opens anything any more.
func (x *signings) inspected() {
	x.repeats = map[string]int{}
	for i, o := range x.over {
		for _, n := range x.c.nodes {
			file, err := x.c.fetchedAt(n, "/api/v1/orders/"+o.id+"/documents/1")
			if err != nil {
				x.fault(i, err)
			} else if sha256.Sum256(file) != o.receipt {
				x.fault(i, fmt.Errorf("%s gives another file", n.name))
			}
		}
		if err := x.c.heardOf(*o, x.repeats); err != nil {
			x.fault(i, err)
		}
		if err := x.invitationsOver(o); err != nil {
			x.fault(i, err)
		}
	}
}

// fetchedAt asks one node.
func (c *cluster) fetchedAt(n *clusterNode, path string) ([]byte, error) {
	token, err := c.token(asker, false)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	for {
		r, err := http.NewRequest("GET", "http://"+n.address+path, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := plainly.Do(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		switch {
		case answer.StatusCode == http.StatusOK && err == nil:
			return body, nil
		case answer.StatusCode == http.StatusUnauthorized && time.Now().Before(deadline):
			if token, err = c.token(asker, true); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%s answers %s: %s", n.name, answer.Status, bytes.TrimSpace(body[:min(200, len(body))]))
		}
	}
}

// invitationsOver follows every link that an order's people got.
func (x *signings) invitationsOver(o *keptOrder) error {
	for _, who := range o.people[1:] {
		for _, to := range []string{x.c.mailOf(who), x.c.mobileOf(who)} {
			for _, m := range x.c.idp.Messages(to) {
				if !strings.Contains(m.Reference, o.id+"-") || !strings.Contains(m.Reference, "-invite-") {
					continue
				}
				for _, link := range m.Links {
					at, err := x.c.guest(who).visit(link)
					if err != nil {
						return err
					}
					if at.kind() == review || at.kind() == standing {
						return errors.New("an invitation is good without a login")
					}
					x.seen.add("invitations followed after the signature")
					// After a login it leads nowhere either; one is enough for all.
					if x.seen.of("of them with a login") >= 5 {
						continue
					}
					if at, err = x.c.guest(who).comes(link); err != nil {
						return err
					}
					if at.kind() == review || at.status == http.StatusOK && at.kind() == standing {
						return fmt.Errorf("an invitation is good after the signature: %s", at)
					}
					x.seen.add("of them with a login")
				}
			}
		}
	}
	return nil
}
