package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/store"
)

// pending is a login under way: what must be known again when the browser comes
// back. It can be found with the answer's state and the cookie of the browser
// that began, and not with one of them.
type pending struct {
	Tenant   portal.TenantID `json:"tenant"`
	Nonce    string          `json:"nonce"`
	Verifier string          `json:"verifier"`
	Began    int64           `json:"began"`
	// Fresh says that the person was to prove anew who they are.
	Fresh bool `json:"fresh,omitempty"`
	Aim   Aim  `json:"aim,omitzero"`
}

// Kinds of what is held.
const (
	kindCitizen = "login"
	kindOfficer = "staff login"
	kindForm    = "form"
	kindEnded   = "ended" // session
)

// pendingLife is a little longer than the broker gives anybody to log in.
const pendingLife = 16 * time.Minute

// usualPending is how many logins of a kind are under way at once: some thirty
// begun each second. Anybody may begin one, and a row of them is small.
const usualPending = 30_000

func pendingContext(kind, id string) []byte { return portal.Context("pending", kind, id) }

// begin stores a login and gives its state.
func (l *Logins) begin(ctx context.Context, kind, browser string, p pending) (state string, err error) {
	state = newSecret()
	id := nameOf(kind, browser, state)
	box, err := l.Vault.Sessions()
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	h := store.Held{ID: id, Kind: kind, Body: box.Seal(raw, pendingContext(kind, id)), Expires: l.Now().Add(pendingLife)}
	// Counted before: in the transaction it would meet all who begin at the same
	// moment, and a few too many do no harm.
	n, err := store.CountHeld(store.Last(ctx, l.DB), kind, "")
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	if n >= l.Pending {
		return "", errCrowded
	}
	if err := l.DB.Write(ctx, func(tx *sqldb.Tx) error { return store.PutHeld(tx, h) }); err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return state, nil
}

// errCrowded says that more logins are under way than there can be people.
var errCrowded = fmt.Errorf("%w: too many logins are under way", ErrUnavailable)

// errNoLogin says that an answer belongs to no login of this browser: it was
// used, is too late, or was begun elsewhere.
var errNoLogin = errors.New("login: no such login under way")

// resume takes a login that was under way: one of any number of callers gets it.
func (l *Logins) resume(ctx context.Context, kind, browser, state string) (pending, error) {
	if !isSecret(browser) || !isSecret(state) {
		return pending{}, errNoLogin
	}
	id := nameOf(kind, browser, state)
	var h store.Held
	err := l.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		h, err = store.TakeHeld(tx, id, kind, l.Now())
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return pending{}, errNoLogin
	} else if err != nil {
		return pending{}, fmt.Errorf("login: %w", err)
	}
	box, err := l.Vault.Sessions()
	if err != nil {
		return pending{}, fmt.Errorf("login: %w", err)
	}
	raw, err := box.Open(h.Body, pendingContext(kind, id))
	var p pending
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil {
		return pending{}, errors.New("login: an unreadable login")
	}
	return p, nil
}

// answer is an authorization response (RFC 6749 section 4.1.2, RFC 9207).
type answer struct{ state, code, issuer, err string }

const maxQuery = 8 << 10

// readAnswer reads one; false for what no issuer sends.
func readAnswer(r *http.Request) (answer, bool) {
	if len(r.URL.RawQuery) > maxQuery {
		return answer{}, false
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return answer{}, false
	}
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(q[name]) > 1 {
			return answer{}, false
		}
	}
	a := answer{q.Get("state"), q.Get("code"), q.Get("iss"), q.Get("error")}
	return a, (a.code == "") != (a.err == "")
}

// from reports whether an answer comes from the issuer that the browser was sent
// to. An issuer that always says who it is must have said so.
func (a answer) from(i *issuer, e *endpoints) bool {
	return a.issuer == i.name || a.issuer == "" && !e.says
}

// exchange uses the code up. The proof, if any, is of the client.
func (e *endpoints) exchange(ctx context.Context, c oauth2.Config, a answer, p pending, proof url.Values) (*oauth2.Token, error) {
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(p.Verifier)}
	for name := range proof {
		options = append(options, oauth2.SetAuthURLParam(name, proof.Get(name)))
	}
	t, err := c.Exchange(ctx, a.code, options...)
	if err != nil {
		return nil, errors.New(brief(err))
	}
	if !strings.EqualFold(t.TokenType, "Bearer") || t.AccessToken == "" || len(t.AccessToken) > 4096 {
		return nil, errors.New("not a token that can be used")
	}
	return t, nil
}

// local gives a path of the tenant to go to; what is none is its first page.
func local(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || len(path) > 1024 || strings.ContainsFunc(path, func(r rune) bool {
		return r <= ' ' || r == '\\' || r == 0x7f || r == 0xfffd
	}) {
		return "/"
	}
	return path
}
