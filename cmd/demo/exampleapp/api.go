package exampleapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// desk is the signing API as this application uses it, by its OpenAPI document.
type desk struct {
	issuer, client, secret string
	http                   *http.Client
	tokenURL               func(context.Context) (string, error)

	mu     sync.Mutex
	tokens oauth2.TokenSource // once there is one
}

// An order is what the API tells of one.
type order struct {
	ID          string
	State       string
	Title       string
	Reference   string
	Deadline    time.Time
	CompletedAt time.Time
	EndedAt     time.Time
	Signatories []signatory
}

type signatory struct {
	N          int
	Name       string
	State      string
	Invite     string
	SignURL    string
	Reason     string
	Deliveries []struct {
		Channel, State string
		At             time.Time
	}
	Signature *struct {
		Name, Provider string
		At             time.Time
	}
}

// A refusal is a problem document (RFC 9457) of the API.
type refusal struct {
	Status int
	Code   string
	Detail string
	Faults []struct{ Field, Problem string }
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the signing API answers %d %s", r.Status, r.Code)
}

const (
	mostAnswer  = 1 << 20
	mostReceipt = 110 << 20
)

// token gives a bearer token (RFC 6749 section 4.4), a new one when the last is
// about to end or was not taken.
func (d *desk) token(ctx context.Context, anew bool) (*oauth2.Token, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tokens == nil || anew {
		address, err := d.tokenURL(ctx)
		if err != nil {
			return nil, err
		}
		c := clientcredentials.Config{
			ClientID: d.client, ClientSecret: d.secret, TokenURL: address, Scopes: []string{"signing"}, AuthStyle: oauth2.AuthStyleInHeader,
		}
		d.tokens = c.TokenSource(context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, d.http))
	}
	return d.tokens.Token()
}

// send makes one request. Whatever is not a success is a *refusal or an error.
func (d *desk) send(ctx context.Context, method, path, key string, body []byte) (*http.Response, error) {
	for anew := false; ; anew = true {
		t, err := d.token(ctx, anew)
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		r, err := http.NewRequestWithContext(ctx, method, d.issuer+"/api/v1/orders"+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		t.SetAuthHeader(r)
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		res, err := d.http.Do(r)
		if err != nil {
			return nil, err
		}
		if res.StatusCode < 300 {
			return res, nil
		}
		problem := &refusal{Status: res.StatusCode}
		err = json.NewDecoder(io.LimitReader(res.Body, mostAnswer)).Decode(problem)
		res.Body.Close()
		if res.StatusCode == http.StatusUnauthorized && !anew {
			continue // a token ends when its client's secret is changed
		}
		if problem.Status = res.StatusCode; err != nil {
			problem.Code = "unreadable"
		}
		return nil, problem
	}
}

// order makes a request that is answered with an order.
func (d *desk) order(ctx context.Context, method, path, key string, body []byte) (order, error) {
	res, err := d.send(ctx, method, path, key, body)
	if err != nil {
		return order{}, err
	}
	defer res.Body.Close()
	var o order
	if err := json.NewDecoder(io.LimitReader(res.Body, mostAnswer)).Decode(&o); err != nil {
		return order{}, fmt.Errorf("answer of the signing API: %w", err)
	}
	if o.ID == "" {
		return order{}, errors.New("answer of the signing API: no order")
	}
	return o, nil
}

func (d *desk) create(ctx context.Context, w wish, key string) (order, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return order{}, err
	}
	return d.order(ctx, http.MethodPost, "", key, body)
}

func (d *desk) get(ctx context.Context, id string) (order, error) {
	return d.order(ctx, http.MethodGet, "/"+id, "", nil)
}

// act is "remind" or "cancel".
func (d *desk) act(ctx context.Context, id, what string) (order, error) {
	return d.order(ctx, http.MethodPost, "/"+id+"/"+what, "", nil)
}

// receipt is the sealed PDF, for the caller to close.
func (d *desk) receipt(ctx context.Context, id string) (io.ReadCloser, error) {
	res, err := d.send(ctx, http.MethodGet, "/"+id+"/documents/1", "", nil)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, mostReceipt), res.Body}, nil
}
