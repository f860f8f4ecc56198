// Package exampleapp is an ordinary web application that lets people log in by
// OpenID Connect and shows them the claims that it got, and that lets several
// people sign the same thing. DEMO ONLY.
//
// It is written the way any application would be: with public libraries
// (go-oidc, x/oauth2), by the provider's discovery document and the signing
// API's description alone, and without a word of the broker's own code but its
// stylesheet. What it owns: one session a browser, and which cases a browser
// has sent, in memory.
//
// It follows OpenID Connect Core 1.0 (code flow, nonce), RFC 7636 (PKCE),
// RFC 7523 (private_key_jwt), RFC 9207 (iss in the answer), RP-Initiated
// Logout 1.0, RFC 6749 section 4.4 (client credentials) and Standard Webhooks
// 1.0.0.
package exampleapp

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"sigill/broker/kit/design"
)

// Config is what an application is told by whoever runs the provider.
type Config struct {
	Issuer   string
	BaseURL  string // of this application, without a slash at the end
	ClientID string
	KeyID    string
	Key      crypto.Signer // P-256, for private_key_jwt
	Scopes   []string
	Phone    string  // where the simulated phone is, for the hint on the page
	Signing  Signing // how to have things signed; the zero value: nothing is
	HTTP     *http.Client
	Now      func() time.Time
	Log      *slog.Logger
}

// Signing is what an application is told to have things signed.
type Signing struct {
	ClientID, Secret string
	WebhookSecret    string
	People           []Person // to begin with in the form
}

// App is the application.
type App struct {
	Config
	pages  *template.Template
	assets *design.Assets

	together *together // nil: nothing is signed here

	discovery sync.Mutex
	provider  *oidc.Provider // once discovered

	mu       sync.Mutex
	pending  map[string]pending
	sessions map[string]session
}

// pending is a login under way, by its state.
type pending struct {
	browser  string // the cookie of the browser that began
	nonce    string
	verifier string
	expires  time.Time
}

// session is a person who is logged in.
type session struct {
	claims  []Claim
	sid     string
	expires time.Time
}

//go:embed *.gohtml app.css
var files embed.FS

const (
	cookie      = "exempel_session"
	loginLife   = 15 * time.Minute
	sessionLife = 30 * time.Minute
	mostKept    = 10_000 // of pending logins and of sessions: it is an example
)

// New makes an application. The provider need not be up yet.
func New(c Config) (*App, error) {
	if c.Issuer == "" || c.BaseURL == "" || c.ClientID == "" || c.Key == nil {
		return nil, errors.New("exampleapp: incomplete configuration")
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 20 * time.Second}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	assets, err := design.New(nil)
	if err != nil {
		return nil, fmt.Errorf("exampleapp: %w", err)
	}
	pages, err := template.New("").Funcs(template.FuncMap{"asset": assets.URL, "icon": assets.Icon}).ParseFS(files, "*.gohtml")
	if err != nil {
		return nil, fmt.Errorf("exampleapp: %w", err)
	}
	a := &App{Config: c, pages: pages, assets: assets, pending: map[string]pending{}, sessions: map[string]session{}}
	if c.Signing.ClientID != "" {
		if a.together, err = newTogether(a); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Handler serves the application.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.front)
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /logout", a.logout)
	mux.Handle("GET "+design.Prefix, a.assets)
	mux.Handle("GET /app.css", http.FileServerFS(files))
	if a.together != nil {
		a.together.routes(mux)
	}
	outer := http.NewServeMux()
	outer.Handle("/", http.NewCrossOriginProtection().Handler(mux))
	if a.together != nil {
		outer.HandleFunc("POST "+hookPath, a.together.hooks.take) // no browser's
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		// The log-out form ends at the provider, which sends the person back.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+a.Issuer)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		outer.ServeHTTP(w, r)
	})
}

// view is what the page shows.
type view struct {
	look
	Problem         string
	About, Protocol []Claim // of who is logged in; empty: nobody is
	Phone           string
	Issuer          string
}

