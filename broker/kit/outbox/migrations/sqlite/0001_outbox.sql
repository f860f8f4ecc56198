-- What has to be done outside the database. A row is written in the transaction
-- of the act that wants it, and stays for a while after it has ended.
CREATE TABLE outbox (
	seq      INTEGER PRIMARY KEY, -- the order in which rows came
	id       TEXT NOT NULL UNIQUE,
	kind     TEXT NOT NULL,
	ref      TEXT NOT NULL,
	stream   TEXT NOT NULL,
	payload  BLOB,
	state    TEXT NOT NULL,       -- waiting, failed, done, given up, dropped
	created  BIGINT NOT NULL,
	due      BIGINT NOT NULL,
	next     BIGINT NOT NULL,     -- when it may be claimed: due, the next try, or the end of the lease
	attempts BIGINT NOT NULL,
	node     TEXT NOT NULL,       -- who holds the lease
	claim    TEXT NOT NULL,       -- which claim it was; empty when nobody holds it
	error    TEXT NOT NULL,
	ended    BIGINT
);
CREATE INDEX outbox_next ON outbox (next, seq) WHERE ended IS NULL;
CREATE INDEX outbox_stream ON outbox (stream, state, seq) WHERE stream <> '';
CREATE INDEX outbox_ref ON outbox (ref);
CREATE INDEX outbox_ended ON outbox (ended) WHERE ended IS NOT NULL;
