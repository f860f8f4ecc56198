package judges

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"sigill/broker/kit/config"
	"sigill/cmd/node"
)

// What a login costs is told in signatures: the CPU of the broker's process for
// one login beside the CPU of one ES256 signature in the same run, so that the
// figure outlives the machine. The aims are the issue's.
const (
	aimOP    = 20
	aimWhole = 60
	aimRSS   = 40 << 20
	aimStart = 300 * time.Millisecond
)

// BenchmarkLogin measures complete logins: an ES256 client, BankID on this
// device, approved after one second, two collects (the issuer's own pace of two
// seconds), three status requests, everything durable in SQLite on disk, the
// certificate cache on, RSA-4096 authorities. The broker, the simulators and the
// load are three processes.
func BenchmarkLogin(b *testing.B) {
	judged(b)
	logins := 300
	x := newSplit(b, "bench", settings{collect: "2s", alg: "ES256", level: "info"})
	client := x.client(b)
	load(b, x, client, 40) // warm: caches, pools, pages of the database

	signature := signatureCPU()
	before := x.broker.cpu(b)
	began := time.Now()
	load(b, x, client, logins)
	took := time.Since(began)
	whole := (x.broker.cpu(b) - before) / time.Duration(logins)
	signature = (signature + signatureCPU()) / 2

	idle, idleCPU := idling(b, x)
	starting := startTime(b, x)
	shares := profiled(b, x, client, logins)
	cached, uncached := verification(b)
	op := time.Duration(float64(whole) * shares.op)

	inSignatures := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(signature)) }
	verdict := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "NO"
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { fmt.Fprintf(t, "| %s\t|\n", strings.Join(cells, "\t| ")) }
	row("one run", "value", "ES256 signatures", "aim", "met")
	row("CPU of one ES256 signature", signature.Round(100*time.Nanosecond).String(), "1", "", "")
	row("logins per CPU-second", fmt.Sprintf("%.0f", float64(time.Second)/float64(whole)), "", "", "")
	row("complete login, certificates cached", whole.Round(time.Microsecond).String(), inSignatures(whole), fmt.Sprintf("≤ %d", aimWhole), verdict(whole <= aimWhole*signature))
	row("complete login, nothing cached", (whole + uncached - cached).Round(time.Microsecond).String(), inSignatures(whole+uncached-cached), "", "")
	row("the OP's part of it", op.Round(time.Microsecond).String(), inSignatures(op), fmt.Sprintf("≤ %d", aimOP), verdict(op <= aimOP*signature))
	row("verification of evidence, cached", cached.Round(time.Microsecond).String(), inSignatures(cached), "", "")
	row("verification of evidence, uncached", uncached.Round(time.Microsecond).String(), inSignatures(uncached), "", "")
	for i, c := range shares.costs {
		row(fmt.Sprintf("cost %d: %s", i+1, c.name), fmt.Sprintf("%.0f %%", 100*c.share), inSignatures(time.Duration(c.share*float64(whole))), "", "")
	}
	row("memory when idle", fmt.Sprintf("%.1f MB", float64(idle)/(1<<20)), "", "< 40 MB", verdict(idle < aimRSS))
	row("CPU when idle", fmt.Sprintf("%.1f %% of a core", 100*idleCPU), "", "", "")
	row("start to serving, data there", starting.Round(time.Millisecond).String(), "", "< 300ms", verdict(starting < aimStart))
	t.Flush()
	fmt.Printf("%d logins in %s. The OP's part: samples of a CPU profile in the handlers authorize, chooser, done and\n"+
		"token, and their share (4 of 11 requests) of what the server does for any request; the rest is the e-ID's.\n", logins, took.Round(time.Second))
	b.ReportMetric(float64(whole)/float64(signature), "signatures/login")
	b.ReportMetric(float64(time.Second)/float64(whole), "logins/CPU-s")
	b.ReportMetric(0, "ns/op")
}

