-- What was used up or has ended, whatever the short-lived store remembers.
CREATE TABLE spent (
	kind    TEXT COLLATE "C" NOT NULL,
	digest  BYTEA NOT NULL,
	expires BIGINT NOT NULL,
	PRIMARY KEY (kind, digest)
);
CREATE INDEX spent_expires ON spent (expires);
