package web

import (
	"net/http"
	"time"

	"sigill/broker/kit/page"
	"sigill/signing"
	"sigill/signing/orders"
)

// stage is where an order is for one of its signatories: what its page is about.
type stage string

const (
	toSign    stage = "to_sign"   // it is this person's turn
	notYet    stage = "not_yet"   // others sign first; until then there is nothing to read
	waiting   stage = "waiting"   // has signed; others have not
	sealing   stage = "sealing"   // all have signed, the receipt is being made
	completed stage = "completed" // the receipt is there
	declined  stage = "declined"  // this person said no
	refused   stage = "refused"   // somebody else said no
	expired   stage = "expired"
	cancelled stage = "cancelled"
)

// stageOf says where an order is for its visitor.
func stageOf(v orders.Visit, now time.Time) stage {
	me := own(v)
	switch v.Order.State {
	case signing.Sealing:
		return sealing
	case signing.Completed:
		return completed
	case signing.Refused:
		if me.State == signing.Declined {
			return declined
		}
		return refused
	case signing.Expired:
		return expired
	case signing.Cancelled:
		return cancelled
	}
	switch {
	case me.State == signing.Signed:
		return waiting
	case !now.Before(v.Order.Deadline):
		return expired // though the clock has not come by yet
	case !v.Order.Turn(v.N):
		return notYet
	}
	return toSign
}

// moves: the page is soon another one by itself.
func (s stage) moves() bool { return s == sealing }

func (s stage) icon() (icon, mark string) {
	switch s {
	case completed:
		return "seal", ""
	case waiting, sealing:
		return "check", ""
	case notYet:
		return "clock", ""
	case expired:
		return "clock", "warn"
	}
	return "alert", "warn"
}

// standing is the page for whoever has nothing more to do: how it stands.
func (w *Web) standing(rw http.ResponseWriter, r *http.Request, s seat, v orders.Visit) error {
	now := w.Now()
	at := stageOf(v, now)
	if at.moves() {
		w.Pages.Reload(rw, r)
	}
	look := lookOf(s, v)
	return w.room.Render(rw, r, http.StatusOK, "standing", look, page.Policy{}, func(lang string) any {
		b := struct {
			Client, Back, Title, Lang, Heading, Text, Next, Icon, Mark string
			Self, State, Receipt, Return, List                         string
			Moves                                                      bool
			Steps                                                      []step
			Documents                                                  []document
			Person                                                     person
		}{
			Client: s.asked(lang, v), Back: look.NameIn(lang), Title: v.Order.Title, Lang: other(lang, v), Heading: w.text(lang, "at."+string(at)), Self: s.path(), State: string(at),
			Return: v.Order.ReturnURL, List: orders.Room(s.client.ID), Moves: at.moves(), Steps: w.steps(lang, v, now), Person: s.person(),
		}
		b.Icon, b.Mark = at.icon()
		b.Text, b.Next = w.words(lang, at, v, b.Client)
		if at == completed {
			b.Receipt = s.path() + "/receipt.pdf"
		}
		if at == waiting {
			b.Documents = w.documents(lang, s, v)
		}
		return b
	})
}

// words say how it stands, and what happens next.
func (w *Web) words(lang string, at stage, v orders.Visit, client string) (text, next string) {
	key := "at." + string(at)
	me := own(v)
	reached := len(me.Channels()) > 0
	switch at {
	case waiting:
		signed, of := v.Order.Signed()
		text = w.text(lang, key+".text", "n", of-signed)
		if reached {
			return text, w.text(lang, key+".told", "when", w.when(lang, v.Order.Deadline))
		}
		return text, w.text(lang, key+".next", "client", client, "when", w.when(lang, v.Order.Deadline))
	case completed:
		return w.text(lang, key+".text", "when", w.when(lang, v.Order.CompletedAt)), w.text(lang, key+".next")
	case notYet:
		if reached {
			return w.text(lang, key+".text", "client", client), w.text(lang, key+".told")
		}
		return w.text(lang, key+".text", "client", client), w.text(lang, key+".next")
	case sealing:
		return w.text(lang, key+".text"), w.text(lang, key+".next")
	}
	// It came to nothing: whoever had signed must hear that it does not count.
	text, next = w.text(lang, key+".text"), w.text(lang, "at.over.next", "client", client)
	if me.State == signing.Signed {
		next = w.text(lang, "at.over.signed", "client", client)
	}
	return text, next
}

// step is a signatory in the list of how far it has come.
type step struct {
	Name, Text, Icon, Mark string
}

// steps tell of each signatory what the order lets the others see.
func (w *Web) steps(lang string, v orders.Visit, now time.Time) []step {
	var out []step
	others, signed := 0, 0
	for _, s := range v.Order.Signatories {
		if !s.Active() {
			continue
		}
		if v.Order.Visibility == signing.ShowNone && s.N != v.N {
			others++
			if s.State == signing.Signed {
				signed++
			}
			continue
		}
		p := step{Name: s.Name, Icon: "clock"}
		if s.N == v.N {
			p.Name = w.text(lang, "steps.you", "name", s.Name)
		}
		switch {
		case s.State == signing.Signed:
			p.Icon, p.Text = "check", w.text(lang, "steps.signed")
			if s.Signature != nil {
				p.Text = w.text(lang, "steps.signed.at", "when", w.when(lang, s.Signature.At))
			}
			if v.Order.State != signing.Refused && v.Order.State != signing.Expired && v.Order.State != signing.Cancelled {
				p.Mark = "done" // else it does not count
			}
		case s.State == signing.Declined:
			p.Icon, p.Mark, p.Text = "alert", "no", w.text(lang, "steps.refused")
		case v.Order.State != signing.Open || !now.Before(v.Order.Deadline):
			p.Text = w.text(lang, "steps.never")
		case !v.Order.Turn(s.N):
			p.Text = w.text(lang, "steps.later")
		default:
			p.Text = w.text(lang, "steps.asked")
		}
		out = append(out, p)
	}
	if others > 0 {
		p := step{Name: w.text(lang, "steps.others", "n", others), Icon: "clock", Text: w.text(lang, "steps.others.signed", "n", signed, "of", others)}
		if signed == others {
			p.Icon, p.Mark = "check", "done"
		}
		out = append(out, p)
	}
	return out
}
