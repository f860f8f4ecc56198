-- Keys, each sealed under the master key. A row stays for ever, so that no name
-- is used twice; a withdrawn key's secret is removed from it.
CREATE TABLE keys (
	id        TEXT COLLATE "C" PRIMARY KEY,
	purpose   TEXT COLLATE "C" NOT NULL,
	kind      TEXT COLLATE "C" NOT NULL,
	state     TEXT NOT NULL,
	master    TEXT NOT NULL,
	wrapped   BYTEA,
	created   BIGINT NOT NULL,
	activated BIGINT,
	retired   BIGINT,
	withdrawn BIGINT
);
-- Of several processes that make a key at the same time, one wins.
CREATE UNIQUE INDEX keys_one_active ON keys (purpose, kind) WHERE state = 'active';
CREATE UNIQUE INDEX keys_one_next ON keys (purpose, kind) WHERE state = 'next';