// load runs logins, 25 a second: enough to keep the broker at work, few enough
// that two cores never fall behind.
func load(b *testing.B, x *split, client *client, logins int) {
	b.Helper()
	people := slices.DeleteFunc(x.phone.persons(b), func(p person) bool { return len(p.Flags) != 0 })
	// One order at a time for each person: the issuer's own rule.
	free := make(chan string, len(people))
	for _, p := range people {
		free <- p.Number
	}
	var all sync.WaitGroup
	failures := make(chan error, logins)
	for i := range logins {
		who := <-free
		all.Go(func() {
			approved := sync.OnceFunc(func() { free <- who })
			defer approved()
			if err := measured(b.Context(), x, client, who, approved); err != nil {
				failures <- fmt.Errorf("login %d: %w", i, err)
			}
		})
		time.Sleep(40 * time.Millisecond) // an even stream, no bursts
	}
	all.Wait()
	close(failures)
	for err := range failures {
		b.Fatal(err)
	}
}

// measured is one login with exactly the requests that were promised: request,
// chooser, choice, waiting page, return (and the waiting page it leads to), three
// times status, done, token.
func measured(ctx context.Context, x *split, client *client, number string, approved func()) error {
	a := client.attempt()
	w := newWalker(x.issuer)
	defer w.http.CloseIdleConnections()
	chooser, err := w.visit(a.url())
	if err != nil {
		return err
	}
	waiting, err := w.choose(chooser, "bankid", "this")
	if err != nil {
		return err
	}
	id, err := w.pickUp(waiting, x.phone) // status, the first
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	back, err := x.phone.approve(id, number)
	if err != nil {
		return err
	}
	approved()
	at, err := w.comeBack(back)
	if err != nil {
		return err
	}
	if at.outside {
		return errors.New("the proof was there before the issuer was asked a second time")
	}
	var s status
	for range 2 {
		time.Sleep(700 * time.Millisecond)
		if s, err = w.ask(waiting); err != nil {
			return err
		}
	}
	if s.State != "complete" {
		if s, err = w.await(waiting, patience, "complete"); err != nil {
			return err
		}
	}
	done, err := w.visit(s.Redirect)
	if err != nil {
		return err
	}
	if !done.outside {
		return fmt.Errorf("finishing does not lead to the client: %s", done)
	}
	code, err := a.code(done.url)
	if err != nil {
		return err
	}
	_, err = a.redeem(ctx, code)
	return err
}

// signatureCPU measures one ES256 signature, hash included, on one core.
func signatureCPU() time.Duration {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rounds = 10_000
	text := make([]byte, 600) // about an ID Token
	before := threadCPU()
	for range rounds {
		sum := sha256.Sum256(text)
		if _, err := ecdsa.SignASN1(rand.Reader, key, sum[:]); err != nil {
			panic(err)
		}
	}
	return (threadCPU() - before) / rounds
}

func threadCPU() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpu reads user and system time of the process.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// The second field is the name, in parentheses, and may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// idling starts the broker with data and lets it do nothing for five seconds.
func idling(b *testing.B, x *split) (memory int, share float64) {
	b.Helper()
	const pause = 5 * time.Second
	x.broker.stop(b)
	x.serve()
	before := x.broker.cpu(b)
	time.Sleep(pause)
	share = float64(x.broker.cpu(b)-before) / float64(pause)
	return x.broker.memory(b), share
}

