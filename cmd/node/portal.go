package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/config"
	"sigill/broker/kit/design"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/page"
	"sigill/broker/kit/webhook"
	"sigill/broker/oidc"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/catalogue"
	"sigill/portal/drafts"
	"sigill/portal/login"
	"sigill/portal/notices"
	"sigill/portal/people"
	"sigill/portal/register"
	"sigill/portal/sending"
	"sigill/portal/signclient"
	portalstore "sigill/portal/store"
	portalweb "sigill/portal/web"
	"sigill/providers"
	"sigill/signing/orders"
	"sigill/signing/verify"
)

// What the portal asks of a person who logs in (The Swedish OpenID Connect Claims
// and Scopes Specification 1.0 section 3).
const (
	scopePersonInfo   = "https://id.oidc.se/scope/naturalPersonInfo"
	scopePersonNumber = "https://id.oidc.se/scope/naturalPersonNumber"
)

// townhall is the portal of a node. It knows the other rooms as their client
// alone: broker and signing room are reached by inside.
type townhall struct {
	*hall
	vault     portal.Vault
	catalogue *catalogue.Catalogue
	drafts    *drafts.Drafts
	desk      *sending.Desk
	cases     *cases.Cases
	logins    *login.Logins
	messages  *outbox.Queue
	receipts  *outbox.Queue
	site      http.Handler // the pages and the webhook
	handler   http.Handler // the same as it is served: with limits, logged
	broker    *inside      // the way to the broker and the signing room
	settings  config.Config
	eids      *eids
	due       time.Duration
	limiter   *limiter
	now, past func() time.Time
	log       *slog.Logger
}

