-- What owners of orders have not taken over, oldest first. Logins fetch their
-- results themselves.
CREATE INDEX orders_ended ON orders (owner, created, id)
	WHERE consumed IS NULL AND phase <> 'pending' AND owner <> 'login';
