package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/config"
	"sigill/broker/kit/notify"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/page"
	"sigill/broker/kit/webhook"
	"sigill/broker/oidc"
	brokerweb "sigill/broker/web"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/api"
	"sigill/signing/evidence"
	"sigill/signing/orders"
	"sigill/signing/receipt"
	"sigill/signing/trust"
	"sigill/signing/verify"
	signweb "sigill/signing/web"
	"sigill/signing/web/check"
)

// room is the signing room of a node: orders, the outbox that sends and seals
// for them, and what publishes how receipts are verified.
type room struct {
	*archive
	service   *orders.Service
	queues    queues
	verifier  *verify.Verifier
	published []byte // the trust file
	believed  trust.Trust
	seal      *seal
	settings  config.Config
	now       func() time.Time
	log       *slog.Logger
}

// openRoom makes the room; nil when the settings have none. The engine comes
// later, since it brings its results here.
func openRoom(c Config, v *Vault, id string, eids *eids, clients orders.Clients, deliver deliver, begin func(context.Context, flow.Begin) error) (r *room, err error) {
	s := c.Settings
	if s.Signing == nil {
		return nil, nil
	}
	seal, chain, err := openSeal(s.Signing.Seal, c.Now, c.Log)
	if err != nil {
		return nil, err
	}
	if err := checkReceipts(s, c.Now()); err != nil {
		return nil, err
	}
	believed, published, sum, err := loadTrust(s.Signing.TrustFile, chain)
	if err != nil {
		return nil, err
	}
	seal.follow(chain[0], believed, s.Signing.TrustFile, sum)
	receipts, err := receipt.New()
	if err != nil {
		return nil, err
	}
	r = &room{published: published, believed: believed, seal: seal, settings: s, now: c.Now, log: c.Log, verifier: verify.New(believed, receipts), archive: v.archive}
	named, err := r.ring.Digest("audit person")
	if err != nil {
		return r, err
	}
	mail, err := mailer(s, c.counts, c.Log, c.Now)
	if err != nil {
		return r, err
	}
	sms, err := texter(s, c.counts, c.Log)
	if err != nil {
		return r, err
	}
	r.service, err = orders.New(orders.Config{
		Issuer: s.Issuer, Store: r.store, Audit: r.store, Keys: r.ring, Short: v.Short, Clients: clients,
		Receipts: receipts, Sealer: seal, Proofs: evidence.New(believed),
		Offers: eids.offers, Provider: eids.find, Begin: begin, Believe: r.believe, Verify: r.releasable,
		VerifyURL: s.Issuer + check.Path, TrustSHA256: sum,
		PersonDigest: func(p personnummer.Number) string { return named([]byte(p.Digits())) },
		Mail:         mail, SMS: sms, Hook: hook(c.Now, s.LoopbackIssuer(), deliver),
		Wake: func() { r.queues.wake() }, Purge: r.store.Purge, Log: c.Log, Now: c.Now, Past: c.past, Poll: c.Due,
		Limits: r.limits(), Keep: orders.Keep{Completed: s.Signing.CompletedLife, Other: s.Signing.EndedLife},
	})
	if err != nil {
		return r, err
	}
	r.queues, err = newQueues(r.db, id, r.service.Handlers(), c.Now, c.Log)
	return r, err
}

// limits are the configured ones.
func (r *room) limits() signing.Limits {
	l := r.settings.Signing.Limits
	return signing.Limits{
		Documents: l.MaxDocuments, Signatories: l.MaxSignatories, File: int(l.MaxFile), Order: int(l.MaxOrder),
		DefaultDeadline: l.DefaultDeadline, MaxDeadline: l.MaxDeadline,
	}
}

// believe refuses a signature that a stranger would refuse in a receipt.
func (r *room) believe(said receipt.Signature, by personnummer.Number, proof providers.Evidence, digest [32]byte) error {
	return r.verifier.Believe(said, by, proof, digest, r.now())
}

// releasable refuses a receipt that a stranger would refuse.
func (r *room) releasable(_ context.Context, file []byte) error {
	if report := r.verifier.Verify(file, r.now()); report.Verdict != verify.Valid {
		return fmt.Errorf("signing: the sealed receipt is %s: %s", report.Verdict, report.Code)
	}
	return nil
}

// works are what ends before the archive's own duties: their last acts are
// audited.
func (r *room) works() []func(context.Context) error {
	return append(r.queues.works(), r.service.Run)
}

// routes adds the pages to those behind the protection against other sites, and
// the API, which it gives back, beside it.
func (r *room) routes(pages, machines *http.ServeMux, drawn *brokerweb.Pages, op *oidc.Provider, engine *flow.Engine, clients signweb.Clients, offers func(broker.Client) []providers.Info, addresses page.Addresses) (*api.API, error) {
	site, err := signweb.New(signweb.Config{
		Pages: drawn, Service: r.service, Flow: engine, Logins: op, Clients: clients, Audit: r.store,
		Offers: offers, Addresses: addresses, Now: r.now,
	})
	if err != nil {
		return nil, err
	}
	site.Routes(pages)
	public, err := check.New(check.Config{
		// A receipt is its documents and some proofs and pages.
		Pages: drawn, Verifier: r.verifier, Largest: r.settings.Signing.Limits.MaxOrder + 8<<20, Now: r.now,
	})
	if err != nil {
		return nil, err
	}
	public.Routes(pages)
	room, err := api.New(api.Config{
		Issuer: r.settings.Issuer, Desk: r.service, Editor: r.service, Reader: r.service, Bearer: op.Bearer,
		Limits: r.limits(), Log: r.log,
	})
	if err != nil {
		return nil, err
	}
	room.Routes(machines)
	machines.HandleFunc("GET /trust.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		w.Header().Set("Content-Disposition", `inline; filename="trust.yaml"`)
		_, _ = w.Write(r.published)
	})
	return room, nil
}

