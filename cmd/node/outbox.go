package node

import (
	"context"
	"log/slog"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/signing/orders"
)

// queues work through one outbox with workers of their own, so that receivers
// who do not answer, or a mail server, never keep a document from being sealed.
type queues struct{ seal, messages, webhooks *outbox.Queue }

// newQueues gives each kind of entry to one of the queues. What is not known
// here is a message.
func newQueues(db *sqldb.DB, id string, handlers map[string]outbox.Handler, now func() time.Time, log *slog.Logger) (q queues, err error) {
	seal, messages, webhooks := map[string]outbox.Handler{}, map[string]outbox.Handler{}, map[string]outbox.Handler{}
	for kind, h := range handlers {
		switch kind {
		case orders.KindSeal:
			seal[kind] = h
		case orders.KindWebhook:
			webhooks[kind] = h
		default:
			messages[kind] = h
		}
	}
	for _, c := range []struct {
		queue    **outbox.Queue
		name     string
		handlers map[string]outbox.Handler
		workers  int
	}{
		{&q.seal, "seal", seal, 2}, // each holds a whole receipt in memory
		{&q.messages, "messages", messages, 4},
		{&q.webhooks, "webhooks", webhooks, 8},
	} {
		if *c.queue, err = outbox.New(outbox.Config{
			DB: db, Node: id + "/" + c.name, Handlers: c.handlers, Workers: c.workers, Now: now, Log: log,
		}); err != nil {
			return queues{}, err
		}
	}
	return q, nil
}

// all are the queues by the name that metrics give them.
func (q queues) all() map[string]*outbox.Queue {
	return map[string]*outbox.Queue{"seal": q.seal, "messages": q.messages, "webhooks": q.webhooks}
}

// wake tells them all, since an act may want things of every kind.
func (q queues) wake() {
	for _, one := range q.all() {
		one.Wake()
	}
}

func (q queues) works() []func(context.Context) error {
	return []func(context.Context) error{q.seal.Run, q.messages.Run, q.webhooks.Run}
}
