package judges

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"sigill/broker/kit/keys"
)

// What a login costs over other stores, in logins for each second of CPU of all
// processes together: the broker's, PostgreSQL's and Redis's.
const (
	aimSQLite   = 950
	aimPostgres = 300 // what lasts is flushed
	aimUnlogged = 450
	aimSaid     = 5 // statements to PostgreSQL for one login
	aimNodes    = 1.3
)

// BenchmarkStores measures the OpenID Provider's part of logins (request, choice,
// answer, token; orders are proven before) over each way to keep rows, and by one
// node and by three. What is compared takes turns, so that it meets the same
// moments.
func BenchmarkStores(b *testing.B) {
	judged(b)
	const rounds, each = 4, 300
	issuer := newPendingIssuer(b, "bench-issuer.log") // it is in the configuration, and nobody asks it
	ways := []*loginsFarm{
		newLoginsFarm(b, "bench-sqlite", issuer, sqliteBacking(), 1, rounds*each+100),
		newLoginsFarm(b, "bench-sqlite-redis", issuer, sqliteBacking().withRedis(b), 1, rounds*each+100),
		newLoginsFarm(b, "bench-postgres", issuer, sqliteBacking().withPostgres(b), 1, rounds*each+100),
		newLoginsFarm(b, "bench-postgres-redis", issuer, sqliteBacking().withPostgres(b).withRedis(b), 1, rounds*each+100),
		newLoginsFarm(b, "bench-three", issuer, sqliteBacking().withPostgres(b).withRedis(b), 3, rounds*each+100),
	}
	signature, answer := takeTurns(b, ways, rounds, each)

	t := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { fmt.Fprintf(t, "| %s\t|\n", strings.Join(cells, "\t| ")) }
	row("login, the OP's part", "nodes", "CPU, all", "of it the nodes", "logins per CPU-s", "aim", "met", "ES256 signatures", "HTTP answers", "to SQLite")
	one := ways[3].all()
	for _, f := range ways {
		all := f.all()
		perSecond := float64(time.Second) / float64(all)
		aim, met := "", ""
		expect := func(least float64) {
			aim, met = fmt.Sprintf("≥ %.0f", least), "NO"
			if perSecond >= least {
				met = "yes"
			}
		}
		switch {
		case len(f.nodes) > 1:
			ratio := float64(all) / float64(one)
			aim, met = fmt.Sprintf("≤ %.1f of one node's cost", aimNodes), fmt.Sprintf("%.2f: NO", ratio)
			if ratio <= aimNodes {
				met = fmt.Sprintf("%.2f: yes", ratio)
			}
		case f.backing.postgres != "":
			expect(aimPostgres)
		case f.backing.redis == "":
			expect(aimSQLite)
		}
		row(f.backing.name, fmt.Sprint(len(f.nodes)), all.Round(time.Microsecond).String(), f.own().Round(time.Microsecond).String(), fmt.Sprintf("%.0f", perSecond), aim, met,
			fmt.Sprintf("%.1f", float64(all)/float64(signature)), fmt.Sprintf("%.1f", float64(all)/float64(answer)), fmt.Sprintf("%.2f", float64(all)/float64(ways[0].all())))
	}
	t.Flush()
	fmt.Printf("%d logins each, in rounds that take turns; medians. PostgreSQL flushes what lasts; its own CPU and Redis's count.\n"+
		"Were nothing flushed, %d would be the aim. One ES256 signature: %s; the smallest HTTP answer: %s.\n",
		rounds*each, aimUnlogged, signature.Round(100*time.Nanosecond), answer.Round(time.Microsecond))
	for _, f := range ways {
		name := strings.ReplaceAll(strings.ToLower(f.backing.name), " + ", "-")
		b.ReportMetric(float64(time.Second)/float64(f.all()), fmt.Sprintf("logins/CPU-s-%s-%d", name, len(f.nodes)))
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStatements counts what one login says to PostgreSQL: the OP's part.
func BenchmarkStatements(b *testing.B) {
	judged(b)
	const logins = 200
	issuer := newPendingIssuer(b, "bench-issuer.log")
	for _, k := range []backing{sqliteBacking().withPostgres(b), sqliteBacking().withPostgres(b).withRedis(b)} {
		tapped, tap := k.tapped(b)
		f := newLoginsFarm(b, "bench-statements", issuer, tapped, 1, logins+20)
		f.load(b, 20)
		tap.said()
		f.load(b, logins)
		time.Sleep(1500 * time.Millisecond) // the audit's sequencer
		statements, turns := tap.said()
		var all []string
		total, framed := 0, 0
		for s, n := range statements {
			all = append(all, fmt.Sprintf("%7.2f  %s", float64(n)/logins, s))
			total += n
			if s == "commit" || s == "rollback" || strings.HasPrefix(s, "begin") {
				framed += n
			}
		}
		slices.SortFunc(all, func(a, b string) int { return strings.Compare(b, a) })
		per := func(n int) float64 { return float64(n) / logins }
		fmt.Printf("%s, for one login: %.1f statements (aim ≤ %d), and %.1f that begin and end transactions; %.1f answers are waited for\n%s\n",
			k.name, per(total-framed), aimSaid, per(framed), per(turns), strings.Join(all, "\n"))
		b.ReportMetric(per(turns), "answers/login-"+map[bool]string{true: "redis", false: "alone"}[k.redis != ""])
	}
	b.ReportMetric(0, "ns/op")
}

// A loginsFarm is some nodes over one backing, behind one address.
type loginsFarm struct {
	backing backing
	nodes   []*process
	issuer  string
	first   string // address of the first node
	client  *client
	// of each round, for one login
	total, byNodes []time.Duration
}

func newLoginsFarm(b *testing.B, log string, issuer *pendingIssuer, k backing, nodes, logins int) *loginsFarm {
	b.Helper()
	f := &loginsFarm{backing: k}
	var backends []*url.URL
	port := freePort(b)
	f.issuer = "http://localhost:" + port
	dir := b.TempDir()
	master := filepath.Join(dir, "master.key")
	if err := keys.NewMaster(master); err != nil {
		b.Fatal(err)
	}
	for i := range nodes {
		own := freePort(b)
		address := "http://localhost:" + own
		file := filepath.Join(dir, fmt.Sprintf("node-%d.yaml", i))
		text := fmt.Sprintf(`
issuer: %s
name: Domarna
listen: localhost:%s
data: data-%d
master_key_file: %s
rates: {logins: off, orders: off, tokens: off}
%s
providers:%s
clients:
%s`, f.issuer, own, i, master, k.fragment(b, dir), issuer.provider(), benchClient())
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			f.first = address
		}
		backends = append(backends, &url.URL{Scheme: "http", Host: "localhost:" + own})
		f.nodes = append(f.nodes, startPart(b, fmt.Sprintf("%s-%d.log", log, i), "logins", answers(address+"/healthz"),
			"LOGINS_CONFIG="+file, fmt.Sprint("LOGINS_PROVEN=", logins)))
	}
	spread(b, port, backends)
	f.client = newClient(b, f.issuer, splitClient, splitSecret, "http://localhost:8090/callback", "profile", scopeNumber)
	return f
}

// spread sends requests to one after the other. Its CPU is the load's.
func spread(t testing.TB, port string, backends []*url.URL) {
	t.Helper()
	var turn atomic.Int64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			to := backends[int(turn.Add(1))%len(backends)]
			host := r.In.Host
			r.SetURL(to)
			r.Out.Host = host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}
	l, err := net.Listen("tcp", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: proxy}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

func benchClient() string {
	return fmt.Sprintf(`  - id: %s
    name: Domarna
    profile: basic
    redirect_uris: [http://localhost:8090/callback]
    auth_method: client_secret
    secret: %s
    id_token_alg: ES256
    scopes: [openid, profile, naturalPersonInfo, naturalPersonNumber]
`, splitClient, splitSecret)
}

// takeTurns lets all log people in, and gives the cost of a signature and of the
// smallest HTTP answer.
func takeTurns(b *testing.B, farms []*loginsFarm, rounds, each int) (signature, answer time.Duration) {
	b.Helper()
	for _, f := range farms {
		f.load(b, 100)
	}
	var signatures, answers []time.Duration
	for range rounds {
		signatures = append(signatures, signatureCPU())
		answers = append(answers, farms[0].answer(b))
		for _, f := range farms {
			nodes, servers := f.cpu(b)
			f.load(b, each)
			time.Sleep(1100 * time.Millisecond) // what comes after: the audit's sequencer
			nodesNow, serversNow := f.cpu(b)
			f.byNodes = append(f.byNodes, (nodesNow-nodes)/time.Duration(each))
			f.total = append(f.total, (nodesNow-nodes+serversNow-servers)/time.Duration(each))
		}
	}
	return median(signatures), median(answers)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func (f *loginsFarm) all() time.Duration { return median(f.total) }
func (f *loginsFarm) own() time.Duration { return median(f.byNodes) }

func (f *loginsFarm) cpu(b *testing.B) (nodes, servers time.Duration) {
	b.Helper()
	for _, n := range f.nodes {
		nodes += n.cpu(b)
	}
	return nodes, f.backing.cpu(b)
}

// answer is what a node takes for an answer that says nothing.
func (f *loginsFarm) answer(b *testing.B) time.Duration {
	b.Helper()
	const times = 5000
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	before := f.nodes[0].cpu(b)
	together(b, times, func() error {
		r, err := client.Get(f.first + "/healthz")
		if err == nil {
			r.Body.Close()
		}
		return err
	})
	return (f.nodes[0].cpu(b) - before) / times
}

// load lets people log in, each in a browser of their own.
func (f *loginsFarm) load(b *testing.B, logins int) {
	b.Helper()
	together(b, logins, func() error { return f.login(b.Context()) })
}

// together does something a number of times, eight at a time.
func together(b *testing.B, times int, do func() error) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, 8)
	for range cap(failed) {
		group.Go(func() {
			for next.Add(1) <= int64(times) {
				if err := do(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
}

func (f *loginsFarm) login(ctx context.Context) error {
	a := f.client.attempt()
	w := newWalker(f.issuer)
	defer w.http.CloseIdleConnections()
	chooser, err := w.visit(a.url())
	if err != nil {
		return err
	}
	_, id, ok := strings.Cut(chooser.url.Path, "/login/")
	if !ok || chooser.status != http.StatusOK {
		return fmt.Errorf("no chooser: %s", chooser)
	}
	done, err := w.visit(f.issuer + "/proven/" + id)
	if err != nil {
		return err
	}
	if !done.outside {
		return errors.New("finishing does not lead to the client: " + done.String())
	}
	code, err := a.code(done.url)
	if err != nil {
		return err
	}
	_, err = a.redeem(ctx, code)
	return err
}
