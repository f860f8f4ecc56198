CREATE TABLE short (
	kind    TEXT NOT NULL,
	key     TEXT NOT NULL,
	version BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	value   BLOB NOT NULL,
	PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX short_expires ON short (expires);
