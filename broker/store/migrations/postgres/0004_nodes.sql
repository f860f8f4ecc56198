-- Which process goes by the node's name: a random name, new with each start.
ALTER TABLE nodes ADD COLUMN boot TEXT NOT NULL DEFAULT '';

-- Whose the pending orders are, to step from one node to the next.
CREATE INDEX orders_held ON orders (node, lease_until) WHERE phase = 'pending';
