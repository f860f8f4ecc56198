package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sigill/broker/flow"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/page"
	"sigill/cmd/demo/exampleapp"
	"sigill/cmd/node"
	"sigill/testidp"
	"sigill/testidp/persons"
)

// The addresses of the demo.
const (
	brokerPort = "8080"
	adminPort  = "8083"
	appPort    = "8084"
	portalPort = "8081"
)

// Config says how to run the demo. Only Data is required.
type Config struct {
	Data    string // everything that lasts
	Fresh   bool   // forget everything from earlier starts
	Clients string // file with further clients
	// Tenants and Services are folders to use instead of the examples.
	Tenants, Services string
	// FreePorts listens on ports that are free, for tests.
	FreePorts bool
	Limits    flow.Limits   // of the broker, for tests
	Due       time.Duration // how often signing orders are looked through, for tests
	Collect   time.Duration // how often the e-IDs are asked, for tests
	Now       func() time.Time
	Simulator func(*testidp.Config)
	Log       *slog.Logger // default: DATA/sigill.log, and what is wrong to Err
	Out, Err  io.Writer    // for people; default: nobody
	Ready     func(Running)
}

// Running is a demo that answers.
type Running struct {
	Issuer, Admin, App, Portal string // addresses without a slash at the end
	Simulators                 *testidp.Server
}

// addresses are where the demo listens.
type addresses struct {
	Issuer, App, Portal                     string
	listenBroker, listenAdmin, listenPortal string
	phone                                   string // and register, staff login, inbox
	tenants, services                       string // folders
}

// ours are the names in the demo's folder. Nothing else is ever removed.
var ours = [...]string{"data", "clients", "bankid", frejaFolder, samlFolder, oidcFolder, "seal", "tenants", "services", "master.key", "sms.password", registerToken, staffSecret, "trust.yaml", "sigill.yaml", "sigill.log"}

// Run runs the demo until the context ends.
func Run(ctx context.Context, c Config) error {
	if c.Out == nil {
		c.Out = io.Discard
	}
	if c.Err == nil {
		c.Err = io.Discard
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	release, err := prepare(c)
	if err != nil {
		return err
	}
	defer release()
	log, closeLog, err := openLog(c)
	if err != nil {
		return err
	}
	defer closeLog()

	simulators, err := startSimulators(ctx, c, log)
	if err != nil {
		return err
	}
	simulated := simulate(ctx, simulators)
	l, err := listen(ctx, c)
	if err != nil {
		return errors.Join(err, simulated.stop())
	}
	app, broker, err := compose(ctx, c, l, simulators, log)
	if err != nil {
		l.close()
		return errors.Join(err, simulated.stop())
	}
	return serve(ctx, c, l, simulators, simulated, app, broker, log)
}

// simulation is the simulators while they run: before the broker, which asks some
// of them for their metadata as it starts, and after it.
type simulation struct {
	stopped context.CancelFunc
	ended   chan error
}

func simulate(ctx context.Context, s *testidp.Server) simulation {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	sim := simulation{stop, make(chan error, 1)}
	go func() {
		sim.ended <- s.Run(running)
		stop()
	}()
	return sim
}

func (s simulation) stop() error {
	s.stopped()
	return <-s.ended
}

// until runs until ctx ends, or the simulators fail.
func (s simulation) until(ctx context.Context) error {
	select {
	case err := <-s.ended:
		return err
	case <-ctx.Done():
		return s.stop()
	}
}

// prepare makes the folder, and holds it against a second demo.
func prepare(c Config) (release func(), err error) {
	if c.Data == "" {
		return nil, errors.New("no folder")
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(c.Data, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another demo is running in %s", c.Data)
	}
	if c.Fresh {
		for _, name := range ours {
			if err := os.RemoveAll(filepath.Join(c.Data, name)); err != nil {
				lock.Close()
				return nil, err
			}
		}
	}
	return func() { lock.Close() }, nil
}

// maxLog is where a log from earlier starts is begun anew.
const maxLog = 50 << 20

func openLog(c Config) (*slog.Logger, func(), error) {
	if c.Log != nil {
		return c.Log, func() {}, nil
	}
	name := filepath.Join(c.Data, "sigill.log")
	if info, err := os.Stat(name); err == nil && info.Size() > maxLog {
		if err := os.Remove(name); err != nil {
			return nil, nil, err
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	all := slog.NewJSONHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})
	wrong := slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: slog.LevelError})
	return slog.New(page.LogHandler(slog.NewMultiHandler(all, wrong))), func() { f.Close() }, nil
}

