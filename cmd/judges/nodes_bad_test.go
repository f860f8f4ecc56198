package judges

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNodesBad gives several nodes bad days: clocks that differ by ten seconds, a
// slow database, a Redis that answers with errors, a full disk. They say that they
// are not ready, and why; nothing is lost, and nothing happens twice.
func TestNodesBad(t *testing.T) {
	judged(t)
	besides(t)
	today := build(t, "sigill")
	t.Run("clocks", func(t *testing.T) {
		besides(t)
		c := newCluster(t, clusterWish{log: "nodes-clocks", nodes: 3, today: today, postgres: true, clocks: []time.Duration{-10 * time.Second, 0, 10 * time.Second}})
		for i, n := range c.nodes {
			status, why := n.readiness()
			if i != 1 && (status != http.StatusServiceUnavailable || !strings.Contains(why, "clock")) || i == 1 && status != http.StatusOK {
				t.Errorf("%s says %d %s", n.name, status, why)
			}
		}
		l := c.throng(func() int { return 0 })
		<-l.run(t, soaking(9, 60), soaking(3, 20), 2*time.Second, 3*time.Second)
		l.quiet(t, soaking(9, 60))
	})
	t.Run("slow database", func(t *testing.T) {
		besides(t)
		c := newCluster(t, clusterWish{log: "nodes-slow", nodes: 3, today: today, postgres: true})
		for _, n := range c.nodes {
			n.sql.slow(300 * time.Millisecond)
		}
		for _, n := range c.nodes {
			if err := n.awaitStatus(http.StatusServiceUnavailable, 20*time.Second); err != nil {
				t.Error(err)
			} else if _, why := n.readiness(); !strings.Contains(why, "database does not answer") {
				t.Errorf("%s says %q", n.name, why)
			}
		}
		// Nobody else is there, so people come all the same.
		l := c.throng(func() int { return 0 })
		over := l.run(t, soaking(4, 60), soaking(1, 20), 2*time.Second, 2*time.Second)
		time.Sleep(time.Duration(soaking(5, 60)) * time.Second)
		meanwhile := l.logins.ends.of(string(completed))
		for _, n := range c.nodes {
			n.sql.slow(0)
		}
		c.awaitReady(t)
		<-over
		l.logins.remembered(t.Context())
		l.signings.inspected()
		c.decided(t)
		c.audited()
		l.judged(t)
		_, ends := l.logins.ends.all()
		_, told := c.told.all()
		t.Logf("each way took 300 ms: %d logins completed meanwhile; they end: %v; told: %v", meanwhile, ends, told)
		if in := l.logins.seen.of("person who came in"); in != soaking(4, 60) {
			t.Errorf("%d of %d persons came in", in, soaking(4, 60))
		}
	})
	for name, says := range map[string]string{
		"loading": "-LOADING Redis is loading the dataset in memory", "read only": "-READONLY You can't write against a read only replica.",
		"out of memory": "-OOM command not allowed when used memory > 'maxmemory'.", "nonsense": "-ERR something is wrong", "garbage": "HTTP/1.1 400 Bad Request",
	} {
		if soaking(0, 1) == 0 && name != "read only" {
			continue
		}
		t.Run("Redis: "+name, func(t *testing.T) {
			besides(t)
			redisErrs(t, today, says)
		})
	}
	t.Run("full disk", func(t *testing.T) {
		besides(t)
		nodesWithoutDisk(t, today)
	})
}

// quiet judges a load that nobody was to notice anything of.
func (l throng) quiet(t *testing.T, logins int) {
	t.Helper()
	l.logins.remembered(t.Context())
	l.signings.inspected()
	l.logins.c.decided(t)
	l.logins.c.audited()
	l.judged(t)
	names, count := l.logins.ends.all()
	if len(names) != 1 || count[string(completed)] != logins {
		t.Errorf("the logins end: %v", count)
	}
	if again := l.signings.seen.of("somebody signed again"); again != 0 {
		t.Errorf("somebody signed again in %d orders", again)
	}
	if _, told := l.logins.c.told.all(); len(told) > 0 {
		t.Errorf("people were told: %v", told)
	}
}

