package node

import (
	"context"
	"fmt"
	"strings"

	"sigill/broker"
)

// tenantClient begins the names of the portal's clients.
const tenantClient = "portal-"

// rows are the clients that were added beside the configuration.
type rows interface {
	Client(ctx context.Context, id string) (broker.Client, error)
	Clients(ctx context.Context) ([]broker.Client, error)
}

// clients finds relying parties: those of the configuration, then those that
// were added with the command.
type clients struct {
	fixed map[string]broker.Client
	rows  rows
	// tenants are the portal's own clients, which come and go with its tenants.
	tenants func(id string) (broker.Client, bool, error)
}

// newClients refuses an id that stands in both places: which of the two would
// count is nothing to guess about.
func newClients(ctx context.Context, fixed []broker.Client, added rows) (*clients, error) {
	c := &clients{fixed: map[string]broker.Client{}, rows: added}
	for _, f := range fixed {
		if strings.HasPrefix(f.ID, tenantClient) {
			return nil, fmt.Errorf("client %s: names that begin with %s are the portal's", f.ID, tenantClient)
		}
		if _, twice := c.fixed[f.ID]; twice {
			return nil, fmt.Errorf("client %s is configured twice", f.ID)
		}
		c.fixed[f.ID] = f
	}
	list, err := added.Clients(ctx)
	if err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	for _, a := range list {
		if _, twice := c.fixed[a.ID]; twice {
			return nil, fmt.Errorf("client %s stands in the configuration and was also added: remove one (sigill client remove %s)", a.ID, a.ID)
		}
	}
	return c, nil
}

// Client finds one by id; broker.ErrNotFound when there is none.
func (c *clients) Client(ctx context.Context, id string) (broker.Client, error) {
	if f, ok := c.fixed[id]; ok {
		return f, nil
	}
	if id == "" || len(id) > 128 {
		return broker.Client{}, broker.ErrNotFound
	}
	if c.tenants != nil {
		if t, ok, err := c.tenants(id); ok || err != nil {
			return t, err
		}
	}
	return c.rows.Client(ctx, id)
}
