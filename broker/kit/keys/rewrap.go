package keys

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

// readMasters reads the master keys' files anew. What they hold decides, not
// their times; a file that cannot be read leaves all as it was.
func (r *Ring) readMasters() {
	if len(r.MasterFiles) == 0 {
		return
	}
	fresh, err := LoadMasters(r.MasterFiles...)
	if err != nil {
		if text := err.Error(); text != r.told.files {
			r.told.files = text
			r.Log.Error("a master key's file cannot be read; what was read before is still used", "error", err)
		}
		return
	}
	r.told.files = ""
	if slices.EqualFunc(fresh, *r.masters.Load(), func(a, b Master) bool { return a.id == b.id }) {
		return
	}
	r.masters.Store(&fresh)
	r.Log.Info("the master keys' files have changed and were read anew", "current", fresh[0].id, "previous", names(fresh[1:]))
}

func names(masters []Master) string {
	var list []string
	for _, m := range masters {
		list = append(list, m.id)
	}
	return strings.Join(list, " ")
}

func (r *Ring) master(id string) (Master, bool) {
	masters := *r.masters.Load()
	i := slices.IndexFunc(masters, func(m Master) bool { return m.id == id })
	if i < 0 {
		return Master{}, false
	}
	return masters[i], true
}

// tell says once when keys lie under a master key that is not here, and once when
// they do no more.
func (r *Ring) tell(s *snapshot) {
	var absent []string
	closed := 0
	for _, k := range s.all {
		if _, ok := r.master(k.Master); !ok && k.State != Withdrawn && !slices.Contains(absent, k.Master) {
			absent = append(absent, k.Master)
		}
		if k.unopened() {
			closed++
		}
	}
	slices.Sort(absent)
	state := ""
	if s.unheld > 0 {
		state = strings.Join(absent, " ") + " " + strconv.Itoa(closed)
	}
	if state == r.told.keys {
		return
	}
	r.told.keys = state
	if state == "" {
		r.Log.Info("every key can be opened again with the master keys that are here")
		return
	}
	r.Log.Error("keys lie under a master key whose file is not here: put it there as the current or the previous one. "+
		"Those that were opened before go on; this node could not start again",
		"master", strings.Join(absent, " "), "keys", s.unheld, "not opened", closed)
}

// errUnopened tells what to do about a key that cannot be opened.
func (r *Ring) errUnopened(k Info) error {
	return fmt.Errorf("%w: %s key %s is sealed under master key %s (the current one is %s): "+
		"name its file as the current or the previous master key", ErrNoMaster, k.Kind, k.ID, k.Master, (*r.masters.Load())[0].id)
}

// Unheld counts the keys that lie under a master key whose file is not here. As
// long as they have been opened before they work; this node could not start
// again.
func (r *Ring) Unheld() int { return r.loaded.Load().unheld }

// Check says whether a key is missing that may be needed at any moment, since it
// cannot be opened here.
func (r *Ring) Check() error {
	for _, k := range r.loaded.Load().all {
		// The next one is not used yet, and a retired one of tokens is only published.
		if k.unopened() && (k.State == Active || k.State == Retired && k.Kind == kindBox) {
			return r.errUnopened(k.Info)
		}
	}
	return nil
}

// wrapping chooses the master key that a new key is sealed under: the current one.
// But while all others still lie under a previous one, that: other nodes may not
// have the file of the current one yet. RewrapMaster is what brings it into use.
func (r *Ring) wrapping(tx *sqldb.Tx) (Master, error) {
	masters := *r.masters.Load()
	rows, err := tx.Rows(`SELECT DISTINCT master FROM keys WHERE wrapped IS NOT NULL`)
	if err != nil {
		return Master{}, err
	}
	defer rows.Close()
	used := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return Master{}, err
		}
		used[id] = true
	}
	if err := rows.Err(); err != nil {
		return Master{}, err
	}
	if len(used) == 0 {
		return masters[0], nil
	}
	for _, m := range masters {
		if used[m.id] {
			return m, nil
		}
	}
	return Master{}, fmt.Errorf("%w: no key is made before its file is", ErrNoMaster)
}

// RewrapMaster seals every key under the current master key. When it has
// returned, previous master keys are no longer needed.
func (r *Ring) RewrapMaster(ctx context.Context) error {
	current := (*r.masters.Load())[0]
	err := r.db.Write(ctx, func(tx *sqldb.Tx) error {
		old, err := wrappedUnderOthers(tx, current)
		if err != nil {
			return err
		}
		for _, k := range old {
			m, ok := r.master(k.Master)
			if !ok {
				return fmt.Errorf("%w: key %s is sealed under master key %s", ErrNoMaster, k.ID, k.Master)
			}
			secret, err := m.unwrap(k.wrapped, k.ID, k.Purpose, k.Kind)
			if err != nil {
				return fmt.Errorf("key %s cannot be opened: %w", k.ID, err)
			}
			if _, err := tx.Exec(`UPDATE keys SET wrapped = $1, master = $2 WHERE id = $3`,
				current.wrap(secret, k.ID, k.Purpose, k.Kind), current.id, k.ID); err != nil {
				return err
			}
		}
		if len(old) == 0 {
			return nil
		}
		return r.audit(tx, audit.KeyRotated, Info{ID: current.id, Purpose: "master", Kind: "wrap"})
	})
	if err != nil {
		return fmt.Errorf("keys: rewrap: %w", err)
	}
	return r.Refresh(ctx)
}

// wrappedKey is a row as it lies in the database.
type wrappedKey struct {
	Info
	wrapped []byte
}

func wrappedUnderOthers(tx *sqldb.Tx, current Master) ([]wrappedKey, error) {
	rows, err := tx.Rows(`SELECT id, purpose, kind, master, wrapped FROM keys WHERE wrapped IS NOT NULL AND master <> $1 ORDER BY id`, current.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []wrappedKey
	for rows.Next() {
		var k wrappedKey
		if err := rows.Scan(&k.ID, &k.Purpose, &k.Kind, &k.Master, &k.wrapped); err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, rows.Err()
}
