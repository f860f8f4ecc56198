package outbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"sigill/broker/kit/sqldb"
)

// Handler does the entries of one kind.
type Handler struct {
	// Do does it; nil means that it is done. It ends when its context does, which
	// is before the lease does. Its error is kept and logged, so it holds nothing secret or personal.
	Do func(context.Context, Entry) error
	// GaveUp, if set, is told of an entry that will not be tried again, and is
	// itself tried until it succeeds, or says that this is permanently in vain.
	// Only the text of the error is left of it.
	GaveUp func(context.Context, Entry, error) error
	Retry  Schedule
}

// Schedule is how often something is tried. Zero values have defaults.
type Schedule struct {
	First    time.Duration // pause after the first try, doubled after each; default 5 s
	Longest  time.Duration // pause; default 1 h
	Attempts int           // at most; default: as Age allows
	Age      time.Duration // from Due to the last try; default 72 h
}

func (s Schedule) withDefaults() Schedule {
	s.First = cmp.Or(s.First, 5*time.Second)
	s.Longest = cmp.Or(s.Longest, time.Hour)
	s.Age = cmp.Or(s.Age, 72*time.Hour)
	return s
}

// pause is how long to wait after so many tries. Random differences keep those
// that failed together from coming together again.
func (s Schedule) pause(attempts int) time.Duration {
	d := s.First
	for range attempts - 1 {
		if d >= s.Longest {
			break
		}
		d *= 2
	}
	d = min(d, s.Longest)
	return d - d/8 + mathrand.N(d/4+1)
}

// Config is what a Queue is made of. DB alone is needed.
type Config struct {
	DB *sqldb.DB
	// Node is the name of this process that outlives a restart: what it held
	// before is done again at once, not only when the lease has ended. No other
	// running queue with the same kinds may have it. Empty: a random one.
	Node string
	// Handlers by kind. Entries of other kinds are left for other queues.
	Handlers map[string]Handler
	Workers  int           // entries at a time; default 4
	Poll     time.Duration // how often it looks without being woken; default 1 s
	Lease    time.Duration // of one try; a handler gets three quarters of it; default 2 min
	Grace    time.Duration // for what is under way when Run is to end; default 5 s
	Keep     time.Duration // for rows that have ended; default 30 days
	Now      func() time.Time
	Log      *slog.Logger
}

// Queue works through one database's outbox. Any number of them, in any number of
// processes, may do so together.
type Queue struct {
	Config
	kinds []string
	wake  chan struct{} // has room for one
}

// New sets the defaults and starts nothing.
func New(c Config) (*Queue, error) {
	if c.DB == nil {
		return nil, errors.New("outbox: a queue needs a database")
	}
	c.Node = cmp.Or(c.Node, rand.Text())
	c.Workers = cmp.Or(c.Workers, 4)
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.Lease = cmp.Or(c.Lease, 2*time.Minute)
	c.Grace = cmp.Or(c.Grace, 5*time.Second)
	c.Keep = cmp.Or(c.Keep, 30*24*time.Hour)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Handlers = maps.Clone(c.Handlers)
	for kind, h := range c.Handlers {
		if kind == "" || h.Do == nil {
			return nil, fmt.Errorf("outbox: kind %q has no handler", kind)
		}
		h.Retry = h.Retry.withDefaults()
		c.Handlers[kind] = h
	}
	return &Queue{Config: c, kinds: slices.Sorted(maps.Keys(c.Handlers)), wake: make(chan struct{}, 1)}, nil
}

// Wake tells that something was inserted, after its commit.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

const purgeEvery = time.Hour

