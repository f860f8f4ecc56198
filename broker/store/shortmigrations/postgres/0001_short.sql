-- Unlogged: these rows come and go all the time, and none is worth a flush. After
-- a crash of the server the table is empty, and is never that of a moment before:
-- so nothing that was taken comes back. On a standby that takes over it is empty
-- as well.
CREATE UNLOGGED TABLE short (
	kind    TEXT COLLATE "C" NOT NULL,
	key     TEXT COLLATE "C" NOT NULL,
	version BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	value   BYTEA NOT NULL,
	PRIMARY KEY (kind, key)
);
CREATE INDEX short_expires ON short (expires);
