-- The tables of SQLite's file of the same name. What is in an index has the
-- order of bytes (COLLATE "C"): pages come in the same order on both, and no new
-- release of the operating system changes it.

-- Drafts: applications that are being filled in. What they say lies beside, so
-- that a change of state does not write it once more.
CREATE TABLE drafts (
	id        TEXT COLLATE "C" PRIMARY KEY,
	tenant    TEXT COLLATE "C" NOT NULL,
	service   TEXT NOT NULL,
	version   TEXT NOT NULL, -- hash of the definition
	owner     TEXT COLLATE "C" NOT NULL, -- key of a person, or name of a browser
	anonymous BOOLEAN NOT NULL,
	state     TEXT NOT NULL,
	revision  BIGINT NOT NULL,
	written   BIGINT NOT NULL, -- the revision that its body was sealed with
	order_id  TEXT COLLATE "C" NOT NULL, -- empty: none
	attempt   TEXT COLLATE "C" NOT NULL,
	returned  TEXT NOT NULL,
	created   BIGINT NOT NULL,
	changed   BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	looked    BIGINT NOT NULL, -- 0: never
	sealkey   BYTEA NOT NULL,   -- the draft's own, sealed
	notes     BYTEA             -- what became known of it since it was locked, sealed
);
CREATE INDEX drafts_owner ON drafts (owner, tenant, changed);
CREATE UNIQUE INDEX drafts_order ON drafts (order_id) WHERE order_id <> '';
CREATE UNIQUE INDEX drafts_attempt ON drafts (attempt) WHERE attempt <> '';
CREATE INDEX drafts_waiting ON drafts (looked, id) WHERE state = 'waiting';
CREATE INDEX drafts_sending ON drafts (looked, id) WHERE state = 'sending';
CREATE INDEX drafts_expires ON drafts (expires, id) WHERE state = 'open';

CREATE TABLE draft_bodies (
	draft  TEXT COLLATE "C" PRIMARY KEY REFERENCES drafts (id) ON DELETE CASCADE,
	sealed BYTEA NOT NULL
);

-- What was handed to the signing service, while it is locked.
CREATE TABLE draft_outgoing (
	draft  TEXT COLLATE "C" PRIMARY KEY REFERENCES drafts (id) ON DELETE CASCADE,
	sealed BYTEA NOT NULL
);

CREATE TABLE draft_files (
	draft   TEXT COLLATE "C" NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
	id      TEXT COLLATE "C" NOT NULL,
	size    BIGINT NOT NULL,
	created BIGINT NOT NULL,
	sealed  BYTEA NOT NULL,
	PRIMARY KEY (draft, id)
);

-- What came too late.
CREATE TABLE draft_asides (
	draft  TEXT COLLATE "C" PRIMARY KEY REFERENCES drafts (id) ON DELETE CASCADE,
	base   BIGINT NOT NULL,
	saved  BIGINT NOT NULL,
	sealed BYTEA NOT NULL
);

-- Whose signature a waiting draft needs.
CREATE TABLE draft_asked (
	draft    TEXT COLLATE "C" NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
	person   TEXT COLLATE "C" NOT NULL,
	order_id TEXT NOT NULL,
	tenant   TEXT NOT NULL,
	sealed   BYTEA NOT NULL,
	PRIMARY KEY (draft, person)
);
CREATE INDEX draft_asked_person ON draft_asked (person, draft);

