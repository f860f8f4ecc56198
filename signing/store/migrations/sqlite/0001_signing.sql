CREATE TABLE orders (
	id      TEXT PRIMARY KEY,
	client  TEXT NOT NULL,
	state   TEXT NOT NULL,
	created BIGINT NOT NULL,
	due     BIGINT,
	ended   BIGINT,
	version BIGINT NOT NULL,
	sealkey BLOB, -- the order's own, sealed; NULL once it is destroyed
	head    BLOB NOT NULL
);
CREATE INDEX orders_due ON orders (due, id) WHERE due IS NOT NULL;
CREATE INDEX orders_ended ON orders (ended, id) WHERE ended IS NOT NULL;

-- Apart from the order, since SQLite writes a row whole: a change of state would
-- write all that is to be signed once more.
CREATE TABLE bodies (
	order_id TEXT PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
	sealed   BLOB NOT NULL
);

CREATE TABLE parts (
	order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	name     TEXT NOT NULL,
	sealed   BLOB NOT NULL,
	PRIMARY KEY (order_id, name)
);

-- Who can find an order that is open; when it is not, there are none. client
-- and created are the order's, so that the newest of a person's are read from
-- the index alone, however many there have been.
CREATE TABLE persons (
	order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	n        BIGINT NOT NULL,
	client   TEXT NOT NULL,
	person   BLOB NOT NULL,
	created  BIGINT NOT NULL,
	PRIMARY KEY (order_id, n)
);
CREATE UNIQUE INDEX persons_newest ON persons (client, person, created, order_id);

CREATE TABLE invitations (
	client   TEXT NOT NULL,
	hash     BLOB NOT NULL,
	order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	n        BIGINT NOT NULL,
	created  BIGINT NOT NULL,
	PRIMARY KEY (client, hash)
);
CREATE INDEX invitations_order ON invitations (order_id, n);

CREATE TABLE requests (
	client   TEXT NOT NULL,
	idem     BLOB NOT NULL, -- digest of the idempotency key
	body     BLOB NOT NULL, -- digest of what was sent
	order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	made     BIGINT NOT NULL,
	PRIMARY KEY (client, idem)
);
CREATE INDEX requests_order ON requests (order_id);
CREATE INDEX requests_made ON requests (made);

CREATE TABLE attempts (
	eid_order TEXT PRIMARY KEY,
	order_id  TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	n         BIGINT NOT NULL,
	outcome   TEXT NOT NULL, -- empty while it is under way
	made      BIGINT NOT NULL
);
CREATE INDEX attempts_order ON attempts (order_id);
