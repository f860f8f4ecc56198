package node

import (
	"context"
	"slices"

	"sigill/broker/kit/config"
	"sigill/broker/kit/sqldb"
	"sigill/broker/store"
	portalstore "sigill/portal/store"
	signstore "sigill/signing/store"
)

// Room is a database of an installation, for the commands that move and keep data.
type Room struct {
	sqldb.Part
	Sets       []sqldb.Set
	Durability sqldb.Durability
	// Lasting is false for what expires by itself and is never copied.
	Lasting bool
	wanted  bool // by the configuration
}

// passing are the portal's tables of who is logged in and what is held for a
// browser during its login.
func passing() []string { return []string{"sessions", "held"} }

// AllRooms are the databases that an installation may have.
func AllRooms(s config.Config) []Room {
	filled := []string{"audit_sequencer"} // whose turn it is
	return []Room{
		{sqldb.Part{Name: "broker", Filled: filled}, store.Tables(), sqldb.Durable, true, true},
		{sqldb.Part{Name: archiveName, Filled: filled}, signstore.Tables(), sqldb.Durable, true, s.Signing != nil},
		{sqldb.Part{Name: hallName, Filled: filled, Passing: passing()}, portalstore.Tables(), sqldb.Durable, true, s.Portal != nil},
		{sqldb.Part{Name: "short"}, []sqldb.Set{store.ShortTables()}, sqldb.CrashSafe, false, s.Store.Redis == nil},
	}
}

// Rooms are those that this one has. What was kept of a room stays kept, and is
// listed, also where the room is configured away.
func Rooms(ctx context.Context, s config.Config) ([]Room, error) {
	place, err := s.Place()
	if err != nil {
		return nil, err
	}
	all := AllRooms(s)
	for i, r := range all {
		if r.wanted || !r.Lasting {
			continue
		}
		if all[i].wanted, err = place.Has(ctx, r.Name); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(r Room) bool { return !r.wanted }), nil
}
