-- What people keep who are not logged in is bounded, for all of them together.
CREATE INDEX drafts_anonymous ON drafts (anonymous, id);
