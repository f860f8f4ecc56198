package oidc

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"sigill/broker"
	"sigill/providers/personnummer"
)

const (
	modeQuery    = "query"
	modeFormPost = "form_post"

	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptSelect  = "select_account"

	// Of OIDC Sweden, Request Parameter Extensions 1.1 and Signature Extension
	// 1.1.
	paramAuthnProvider = "https://id.oidc.se/param/authnProvider"
	paramSignRequest   = "https://id.oidc.se/param/signRequest"
)

// authorization is a checked authorization request.
type authorization struct {
	wish    broker.AuthorizationWish
	numbers []personnummer.Number // the only acceptable people; nil: anybody
	hint    string                // id_token_hint, not yet verified
	lang    string
}

// registered finds out where an answer may go at all. A fault means: nowhere,
// show a page. The address is compared byte by byte, and there is no shortcut
// for a client with a single one.
func registered(q params, c broker.Client) (redirectURI, fault string) {
	if q.repeated["redirect_uri"] {
		return "", FaultRedirect
	}
	uri := q.get("redirect_uri")
	if uri == "" || strings.Contains(uri, "#") || !slices.Contains(c.RedirectURIs, uri) {
		return "", FaultRedirect
	}
	return uri, ""
}

// parseAuthorization checks everything about an authorization request that can
// be checked without looking anything up. The wish always says where and how an
// error is to be sent, unless there is a fault, which is for a page of ours.
func parseAuthorization(q params, c broker.Client) (a authorization, fault string, refused *protocolError) {
	w := &a.wish
	a.lang = language(q.get("ui_locales"))
	if w.RedirectURI, fault = registered(q, c); fault != "" {
		return a, fault, nil
	}
	w.ResponseMode = modeQuery
	if m := q.get("response_mode"); m != "" && !q.repeated["response_mode"] {
		if m != modeQuery && m != modeFormPost {
			return a, FaultResponseMode, nil
		}
		w.ResponseMode = m
	}
	if s := q.get("state"); s != "" && !q.repeated["state"] {
		if len(s) > maxState {
			return a, FaultTooLarge, nil
		}
		w.State, w.HasState = s, true
	}
	return a, "", a.parse(q, c)
}

func (a *authorization) parse(q params, c broker.Client) *protocolError {
	w := &a.wish
	if len(q.repeated) > 0 {
		return refuse(errInvalidRequest, "a parameter was sent more than once")
	}
	for name, limit := range map[string]int{
		"scope": 4 << 10, "nonce": 1 << 10, "claims": 16 << 10, "acr_values": 4 << 10, "id_token_hint": maxJWT,
		"login_hint": 1 << 10, "ui_locales": 1 << 10, "prompt": 256, paramAuthnProvider: 256,
	} {
		if len(q.get(name)) > limit {
			return refuse(errInvalidRequest, name+" is too long")
		}
	}
	switch {
	case q.get("request") != "" && q.get("request_uri") != "":
		return refuse(errInvalidRequest, "request and request_uri cannot be combined")
	case q.get("request") != "":
		return refuse(errNoRequest, "request objects are not supported")
	case q.get("request_uri") != "":
		return refuse(errNoRequestURI, "request_uri is not supported")
	case q.get("registration") != "":
		return refuse(errNoRegistration, "registration is not supported")
	}
	switch q.get("response_type") {
	case "code":
	case "":
		return refuse(errInvalidRequest, "response_type is missing")
	default:
		return refuse(errUnsupportedResponse, "the only response_type is code")
	}
	if err := a.parseScope(q, c); err != nil {
		return err
	}
	if err := a.parsePKCE(q, c); err != nil {
		return err
	}
	w.Nonce = q.get("nonce")
	if err := a.parsePrompt(q); err != nil {
		return err
	}
	w.ACRValues = strings.Fields(q.get("acr_values"))
	if err := a.parseClaims(q, c); err != nil {
		return err
	}
	w.AuthnProvider = q.get(paramAuthnProvider)
	a.hint = q.get("id_token_hint")
	return nil
}

