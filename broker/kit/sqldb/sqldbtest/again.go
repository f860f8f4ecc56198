package sqldbtest

import (
	"testing"

	"sigill/broker/kit/sqldb"
)

// Again makes every other transaction fail at its commit, as one that met others:
// it is run again, and whatever it left behind outside the database shows. It has
// no effect on SQLite, where nobody meets.
func Again(t testing.TB, db *sqldb.DB) {
	t.Helper()
	if db.Engine() == sqldb.SQLite {
		return
	}
	Exec(t, db, `CREATE SEQUENCE again`)
	// Once in a transaction, of however many rows. A sequence counts on when all
	// else is undone.
	Exec(t, db, `CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS '
		BEGIN
			IF current_setting(''sigill.again'', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
				PERFORM set_config(''sigill.again'', pg_current_xact_id()::text, true);
				IF nextval(''again'') % 2 = 1 THEN
					RAISE EXCEPTION ''once more'' USING ERRCODE = ''serialization_failure'';
				END IF;
			END IF;
			RETURN NULL;
		END'`)
	for _, table := range Tables(t, db) {
		Exec(t, db, `CREATE CONSTRAINT TRIGGER again AFTER INSERT OR UPDATE OR DELETE ON `+table+`
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION again()`)
	}
}
