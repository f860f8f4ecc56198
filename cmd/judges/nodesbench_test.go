package judges

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/cmd/node"
	"sigill/providers"
	"sigill/providers/bankid"
	"sigill/providers/personnummer"
	"sigill/testidp"
)

const (
	aimPendingCPU    = 0.09    // of a core for each thousand orders
	aimPendingMemory = 4 << 20 // for each further thousand
)

// BenchmarkPending lets one node watch ten thousand e-ID orders that people have
// opened in the app and not finished, collected every two seconds over mutual TLS
// from an issuer who takes 30 ms to answer. They come to the node as those of a
// node that fell silent do: stored, and with a lease that has ended.
func BenchmarkPending(b *testing.B) {
	judged(b)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { fmt.Fprintf(t, "| %s\t|\n", strings.Join(cells, "\t| ")) }
	row("pending orders", "store", "CPU per 1,000", "aim", "met", "memory", "per further 1,000", "aim", "met", "collects per s", "handshakes", "connections", "database writes per s", "of the server per 1,000")
	issuer := newPendingIssuer(b, "bench-pending-issuer.log")
	for _, k := range []backing{sqliteBacking(), sqliteBacking().withPostgres(b)} {
		w := newWatching(b, issuer, k)
		var first watched
		sizes := []int{1000, 5000, 10_000}
		if k.postgres != "" {
			sizes = []int{1000, 10_000} // what the node does is the same
		}
		for i, size := range sizes {
			w.seed(b, size)
			m := w.measure(b, 20*time.Second)
			if i == 0 {
				first = m
			}
			thousands := float64(size) / 1000
			verdict := func(ok bool) string {
				if ok {
					return "yes"
				}
				return "NO"
			}
			cpu := m.cpu / thousands
			further, memoryAim, memoryMet := "", "", ""
			if i > 0 {
				each := float64(m.memory-first.memory) / (thousands - 1)
				further, memoryAim, memoryMet = fmt.Sprintf("%.1f MB", each/(1<<20)), "≤ 4 MB", verdict(each <= aimPendingMemory)
			}
			cpuAim, cpuMet := "", ""
			if size == 10_000 {
				cpuAim, cpuMet = "≤ 9 %", verdict(cpu <= aimPendingCPU)
				b.ReportMetric(100*cpu, "%-of-a-core/1000-"+w.engine())
			}
			row(fmt.Sprint(size), k.name, fmt.Sprintf("%.1f %%", 100*cpu), cpuAim, cpuMet, fmt.Sprintf("%.1f MB", float64(m.memory)/(1<<20)), further, memoryAim, memoryMet,
				fmt.Sprintf("%.0f", m.collects), fmt.Sprint(m.handshakes), fmt.Sprint(m.connections), fmt.Sprintf("%.2f", m.writes), fmt.Sprintf("%.2f %%", 100*m.servers/thousands))
		}
		w.process.stop(b)
	}
	t.Flush()
	fmt.Println("CPU of the node's process. Database writes are transactions, of which the leases' renewal takes one every five seconds.")
	b.ReportMetric(0, "ns/op")
}

// watching is a node that watches e-ID orders, and somebody who starts them.
type watching struct {
	issuer  *pendingIssuer
	backing backing
	dir     string
	process *process
	admin   string
	starter *flow.Engine
	begun   int
}

func newWatching(b *testing.B, issuer *pendingIssuer, k backing) *watching {
	b.Helper()
	port, admin := freePort(b), freePort(b)
	w := &watching{issuer: issuer, backing: k, dir: b.TempDir(), admin: "http://localhost:" + admin}
	if err := keys.NewMaster(filepath.Join(w.dir, "master.key")); err != nil {
		b.Fatal(err)
	}
	text := fmt.Sprintf(`
issuer: http://localhost:%s
name: Domarna
listen: localhost:%[1]s
admin_listen: localhost:%s
data: data
master_key_file: master.key
log_level: warn
%s
providers:%s
clients:
%s`, port, admin, k.fragment(b, w.dir), issuer.provider(), benchClient())
	file := filepath.Join(w.dir, "sigill.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	binary := build(b, "sigill")
	if text, err := exec.Command(binary, "check", "--config", file).CombinedOutput(); err != nil {
		b.Fatalf("the configuration is refused: %v\n%s", err, text)
	}
	w.process = start(b, "bench-pending.log", answers(w.admin+"/readyz"), exec.Command(binary, "serve", "--config", file))
	w.starter = w.start(b, file)
	return w
}

func (w *watching) engine() string {
	if w.backing.postgres != "" {
		return "postgres"
	}
	return "sqlite"
}

// start makes the one who starts orders, beside the node, in its stores.
func (w *watching) start(b *testing.B, file string) *flow.Engine {
	b.Helper()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	settings, _, err := config.Load(file)
	check(err)
	log := slog.New(slog.DiscardHandler)
	vault, err := node.OpenVault(b.Context(), settings, time.Now, log)
	check(err)
	b.Cleanup(func() { vault.Close() })
	box, err := vault.Ring.Box("order")
	check(err)
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(w.issuer.dir, name))
		check(err)
		return text
	}
	certificate, err := bankid.LoadPEM(read(testidp.RPCertificateFile), read(testidp.RPKeyFile))
	check(err)
	env := bankid.Environment{
		Name: "judges", BaseURL: w.issuer.base, TLSRoots: parseCertificates(b, read(testidp.TLSRootFile)), SignatureRoots: parseCertificates(b, read(testidp.SignatureRootFile)),
		Policies:    bankid.Policies{File: []string{"1.2.3.4.5"}, Card: []string{"1.2.3.4.10"}, Mobile: []string{"1.2.3.4.25"}},
		DesktopLink: "http://localhost:1/app?autostarttoken=", MobileLink: "http://localhost:1/app?autostarttoken=",
	}
	eid, err := bankid.New(bankid.Config{ID: providers.MBankID, Instance: "judges", Environment: env, Certificate: certificate, MaxConns: 32})
	check(err)
	engine, err := flow.New(flow.Config{
		Orders: vault.Store, Leases: vault.Store, Box: box, Short: vault.Short, Node: "starter",
		Provider:     func(providers.ID, string) (providers.Provider, bool) { return eid, true },
		ReturnURL:    func(broker.OrderID, string) string { return "" },
		PersonDigest: func(personnummer.Number) string { return "" },
		Log:          log, Limits: flow.Limits{Lease: time.Millisecond},
	})
	check(err)
	return engine
}