func startSimulators(ctx context.Context, c Config, log *slog.Logger) (*testidp.Server, error) {
	s := testidp.Config{Now: c.Now, Log: slog.New(slog.NewMultiHandler(log.Handler(), progress{c.Out}))}
	if c.FreePorts {
		s.Listen, s.BankIDListen = "localhost:0", "localhost:0"
	}
	if c.Simulator != nil {
		c.Simulator(&s)
	}
	server, err := testidp.New(ctx, s)
	return server, inUse(err)
}

// inUse explains the error that people meet most.
func inUse(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: is another demo running?", err)
	}
	return err
}

// listeners are bound before anything is configured, so that the addresses are
// known whatever the ports are.
type listeners struct{ broker, admin, app, portal net.Listener }

func (l listeners) close() {
	for _, x := range []net.Listener{l.broker, l.admin, l.app, l.portal} {
		if x != nil {
			x.Close()
		}
	}
}

func (l listeners) addresses() addresses {
	at := func(x net.Listener) string { return fmt.Sprintf("localhost:%d", x.Addr().(*net.TCPAddr).Port) }
	return addresses{
		Issuer: "http://" + at(l.broker), App: "http://" + at(l.app), Portal: "http://" + at(l.portal),
		listenBroker: at(l.broker), listenAdmin: at(l.admin), listenPortal: at(l.portal),
	}
}

func listen(ctx context.Context, c Config) (l listeners, err error) {
	var network net.ListenConfig
	bind := func(port string) net.Listener {
		if err != nil {
			return nil
		}
		if c.FreePorts {
			port = "0"
		}
		var x net.Listener
		if x, err = network.Listen(ctx, "tcp", "localhost:"+port); err != nil {
			return nil // an interface that holds a nil pointer would not be nil
		}
		return x
	}
	l.broker, l.admin, l.app, l.portal = bind(brokerPort), bind(adminPort), bind(appPort), bind(portalPort)
	if err != nil {
		l.close()
	}
	return l, inUse(err)
}