func (a *App) show(w http.ResponseWriter, status int, v view) {
	v.Phone, v.Issuer = a.Phone, a.Issuer
	v.look = look{Lang: "sv", Signs: a.together != nil}
	if len(v.About) > 0 {
		v.Class = "claims"
	}
	a.render(w, status, "page", v)
}

// render draws a page.
func (a *App) render(w http.ResponseWriter, status int, page string, v any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := a.pages.ExecuteTemplate(w, page, v); err != nil {
		a.Log.Error("example application: page", "error", err)
	}
}

func (a *App) front(w http.ResponseWriter, r *http.Request) {
	s, _ := a.session(r)
	var v view
	for _, c := range s.claims {
		if c.Protocol {
			v.Protocol = append(v.Protocol, c)
		} else {
			v.About = append(v.About, c)
		}
	}
	a.show(w, http.StatusOK, v)
}

func (a *App) session(r *http.Request) (session, string) {
	id := browserOf(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sessions[id]
	if !ok || a.Now().After(s.expires) {
		return session{}, ""
	}
	return s, id
}

func browserOf(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

func (a *App) setBrowser(w http.ResponseWriter, id string) {
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// discover reads the provider's metadata once.
func (a *App) discover(ctx context.Context) (*oidc.Provider, error) {
	a.discovery.Lock()
	defer a.discovery.Unlock()
	if a.provider == nil {
		// The provider keeps the context for fetching keys later.
		p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), a.HTTP), a.Issuer)
		if err != nil {
			return nil, err
		}
		a.provider = p
	}
	return a.provider, nil
}

func (a *App) oauth(p *oidc.Provider) oauth2.Config {
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // no secret: the assertion says who we are
	return oauth2.Config{
		ClientID: a.ClientID, Endpoint: endpoint, RedirectURL: a.BaseURL + "/callback",
		Scopes: append([]string{oidc.ScopeOpenID}, a.Scopes...),
	}
}

// login sends the browser to the provider.
func (a *App) login(w http.ResponseWriter, r *http.Request) {
	p, err := a.discover(r.Context())
	if err != nil {
		a.Log.Error("example application: discovery", "error", err)
		a.show(w, http.StatusBadGateway, view{Problem: "Inloggningstjänsten svarar inte. Försök igen om en stund."})
		return
	}
	state, l := rand.Text(), pending{browser: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), expires: a.Now().Add(loginLife)}
	a.mu.Lock()
	a.sweep()
	a.pending[state] = l
	a.mu.Unlock()
	a.setBrowser(w, l.browser)

	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(l.verifier), oidc.Nonce(l.nonce)}
	if id := r.URL.Query().Get("provider"); id == "bankid" || id == "mbankid" {
		options = append(options, oauth2.SetAuthURLParam("https://id.oidc.se/param/authnProvider", id))
	}
	if r.URL.Query().Get("again") != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	oauth := a.oauth(p)
	http.Redirect(w, r, oauth.AuthCodeURL(state, options...), http.StatusSeeOther)
}

// sweep forgets what has expired, and everything if that does not help.
func (a *App) sweep() {
	now := a.Now()
	for k, l := range a.pending {
		if now.After(l.expires) {
			delete(a.pending, k)
		}
	}
	for k, s := range a.sessions {
		if now.After(s.expires) {
			delete(a.sessions, k)
		}
	}
	if len(a.pending) >= mostKept {
		clear(a.pending)
	}
	if len(a.sessions) >= mostKept {
		clear(a.sessions)
	}
}