// seed starts orders until there are so many, and waits until the node watches
// them all and each has been asked about.
func (w *watching) seed(b *testing.B, size int) {
	b.Helper()
	var group sync.WaitGroup
	var next atomic.Int64
	failed := make(chan error, 32)
	missing := size - w.begun
	for range cap(failed) {
		group.Go(func() {
			for next.Add(1) <= int64(missing) {
				err := w.starter.Begin(b.Context(), flow.Begin{
					ID: broker.OrderID(broker.NewID()), Owner: broker.LoginOwner, Ref: broker.NewID(), Client: splitClient,
					Provider: providers.MBankID, Instance: "judges", Kind: providers.KindAuth, Browser: broker.NewSecret(),
					Request: providers.Request{
						Mode: providers.ModeOther, Text: "Logga in hos Domarna. " + strings.Repeat("Läs först. ", 20),
						Device: providers.Device{IP: "127.0.0.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Domain: "domarna.example.se"},
					},
				})
				if err != nil {
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
	w.begun = size
	deadline := time.Now().Add(time.Minute)
	for w.metric(b, "sigill_orders_pending") < float64(size) {
		if time.Now().After(deadline) {
			b.Fatalf("the node watches %.0f of %d orders; see %s", w.metric(b, "sigill_orders_pending"), size, w.process.log)
		}
		time.Sleep(200 * time.Millisecond)
	}
	// Each is asked about twice: with the first answer its state changes, and is
	// written. Then what that left behind is cleared away.
	for since := w.issuer.seen(b).Collects; w.issuer.seen(b).Collects < since+int64(2*size); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("the node does not ask about its orders")
		}
	}
	time.Sleep(3 * time.Second)
}

// watched is what was seen while nothing happened.
type watched struct {
	cpu, servers            float64 // cores
	memory                  int
	collects, writes        float64 // a second
	handshakes, connections int64
}

func (w *watching) measure(b *testing.B, window time.Duration) watched {
	b.Helper()
	writes := func() float64 {
		return w.metric(b, `sigill_store_acts_total{store="broker"}`)
	}
	before, wrote, used, served, began := w.issuer.seen(b), writes(), w.process.cpu(b), w.backing.cpu(b), time.Now()
	time.Sleep(window)
	took := time.Since(began).Seconds()
	m := watched{cpu: (w.process.cpu(b) - used).Seconds() / took, servers: (w.backing.cpu(b) - served).Seconds() / took}
	after := w.issuer.seen(b)
	m.writes = (writes() - wrote) / took
	m.collects = float64(after.Collects-before.Collects) / took
	m.handshakes, m.connections = after.Handshakes-before.Handshakes, after.Open
	m.memory = w.process.memory(b)
	if left := w.metric(b, "sigill_orders_pending"); left != float64(w.begun) {
		b.Errorf("%d orders became %.0f", w.begun, left)
	}
	return m
}

// metric reads one of the node's.
func (w *watching) metric(b *testing.B, name string) float64 {
	b.Helper()
	answer, err := http.Get(w.admin + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				b.Fatal(err)
			}
			return v
		}
	}
	b.Fatalf("there is no metric %s", name)
	return 0
}

var residentKB = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// memory is what the process keeps in memory.
func (p *process) memory(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := residentKB.FindSubmatch(text)
	if found == nil {
		t.Fatal("no VmRSS")
	}
	kb, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

func parseCertificates(t testing.TB, text []byte) (list []*x509.Certificate) {
	t.Helper()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}