// openTownhall makes the portal; nil when the settings have none.
func openTownhall(ctx context.Context, c Config, v *Vault, id string, e *eids, room *room) (t *townhall, err error) {
	s := c.Settings
	if s.Portal == nil {
		return nil, nil
	}
	t = &townhall{hall: v.hall, settings: s, eids: e, now: c.Now, past: c.past, log: c.Log, due: cmp.Or(c.Due, time.Minute),
		limiter: c.limiter("portal", s.LoginsBy, v.Short)}
	t.vault = portal.NewVault(t.ring)
	t.broker = newInside(s.Issuer, http.DefaultTransport)
	calls := &http.Client{Transport: t.broker, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.catalogue, err = catalogue.Open(ctx, catalogue.Config{
		Tenants: s.Portal.Tenants, Services: s.Portal.Services, Versions: portalstore.Versions{DB: t.db, Now: t.now},
		Providers: knownEIDs(t.configured()), Configured: t.configured(), Now: c.Now, Log: c.Log,
	})
	if err != nil {
		return t, err
	}
	if err := t.compose(ctx, c, id, calls, room); err != nil {
		return t, fmt.Errorf("portal: %w", err)
	}
	return t, nil
}

func (t *townhall) compose(ctx context.Context, c Config, id string, calls *http.Client, room *room) error {
	s := t.settings
	reg, err := t.register()
	if err != nil {
		return err
	}
	persons, err := people.New(people.Config{DB: t.db, Vault: t.vault, Register: reg, Tenant: t.catalogue.Tenant, Now: t.now, Log: t.log})
	if err != nil {
		return err
	}
	mail, err := mailSender(s, t.log, t.now)
	if err != nil {
		return err
	}
	sms, err := smsSender(s, t.log)
	if err != nil {
		return err
	}
	told, err := notices.New(notices.Config{
		DB: t.db, Vault: t.vault, Mail: c.counts.counting("mail", mail), SMS: c.counts.counting("sms", sms), Tenant: t.catalogue.Tenant,
		Profile: persons.ProfileOf, MayTell: persons.MayTell, Wake: func() { t.messages.Wake() }, Now: t.now, Log: t.log,
	})
	if err != nil {
		return err
	}
	t.drafts, err = drafts.New(drafts.Config{
		DB: t.db, Vault: t.vault, Service: t.catalogue.Version, Newest: t.catalogue.Service, Tenants: t.group,
		Facts: persons.Facts, Now: t.now, Past: t.past, Log: t.log,
	})
	if err != nil {
		return err
	}
	documents := &http.Client{Transport: t.broker, CheckRedirect: calls.CheckRedirect} // it sets limits of its own
	api, err := signclient.New(signclient.Config{
		Issuer: s.Issuer, HTTP: documents, Client: func(id portal.TenantID) string { return portal.Tenant{ID: id}.Client() }, Key: t.key, Now: t.now,
	})
	if err != nil {
		return err
	}
	wake := func() { t.messages.Wake(); t.receipts.Wake() }
	t.desk, err = sending.New(sending.Config{
		DB: t.db, Vault: t.vault, Drafts: t.drafts, Signer: api, Editor: api, Verifier: offline{room.verifier, t.now}, Notices: told,
		Service: t.catalogue.Version, Tenant: t.catalogue.Tenant, Facts: persons.Facts, MayTell: persons.MayTell,
		Callback: func(id portal.TenantID) string {
			tenant, _ := t.catalogue.Tenant(id)
			return tenant.BaseURL + "/krok"
		},
		Wake: wake, Poll: t.due, Now: t.now, Log: t.log,
	})
	if err != nil {
		return err
	}
	t.cases, err = cases.New(cases.Config{
		DB: t.db, Vault: t.vault, Notices: told, Service: t.catalogue.Version, Tenant: t.catalogue.Tenant, Tenants: t.group,
		Forget: api.Delete, Wake: wake, Now: t.now, Past: t.past, Log: t.log,
	})
	if err != nil {
		return err
	}
	if t.messages, err = outbox.New(outbox.Config{DB: t.db, Node: id + "/notices", Handlers: told.Handlers(), Workers: 4, Now: t.now, Log: t.log}); err != nil {
		return err
	}
	if t.receipts, err = outbox.New(outbox.Config{DB: t.db, Node: id + "/receipts", Handlers: t.desk.Handlers(), Workers: 2, Now: t.now, Log: t.log}); err != nil {
		return err
	}
	staff, issuer, err := t.staff()
	if err != nil {
		return err
	}
	cookies := page.Cookies{Secure: s.Secure()}
	t.logins, err = login.New(login.Config{
		DB: t.db, Vault: t.vault, Issuer: s.Issuer, HTTP: calls, Key: t.key, Tenant: t.catalogue.Tenant, Admit: persons.Admit,
		Staff: staff, Cookies: cookies, Now: t.now, Log: t.log,
	})
	if err != nil {
		return err
	}
	assets, err := design.New(nil)
	if err != nil {
		return err
	}
	site, err := portalweb.New(portalweb.Config{
		Catalogue: t.catalogue, Drafts: t.drafts, Files: t.drafts, Desk: t.desk, Waiting: t.desk, Cases: t.cases, Officers: t.cases,
		People: persons, Logins: t.logins, Holds: t.logins, Staff: t.logins, News: t.desk.News, Secret: t.vault.Secret,
		Issuer: s.Issuer, StaffIssuer: issuer, Assets: assets, Cookies: cookies, Now: t.now, Log: t.log,
	})
	if err != nil {
		return err
	}
	handler := site.Handler()
	t.site = handler
	guarded := limit(t.limiter, page.Addresses{Trusted: s.TrustedProxies}, func(w http.ResponseWriter, r *http.Request) {
		c.counts.refused.WithLabelValues("portal").Inc()
		refusePlainly(w, r)
	}, handler)
	t.handler = page.WithRequestID(accessLog(t.log, page.Headers(s.Secure(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if writes(r) {
			guarded.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))))
	return nil
}

// writes reports whether a stranger can make us write something with a request:
// the way out to a login and back does, whatever the method.
func writes(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	return !read || strings.HasSuffix(r.URL.Path, "/logga-in") || strings.HasSuffix(r.URL.Path, "/inloggad")
}

func refusePlainly(w http.ResponseWriter, _ *http.Request) {
	answerPlainly(w, http.StatusTooManyRequests, "För många försök härifrån. Vänta en minut.\nToo many requests from here. Wait a minute.\n")
}

// register makes the population register's client; nil: there is none.
func (t *townhall) register() (register.Register, error) {
	r := t.settings.Portal.Register
	if r == nil {
		return nil, nil
	}
	token, err := config.ReadSecret(r.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return register.New(register.Config{URL: r.URL, Token: token})
}

func (t *townhall) staff() (login.Staff, string, error) {
	s := t.settings.Portal.Staff
	if s == nil {
		return login.Staff{}, "", nil
	}
	word, err := secret(s.SecretFile)
	if err != nil {
		return login.Staff{}, "", fmt.Errorf("staff: %w", err)
	}
	return login.Staff{Issuer: s.Issuer, ClientID: s.ClientID, Secret: word, HTTP: &http.Client{Timeout: 15 * time.Second}}, s.Issuer, nil
}

// key is what every tenant's client proves itself with.
func (t *townhall) key() (crypto.Signer, string, error) {
	k, err := t.ring.Signer(keys.ES256)
	return k.Key, k.KID, err
}

// knownEIDs are the ids that a tenant may list: those that are known from the
// start, whether or not they are configured, and what else is.
func knownEIDs(configured []string) []string {
	all := []string{string(providers.BankID), string(providers.MBankID), string(providers.Freja), string(providers.Telia)}
	for _, id := range configured {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

// configured are the ids of e-IDs that work here.
func (t *townhall) configured() []string {
	var ids []string
	for _, i := range t.eids.instances {
		for _, id := range i.offers {
			if !slices.Contains(ids, string(id)) {
				ids = append(ids, string(id))
			}
		}
	}
	return ids
}

func (t *townhall) group(g portal.GroupID) []portal.TenantID {
	var ids []portal.TenantID
	for _, tenant := range t.catalogue.Group(g) {
		ids = append(ids, tenant.ID)
	}
	return ids
}

// client is a tenant as the broker knows it: an ordinary client, made of its
// tenant.yaml.
func (t *townhall) client(id string) (broker.Client, bool, error) {
	for _, tenant := range t.catalogue.Tenants() {
		if tenant.Client() == id {
			c, err := t.clientOf(tenant)
			return c, true, err
		}
	}
	return broker.Client{}, false, nil
}

func (t *townhall) clientOf(tenant portal.Tenant) (broker.Client, error) {
	set, err := t.keySet()
	if err != nil {
		return broker.Client{}, err
	}
	hook, err := t.vault.Secret(tenant.ID)
	if err != nil {
		return broker.Client{}, err
	}
	c := broker.Client{
		ID: tenant.Client(), Name: tenant.Name.In("sv"), NameEN: tenant.Name["en"], Home: tenant.BaseURL + "/", Profile: broker.ProfileSweden,
		RedirectURIs: []string{tenant.BaseURL + "/inloggad"}, PostLogoutRedirectURIs: []string{tenant.BaseURL + "/utloggad", tenant.BaseURL + "/"},
		AuthMethod: broker.PrivateKeyJWT, JWKS: set,
		Scopes:          []string{scopePersonInfo, scopePersonNumber, oidc.ScopeSigning},
		CallbackOrigins: []string{originOf(tenant.BaseURL)}, WebhookSecret: hook, AskingBody: tenant.AskingBody,
		Providers: map[providers.ID]string{}, IDTokenAlg: keys.ES256, RequirePKCE: true,
		SSOGroup: "portal " + string(tenant.Group), Theme: broker.Theme{Accent: tenant.Theme.Accent}, Embedded: true,
	}
	for _, id := range tenant.Providers {
		instance := ""
		for _, name := range []string{string(tenant.ID), string(tenant.ID) + "-" + id} {
			if _, own := t.eids.find(providers.ID(id), name); own {
				instance = name // the app then shows the tenant's own name (P-34)
			}
		}
		c.Providers[providers.ID(id)] = instance
		c.ProviderOrder = append(c.ProviderOrder, providers.ID(id))
	}
	return c, nil
}

func (t *townhall) keySet() (json.RawMessage, error) {
	if _, _, err := t.key(); err != nil {
		return nil, err
	}
	var published []oidc.PublicKey
	for _, p := range t.ring.Published() {
		published = append(published, oidc.PublicKey(p))
	}
	return oidc.KeySet(published)
}

// deliver brings a webhook to the portal.
func (t *townhall) deliver(ctx context.Context, c broker.Client, h orders.Hook) error {
	word, err := webhook.SecretOf(c.WebhookSecret)
	if err != nil {
		return outbox.Permanent(err)
	}
	header, err := webhook.Sign(h.ID, t.now(), h.Body, word)
	if err != nil {
		return outbox.Permanent(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(h.Body))
	if err != nil {
		return outbox.Permanent(errors.New("malformed address"))
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	here := newInside(h.URL, nil)
	here.serve(t.site)
	answer, err := here.RoundTrip(r)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the portal answered %d", answer.StatusCode)
	}
	return nil
}

// queues are those of the outbox, by the name that metrics give them.
func (t *townhall) queues() map[string]*outbox.Queue {
	if t == nil {
		return nil
	}
	return map[string]*outbox.Queue{"notices": t.messages, "receipts": t.receipts}
}

// works are what ends before the hall's own duties: their last acts are audited.
func (t *townhall) works() []func(context.Context) error {
	return []func(context.Context) error{t.catalogue.Run, t.desk.Run, t.logins.Run, t.messages.Run, t.receipts.Run, t.clean}
}

// clean removes what is to be kept no longer.
func (t *townhall) clean(ctx context.Context) error {
	every := time.NewTicker(min(t.due*10, time.Hour))
	defer every.Stop()
	for {
		if n, err := t.drafts.Expire(ctx); err != nil && ctx.Err() == nil {
			t.log.ErrorContext(ctx, "drafts whose time is over were not removed", "error", err)
		} else if n > 0 {
			t.log.InfoContext(ctx, "drafts removed, their time was over", "count", n)
		}
		if n, err := t.cases.Erase(ctx); err != nil && ctx.Err() == nil {
			t.log.ErrorContext(ctx, "cases whose time is over were not erased", "error", err)
		} else if n > 0 {
			t.log.InfoContext(ctx, "cases erased, their time was over", "count", n)
		}
		if _, err := t.db.Settle(ctx); err != nil && ctx.Err() == nil {
			t.log.WarnContext(ctx, "what was removed may still stand in a file", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// offline is the verifier that a stranger would use, as the portal knows it.
type offline struct {
	verifier *verify.Verifier
	now      func() time.Time
}

func (o offline) Verify(_ context.Context, pdf []byte) (portal.Report, error) {
	r := o.verifier.Verify(pdf, o.now())
	report := portal.Report{Valid: r.Verdict == verify.Valid, Code: r.Code}
	if r.Order == nil {
		return report, nil
	}
	report.Order, report.Client, report.Completed = r.Order.ID, r.Order.ClientID, r.Order.CompletedAt
	for _, d := range r.Order.Manifest {
		report.Documents = append(report.Documents, portal.ReportDocument{Name: d.Name, SHA256: d.SHA256})
	}
	for _, s := range r.Signatures {
		report.Signed = append(report.Signed, portal.ReportSignature{Number: s.Number, Name: s.Name, At: s.At})
	}
	return report, nil
}
