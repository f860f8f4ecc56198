package api

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sigill/broker"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

// wish is the body that asks for an order.
type wish struct {
	Title            string             `json:"title"`
	Message          string             `json:"message"`
	Reference        string             `json:"reference"`
	Language         string             `json:"language"`
	Documents        []document         `json:"documents"`
	Signatories      []signatory        `json:"signatories"`
	Order            signing.Sequence   `json:"order"`
	Deadline         *time.Time         `json:"deadline"`
	Reminders        []int              `json:"reminders"`
	Visibility       signing.Visibility `json:"visibility"`
	AllowedProviders []providers.ID     `json:"allowedProviders"`
	ReturnURL        string             `json:"returnUrl"`
	CallbackURL      string             `json:"callbackUrl"`
}

// document is one of {name, text}, {name, content} and {name, file, type}.
type document struct {
	Name    string          `json:"name"`
	Text    *string         `json:"text"`
	Content signing.Content `json:"content"`
	File    []byte          `json:"file"`
	Type    string          `json:"type"`
	PDF     []byte          `json:"pdf"`
}

type signatory struct {
	Pnr      string         `json:"pnr"`
	Name     string         `json:"name"`
	Email    string         `json:"email"`
	Phone    string         `json:"phone"`
	Group    int            `json:"group"`
	Invite   signing.Invite `json:"invite"`
	Language string         `json:"language"`
}

func (w wish) signing() (signing.Wish, error) {
	documents, err := documentsOf(w.Documents)
	out := signing.Wish{
		Title: w.Title, Message: w.Message, Reference: w.Reference, Language: w.Language, Documents: documents,
		Sequence: w.Order, Reminders: w.Reminders, Visibility: w.Visibility, Providers: w.AllowedProviders,
		ReturnURL: w.ReturnURL, Callback: w.CallbackURL,
	}
	if w.Deadline != nil {
		out.Deadline = *w.Deadline
	}
	for _, s := range w.Signatories {
		out.Signatories = append(out.Signatories, s.signing())
	}
	return out, err
}

func (s signatory) signing() signing.WishedSignatory {
	return signing.WishedSignatory{Number: s.Pnr, Name: s.Name, Email: s.Email, Phone: s.Phone, Group: s.Group, Invite: s.Invite, Language: s.Language}
}

// documentsOf leaves a document that is none or several of the three without a
// kind, which signing then refuses by name.
func documentsOf(in []document) ([]signing.Document, error) {
	var faults []signing.Fault
	var out []signing.Document
	for i, d := range in {
		s := signing.Document{Name: d.Name}
		kinds := 0
		if d.Text != nil {
			s.Kind, s.Text, kinds = signing.KindText, *d.Text, kinds+1
		}
		if d.Content != nil {
			s.Kind, s.Content, kinds = signing.KindContent, d.Content, kinds+1
		}
		if d.File != nil {
			s.Kind, s.File, s.Type, kinds = signing.KindFile, d.File, d.Type, kinds+1
		}
		if kinds != 1 {
			s.Kind = ""
		}
		field := fmt.Sprintf("documents[%d]", i)
		if d.PDF != nil {
			faults = append(faults, signing.Fault{Field: field + ".pdf", Problem: "is not taken yet: send the PDF as file with type application/pdf"})
		}
		if d.Type != "" && d.File == nil {
			faults = append(faults, signing.Fault{Field: field + ".type", Problem: "is only for file"})
		}
		out = append(out, s)
	}
	if len(faults) > 0 {
		return nil, &signing.Invalid{Faults: faults}
	}
	return out, nil
}