// compose writes what the broker is to be told, and makes it and the
// application.
func compose(ctx context.Context, c Config, l listeners, simulators *testidp.Server, log *slog.Logger) (*exampleapp.App, *node.Node, error) {
	at := l.addresses()
	at.phone = simulators.URL()
	tenants, err := makePortal(c, &at)
	if err != nil {
		return nil, nil, err
	}
	sweden, err := clientKey(filepath.Join(c.Data, "clients", "demo-sweden.jwk.json"), "demo-sweden")
	if err != nil {
		return nil, nil, err
	}
	appKey, err := clientKey(filepath.Join(c.Data, "clients", "demo-app.jwk.json"), "demo-app")
	if err != nil {
		return nil, nil, err
	}
	material, err := simulators.Material()
	if err != nil {
		return nil, nil, err
	}
	if err := material.WriteFiles(filepath.Join(c.Data, "bankid")); err != nil {
		return nil, nil, err
	}
	master := filepath.Join(c.Data, "master.key")
	if _, err := os.Stat(master); errors.Is(err, os.ErrNotExist) {
		if err := keys.NewMaster(master); err != nil {
			return nil, nil, err
		}
	}
	if err := makeCertificates(c.Data, tenants, simulators); err != nil {
		return nil, nil, err
	}
	eid, err := makeEIDs(c.Data, tenants, simulators, at, c.Now())
	if err != nil {
		return nil, nil, err
	}
	if err := makeSigning(c.Data, eid, c.Now()); err != nil {
		return nil, nil, err
	}
	text, err := installation(at, material, eid, simulators.MailAddress(), simulators.ElksURL()+"/a1/sms", tenants, sweden, appKey)
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(c.Data, "sigill.yaml")
	if err := replaceFile(file, []byte(text)); err != nil {
		return nil, nil, err
	}
	settings, _, err := config.Load(file)
	if err != nil {
		return nil, nil, err
	}
	if c.Collect > 0 {
		settings.Collect = c.Collect
	}
	if c.Clients != "" {
		more, _, err := config.LoadClients(c.Clients, settings.ClientRules())
		if err != nil {
			return nil, nil, err
		}
		settings.Clients = append(settings.Clients, more...)
	}
	broker, err := node.New(ctx, node.Config{
		Settings: settings, Listener: l.broker, AdminListener: l.admin, PortalListener: l.portal, Limits: c.Limits, Due: c.Due, Now: c.Now, Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	signer, err := appKey.key()
	if err != nil {
		return nil, nil, err
	}
	hook, err := os.ReadFile(filepath.Join(c.Data, signerHook))
	if err != nil {
		return nil, nil, err
	}
	app, err := exampleapp.New(exampleapp.Config{
		Issuer: at.Issuer, BaseURL: at.App, ClientID: "demo-app", KeyID: appKey.KID, Key: signer,
		Scopes: []string{"https://id.oidc.se/scope/naturalPersonInfo", "https://id.oidc.se/scope/naturalPersonNumber"},
		Phone:  simulators.URL() + "/", Now: c.Now, Log: log,
		Signing: exampleapp.Signing{
			ClientID: "demo-signer", Secret: "demo-signer-secret", WebhookSecret: string(hook), People: signers(simulators.People()),
		},
	})
	return app, broker, err
}

// signers are those who stand in the example application's form to begin with:
// one who signs at once, one who gets a link, one who gets a code.
func signers(people []persons.Person) []exampleapp.Person {
	var out []exampleapp.Person
	for i, invite := range []string{"none", "both", "code"} {
		p := people[i]
		out = append(out, exampleapp.Person{
			Name: p.Name(), Number: p.Number, Email: p.ID + "@example.se", Phone: fmt.Sprintf("070-174 06 %02d", 5+i), Invite: invite,
		})
	}
	return out
}

// serve runs everything until the context ends or one part fails.
func serve(ctx context.Context, c Config, l listeners, simulators *testidp.Server, simulated simulation, app *exampleapp.App, broker *node.Node, log *slog.Logger) error {
	at := l.addresses()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return simulated.until(running) })
	group.Go(func() error { return broker.Run(running) })
	group.Go(func() error { return serveApp(running, l.app, app, log) })
	group.Go(func() error {
		if err := answers(running, at.Issuer+"/healthz"); err != nil {
			return nil // ended before it was up: another part says why
		}
		fmt.Fprint(c.Out, welcome(at, simulators.URL(), "http://"+at.listenAdmin, c.Data))
		if c.Ready != nil {
			c.Ready(Running{Issuer: at.Issuer, Admin: "http://" + at.listenAdmin, App: at.App, Portal: at.Portal, Simulators: simulators})
		}
		return nil
	})
	err := group.Wait()
	if ctx.Err() != nil && err == nil {
		fmt.Fprintln(c.Out, "\nGoodbye. Your logins and keys are still there at the next start.")
	}
	return err
}

func serveApp(ctx context.Context, l net.Listener, app *exampleapp.App, log *slog.Logger) error {
	server := &http.Server{
		Handler: app.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if server.Shutdown(deadline) != nil {
		server.Close()
	}
	<-ended
	return nil
}

// answers waits until an address answers 200.
func answers(ctx context.Context, address string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func welcome(at addresses, phone, admin, data string) string {
	return strings.NewReplacer("APP", at.App, "PORTAL", at.Portal, "PHONE", phone, "ISSUER", at.Issuer, "ADMIN", admin, "DATA", data).Replace(`
Sigill is up. Apply for a preschool place, with a simulated e-ID:

  PORTAL/    the portal of its municipalities: e-services, drafts, Mina sidor
  PORTAL/…/handlaggare/    of each of them: where a case officer reads and answers
  APP/    the example application: press "Logga in"
  APP/sign/    the same, where two or three persons sign together
  PHONE/    the phone: choose a person, scan or open the order, approve
  PHONE/inbox    the mail and SMS that were sent to anybody
  ISSUER/.well-known/openid-configuration    the broker
  ADMIN/metrics    metrics

Everything is kept in DATA (log: sigill.log). Ctrl-C ends it.
`)
}
