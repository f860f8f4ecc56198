-- The tables of SQLite's file of the same name. What is in an index has the
-- order of bytes (COLLATE "C"): pages come in the same order on both, and no new
-- release of the operating system changes it.

CREATE TABLE orders (
	id      TEXT COLLATE "C" PRIMARY KEY,
	client  TEXT NOT NULL,
	state   TEXT COLLATE "C" NOT NULL,
	created BIGINT NOT NULL,
	due     BIGINT,
	ended   BIGINT,
	version BIGINT NOT NULL,
	sealkey BYTEA, -- the order's own, sealed; NULL once it is destroyed
	head    BYTEA NOT NULL
);
CREATE INDEX orders_due ON orders (due, id) WHERE due IS NOT NULL;
CREATE INDEX orders_ended ON orders (ended, id) WHERE ended IS NOT NULL;

-- Apart from the order, so that lists and changes of state pass it by.
CREATE TABLE bodies (
	order_id TEXT COLLATE "C" PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
	sealed   BYTEA NOT NULL
);

CREATE TABLE parts (
	order_id TEXT COLLATE "C" NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	name     TEXT COLLATE "C" NOT NULL,
	sealed   BYTEA NOT NULL,
	PRIMARY KEY (order_id, name)
);

-- Who can find an order that is open; when it is not, there are none. client
-- and created are the order's, so that the newest of a person's are read from
-- the index alone, however many there have been.
CREATE TABLE persons (
	order_id TEXT COLLATE "C" NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	n        BIGINT NOT NULL,
	client   TEXT COLLATE "C" NOT NULL,
	person   BYTEA NOT NULL,
	created  BIGINT NOT NULL,
	PRIMARY KEY (order_id, n)
);
CREATE UNIQUE INDEX persons_newest ON persons (client, person, created, order_id);

CREATE TABLE invitations (
	client   TEXT COLLATE "C" NOT NULL,
	hash     BYTEA NOT NULL,
	order_id TEXT COLLATE "C" NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	n        BIGINT NOT NULL,
	created  BIGINT NOT NULL,
	PRIMARY KEY (client, hash)
);
CREATE INDEX invitations_order ON invitations (order_id, n);

CREATE TABLE requests (
	client   TEXT COLLATE "C" NOT NULL,
	idem     BYTEA NOT NULL, -- digest of the idempotency key
	body     BYTEA NOT NULL, -- digest of what was sent
	order_id TEXT COLLATE "C" NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	made     BIGINT NOT NULL,
	PRIMARY KEY (client, idem)
);
CREATE INDEX requests_order ON requests (order_id);
CREATE INDEX requests_made ON requests (made);

CREATE TABLE attempts (
	eid_order TEXT COLLATE "C" PRIMARY KEY,
	order_id  TEXT COLLATE "C" NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	n         BIGINT NOT NULL,
	outcome   TEXT NOT NULL, -- empty while it is under way
	made      BIGINT NOT NULL
);
CREATE INDEX attempts_order ON attempts (order_id);