// order is how an order is told of. It holds no personal number and no contact:
// the client knows whom it named.
type order struct {
	ID          string            `json:"id"`
	State       signing.State     `json:"state"`
	Title       string            `json:"title"`
	Reference   string            `json:"reference,omitempty"`
	Order       signing.Sequence  `json:"order"`
	Revision    int               `json:"revision"`
	SHA256      string            `json:"sha256"` // of the manifest
	Created     string            `json:"created"`
	Deadline    string            `json:"deadline"`
	CompletedAt string            `json:"completedAt,omitempty"`
	EndedAt     string            `json:"endedAt,omitempty"`
	Signatories []signatoryStatus `json:"signatories"`
	Document    string            `json:"document,omitempty"` // address of the sealed receipt
}

type signatoryStatus struct {
	N          int                    `json:"n"`
	Name       string                 `json:"name"`
	State      signing.SignatoryState `json:"state"`
	Group      int                    `json:"group"`
	Invite     signing.Invite         `json:"invite"`
	SignURL    string                 `json:"signUrl,omitempty"`
	InvitedAt  string                 `json:"invitedAt,omitempty"`
	OpenedAt   string                 `json:"openedAt,omitempty"`
	RefusedAt  string                 `json:"refusedAt,omitempty"`
	Reason     string                 `json:"reason,omitempty"`
	Deliveries []delivery             `json:"deliveries,omitempty"`
	Signature  *signature             `json:"signature,omitempty"`
}

type delivery struct {
	Channel signing.Channel       `json:"channel"`
	State   signing.DeliveryState `json:"state"`
	At      string                `json:"at"`
}

type signature struct {
	Name     string       `json:"name"`
	Provider providers.ID `json:"provider"`
	At       string       `json:"at"`
}

func (a *API) show(o signing.Order) order {
	out := order{
		ID: o.ID, State: o.State, Title: o.Title, Reference: o.Reference, Order: o.Sequence, Revision: o.Revision,
		SHA256: hex.EncodeToString(o.Digest[:]), Created: timeText(o.Created), Deadline: timeText(o.Deadline),
		CompletedAt: timeText(o.CompletedAt), EndedAt: timeText(o.EndedAt), Signatories: []signatoryStatus{},
	}
	if o.State == signing.Completed {
		out.Document = a.Issuer + "/api/v1/orders/" + o.ID + "/documents/1"
	}
	for _, s := range o.Signatories {
		st := signatoryStatus{
			N: s.N, Name: s.Name, State: s.State, Group: s.Group, Invite: s.Invite, InvitedAt: timeText(s.InvitedAt),
			OpenedAt: timeText(s.OpenedAt), RefusedAt: timeText(s.DeclinedAt), Reason: s.Reason,
		}
		if s.Invite == signing.InviteNone && s.Active() {
			st.SignURL = a.Issuer + orders.SignPath(o.Client, o.ID, s.N)
		}
		for _, d := range s.Deliveries {
			st.Deliveries = append(st.Deliveries, delivery{d.Channel, d.State, timeText(d.At)})
		}
		if s.Signature != nil {
			st.Signature = &signature{s.Signature.Name, s.Signature.Provider, timeText(s.Signature.At)}
		}
		out.Signatories = append(out.Signatories, st)
	}
	return out
}

func (a *API) answer(w http.ResponseWriter, status int, o signing.Order) error {
	b, err := json.Marshal(a.show(o))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
	return nil
}

func (a *API) create(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	key := r.Header.Get("Idempotency-Key")
	if len(r.Header.Values("Idempotency-Key")) != 1 || key == "" || len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return &refusal{status: http.StatusBadRequest, code: codeKey}
	}
	var body wish
	await(w)
	raw, err := read(w, r, a.maxBody, a.elements, &body)
	if err != nil {
		return err
	}
	asked, err := body.signing()
	if err != nil {
		return err
	}
	o, replayed, err := a.Desk.Create(r.Context(), c, asked, key, sha256.Sum256(raw))
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	w.Header().Set("Location", a.Issuer+"/api/v1/orders/"+o.ID)
	return a.answer(w, http.StatusCreated, o)
}