// Run works until ctx ends, and then lets what is under way come to its end.
func (q *Queue) Run(ctx context.Context) error {
	if err := q.reclaim(ctx); err != nil && ctx.Err() == nil {
		q.Log.ErrorContext(ctx, "outbox: what was under way waits for the end of its lease", "error", err)
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	tick := time.NewTicker(q.Poll)
	defer tick.Stop()
	over := make(chan struct{})
	busy, failing := 0, false
	var purged time.Time
	looked, overlong := time.Now(), false
	for {
		if busy < q.Workers && ctx.Err() == nil {
			list, err := q.claim(ctx, q.Workers-busy)
			if err != nil && !failing && ctx.Err() == nil {
				q.Log.ErrorContext(ctx, "outbox stands still; trying on", "error", err)
			}
			failing = err != nil
			for _, c := range list {
				busy++
				go func() {
					defer func() { over <- struct{}{} }()
					q.work(working, c)
				}()
			}
		}
		if time.Since(looked) >= q.Lease && ctx.Err() == nil {
			looked = time.Now()
			var err error
			if overlong, err = q.free(ctx, overlong); err != nil && ctx.Err() == nil {
				q.Log.ErrorContext(ctx, "outbox: leases not looked through", "error", err)
			}
		}
		if now := q.Now(); now.Sub(purged) >= purgeEvery || now.Before(purged) {
			purged = now
			if _, err := q.Purge(ctx); err != nil && ctx.Err() == nil {
				q.Log.ErrorContext(ctx, "outbox not purged", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			grace := time.AfterFunc(q.Grace, stop)
			defer grace.Stop()
			for ; busy > 0; busy-- {
				<-over
			}
			return nil
		case <-over:
			busy--
		case <-q.wake:
		case <-tick.C:
		}
	}
}

// reclaim takes back what this node held before it was restarted.
func (q *Queue) reclaim(ctx context.Context) error {
	if len(q.kinds) == 0 {
		return nil
	}
	return q.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE outbox SET claim = '', next = $1 WHERE ended IS NULL AND claim <> '' AND node = $2
			AND kind IN (`+placeholders(3, len(q.kinds))+`)`, append([]any{q.Now().UnixMilli(), q.Node}, texts(q.kinds)...)...)
		return err
	})
}

// free ends leases that end later than any would: a clock was ahead when they were
// taken. Who took one may be at work still, so it takes two looks, a lease apart.
func (q *Queue) free(ctx context.Context, again bool) (some bool, err error) {
	if len(q.kinds) == 0 {
		return false, nil
	}
	now := q.Now()
	where := ` WHERE ended IS NULL AND claim <> '' AND next > $1 AND kind IN (` + placeholders(2, len(q.kinds)) + `)`
	args := append([]any{now.Add(2 * q.Lease).UnixMilli()}, texts(q.kinds)...)
	if err := q.DB.Row(ctx, `SELECT EXISTS (SELECT 1 FROM outbox`+where+`)`, args...).Scan(&some); err != nil || !some || !again {
		return some, err
	}
	return false, q.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE outbox SET claim = '', next = $`+fmt.Sprint(len(args)+1)+where, append(args, now.UnixMilli())...)
		return err
	})
}

// claimed is an entry that this queue holds.
type claimed struct {
	Entry
	seq   int64
	state string
	claim string
	error string
	until time.Time // of the lease
}

// ready tells which rows may be claimed; $1 is the time, the kinds come last. Of a
// stream that is the first row, unless one that was dropped is still under way;
// of a lane it is any, unless one is under way.
// PostgreSQL hands out seq before the commit: entries of one stream are in order
// when their transactions are, as those that lock the same order row.
func (q *Queue) ready(firstKind int) string {
	return `ended IS NULL AND next <= $1 AND kind IN (` + placeholders(firstKind, len(q.kinds)) + `)
		AND (stream = '' OR state <> 'waiting' OR NOT EXISTS (SELECT 1 FROM outbox e
			WHERE e.stream <> '' AND e.stream = outbox.stream AND e.seq < outbox.seq
			AND (e.state = 'waiting' OR (e.state = 'dropped' AND e.next > $1))))
		AND (lane = '' OR NOT EXISTS (SELECT 1 FROM outbox e
			WHERE e.lane <> '' AND e.lane = outbox.lane AND e.claim <> '' AND e.next > $1))`
}

// lookahead is how many rows are looked at for each that is wanted, since of a
// lane only one is taken. Its others stand in the way of nobody the next time.
const lookahead = 16

