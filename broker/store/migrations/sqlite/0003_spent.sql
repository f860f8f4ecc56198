-- What was used up or has ended, whatever the short-lived store remembers.
CREATE TABLE spent (
	kind    TEXT NOT NULL,
	digest  BLOB NOT NULL,
	expires BIGINT NOT NULL,
	PRIMARY KEY (kind, digest)
) WITHOUT ROWID;
CREATE INDEX spent_expires ON spent (expires);
