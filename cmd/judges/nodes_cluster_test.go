package judges

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/oauth2"

	"sigill/broker/kit/config"
	"sigill/broker/kit/page"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/broker/store/redistest"
	"sigill/cmd/node"
)

// A cluster is an installation of several nodes: each a process of the
// production program with a configuration of its own, behind one balancer.
type cluster struct {
	*premises
	nodes    []*clusterNode
	balancer *balancer
	postgres *sqldbtest.Server // nil: SQLite
	redis    *redistest.Server // nil: there is none
	key      *ecdsa.PrivateKey // of the client keyed
	told     *tally            // what people and applications were told when something was down
	client   *client           // that logs people in
	people   []person          // without peculiarities
	town     *town             // the portal; nil: there is none
}

// keyed is a client that proves itself by assertions.
const keyed = "keyed"

// clusterWish says how a cluster is to be.
type clusterWish struct {
	log      string
	nodes    int
	postgres bool // with Redis; else SQLite in one folder for all
	portal   bool
	drain    time.Duration // of each node
	balance  time.Duration // how often the balancer asks; zero: 200 ms
	more     string        // lines of configuration
	program  string        // of the nodes; empty: the production program as it is now
	today    string        // that program, where it is built already
	before   func(dir string)
	// clocks: the nodes run in this process, and their clocks are wrong by so much.
	clocks []time.Duration
}

func newCluster(t testing.TB, w clusterWish) *cluster {
	t.Helper()
	if w.balance == 0 {
		w.balance = 200 * time.Millisecond
	}
	c := &cluster{told: &tally{}}
	if w.postgres {
		c.postgres = sqldbtest.Start(t)
		c.redis = redistest.Start(t)
	}
	collect := map[bool]string{true: "1s", false: "100ms"}[soaking(0, 1) == 1]
	c.premises = newPremises(t, premisesWish{process: true, program: w.today, built: true, log: w.log, more: w.more, before: w.before})
	c.life = time.Duration(soaking(260, 600)) * time.Second // an answer that may be lost is waited for three minutes
	c.pace = time.Duration(soaking(60, 400)) * time.Millisecond
	c.slow = true
	c.turns = map[string]*sync.Mutex{}
	for _, who := range c.phone.persons(t) {
		if len(who.Flags) == 0 {
			c.people = append(c.people, who)
		}
		c.turns[who.Number] = &sync.Mutex{}
	}
	pause := time.Duration(soaking(80, 400)) * time.Millisecond
	keep := &http.Transport{MaxIdleConnsPerHost: 64, MaxIdleConns: 512}
	c.browser = &patient{base: keep, told: c.told, bare: func(what string) { t.Error(what) }, wait: pause}
	c.api = &http.Client{Timeout: 40 * time.Second, Transport: c.browser, CheckRedirect: apiHTTP.CheckRedirect}

	var err error
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(c.dir, "sigill.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	base := string(text)
	change := func(old, new string) {
		t.Helper()
		if !strings.Contains(base, old) {
			t.Fatalf("the configuration holds no %q", old)
		}
		base = strings.Replace(base, old, new, 1)
	}
	change("log_level: debug", "log_level: info")
	change("collect_interval: 25ms", "collect_interval: "+collect)
	change("scopes: [openid, profile]", "scopes: [openid, profile, naturalPersonInfo, naturalPersonNumber]\n    id_token_alg: ES256")
	base += fmt.Sprintf("  - id: %s\n    name: Domarna %s\n    profile: basic\n    scopes: [signing]\n    jwks: %s\n", keyed, keyed, c.jwks())
	if w.drain > 0 { // releases before did not know it
		base += fmt.Sprintf("drain: %s\n", w.drain)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(c.issuer, "http://"), ":")
	var addresses, portals [][2]string
	portal := ""
	if w.portal {
		c.town = &town{premises: c.premises, log: w.log}
		portal = freePort(t)
		base += c.town.furnished(portal, "0")
	}
	dsn := ""
	if w.postgres {
		dsn = c.postgres.DSN(t)
	}
	for i := range w.nodes {
		n := &clusterNode{c: c, program: w.program, name: fmt.Sprintf("node-%d", i+1), address: "localhost:" + freePort(t), log: fmt.Sprintf("%s-%d-sigill.log", w.log, i+1)}
		own := strings.Replace(base, "listen: localhost:"+port, "listen: "+n.address, 1)
		own = replaceLine(own, "admin_listen:", "admin_listen: localhost:"+freePort(t))
		if w.portal {
			at := freePort(t)
			own = strings.Replace(own, "  listen: localhost:0\n", "  listen: localhost:"+at+"\n", 1)
			portals = append(portals, [2]string{"localhost:" + at, n.address})
		}
		if w.postgres {
			n.sql, n.cache = newWire(t, c.postgres.Address()), newWire(t, c.redis.Addr)
			c.write(n.name+".dsn", []byte(strings.Replace(dsn, c.postgres.Address(), n.sql.address(), 1)))
			own = strings.Replace(own, "data: data\n", "data: data-"+n.name+"\n", 1)
			own += fmt.Sprintf("store:\n  postgres: {dsn_file: %s.dsn, prefix: judged_}\n  redis: {addresses: [%q], prefix: \"judged:\"}\n", n.name, n.cache.address())
		}
		n.config = filepath.Join(c.dir, n.name+".yaml")
		c.write(n.name+".yaml", []byte(own))
		if text, err := exec.Command(c.processes, "check", "--config", n.config).CombinedOutput(); err != nil {
			t.Fatalf("the configuration is refused: %v\n%s", err, text)
		}
		c.nodes = append(c.nodes, n)
		addresses = append(addresses, [2]string{n.address, n.address})
	}
	if w.portal {
		newBalancer(t, "localhost:"+portal, w.balance, portals...)
		if w.postgres {
			c.town.open = func() (*sql.DB, error) { return c.rows("portal") }
		}
	}
	c.balancer = newBalancer(t, "localhost:"+port, w.balance, addresses...)
	t.Cleanup(c.stopped)
	for i, n := range c.nodes {
		if w.clocks != nil {
			n.inside(t, w.clocks[i])
		} else {
			n.start(t)
		}
	}
	if w.clocks != nil {
		c.balancer.blind.Store(true) // they say that their clocks are wrong
		for _, b := range c.balancer.backs {
			for !b.alive.Load() {
				time.Sleep(10 * time.Millisecond)
			}
		}
	} else {
		c.awaitReady(t)
	}
	c.client = newClient(t, c.issuer, onlyLogin, c.secrets[onlyLogin], "http://localhost:8090/callback", "profile", scopeNumber)
	c.client.http = c.api
	c.client.oauth2.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // or it tries another way by itself after any failure
	return c
}

// replaceLine puts another line for the one that begins so.
func replaceLine(text, begins, line string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, begins) {
			lines[i] = line
		}
	}
	return strings.Join(lines, "\n")
}