// begunLogins are logins whose page waits.
func (c *cluster) begunLogins(t *testing.T, n int) (list []*logging, pages []place, spent []*spentLogin) {
	t.Helper()
	for i := range n {
		l := &logging{c: c, w: c.walker(), who: c.people[i], way: [2]string{"mbankid", "other"}, deadline: time.Now().Add(c.life)}
		s := &spentLogin{attempt: c.client.attempt(), walker: l.w}
		chooser, err := l.w.visit(s.attempt.url())
		if err != nil {
			t.Fatal(err)
		}
		wait, err := l.w.choose(chooser, l.way[0], l.way[1])
		if err != nil {
			t.Fatal(err)
		}
		list, pages, spent = append(list, l), append(pages, wait), append(spent, s)
	}
	return list, pages, spent
}

// come finish, all of them.
func (c *cluster) come(t *testing.T, list []*logging, pages []place, spent []*spentLogin) {
	t.Helper()
	var all sync.WaitGroup
	for i, l := range list {
		all.Go(func() {
			s := spent[i]
			var err error
			if s.back, err = l.approves(&pages[i]); err != nil {
				t.Errorf("login %d: %v", i, err)
				return
			}
			callback, err := l.finishes(pages[i], s)
			if err == nil {
				s.code, err = s.attempt.code(callback)
			}
			var end ending
			if err == nil {
				end, err = l.redeems(t.Context(), s)
			}
			if err != nil || end != completed {
				t.Errorf("login %d: %s %v", i, end, err)
			}
			for _, what := range l.again(t.Context(), s, 2) {
				t.Errorf("good twice: %s", what)
			}
		})
	}
	all.Wait()
}

// redisErrs has Redis answer everything so, for a while.
func redisErrs(t *testing.T, today, says string) {
	c := newCluster(t, clusterWish{log: "nodes-redis", nodes: 3, today: today, postgres: true})
	list, pages, spent := c.begunLogins(t, 3)
	mad := answersAll(t, says+"\r\n")
	began := time.Now()
	for _, n := range c.nodes {
		n.cache.leads(mad)
	}
	for _, n := range c.nodes {
		if err := n.awaitStatus(http.StatusServiceUnavailable, 10*time.Second); err != nil {
			t.Error(err)
		} else if _, why := n.readiness(); !strings.Contains(why, "short-lived") {
			t.Errorf("%s says %q", n.name, why)
		}
	}
	// Who comes now is told so, plainly; nobody gets a token.
	for range soaking(1, 4) {
		if at, err := c.walker().visit(c.client.attempt().url()); err == nil && at.status == http.StatusOK {
			t.Errorf("a login begins: %s", at)
		}
		proof, err := c.assertion()
		if err != nil {
			t.Fatal(err)
		}
		if c.proves(proof, 1) != 0 {
			t.Error("an assertion is taken that nobody could remember")
		}
	}
	if n := c.told.of("500 page: Något gick fel hos oss"); n == 0 {
		_, count := c.told.all()
		t.Errorf("nobody was told plainly: %v", count)
	}
	time.Sleep(time.Until(began.Add(3 * time.Second)))
	for _, n := range c.nodes {
		n.cache.leads(c.redis.Addr)
	}
	c.awaitReady(t)
	c.come(t, list, pages, spent)
	c.decided(t)
	c.audited()
}

// answersAll is a server that answers every command with the same line.
func answersAll(t *testing.T, line string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 16<<10)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					// A command is an array, which begins with a star.
					if _, err := c.Write([]byte(strings.Repeat(line, max(1, strings.Count("\n"+string(b[:n]), "\n*"))))); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// nodesWithoutDisk fills the disk of two nodes on one SQLite folder.
