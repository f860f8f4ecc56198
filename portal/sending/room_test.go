package sending

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"sigill/portal"
	"sigill/portal/signclient"
	"sigill/providers/personnummer"
)

// room is a signing service with what the portal sees of one. Its sealed
// documents are what a verifier would say of them.
type room struct {
	now func() time.Time

	mu       sync.Mutex
	orders   map[string]*placed
	attempts map[string]string   // to the order
	bodies   map[string]string   // by attempt
	rejects  bool                // every new order is refused
	busy     *signclient.Problem // the answer to every call
	down     bool
	slow     bool // seals stay unfinished until finish
	forge    func(*portal.Report)
	deleted  []string
	calls    []string
}

type placed struct {
	signclient.Order
	tenant    portal.TenantID
	wish      wished
	documents []portal.ReportDocument
	signed    []portal.ReportSignature
}

// wished is the wish as a stranger to signclient reads it.
type wished struct {
	Title, Message, Reference, Language, Order string
	Documents                                  []struct {
		Name    string
		Content json.RawMessage
		File    string
		Type    string
	}
	Signatories []struct {
		Pnr, Name, Email, Phone, Invite, Language string
		Group                                     int
	}
	Deadline         *time.Time
	Reminders        []int
	AllowedProviders []string
	ReturnURL        string
	CallbackURL      string
}

func newRoom(now func() time.Time) *room {
	return &room{now: now, orders: map[string]*placed{}, attempts: map[string]string{}, bodies: map[string]string{}}
}

var errDown = errors.New("no answer")

// enter is the beginning of a call: the caller may be gone, or we may.
func (r *room) enter(ctx context.Context, call string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.calls = append(r.calls, call)
	if r.down {
		return errDown
	}
	if r.busy != nil {
		return r.busy
	}
	return nil
}

func (r *room) Create(ctx context.Context, t portal.TenantID, attempt string, body []byte) (signclient.Order, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx, "create"); err != nil {
		return signclient.Order{}, err
	}
	if id := r.attempts[attempt]; id != "" {
		switch {
		case r.bodies[attempt] != string(body):
			return signclient.Order{}, &signclient.Problem{Status: 422, Code: "idempotency_mismatch"}
		case r.orders[id] == nil:
			return signclient.Order{}, &signclient.Problem{Status: 404, Code: "not_found"}
		}
		return r.orders[id].Order, ctx.Err()
	}
	if r.rejects {
		return signclient.Order{}, &signclient.Problem{Status: 422, Code: "invalid_order"}
	}
	var w wished
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return signclient.Order{}, err
	}
	p := &placed{tenant: t, wish: w, Order: signclient.Order{
		ID: fmt.Sprintf("order-%d", len(r.orders)+len(r.deleted)+1), State: signclient.Open, Reference: w.Reference, Revision: 1,
		Deadline: r.now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second),
	}}
	for _, doc := range w.Documents {
		p.documents = append(p.documents, portal.ReportDocument{Name: doc.Name, SHA256: digestOf(doc.Content, doc.File)})
	}
	for i, s := range w.Signatories {
		one := signclient.OrderPerson{N: i + 1, Name: s.Name, State: portal.PartyInvited, Group: s.Group, Invite: s.Invite}
		if s.Invite == "none" {
			one.SignURL = "https://sigill.example/signing/o/" + p.ID + "/" + fmt.Sprint(i+1)
		}
		p.Signatories = append(p.Signatories, one)
	}
	if len(w.Signatories) == 0 {
		p.State = signclient.Sealing
	}
	r.orders[p.ID], r.attempts[attempt], r.bodies[attempt] = p, p.ID, string(body)
	return p.Order, ctx.Err() // made, and the answer may be lost
}

// digestOf computes a digest as somebody would who has only the API's words.
func digestOf(content json.RawMessage, file string) string {
	b, err := base64.StdEncoding.DecodeString(file)
	if content != nil {
		var tree any
		if err = json.Unmarshal(content, &tree); err == nil {
			var out bytes.Buffer
			e := json.NewEncoder(&out) // sorts names
			e.SetEscapeHTML(false)
			err = e.Encode(tree)
			b = bytes.TrimSuffix(out.Bytes(), []byte("\n"))
		}
	}
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (r *room) find(t portal.TenantID, id string) (*placed, error) {
	p := r.orders[id]
	if p == nil || p.tenant != t {
		return nil, &signclient.Problem{Status: 404, Code: "not_found"}
	}
	return p, nil
}

func (r *room) Order(ctx context.Context, t portal.TenantID, id string) (signclient.Order, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx, "order"); err != nil {
		return signclient.Order{}, err
	}
	p, err := r.find(t, id)
	if err != nil {
		return signclient.Order{}, err
	}
	if p.State == signclient.Sealing && !r.slow {
		r.complete(p)
	}
	o := p.Order
	o.Signatories = append([]signclient.OrderPerson(nil), p.Signatories...)
	return o, ctx.Err()
}

