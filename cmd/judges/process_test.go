package judges

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// build compiles one of our programs.
func build(t testing.TB, name string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), "./cmd/"+name)...)
	cmd.Dir = root(t)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, text)
	}
	return out
}

// A process is a program that serves until it is stopped. What it writes goes
// to the end of a log in tmp/logs.
type process struct {
	cmd  *exec.Cmd
	log  string
	gone chan struct{} // closed when it has ended
}

// start runs a program and waits until it is ready.
func start(t testing.TB, log string, ready func() error, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: output(t, "logs", log), gone: make(chan struct{})}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(func() { p.stop(t) })
	if err := p.serving(ready, 90*time.Second); err != nil {
		t.Fatalf("%s: %v; see %s", log, err, p.log)
	}
	return p
}

func (p *process) serving(ready func() error, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("does not serve after %s: %w", patience, err)
		}
		select {
		case <-p.gone:
			return fmt.Errorf("ended before it served: %v", p.cmd.ProcessState)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// answers is ready when an address answers 200.
func answers(address string) func() error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return func() error {
		answer, err := client.Get(address)
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", answer.Status)
		}
		return nil
	}
}

// listens is ready when somebody accepts connections.
func listens(address string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}
}

// stop ends the process the polite way.
func (p *process) stop(t testing.TB) {
	t.Helper()
	select {
	case <-p.gone:
		return
	default:
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(15 * time.Second):
		t.Errorf("%s does not end when asked to", filepath.Base(p.cmd.Path))
		p.kill()
	}
}

// kill ends it as a power failure would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.gone
}
