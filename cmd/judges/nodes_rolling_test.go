package judges

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/keys"
	"sigill/testidp"
)

// TestNodesRolling restarts one node after the other while people log in and
// sign, and replaces meanwhile whatever can be replaced: the keys that sign tokens,
// the master key, the certificates of the relying party and of the seal, a
// client's secret. Nobody notices.
func TestNodesRolling(t *testing.T) {
	judged(t)
	besides(t)
	c := newCluster(t, clusterWish{log: "nodes-rolling", nodes: 3, postgres: true, drain: 1500 * time.Millisecond, balance: 100 * time.Millisecond})
	r := newRenewing(t, c)
	l := c.throng(func() int { return 0 })
	logins, orders := soaking(12, 300), soaking(4, 100)
	began := time.Now()
	over := l.run(t, logins, orders, time.Duration(soaking(15, 90))*time.Second, time.Duration(soaking(4, 14))*time.Second)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.sigill("keys", "rotate", "--now", "ES256")
	}()
	r.files()
	r.secret()
	if soaking(0, 1) == 1 {
		// The files are read while the nodes run. Orders that were begun with the old
		// certificate must be over before the nodes forget it.
		r.relyingParty()
		time.Sleep(25*time.Second + 45*time.Second)
	}
	for _, n := range c.nodes {
		n.rolls(t)
	}
	<-done
	r.rewrapped()
	<-over
	r.over()
	l.logins.remembered(t.Context())
	l.signings.inspected()
	c.decided(t)
	c.audited()
	l.judged(t)
	l.table(t, fmt.Sprintf("rolling restart of %d nodes and rotations, %d logins, %d orders of three", len(c.nodes), logins, orders), time.Since(began), &r.acts)
	if n := l.logins.ends.of(string(completed)); n != logins {
		t.Errorf("%d of %d logins completed", n, logins)
	}
	if again := l.signings.seen.of("somebody signed again"); again != 0 {
		t.Errorf("somebody had to sign again in %d orders", again)
	}
	if names, count := c.told.all(); len(names) > 0 {
		t.Errorf("people were told: %v", count)
	}
}

// rolls restarts a node the polite way.
func (n *clusterNode) rolls(t *testing.T) {
	t.Helper()
	n.stop(t)
	n.start(t)
	if err := n.awaitReady(patience); err != nil {
		t.Error(err)
	}
	time.Sleep(3 * n.c.balancer.every) // the balancer has seen it
}

// renewing replaces keys, certificates and secrets of a cluster that serves.
type renewing struct {
	t    *testing.T
	c    *cluster
	acts tally

	mu      sync.Mutex
	current string // secret of the client that is renewed
	stop    chan struct{}
	ended   chan struct{}
}

// renewed is a client whose secret is replaced.
const renewed = "renewed"

func newRenewing(t *testing.T, c *cluster) *renewing {
	t.Helper()
	r := &renewing{t: t, c: c, stop: make(chan struct{}), ended: make(chan struct{})}
	c.write("renewed-client.yaml", fmt.Appendf(nil, "- {id: %s, name: Domarna, profile: basic, auth_method: client_secret, scopes: [signing]}\n", renewed))
	r.current = r.shown(r.sigill("client", "add", filepath.Join(c.dir, "renewed-client.yaml")))
	// The application asks for tokens all the time.
	go func() {
		defer close(r.ended)
		for {
			select {
			case <-r.stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			r.mu.Lock()
			secret := r.current
			r.mu.Unlock()
			if status := r.asks(secret); status != http.StatusOK {
				t.Errorf("a client that has the right secret gets %d", status)
			}
			r.acts.add("tokens by a client whose secret is replaced")
		}
	}()
	return r
}

func (r *renewing) asks(secret string) (status int) {
	q, err := http.NewRequest("POST", r.c.issuer+"/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		r.t.Error(err)
		return 0
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.SetBasicAuth(renewed, secret)
	answer, err := r.c.api.Do(q)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// sigill runs the production program with the first node's configuration.
func (r *renewing) sigill(args ...string) string {
	r.t.Helper()
	text, err := exec.Command(r.c.processes, append(args, "--config", r.c.nodes[0].config)...).CombinedOutput()
	if err != nil {
		r.t.Errorf("sigill %v: %v\n%s", args, err, text)
	}
	r.acts.add("sigill " + args[0] + " " + args[1])
	return string(text)
}

var shownOnce = regexp.MustCompile(`shown this once: (\S+)`)

func (r *renewing) shown(text string) string {
	r.t.Helper()
	found := shownOnce.FindStringSubmatch(text)
	if found == nil {
		r.t.Fatalf("no secret is shown: %s", text)
	}
	return found[1]
}

// relyingParty puts another certificate of the relying party in the place of the
// one that there is.
func (r *renewing) relyingParty() {
	r.t.Helper()
	m, err := r.c.idp.Renewed()
	if err != nil {
		r.t.Fatal(err)
	}
	for name, text := range map[string][]byte{testidp.RPCertificateFile: m.RPCertificate, testidp.RPKeyFile: m.RPKey} {
		r.c.write(filepath.Join("bankid", name), text)
	}
	r.acts.add("the relying party's certificate replaced")
}

// files puts another seal and another master key in the place of those that there
// are.
func (r *renewing) files() {
	r.t.Helper()
	r.c.newSeal()
	r.acts.add("the seal's certificate replaced")
	master := filepath.Join(r.c.dir, "master.key")
	if err := keys.NewMaster(master + ".new"); err != nil {
		r.t.Fatal(err)
	}
	for _, mv := range [][2]string{{master, master + ".previous"}, {master + ".new", master}} {
		if err := os.Rename(mv[0], mv[1]); err != nil {
			r.t.Fatal(err)
		}
	}
	r.acts.add("the master key replaced")
}

// secret gives the client another secret, which it takes into use a little later.
func (r *renewing) secret() {
	r.t.Helper()
	old := r.current
	next := r.shown(r.sigill("client", "secret", "--overlap", "12h", renewed))
	time.Sleep(500 * time.Millisecond) // the old one goes on
	r.mu.Lock()
	r.current = next
	r.mu.Unlock()
	time.Sleep(500 * time.Millisecond)
	r.sigill("client", "secret", "--retire", renewed)
	if status := r.asks(old); status != http.StatusUnauthorized {
		r.t.Errorf("a retired secret gets %d", status)
	}
}

// rewrapped ends the replacement of the master key: the old one is needed no more.
func (r *renewing) rewrapped() {
	r.t.Helper()
	r.sigill("keys", "rewrap")
	if err := os.Remove(filepath.Join(r.c.dir, "master.key.previous")); err != nil {
		r.t.Error(err)
	}
}

func (r *renewing) over() {
	close(r.stop)
	<-r.ended
	r.c.nodes[0].rolls(r.t) // it starts without the old master key
	r.c.awaitReady(r.t)
}
