-- For counting those that are not over, beside years of those that are.
CREATE INDEX orders_open ON orders (state) WHERE ended IS NULL;