// mailSender sends e-mail; nil when there is no mail server.
func mailSender(s config.Config, log *slog.Logger, now func() time.Time) (notify.Sender, error) {
	m := s.Signing.Mail
	if m == nil {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(m.Host)
	if err != nil {
		return nil, fmt.Errorf("signing: mail: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("signing: mail: %w", err)
	}
	password, err := secret(m.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("signing: mail: %w", err)
	}
	modes := map[string]notify.TLSMode{config.MailPlain: notify.NoTLS, config.MailStartTLS: notify.StartTLS, config.MailTLS: notify.TLS}
	sender, err := notify.NewMailer(notify.MailConfig{
		Host: host, Port: number, TLS: modes[m.TLS], User: m.Username, Password: password,
		From: m.From, FromName: cmp.Or(m.FromName, s.Name), Now: now, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("signing: mail: %w", err)
	}
	return sender, nil
}

// mailer sends e-mail for orders; nil when there is no mail server.
func mailer(s config.Config, counts *metrics, log *slog.Logger, now func() time.Time) (func(context.Context, orders.Mail) error, error) {
	sender, err := mailSender(s, log, now)
	if sender == nil || err != nil {
		return nil, err
	}
	sender = counts.counting("mail", sender)
	return func(ctx context.Context, m orders.Mail) error {
		return final(sender.Send(ctx, notify.Message{
			ID: m.ID, To: m.To, FromName: m.From, Lang: m.Lang, Subject: m.Message.Subject, Text: m.Message.Text, HTML: m.Message.HTML,
		}))
	}, nil
}

// secret reads the file of one; without a file there is none.
func secret(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := config.ReadSecret(file)
	return []byte(text), err
}

// smsSender sends SMS; nil when there is no gateway.
func smsSender(s config.Config, log *slog.Logger) (notify.Sender, error) {
	g := s.Signing.SMS
	if g == nil {
		return nil, nil
	}
	word, err := secret(cmp.Or(g.PasswordFile, g.TokenFile))
	if err != nil {
		return nil, fmt.Errorf("signing: sms: %w", err)
	}
	settings := notify.SMSConfig{URL: g.URL, User: g.Username, Secret: word, From: g.From, Log: log}
	var sender notify.Sender
	if g.Kind == config.SMS46elks {
		sender, err = notify.NewElks(settings)
	} else {
		sender, err = notify.NewGateway(settings)
	}
	if err != nil {
		return nil, fmt.Errorf("signing: sms: %w", err)
	}
	return sender, nil
}

// texter sends SMS for orders; nil when there is no gateway.
func texter(s config.Config, counts *metrics, log *slog.Logger) (func(context.Context, orders.SMS) error, error) {
	sender, err := smsSender(s, log)
	if sender == nil || err != nil {
		return nil, err
	}
	sender = counts.counting("sms", sender)
	return func(ctx context.Context, m orders.SMS) error {
		return final(sender.Send(ctx, notify.Message{ID: m.ID, To: m.To, Text: m.Text}))
	}, nil
}

// final tells the outbox that another try would be in vain.
func final(err error) error {
	var refused *notify.Refused
	if errors.As(err, &refused) {
		return outbox.Permanent(err)
	}
	return err
}

// deliver brings news to a client that lives in this process.
type deliver func(context.Context, broker.Client, orders.Hook) error

// hook sends clients their news, signed with their secret. near lets clients that
// may be called on this machine itself; those that live in this process are told
// by inside.
func hook(now func() time.Time, near bool, inside deliver) func(context.Context, broker.Client, orders.Hook) error {
	sender := webhook.NewSender(now, nil)
	return func(ctx context.Context, c broker.Client, h orders.Hook) error {
		if len(c.WebhookSecret) == 0 {
			return outbox.Permanent(errors.New("the client has no webhook secret"))
		}
		if c.Embedded {
			return inside(ctx, c, h)
		}
		secret, err := webhook.SecretOf(c.WebhookSecret)
		if err != nil {
			return outbox.Permanent(err)
		}
		origins := c.CallbackOrigins
		near := near && c.LoopbackCallbacks
		if near { // orders has let it pass; the sender reaches nothing but this machine
			if here, err := webhook.Origin(h.URL); err == nil {
				origins = append(slices.Clone(origins), here)
			}
		}
		return sender.Send(ctx, webhook.Delivery{
			ID: h.ID, URL: h.URL, Body: h.Body, Secrets: []webhook.Secret{secret}, Origins: origins, AllowLoopback: near,
		})
	}
}