// startTime is the median of some starts with existing data, from the start of
// the process to the first answer.
func startTime(b *testing.B, x *split) time.Duration {
	b.Helper()
	var all []time.Duration
	for range 7 {
		x.broker.stop(b)
		began := time.Now()
		x.serve()
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

var perOp = regexp.MustCompile(`(?m)^BenchmarkVerify/(cached|uncached)\S*\s+\d+\s+([\d.]+) ns/op`)

// verification lets the e-ID's own package measure its Verify.
func verification(b *testing.B) (cached, uncached time.Duration) {
	b.Helper()
	cmd := exec.Command("go", "test", "-run=^$", "-bench=^BenchmarkVerify$", "-cpu=1", "./providers/bankid")
	cmd.Dir = root(b)
	text, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	times := map[string]time.Duration{}
	for _, m := range perOp.FindAllStringSubmatch(string(text), -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			b.Fatal(err)
		}
		times[m[1]] = time.Duration(ns)
	}
	if len(times) != 2 {
		b.Fatalf("no times in\n%s", text)
	}
	return times["cached"], times["uncached"]
}

// A profile says what the broker's CPU time went into.
type profile struct {
	op    float64 // share of the OP's part
	costs []cost  // the five largest
}

type cost struct {
	name  string
	share float64
}

// profiledConfig makes the test program a broker with a CPU profile: the same
// node as cmd/sigill serves, started by itself.
const profiledConfig, profiledOut = "SIGILL_PROFILED_CONFIG", "SIGILL_PROFILED_OUT"

func TestMain(m *testing.M) {
	if file := os.Getenv(profiledConfig); file != "" {
		if err := serveProfiled(file, os.Getenv(profiledOut)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if part := os.Getenv(benchPart); part != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := benchParts()[part](ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveProfiled(file, out string) error {
	settings, _, err := config.Load(file)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelInfo}))
	n, err := node.New(ctx, node.Config{Settings: settings, Log: log})
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return n.Run(ctx)
}

func profiled(b *testing.B, x *split, client *client, logins int) profile {
	b.Helper()
	x.broker.stop(b)
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	out := output(b, "bench", "cpu.pprof")
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), profiledConfig+"="+x.config(), profiledOut+"="+out)
	p := start(b, "bench-profiled.log", answers(x.issuer+"/healthz"), cmd)
	load(b, x, client, logins)
	p.stop(b)
	text, err := exec.Command("go", "tool", "pprof", "-traces", self, out).Output()
	if err != nil {
		b.Fatalf("pprof: %v", err)
	}
	copied := filepath.Join(filepath.Dir(out), "traces.txt")
	if err := os.WriteFile(copied, text, 0o644); err != nil {
		b.Fatal(err)
	}
	r, err := readTraces(string(text))
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// Whose handler a sample was taken in.
var (
	opHandlers  = regexp.MustCompile(`oidc\.\(\*Provider\)\.(authorize|authorizePosted|authorizeStored|token|serveDiscovery|serveJWKS)$|web\.\(\*Web\)\.(choose|done)$`)
	eidHandlers = regexp.MustCompile(`web\.\(\*Web\)\.|broker/flow\.|providers/bankid\.|net/http\.\(\*persistConn\)|net/http\.\(\*Transport\)|crypto/tls\.\(\*Conn\)`)
	anyRequest  = regexp.MustCompile(`net/http\.\(\*conn\)\.serve|net/http\.\(\*connReader\)|net/http\.\(\*Server\)`)
)

// Costs by what a person would call them; the innermost that fits counts.
var labels = []struct {
	name string
	fits *regexp.Regexp
}{
	{"garbage collection and allocation", regexp.MustCompile(`^runtime\.(gcBgMarkWorker|mallocgc|gcAssistAlloc|bgsweep|gcDrain|scanobject|newobject|makeslice|growslice)`)},
	{"RSA", regexp.MustCompile(`^crypto/(internal/fips140/)?rsa|bigmod`)},
	{"ECDSA", regexp.MustCompile(`crypto/(internal/fips140/)?(ecdsa|nistec|elliptic)`)},
	{"TLS to the issuer", regexp.MustCompile(`^crypto/tls`)},
	{"XML signature and evidence", regexp.MustCompile(`providers/bankid|encoding/xml|encoding/asn1|crypto/x509`)},
	{"SQLite: waiting for the disk", regexp.MustCompile(`libc\.X(fsync|fdatasync)|_unixSync`)},
	{"SQLite", regexp.MustCompile(`modernc\.org|database/sql|broker/store`)},
	{"JSON", regexp.MustCompile(`^encoding/json`)},
	{"pages", regexp.MustCompile(`^(html/template|text/template)|broker/web|kit/design|kit/i18n`)},
	{"log", regexp.MustCompile(`^log/slog|node\.accessLog`)},
	{"HTTP server", regexp.MustCompile(`^net/http\.\(\*(conn|Server|connReader|response|ServeMux)`)},
	{"HTTP client", regexp.MustCompile(`^net/http`)},
	{"scheduling and idle", regexp.MustCompile(`^runtime\.(schedule|findRunnable|mcall|park_m|mstart|sysmon)`)},
}

// readTraces reads the text that go tool pprof -traces prints: blocks of a
// value and a stack, innermost function first.
func readTraces(text string) (profile, error) {
	var total, op, eid, request float64
	byName := map[string]float64{}
	blocks := strings.Split(text, "-----------+-------------------------------------------------------")
	for _, block := range blocks[1:] {
		value, stack := readBlock(block)
		if value == 0 {
			continue
		}
		total += value
		fits := func(r *regexp.Regexp) bool { return slices.ContainsFunc(stack, r.MatchString) }
		switch {
		case fits(opHandlers):
			op += value
		case fits(eidHandlers):
			eid += value
		case fits(anyRequest):
			request += value
		}
		byName[label(stack)] += value
	}
	if total == 0 || op == 0 {
		return profile{}, fmt.Errorf("the profile holds nothing (%d blocks)", len(blocks))
	}
	// What the server does for any request goes by the number of requests; what
	// the runtime does for everybody by what is known.
	const ofRequests = 4.0 / 11
	known := op + eid + request
	p := profile{op: (op + request*ofRequests) / known}
	for name, value := range byName {
		p.costs = append(p.costs, cost{name, value / total})
	}
	slices.SortFunc(p.costs, func(a, b cost) int {
		if a.share > b.share {
			return -1
		}
		return 1
	})
	p.costs = p.costs[:min(5, len(p.costs))]
	return p, nil
}

func readBlock(block string) (value float64, stack []string) {
	for line := range strings.Lines(block) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case value == 0 && len(fields) >= 2:
			d, err := time.ParseDuration(fields[0])
			if err != nil {
				return 0, nil
			}
			value = d.Seconds()
			stack = append(stack, fields[1])
		default:
			stack = append(stack, fields[0])
		}
	}
	return value, stack
}