func (a *API) get(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	o, err := a.Reader.Order(r.Context(), c.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

func (a *API) remove(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	if err := a.Desk.Delete(r.Context(), c.ID, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// document gives the sealed receipt, which holds every document. It is the
// first and only one.
func (a *API) document(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	if r.PathValue("n") != "1" {
		return broker.ErrNotFound
	}
	b, err := a.Reader.Receipt(r.Context(), c.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	attach(w, "application/pdf", "kvittens.pdf", b)
	return nil
}

func attach(w http.ResponseWriter, media, name string, b []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	await(w)
	_, _ = w.Write(b)
}

func (a *API) evidence(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	id := r.PathValue("id")
	o, err := a.Reader.Order(r.Context(), c.ID, id)
	if err != nil {
		return err
	}
	proofs, err := a.Reader.Evidence(r.Context(), c.ID, id)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range proofs {
		// The same order gives the same bytes, so its own time stands in them.
		f, err := z.CreateHeader(&zip.FileHeader{Name: p.Name, Method: zip.Deflate, Modified: o.CompletedAt})
		if err != nil {
			return err
		}
		if _, err := f.Write(p.Bytes); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	attach(w, "application/zip", "bevis.zip", b.Bytes())
	return nil
}

func (a *API) cancel(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	o, err := a.Desk.Cancel(r.Context(), c.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

func (a *API) remind(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	o, err := a.Desk.Remind(r.Context(), c.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

func (a *API) change(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	var body struct {
		Documents []document `json:"documents"`
	}
	await(w)
	if _, err := read(w, r, a.maxBody, a.elements, &body); err != nil {
		return err
	}
	documents, err := documentsOf(body.Documents)
	if err != nil {
		return err
	}
	o, err := a.Editor.Change(r.Context(), c.ID, r.PathValue("id"), documents)
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

// patch says what of a signatory changes. With another pnr another person signs
// instead, and everything else of that person must be given.
type patch struct {
	Pnr      *string         `json:"pnr"`
	Name     *string         `json:"name"`
	Email    *string         `json:"email"`
	Phone    *string         `json:"phone"`
	Invite   *signing.Invite `json:"invite"`
	Language *string         `json:"language"`
}

func (a *API) signatory(w http.ResponseWriter, r *http.Request, c broker.Client) error {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 {
		return broker.ErrNotFound
	}
	var p patch
	if _, err := read(w, r, maxSmall, nil, &p); err != nil {
		return err
	}
	id := r.PathValue("id")
	var o signing.Order
	if p.Pnr != nil {
		o, err = a.Editor.Replace(r.Context(), c.ID, id, n, signing.WishedSignatory{
			Number: *p.Pnr, Name: value(p.Name), Email: value(p.Email), Phone: value(p.Phone), Invite: value(p.Invite), Language: value(p.Language),
		})
	} else {
		o, err = a.correct(r, c, id, n, p)
	}
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

func (a *API) correct(r *http.Request, c broker.Client, id string, n int, p patch) (signing.Order, error) {
	if p.Name != nil || p.Language != nil {
		return signing.Order{}, malformed("name and language change only together with pnr")
	}
	o, err := a.Reader.Order(r.Context(), c.ID, id)
	if err != nil {
		return signing.Order{}, err
	}
	s, ok := o.Signatory(n)
	if !ok {
		return signing.Order{}, signing.ErrNoSuch
	}
	email, phone, invite := s.Email, s.Phone, s.Invite
	if p.Email != nil {
		email = *p.Email
	}
	if p.Phone != nil {
		phone = *p.Phone
	}
	if p.Invite != nil {
		invite = *p.Invite
	}
	contact, err := signing.CheckContact(email, phone, invite)
	if err != nil {
		return signing.Order{}, err
	}
	return a.Editor.Correct(r.Context(), c.ID, id, n, contact)
}

// value is what a pointer points at, or nothing.
func value[T ~string](p *T) T {
	if p == nil {
		return ""
	}
	return *p
}