func nodesWithoutDisk(t *testing.T, today string) {
	var disk smallDisk
	c := newCluster(t, clusterWish{log: "nodes-disk", nodes: 2, today: today, before: func(dir string) { disk = mountSmall(t, filepath.Join(dir, "data"), 24) }})
	list, pages, spent := c.begunLogins(t, 4)
	disk.fill(t, 0)
	for _, n := range c.nodes {
		if err := n.awaitStatus(http.StatusServiceUnavailable, 25*time.Second); err != nil {
			t.Error(err)
		} else if _, why := n.readiness(); !strings.Contains(why, "disk") && !strings.Contains(why, "cannot be written to") {
			t.Errorf("%s says %q", n.name, why)
		}
	}
	// Two approve while nothing can be written down.
	var all sync.WaitGroup
	all.Go(func() { c.come(t, list[:2], pages[:2], spent[:2]) })
	for range 4 {
		if at, err := c.walker().visit(c.client.attempt().url()); err == nil && at.status >= 500 {
			t.Errorf("an error that is not plain: %s", at)
		}
	}
	time.Sleep(2 * time.Second)
	disk.free(t)
	c.awaitReady(t)
	all.Wait()
	c.come(t, list[2:], pages[2:], spent[2:])
	c.decided(t)
	c.audited()
}

// before is the release whose program runs beside today's.
const before = "c2df464"

// TestNodesReleases runs today's release beside the one before on one SQLite
// folder, and goes over to it, while people log in and sign.
func TestNodesReleases(t *testing.T) {
	judged(t)
	if soaking(0, 1) == 0 {
		t.Skip("the release before is built by make soak")
	}
	old := buildOf(t, before)
	c := newCluster(t, clusterWish{log: "nodes-releases", nodes: 2, program: old, balance: 100 * time.Millisecond})
	l := c.throng(func() int { return 0 })
	logins, orders := 60, 20
	began := time.Now()
	over := l.run(t, logins, orders, 40*time.Second, 8*time.Second)
	time.Sleep(8 * time.Second) // both are of before
	c.nodes[0].program = ""
	c.nodes[0].rolls(t) // brings the tables to today's
	time.Sleep(15 * time.Second)
	// The one of before goes on, and comes back after it was killed, or says why not.
	c.nodes[1].kill()
	text, err := startsAtAll(old, c.nodes[1].config)
	t.Logf("the release before, started on today's tables: %v %s", err, text)
	c.nodes[1].program = ""
	c.nodes[1].start(t)
	c.awaitReady(t)
	<-over
	l.logins.remembered(t.Context())
	l.signings.inspected()
	c.decided(t)
	c.audited()
	l.judged(t)
	l.table(t, fmt.Sprintf("two releases on one folder, %d logins, %d orders of three", logins, orders), time.Since(began), nil)
	if in := l.logins.seen.of("person who came in"); in != logins {
		t.Errorf("%d of %d persons came in", in, logins)
	}
}

// startsAtAll runs a program for three seconds, or as long as it lasts.
func startsAtAll(program, config string) (text string, err error) {
	var out strings.Builder
	cmd := exec.Command(program, "serve", "--config", config)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := time.AfterFunc(3*time.Second, func() { cmd.Process.Signal(os.Interrupt) })
	defer stop.Stop()
	err = cmd.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[len(lines)-1], err
}

// buildOf compiles the production program of a commit.
func buildOf(t *testing.T, commit string) string {
	t.Helper()
	dir := t.TempDir()
	tar := exec.Command("sh", "-c", `git archive "$1" | tar -x -C "$2"`, "sh", commit, dir)
	tar.Dir = root(t)
	if text, err := tar.CombinedOutput(); err != nil {
		t.Skipf("the release before is not in this history: %s", text)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Skip("the release before is not in this history")
	}
	out := filepath.Join(dir, "sigill-before")
	build := exec.Command("go", "build", "-o", out, "./cmd/sigill")
	build.Dir = dir
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build of %s: %v\n%s", commit, err, text)
	}
	return out
}