func label(stack []string) string {
	for _, function := range stack {
		for _, l := range labels {
			if l.fits.MatchString(function) {
				return l.name
			}
		}
	}
	return "other"
}

func TestReadTraces(t *testing.T) {
	const text = `File: judges.test
Type: cpu
-----------+-------------------------------------------------------
      30ms   crypto/internal/fips140/bigmod.addMulVVW2048
             crypto/rsa.VerifyPKCS1v15
             sigill/providers/bankid.Verify
             sigill/broker/flow.(*Engine).collect
-----------+-------------------------------------------------------
      20ms   encoding/json.Marshal
             sigill/broker/oidc.(*Provider).token
             net/http.(*conn).serve
-----------+-------------------------------------------------------
      10ms   net/http.(*conn).readRequest
             net/http.(*conn).serve
-----------+-------------------------------------------------------
      40ms   runtime.gcBgMarkWorker
-----------+-------------------------------------------------------
`
	p, err := readTraces(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := (20 + 10*4.0/11) / 60; p.op < want-0.001 || p.op > want+0.001 {
		t.Errorf("the OP's part is %f, not %f", p.op, want)
	}
	if p.costs[0].name != "garbage collection and allocation" || p.costs[1].name != "RSA" || p.costs[2].name != "JSON" {
		t.Errorf("costs %v", p.costs)
	}
}