// callback takes the provider's answer.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	state := q.Get("state")
	a.mu.Lock()
	l, ok := a.pending[state]
	delete(a.pending, state)
	a.mu.Unlock()
	same := subtle.ConstantTimeCompare([]byte(l.browser), []byte(browserOf(r))) == 1
	switch {
	case !ok || !same || a.Now().After(l.expires):
		a.show(w, http.StatusBadRequest, view{Problem: "Det här svaret hör inte till någon inloggning som du har påbörjat här, eller så har det redan använts. Börja om."})
		return
	case q.Get("iss") != a.Issuer:
		a.show(w, http.StatusBadRequest, view{Problem: "Svaret kommer inte från den inloggningstjänst som du skickades till."})
		return
	case q.Get("error") == "access_denied":
		a.show(w, http.StatusOK, view{Problem: "Du loggade inte in."})
		return
	case q.Get("error") != "":
		a.Log.Warn("example application: login refused", "error", q.Get("error"))
		a.show(w, http.StatusOK, view{Problem: "Inloggningen gick inte att genomföra. Försök igen."})
		return
	}
	s, err := a.redeem(r.Context(), q.Get("code"), l)
	if err != nil {
		a.Log.Error("example application: login failed", "error", err)
		a.show(w, http.StatusBadGateway, view{Problem: "Inloggningen gick inte att slutföra. Försök igen."})
		return
	}
	id := rand.Text()
	a.mu.Lock()
	a.sweep()
	a.sessions[id] = s
	a.mu.Unlock()
	a.setBrowser(w, id)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// redeem exchanges the code and checks everything that came for it.
func (a *App) redeem(ctx context.Context, code string, l pending) (session, error) {
	ctx = oidc.ClientContext(ctx, a.HTTP)
	p, err := a.discover(ctx)
	if err != nil {
		return session{}, err
	}
	assertion, err := a.assertion(p.Endpoint().TokenURL)
	if err != nil {
		return session{}, err
	}
	oauth := a.oauth(p)
	token, err := oauth.Exchange(ctx, code, oauth2.VerifierOption(l.verifier),
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", assertion))
	if err != nil {
		return session{}, fmt.Errorf("token: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := p.Verifier(&oidc.Config{ClientID: a.ClientID, SupportedSigningAlgs: []string{oidc.ES256}, Now: a.Now}).Verify(ctx, raw)
	if err != nil {
		return session{}, fmt.Errorf("id token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(idToken.Nonce), []byte(l.nonce)) != 1 {
		return session{}, errors.New("id token: foreign nonce")
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return session{}, fmt.Errorf("userinfo: %w", err)
	}
	if info.Subject != idToken.Subject {
		return session{}, errors.New("userinfo: another person than in the id token")
	}
	var fromToken, fromInfo map[string]json.RawMessage
	if err := errors.Join(idToken.Claims(&fromToken), info.Claims(&fromInfo)); err != nil {
		return session{}, fmt.Errorf("claims: %w", err)
	}
	var sid string
	if raw, ok := fromToken["sid"]; ok {
		if err := json.Unmarshal(raw, &sid); err != nil {
			return session{}, fmt.Errorf("sid: %w", err)
		}
	}
	return session{claims: readable(fromToken, fromInfo), sid: sid, expires: a.Now().Add(sessionLife)}, nil
}

// assertion proves who we are at the token endpoint.
func (a *App) assertion(audience string) (string, error) {
	now := a.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": a.ClientID, "sub": a.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	t.Header["kid"] = a.KeyID
	return t.SignedString(a.Key)
}

// logout ends the session here and then the one at the provider. The session
// is named by sid, not by the ID Token: that holds the personal number, which
// belongs in no address.
func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	s, id := a.session(r)
	a.mu.Lock()
	delete(a.sessions, id)
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	p, err := a.discover(r.Context())
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if id == "" || err != nil || p.Claims(&metadata) != nil || metadata.EndSession == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	q := url.Values{"client_id": {a.ClientID}, "post_logout_redirect_uri": {a.BaseURL + "/"}}
	if s.sid != "" {
		q.Set("logout_hint", s.sid)
	}
	http.Redirect(w, r, metadata.EndSession+"?"+q.Encode(), http.StatusSeeOther)
}
