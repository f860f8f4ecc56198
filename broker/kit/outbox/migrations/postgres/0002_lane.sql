-- Where only one thing is done at a time; empty: anywhere.
ALTER TABLE outbox ADD COLUMN lane TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX outbox_lane ON outbox (lane, next) WHERE lane <> '' AND claim <> '';
