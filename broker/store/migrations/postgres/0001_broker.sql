-- The tables of SQLite's file of the same name. What is in an index has the
-- order of bytes (COLLATE "C"): pages come in the same order on both, and no new
-- release of the operating system changes it.

CREATE TABLE orders (
	id            TEXT COLLATE "C" PRIMARY KEY,
	owner         TEXT COLLATE "C" NOT NULL,
	ref           TEXT NOT NULL,
	client        TEXT NOT NULL,
	provider      TEXT NOT NULL,
	instance      TEXT NOT NULL,
	mode          TEXT NOT NULL,
	kind          TEXT NOT NULL,
	locked        BOOLEAN NOT NULL,
	phase         TEXT NOT NULL,
	reason        TEXT NOT NULL,
	browser       BYTEA,
	nonce         BYTEA,
	returned      BIGINT,
	picked_up     BOOLEAN NOT NULL,
	restarts      BIGINT NOT NULL,
	created       BIGINT NOT NULL,
	changed       BIGINT NOT NULL,
	deadline      BIGINT,
	consumed      BIGINT,
	node          TEXT COLLATE "C" NOT NULL,
	lease_until   BIGINT NOT NULL,
	foreign_until BIGINT,
	version       BIGINT NOT NULL,
	sealed        BYTEA
);
CREATE INDEX orders_pending ON orders (lease_until, node) WHERE phase = 'pending';
CREATE INDEX orders_created ON orders (created);

-- Until when each node has last prolonged the leases of all its orders. One row
-- a node, so that watching ten thousand orders does not write ten thousand rows.
CREATE TABLE nodes (
	node  TEXT COLLATE "C" PRIMARY KEY,
	until BIGINT NOT NULL
);

CREATE TABLE logins (
	login    TEXT COLLATE "C" PRIMARY KEY,
	order_id TEXT COLLATE "C" UNIQUE,
	client   TEXT NOT NULL,
	provider TEXT NOT NULL,
	at       BIGINT NOT NULL,
	expires  BIGINT NOT NULL,
	sealed   BYTEA
);
CREATE INDEX logins_expires ON logins (expires);

CREATE TABLE subjects (
	person BYTEA NOT NULL,
	sector TEXT COLLATE "C" NOT NULL,
	sub    TEXT COLLATE "C" NOT NULL UNIQUE,
	PRIMARY KEY (person, sector)
);

CREATE TABLE clients (
	id    TEXT COLLATE "C" PRIMARY KEY,
	body  TEXT NOT NULL, -- JSON
	added BIGINT NOT NULL
);