func (a *authorization) parseScope(q params, c broker.Client) *protocolError {
	asked := strings.Split(q.get("scope"), " ")
	for _, s := range asked {
		if strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }) {
			return refuse(errInvalidScope, "scope holds characters that it may not hold")
		}
	}
	if !slices.Contains(asked, scopeOpenID) {
		return refuse(errInvalidScope, "scope must contain openid")
	}
	signing := slices.Contains(asked, scopeSign) || slices.Contains(asked, scopeSignApproval)
	switch {
	case signing:
		// A login instead of a signature would be worse than an error.
		return refuse(errUnauthorizedClient, "this client may not ask for signatures here")
	case q.get(paramSignRequest) != "":
		return refuse(errInvalidRequest, "signRequest without a signing scope")
	}
	// In a fixed order, each once; what the client is not registered for is
	// left out, as is what we do not know.
	for _, s := range []string{scopeOpenID, scopeProfile, scopePersonInfo, scopePersonNumber} {
		if slices.Contains(asked, s) && (s == scopeOpenID || slices.Contains(c.Scopes, s)) {
			a.wish.Scopes = append(a.wish.Scopes, s)
		}
	}
	return nil
}

func (a *authorization) parsePKCE(q params, c broker.Client) *protocolError {
	challenge, method := q.get("code_challenge"), q.get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return refuse(errInvalidRequest, "code_challenge_method without code_challenge")
	case challenge == "" && (c.RequirePKCE || c.Profile != broker.ProfileBasic):
		return refuse(errInvalidRequest, "code_challenge is required")
	case challenge == "":
		return nil
	case method != "S256":
		return refuse(errInvalidRequest, "the only code_challenge_method is S256")
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(b) != 32 || len(challenge) != 43 {
		return refuse(errInvalidRequest, "code_challenge is not a SHA-256 digest in base64url")
	}
	a.wish.Challenge = challenge
	return nil
}

func (a *authorization) parsePrompt(q params) *protocolError {
	a.wish.Prompt = strings.Fields(q.get("prompt"))
	for _, v := range a.wish.Prompt {
		switch v {
		case promptNone, promptLogin, promptConsent, promptSelect:
		default:
			return refuse(errInvalidRequest, "prompt holds an unknown value")
		}
	}
	if slices.Contains(a.wish.Prompt, promptNone) && len(a.wish.Prompt) > 1 {
		return refuse(errInvalidRequest, "prompt none cannot be combined with others")
	}
	if s := q.get("max_age"); s != "" {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return refuse(errInvalidRequest, "max_age is not a number of seconds")
		}
		age := int(n)
		a.wish.MaxAge = &age
	}
	return nil
}

func (a *authorization) parseClaims(q params, c broker.Client) *protocolError {
	raw := q.get("claims")
	if raw == "" {
		return nil
	}
	req, err := parseClaims([]byte(raw))
	if err != nil {
		return err
	}
	a.wish.Claims = []byte(raw)
	if acr := req.IDToken["acr"]; len(acr.Values) > 0 {
		values, ok := acr.texts()
		switch {
		case !ok:
			return refuse(errInvalidRequest, "claims: a value of acr is not a string")
		case acr.Essential:
			a.wish.EssentialACR = values
		default:
			a.wish.ACRValues = append(a.wish.ACRValues, values...)
		}
	}
	if a.numbers, err = req.numbers(c); err != nil {
		return err
	}
	a.wish.Subject, err = req.subject()
	return err
}

// language chooses the first of the wished languages that we speak; none when
// there is none, and then the browser's own preference counts.
func language(uiLocales string) string {
	for tag := range strings.FieldsSeq(strings.ToLower(uiLocales)) {
		switch primary, _, _ := strings.Cut(tag, "-"); primary {
		case "sv", "en":
			return primary
		}
	}
	return ""
}