func (q *Queue) claim(ctx context.Context, n int) ([]claimed, error) {
	if len(q.kinds) == 0 {
		return nil, nil
	}
	// Where nothing waits, nothing is written.
	now := q.Now()
	kinds := texts(q.kinds)
	var some bool
	if err := q.DB.Row(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE `+q.ready(2)+`)`,
		append([]any{now.UnixMilli()}, kinds...)...).Scan(&some); err != nil || !some {
		return nil, err
	}
	var list []claimed
	token, until := rand.Text(), now.Add(q.Lease)
	err := q.DB.Write(ctx, func(tx *sqldb.Tx) error {
		list = nil
		rows, err := tx.Rows(`UPDATE outbox SET node = $2, claim = $3, next = $4, attempts = attempts + 1
			WHERE id IN (SELECT id FROM (SELECT id, next, seq,
					row_number() OVER (PARTITION BY CASE lane WHEN '' THEN id ELSE lane END ORDER BY next, seq) AS nth
				FROM (SELECT id, lane, next, seq FROM outbox WHERE `+q.ready(7)+` ORDER BY next, seq LIMIT $6) AS ready) AS apart
				WHERE nth = 1 ORDER BY next, seq LIMIT $5)
			RETURNING seq, id, kind, ref, stream, lane, payload, state, created, due, attempts, error`,
			append([]any{now.UnixMilli(), q.Node, token, until.UnixMilli(), n, n * lookahead}, kinds...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c := claimed{claim: token, until: until}
			if err := rows.Scan(&c.seq, &c.ID, &c.Kind, &c.Ref, &c.Stream, &c.Lane, &c.Payload, &c.state,
				sqldb.IntoTime(&c.Created), sqldb.IntoTime(&c.Due), &c.Attempts, &c.error); err != nil {
				return err
			}
			list = append(list, c)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b claimed) int { return cmp.Compare(a.seq, b.seq) })
	return list, nil
}

// outcome is what a try changes in the row.
type outcome struct {
	state    State
	next     time.Time
	attempts int
	error    string
}

// work makes one try and writes down what came of it.
func (q *Queue) work(ctx context.Context, c claimed) {
	h := q.Handlers[c.Kind]
	limit, cancel := context.WithTimeout(ctx, q.Lease*3/4)
	var err error
	switch {
	case c.state == string(Failed) && h.GaveUp == nil:
		// An earlier release had somebody to tell.
	case c.state == string(Failed):
		err = call(func() error { return h.GaveUp(limit, c.Entry, errors.New(c.error)) })
	case h.Retry.Attempts > 0 && c.Attempts > h.Retry.Attempts:
		// The process died in each of them.
		err = Permanent(errors.New("no try came to an end"))
	default:
		err = call(func() error { return h.Do(limit, c.Entry) })
	}
	cancel()
	o := q.judge(ctx, c, h, err)
	log := q.Log.With("kind", c.Kind, "id", c.ID, "ref", c.Ref, "attempt", c.Attempts)
	switch {
	case err == nil:
		log.DebugContext(ctx, "outbox: "+string(o.state))
	case o.state == Failed && c.state != string(Failed) || o.state == GivenUp:
		log.ErrorContext(ctx, "outbox: given up", "error", err)
	default:
		log.WarnContext(ctx, "outbox: to be tried again", "error", err, "next", o.next)
	}
	q.settle(ctx, c, o, log)
}

// judge decides what comes after a try.
func (q *Queue) judge(ctx context.Context, c claimed, h Handler, err error) outcome {
	now := q.Now()
	waited := c.state == string(Waiting)
	switch {
	case err == nil && waited:
		return outcome{state: Done, next: now, attempts: c.Attempts}
	case err == nil:
		return outcome{state: GivenUp, next: now, attempts: c.Attempts, error: c.error}
	}
	text := clip(err.Error())
	switch {
	case waited:
	case isPermanent(err):
		return outcome{state: GivenUp, next: now, attempts: c.Attempts, error: text}
	default:
		return outcome{state: Failed, next: now.Add(h.Retry.pause(c.Attempts)), attempts: c.Attempts, error: c.error}
	}
	if ctx.Err() != nil && !isPermanent(err) {
		// We stopped it ourselves; that was no try.
		return outcome{state: Waiting, next: now, attempts: c.Attempts - 1, error: text}
	}
	last := c.Due.Add(h.Retry.Age)
	if isPermanent(err) || h.Retry.Attempts > 0 && c.Attempts >= h.Retry.Attempts || !now.Before(last) {
		if h.GaveUp == nil {
			return outcome{state: GivenUp, next: now, attempts: c.Attempts, error: text}
		}
		return outcome{state: Failed, next: now, error: text}
	}
	next := now.Add(max(h.Retry.pause(c.Attempts), retryAfter(err)))
	if next.After(last) {
		next = last
	}
	return outcome{state: Waiting, next: next, attempts: c.Attempts, error: text}
}

// settle writes the outcome. While that fails, as on a full disk, it tries on for
// as long as the lease lasts: what is done but not marked will be done again.
func (q *Queue) settle(ctx context.Context, c claimed, o outcome, log *slog.Logger) {
	var ended any
	if o.state == Done || o.state == GivenUp {
		ended = q.Now().UnixMilli()
	}
	for first := true; ; first = false {
		var n int64
		err := q.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(`UPDATE outbox SET state = $3, next = $4, attempts = $5, error = $6, ended = $7, claim = '',
				payload = CASE WHEN $3 = 'done' THEN NULL ELSE payload END
				WHERE id = $1 AND claim = $2 AND (ended IS NULL OR $3 = 'done')`,
				c.ID, c.claim, string(o.state), o.next.UnixMilli(), o.attempts, o.error, ended)
			return err
		})
		switch {
		case err == nil && n == 0:
			log.InfoContext(ctx, "outbox: it was dropped or taken over meanwhile")
			return
		case err == nil:
			return
		case first:
			log.ErrorContext(ctx, "outbox: not marked; trying on", "error", err)
		}
		if !q.Now().Add(q.Poll).Before(c.until) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(q.Poll):
		}
	}
}

// call turns a panic into an error. What was thrown may hold anything, so it is
// not shown; where it was thrown is.
func call(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{fmt.Sprintf("%T", v), frames(debug.Stack())}
		}
	}()
	return fn()
}

type panicked struct{ thrown, where string }

func (p *panicked) Error() string { return "the handler panicked with " + p.thrown + " at " + p.where }

// frames gives the place in the stack where a panic began.
func frames(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "panic(") })
	// The two lines of panic itself, then those of the function that did it.
	if i < 0 || i+3 >= len(lines) {
		return "an unknown place"
	}
	place, _, _ := strings.Cut(strings.TrimSpace(lines[i+3]), " ")
	if parts := strings.Split(place, "/"); len(parts) > 2 {
		place = strings.Join(parts[len(parts)-2:], "/")
	}
	return place
}

// clip keeps an error's text at a size that is fit to be kept.
func clip(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
