-- Acts as they are written, in the transaction of the act. The sequencer moves
-- them to audit_chain within seconds.
CREATE TABLE audit_waiting (
	id       INTEGER PRIMARY KEY,
	type     TEXT NOT NULL,
	at       BIGINT NOT NULL,
	client   TEXT NOT NULL,
	provider TEXT NOT NULL,
	instance TEXT NOT NULL,
	order_id TEXT NOT NULL,
	login    TEXT NOT NULL,
	person   TEXT NOT NULL,
	reason   TEXT NOT NULL
);

-- The chain. Rows are never changed.
CREATE TABLE audit_chain (
	position INTEGER PRIMARY KEY,
	hash     BLOB NOT NULL,
	type     TEXT NOT NULL,
	at       BIGINT NOT NULL,
	client   TEXT NOT NULL,
	provider TEXT NOT NULL,
	instance TEXT NOT NULL,
	order_id TEXT NOT NULL,
	login    TEXT NOT NULL,
	person   TEXT NOT NULL,
	reason   TEXT NOT NULL
);

CREATE TABLE audit_heads (
	position  BIGINT NOT NULL,
	at        BIGINT NOT NULL,
	hash      BLOB NOT NULL,
	kid       TEXT NOT NULL,
	signature BLOB NOT NULL,
	PRIMARY KEY (position, at)
);

-- One row: who assigns positions, and until when.
CREATE TABLE audit_sequencer (
	id     INTEGER PRIMARY KEY CHECK (id = 1),
	holder TEXT NOT NULL,
	until  BIGINT NOT NULL
);
INSERT INTO audit_sequencer (id, holder, until) VALUES (1, '', 0);