func (r *room) complete(p *placed) {
	p.State, p.CompletedAt = signclient.Completed, r.now().UTC().Truncate(time.Second)
	for _, s := range p.signed {
		p.CompletedAt = s.At.UTC().Truncate(time.Second)
	}
}

func (r *room) Document(ctx context.Context, t portal.TenantID, id string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx, "document"); err != nil {
		return nil, err
	}
	p, err := r.find(t, id)
	if err != nil || p.State != signclient.Completed {
		return nil, &signclient.Problem{Status: 404, Code: "not_found"}
	}
	report := portal.Report{
		Valid: true, Order: p.ID, Client: "portal-" + string(t), Completed: p.CompletedAt, Documents: p.documents, Signed: p.signed,
	}
	if r.forge != nil {
		r.forge(&report)
	}
	b, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	return b, ctx.Err()
}

// Verify reads the room's own sealed documents.
func (r *room) Verify(ctx context.Context, pdf []byte) (portal.Report, error) {
	var report portal.Report
	if err := json.Unmarshal(pdf, &report); err != nil {
		return report, err
	}
	return report, ctx.Err()
}

func (r *room) Cancel(ctx context.Context, t portal.TenantID, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx, "cancel"); err != nil {
		return err
	}
	p, err := r.find(t, id)
	if err != nil {
		return err
	}
	if p.State != signclient.Open {
		return &signclient.Problem{Status: 409, Code: "order_over"}
	}
	p.State, p.EndedAt = signclient.Cancelled, r.now()
	return ctx.Err()
}

func (r *room) Remind(ctx context.Context, t portal.TenantID, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx, "remind"); err != nil {
		return err
	}
	p, err := r.find(t, id)
	if err == nil && p.State != signclient.Open {
		return &signclient.Problem{Status: 409, Code: "order_over"}
	}
	return err
}

func (r *room) Correct(ctx context.Context, t portal.TenantID, id string, n int, email, phone, invite string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx, "correct "+invite); err != nil {
		return err
	}
	p, err := r.find(t, id)
	switch {
	case err != nil:
		return err
	case p.State != signclient.Open:
		return &signclient.Problem{Status: 409, Code: "order_over"}
	case p.Signatories[n-1].State == portal.PartySigned:
		return &signclient.Problem{Status: 409, Code: "signatory_done"}
	}
	p.wish.Signatories[n-1].Email, p.wish.Signatories[n-1].Phone = email, phone
	return nil
}

func (r *room) Delete(ctx context.Context, t portal.TenantID, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx, "delete"); err != nil {
		return err
	}
	p, err := r.find(t, id)
	if err != nil {
		return err
	}
	if !over(p.State) {
		return &signclient.Problem{Status: 409, Code: "order_open"}
	}
	delete(r.orders, id)
	r.deleted = append(r.deleted, id)
	return ctx.Err()
}

// sign is somebody's signature of the order that is open; it says whether it
// counted.
func (r *room) sign(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.orders {
		if p.State != signclient.Open || n > len(p.Signatories) || p.Signatories[n-1].State == portal.PartySigned ||
			n > 1 && p.Signatories[0].State != portal.PartySigned {
			continue
		}
		at := r.now().UTC().Truncate(time.Second)
		number, err := personnummer.FromDigits(p.wish.Signatories[n-1].Pnr)
		if err != nil {
			return false
		}
		p.Signatories[n-1].State = portal.PartySigned
		p.Signatories[n-1].Signature = &signclient.OrderSignature{Name: p.Signatories[n-1].Name, Provider: "bankid", At: at}
		p.signed = append(p.signed, portal.ReportSignature{Number: number, Name: p.Signatories[n-1].Name, At: at})
		if len(p.signed) == len(p.Signatories) {
			p.State = signclient.Sealing
		}
		return true
	}
	return false
}

// end ends the order that is open.
func (r *room) end(state signclient.State, n int, reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.orders {
		if p.State != signclient.Open || n > len(p.Signatories) {
			continue
		}
		p.State, p.EndedAt = state, r.now()
		if n > 0 {
			p.Signatories[n-1].State, p.Signatories[n-1].Reason = portal.PartyRefused, reason
		}
		return true
	}
	return false
}

// order gives the order that is not an arrival receipt, the newest one.
func (r *room) order() *placed {
	r.mu.Lock()
	defer r.mu.Unlock()
	var last *placed
	for _, p := range r.orders {
		if len(p.wish.Signatories) > 0 && (last == nil || len(p.ID) > len(last.ID) || len(p.ID) == len(last.ID) && p.ID > last.ID) {
			last = p
		}
	}
	return last
}
