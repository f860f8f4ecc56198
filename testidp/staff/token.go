package staff

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/testidp/control"
)

const tokenLife = 5 * time.Minute

// token gives an ID Token for a code, once.
func (d *Directory) token(w http.ResponseWriter, r *http.Request) {
	f := d.config.Faults.Draw(Name)
	if f[http503] {
		http.Error(w, "Simulated: out of service", http.StatusServiceUnavailable)
		return
	}
	refuse := func(status int, code, why string) {
		answer(w, status, map[string]string{"error": code, "error_description": why})
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil || r.URL.RawQuery != "" {
		refuse(http.StatusBadRequest, "invalid_request", "the parameters belong into the body")
		return
	}
	for name, values := range r.PostForm {
		if len(values) != 1 {
			refuse(http.StatusBadRequest, "invalid_request", "the parameter "+name+" stands there twice")
			return
		}
	}
	if !d.authenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="staff"`)
		refuse(http.StatusUnauthorized, "invalid_client", "client_secret_basic or client_secret_post, one of them")
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		refuse(http.StatusBadRequest, "unsupported_grant_type", "only authorization_code is")
		return
	}
	code := r.PostForm.Get("code")
	d.mu.Lock()
	g, ok := d.codes[code]
	delete(d.codes, code) // whatever comes of it
	d.mu.Unlock()
	now := d.config.Now()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case !ok, now.Sub(g.at) > codeLife:
		refuse(http.StatusBadRequest, "invalid_grant", "the code is unknown, used or too old")
	case r.PostForm.Get("redirect_uri") != g.redirect:
		refuse(http.StatusBadRequest, "invalid_grant", "redirect_uri is another")
	case !same(base64.RawURLEncoding.EncodeToString(sum[:]), g.challenge):
		refuse(http.StatusBadRequest, "invalid_grant", "code_verifier does not fit")
	case f[garbage]:
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte("{{{ this is not JSON"))
	default:
		id, err := d.idToken(g, now, f)
		if err != nil {
			d.config.Log.Error("staff", "error", err)
			http.Error(w, "the simulator failed", http.StatusInternalServerError)
			return
		}
		answer(w, http.StatusOK, map[string]any{
			"access_token": random(), "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "id_token": id,
		})
	}
}

// authenticated checks the client by one way and not by two.
func (d *Directory) authenticated(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	posted := r.PostForm.Has("client_secret")
	switch {
	case basic == posted:
		return false
	case posted:
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	default: // form-encoded within, RFC 6749 section 2.3.1
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err1 != nil || err2 != nil || r.PostForm.Has("client_id") && r.PostForm.Get("client_id") != id {
			return false
		}
	}
	return same(id, ClientID) && same(secret, d.config.Secret)
}

func (d *Directory) idToken(g grant, now time.Time, f control.Drawn) (string, error) {
	key, issued := d.key, now
	claims := jwt.MapClaims{
		"iss": d.Issuer(), "aud": ClientID, "sub": g.officer.Sub, "name": g.officer.Name, "groups": g.officer.Groups,
		"auth_time": g.at.Unix(),
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if f[wrongNonce] {
		claims["nonce"] = random()
	}
	if f[wrongAudience] {
		claims["aud"] = "somebody-else"
	}
	if f[wrongIssuer] {
		claims["iss"] = d.Issuer() + "/other"
	}
	if f[noGroups] {
		delete(claims, "groups")
	}
	if f[expired] {
		issued = now.Add(-time.Hour)
	}
	if f[badSignature] {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return "", err
		}
	}
	claims["iat"], claims["exp"] = issued.Unix(), issued.Add(tokenLife).Unix()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["kid"] = d.kid
	return t.SignedString(key)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
