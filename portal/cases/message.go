package cases

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/letters"
	"sigill/portal/store"
)

// longestMessage is in characters.
const longestMessage = 10_000

// Write adds a message of a citizen; the other people of the case are told. once
// makes it the same message when the form comes twice.
func (c *Cases) Write(ctx context.Context, v portal.Visitor, id portal.CaseID, once, text string) error {
	row, who, err := c.citizen(ctx, v, id)
	if err != nil {
		return err
	}
	return c.say(ctx, row, who, once, text)
}

// Reply adds a message of an officer; the people of the case are told.
func (c *Cases) Reply(ctx context.Context, o portal.Officer, id portal.CaseID, once, text string) error {
	row, who, err := c.officer(ctx, o, id)
	if err != nil {
		return err
	}
	return c.say(ctx, row, who, once, text)
}

func (c *Cases) say(ctx context.Context, row store.Case, who actor, once, text string) error {
	text, ok := tidy(text)
	if !ok {
		return ErrEmpty
	}
	service, err := c.Service(ctx, row.Version)
	if err != nil {
		return fmt.Errorf("cases: %w", err)
	}
	// Who was not logged in has nowhere to read an answer.
	if !service.Handlers.Messages || row.Anonymous {
		return ErrNoMessages
	}
	now := c.Now()
	m := store.Message{ID: messageID(row.ID, who, once, text), Case: row.ID, At: now, By: who.role}
	if m.Body, err = sealMessage(c.Vault, row.CaseHead, m.ID, m.By, written{Name: who.name, Text: text}); err != nil {
		return err
	}
	told, err := c.tell(ctx, row, letters.Message, "message "+m.ID, who.keys)
	if err != nil {
		return err
	}
	event := c.event(audit.CaseMessage, row, who)
	event.Login = m.ID
	err = c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		row, err := store.CaseOf(tx, row.ID)
		if err != nil {
			return err
		}
		switch err := c.insert(tx, row, m); {
		case errors.Is(err, store.ErrTwice):
			return nil // the form came twice
		case err != nil:
			return err
		}
		if err := audit.Insert(tx, event); err != nil {
			return err
		}
		return c.Notices.Insert(tx, now, told...)
	})
	if errors.Is(err, ErrNoMessages) {
		return err
	}
	if err != nil {
		return known(err)
	}
	c.Wake()
	return nil
}

// insert writes a message with its event into a case that is not closed.
func (c *Cases) insert(tx *sqldb.Tx, row store.Case, m store.Message) error {
	closed := row.State == portal.Closed
	if err := store.InsertMessage(tx, m); err != nil {
		return err
	}
	if closed {
		return ErrNoMessages
	}
	if err := store.InsertEvent(tx, store.Event{Case: row.ID, At: m.At, Kind: portal.EventMessage, State: row.State, By: m.By}); err != nil {
		return err
	}
	row.Changed = m.At
	return store.UpdateCase(tx, row, row.State)
}

// messageID is the same for the same form with the same text. A form that comes
// again with another text says something else, and nothing of it is lost.
func messageID(id portal.CaseID, who actor, once, text string) string {
	if once == "" {
		return portal.NewID()
	}
	sum := sha256.Sum256(portal.Context("message", string(id), string(who.role), who.person, digest(once), digest(text)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// digest makes a text of any length one that Context takes.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return string(sum[:])
}

// tidy gives a message as it is kept; false: there is none, or it is too long.
func tidy(text string) (string, bool) {
	if len(text) > 4*longestMessage+4096 || !utf8.ValidString(text) {
		return "", false
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	return text, text != "" && utf8.RuneCountInString(text) <= longestMessage
}
