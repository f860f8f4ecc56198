package store

import (
	"errors"
	"fmt"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
)

// Profile is what a person said about being told. Body is sealed.
type Profile struct {
	Group  portal.GroupID
	Person portal.PersonKey
	Body   []byte
	// Seen is when the person was last here: whoever never comes back is forgotten.
	Seen time.Time
}

// PutProfile writes it. It must say when the person was here.
func PutProfile(tx *sqldb.Tx, p Profile) error {
	if p.Group == "" || p.Person == "" || p.Seen.IsZero() {
		return errors.New("put profile: without group, person or time")
	}
	return exec(tx, "put profile", ErrNone, `INSERT INTO profiles (grp, person, seen, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (grp, person) DO UPDATE SET seen = excluded.seen, body = excluded.body`,
		string(p.Group), string(p.Person), p.Seen.UnixMilli(), p.Body)
}

// ProfileOf reads one.
func ProfileOf(r Reader, group portal.GroupID, person portal.PersonKey) (Profile, error) {
	var p Profile
	if err := one(r, "read profile", `SELECT grp, person, seen, body FROM profiles WHERE grp = $1 AND person = $2`,
		[]any{string(group), string(person)}, &p.Group, &p.Person, sqldb.IntoTime(&p.Seen), &p.Body); err != nil {
		return Profile{}, err
	}
	return p, nil
}

// TouchProfile notes that the person was here. That there is no profile is no
// error.
func TouchProfile(tx *sqldb.Tx, group portal.GroupID, person portal.PersonKey, seen time.Time) error {
	return exec(tx, "touch profile", nil, `UPDATE profiles SET seen = $1 WHERE grp = $2 AND person = $3 AND seen < $1`,
		seen.UnixMilli(), string(group), string(person))
}

// DeleteProfile removes one.
func DeleteProfile(tx *sqldb.Tx, group portal.GroupID, person portal.PersonKey) error {
	return exec(tx, "delete profile", nil, `DELETE FROM profiles WHERE grp = $1 AND person = $2`, string(group), string(person))
}

const forgetQuery = `DELETE FROM profiles WHERE (grp, person) IN (SELECT p.grp, p.person FROM profiles p WHERE p.seen < $1
	AND NOT EXISTS (SELECT 1 FROM drafts d WHERE d.owner = p.person)
	AND NOT EXISTS (SELECT 1 FROM case_people c WHERE c.person = p.person) LIMIT 500)`

// ForgetPersons removes the profiles of persons who have no draft and no case
// left and have not logged in since: at most 500 at a time, and tells how many.
func ForgetPersons(tx *sqldb.Tx, before time.Time) (int64, error) {
	n, err := tx.Exec(forgetQuery, before.UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("forget persons: %w", err)
	}
	return n, nil
}
