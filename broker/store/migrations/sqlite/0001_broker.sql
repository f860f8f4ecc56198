CREATE TABLE orders (
	id            TEXT PRIMARY KEY,
	owner         TEXT NOT NULL,
	ref           TEXT NOT NULL,
	client        TEXT NOT NULL,
	provider      TEXT NOT NULL,
	instance      TEXT NOT NULL,
	mode          TEXT NOT NULL,
	kind          TEXT NOT NULL,
	locked        BOOLEAN NOT NULL,
	phase         TEXT NOT NULL,
	reason        TEXT NOT NULL,
	browser       BLOB,
	nonce         BLOB,
	returned      BIGINT,
	picked_up     BOOLEAN NOT NULL,
	restarts      BIGINT NOT NULL,
	created       BIGINT NOT NULL,
	changed       BIGINT NOT NULL,
	deadline      BIGINT,
	consumed      BIGINT,
	node          TEXT NOT NULL,
	lease_until   BIGINT NOT NULL,
	foreign_until BIGINT,
	version       BIGINT NOT NULL,
	sealed        BLOB -- last, since it may spill to other pages
);
CREATE INDEX orders_pending ON orders (lease_until, node) WHERE phase = 'pending';
CREATE INDEX orders_created ON orders (created);

-- Until when each node has last prolonged the leases of all its orders. One row
-- a node, so that watching ten thousand orders does not write ten thousand rows.
CREATE TABLE nodes (
	node  TEXT PRIMARY KEY,
	until BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE logins (
	login    TEXT PRIMARY KEY,
	order_id TEXT UNIQUE,
	client   TEXT NOT NULL,
	provider TEXT NOT NULL,
	at       BIGINT NOT NULL,
	expires  BIGINT NOT NULL,
	sealed   BLOB
);
CREATE INDEX logins_expires ON logins (expires);

CREATE TABLE subjects (
	person BLOB NOT NULL,
	sector TEXT NOT NULL,
	sub    TEXT NOT NULL UNIQUE,
	PRIMARY KEY (person, sector)
) WITHOUT ROWID;

CREATE TABLE clients (
	id    TEXT PRIMARY KEY,
	body  TEXT NOT NULL, -- JSON
	added BIGINT NOT NULL
);