func (c *cluster) jwks() string {
	point := func(b []byte) string { return jwtBase64(b) }
	uncompressed, _ := c.key.PublicKey.Bytes() // 4, x, y
	x, y := uncompressed[1:33], uncompressed[33:]
	text, _ := json.Marshal(members{"keys": []members{{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "judges", "x": point(x), "y": point(y)}}})
	return string(text)
}

// assertion proves that we are the client keyed, once.
func (c *cluster) assertion() (string, error) {
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": keyed, "sub": keyed, "aud": c.issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix(),
	})
	token.Header["kid"] = "judges"
	return token.SignedString(c.key)
}

// awaitReady waits until every node says that it is ready.
func (c *cluster) awaitReady(t testing.TB) {
	t.Helper()
	for _, n := range c.nodes {
		if err := n.awaitReady(60 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range c.balancer.backs { // and the balancer knows
		for !b.ready.Load() {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// stopped ends all nodes the polite way.
func (c *cluster) stopped() {
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(func() { n.stop(c.t) })
	}
	all.Wait()
}

// audited lets the program verify what all nodes wrote.
func (c *cluster) audited() {
	c.t.Helper()
	if text, err := exec.Command(c.processes, "audit", "verify", "--config", c.nodes[0].config).CombinedOutput(); err != nil {
		c.t.Errorf("the audit does not verify: %v\n%s", err, text)
	}
}

// A clusterNode is one process of the production program, and whoever looks
// after it: when it ends by itself it is started again, as by systemd.
type clusterNode struct {
	c            *cluster
	name, config string
	address      string
	log          string
	program      string // empty: that of the cluster
	sql, cache   *wire  // to PostgreSQL and Redis

	end func() // of a node in this process

	mu      sync.Mutex
	cmd     *exec.Cmd
	gone    chan struct{} // closed when the process has ended
	wanted  bool
	started time.Time
	gaveUp  int // how often it ended by itself before it served
	ended   int // and after
}

// start has the node run until kill or stop.
func (n *clusterNode) start(t testing.TB) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted = true
	if err := n.launch(); err != nil {
		t.Error(err)
	}
}

// inside runs the node in this process, with a clock that is wrong by so much.
func (n *clusterNode) inside(t testing.TB, wrong time.Duration) {
	t.Helper()
	settings, _, err := config.Load(n.config)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(output(t, "logs", n.log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	it, err := node.New(t.Context(), node.Config{
		Settings: settings, Log: slog.New(page.LogHandler(slog.NewJSONHandler(file, nil))),
		Now: func() time.Time { return time.Now().Add(wrong) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- it.Run(ctx) }()
	n.end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
		file.Close()
	})
}

// launch starts the process. The lock is held.
func (n *clusterNode) launch() error {
	program := n.program
	if program == "" {
		program = n.c.processes
	}
	cmd := exec.Command(program, "serve", "--config", n.config)
	file, err := os.OpenFile(output(n.c.t, "logs", n.log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	n.cmd, n.gone, n.started = cmd, gone, time.Now()
	go func() {
		cmd.Wait()
		close(gone)
		n.mu.Lock()
		if !n.wanted || n.cmd != cmd {
			n.mu.Unlock()
			return
		}
		if time.Since(n.started) > 20*time.Second {
			n.ended++
		} else {
			n.gaveUp++
		}
		n.mu.Unlock()
		time.Sleep(300 * time.Millisecond)
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.wanted && n.cmd == cmd {
			n.launch()
		}
	}()
	return nil
}

// unwanted says that the node is to be down, and gives its process.
func (n *clusterNode) unwanted() (*exec.Cmd, chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted = false
	return n.cmd, n.gone
}

// kill ends the node as a power failure would.
func (n *clusterNode) kill() {
	cmd, gone := n.unwanted()
	cmd.Process.Kill()
	<-gone
}

// stop ends the node the polite way.
func (n *clusterNode) stop(t testing.TB) {
	if n.end != nil {
		n.end()
	}
	cmd, gone := n.unwanted()
	if cmd == nil {
		return
	}
	select {
	case <-gone:
		return
	default:
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-gone:
		if !cmd.ProcessState.Success() {
			t.Errorf("%s, asked to end, ended with %v", n.name, cmd.ProcessState)
		}
	case <-time.After(45 * time.Second):
		t.Errorf("%s does not end when asked to", n.name)
		cmd.Process.Kill()
		<-gone
	}
}

// readiness is what the node says of itself.
func (n *clusterNode) readiness() (status int, why string) {
	answer, err := plainly.Get("http://" + n.address + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(bytes.TrimSpace(text))
}

// plainly asks a node itself.
var plainly = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}}

func (n *clusterNode) awaitReady(patience time.Duration) error {
	return n.awaitStatus(http.StatusOK, patience)
}

// awaitStatus waits until the node answers so at /readyz.
func (n *clusterNode) awaitStatus(want int, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		status, why := n.readiness()
		if status == want {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s answers %d %s at /readyz, not %d, after %s", n.name, status, why, want, patience)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// jwtBase64 writes bytes as JWKs do.
func jwtBase64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// text is what a file of the installation holds.
func (p *premises) text(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// rows opens one of the databases to look.
func (c *cluster) rows(name string) (*sql.DB, error) {
	if c.postgres == nil {
		return sql.Open("sqlite", "file:"+filepath.Join(c.dir, "data", name+".db")+"?mode=ro&_pragma=busy_timeout(5000)")
	}
	dsn, err := url.Parse(strings.TrimSpace(c.text(c.nodes[0].name + ".dsn")))
	if err != nil {
		return nil, err
	}
	q := dsn.Query()
	q.Set("search_path", "judged_"+name)
	dsn.RawQuery = q.Encode()
	return sql.Open("pgx", dsn.String())
}