-- Cases: what has arrived.
CREATE TABLE cases (
	id        TEXT COLLATE "C" PRIMARY KEY,
	number    TEXT COLLATE "C" NOT NULL,
	tenant    TEXT COLLATE "C" NOT NULL,
	service   TEXT NOT NULL,
	version   TEXT NOT NULL,
	officers  TEXT COLLATE "C" NOT NULL, -- their group
	state     TEXT COLLATE "C" NOT NULL,
	arrived   BIGINT NOT NULL,
	changed   BIGINT NOT NULL,
	closed    BIGINT,
	erase     BIGINT,
	order_id  TEXT COLLATE "C" NOT NULL, -- empty: not signed
	anonymous BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX cases_number ON cases (tenant, number);
-- An order arrives once.
CREATE UNIQUE INDEX cases_order ON cases (order_id) WHERE order_id <> '';
CREATE INDEX cases_officers ON cases (tenant, officers, state, changed, id);
CREATE INDEX cases_erase ON cases (erase, id) WHERE erase IS NOT NULL;

CREATE TABLE case_bodies (
	case_id TEXT COLLATE "C" PRIMARY KEY REFERENCES cases (id) ON DELETE CASCADE,
	sealed  BYTEA NOT NULL
);

-- Who sees a case on Mina sidor. tenant, over and changed are the case's, so
-- that the newest of a person's are read from the index alone.
CREATE TABLE case_people (
	case_id TEXT COLLATE "C" NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
	person  TEXT COLLATE "C" NOT NULL,
	owner   BOOLEAN NOT NULL,
	tenant  TEXT COLLATE "C" NOT NULL,
	over    BOOLEAN NOT NULL,
	changed BIGINT NOT NULL,
	PRIMARY KEY (case_id, person)
);
CREATE INDEX case_people_newest ON case_people (person, tenant, over, changed, case_id);

CREATE TABLE case_files (
	case_id TEXT COLLATE "C" NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
	id      TEXT COLLATE "C" NOT NULL,
	n       BIGINT NOT NULL, -- their order
	kind    TEXT NOT NULL,
	meta    BYTEA NOT NULL,
	sealed  BYTEA NOT NULL,
	PRIMARY KEY (case_id, id)
);

CREATE TABLE case_messages (
	id      TEXT COLLATE "C" PRIMARY KEY,
	case_id TEXT COLLATE "C" NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
	n       BIGINT NOT NULL,
	at      BIGINT NOT NULL,
	author  TEXT COLLATE "C" NOT NULL,
	seen    BIGINT, -- by the other side
	body    BYTEA NOT NULL
);
CREATE UNIQUE INDEX case_messages_case ON case_messages (case_id, n);
CREATE INDEX case_messages_unread ON case_messages (case_id, author) WHERE seen IS NULL;

CREATE TABLE case_events (
	case_id TEXT COLLATE "C" NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
	n       BIGINT NOT NULL,
	at      BIGINT NOT NULL,
	kind    TEXT NOT NULL,
	state   TEXT NOT NULL,
	author  TEXT NOT NULL,
	PRIMARY KEY (case_id, n)
);

-- How many cases a tenant has had in a year. It outlives them: no number is used
-- twice.
CREATE TABLE case_numbers (
	tenant TEXT COLLATE "C" NOT NULL,
	year   BIGINT NOT NULL,
	last   BIGINT NOT NULL,
	PRIMARY KEY (tenant, year)
);

CREATE TABLE profiles (
	grp    TEXT COLLATE "C" NOT NULL,
	person TEXT COLLATE "C" NOT NULL,
	seen   BIGINT NOT NULL, -- when the person was last here
	body   BYTEA NOT NULL,
	PRIMARY KEY (grp, person)
);
CREATE INDEX profiles_seen ON profiles (seen);

CREATE TABLE sessions (
	id      TEXT COLLATE "C" PRIMARY KEY, -- hash of the cookie's secret
	kind    TEXT NOT NULL,
	tenant  TEXT NOT NULL,
	grp     TEXT NOT NULL,
	body    BYTEA NOT NULL,
	created BIGINT NOT NULL,
	seen    BIGINT NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX sessions_seen ON sessions (seen);
CREATE INDEX sessions_expires ON sessions (expires);

CREATE TABLE held (
	id      TEXT COLLATE "C" PRIMARY KEY, -- hash of the secret that takes it
	kind    TEXT COLLATE "C" NOT NULL,
	body    BYTEA NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX held_expires ON held (expires);

-- Every definition that a draft or a case may stay on, for ever.
CREATE TABLE versions (
	hash    TEXT COLLATE "C" PRIMARY KEY,
	service TEXT NOT NULL,
	version BIGINT NOT NULL,
	source  BYTEA NOT NULL,
	kept    BIGINT NOT NULL
);
