-- Whose a held thing is, so that those of one are counted together.
ALTER TABLE held ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX held_owner ON held (kind, owner);
