package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Kinds of short-lived records.
const (
	kindRequest   = "oidc-request"   // a posted authorization request, by one-time handle
	kindLogin     = "oidc-login"     // record, by the login's id
	kindClient    = "oidc-client"    // clientGrant, by the id in an access token
	kindAssertion = "oidc-assertion" // used jti of a client
	kindLogout    = "oidc-logout"    // logoutRequest, by one-time handle
)

// These keep a value as JSON in the short-lived store.

func (p *Provider) put(ctx context.Context, kind, key string, v any, life time.Duration) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return p.Short.Put(ctx, kind, key, b, p.Now().Add(life))
}

func (p *Provider) get(ctx context.Context, kind, key string, v any) (version int64, err error) {
	b, version, err := p.Short.Get(ctx, kind, key)
	if err != nil {
		return 0, err
	}
	return version, decode(kind, b, v)
}

func (p *Provider) take(ctx context.Context, kind, key string, v any) error {
	b, err := p.Short.Take(ctx, kind, key)
	if err != nil {
		return err
	}
	return decode(kind, b, v)
}

func (p *Provider) swap(ctx context.Context, kind, key string, version int64, v any, expires time.Time) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return p.Short.Swap(ctx, kind, key, version, b, expires)
}

func decode(kind string, b []byte, v any) error {
	if json.Unmarshal(b, v) != nil {
		return fmt.Errorf("%s: an unreadable record", kind) // the cause may quote it
	}
	return nil
}

// secretShaped reports whether s could be one of broker.NewSecret or NewID:
// anything else is not worth asking the store about.
func secretShaped(s string) bool {
	if len(s) != 43 && len(s) != 22 {
		return false
	}
	for i := range len(s) {
		if notCompact(rune(s[i])) || s[i] == '.' {
			return false
		}
	}
	return true
}
