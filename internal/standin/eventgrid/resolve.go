package eventgrid

import (
	"context"
	"sync"
	"time"
)

const (
	// settleFor is how long a commit without an answer is given to show up in the store, before it
	// is taken for not made: Azurite may still be at it when the connection is gone.
	settleFor = 5 * time.Second
	// slack covers the store's whole seconds.
	slack    = 2 * time.Second
	askEvery = 500 * time.Millisecond
)

// resolver asks the store about commits whose outcome is unknown. When in doubt it lets the event
// go: a second event is allowed, a missing one is not.
type resolver struct {
	s    *Server
	mu   sync.Mutex
	open []unresolved
}

type unresolved struct {
	intent
	since time.Time
}

func newResolver(s *Server) *resolver { return &resolver{s: s} }

func (r *resolver) add(intents ...intent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range intents {
		r.open = append(r.open, unresolved{intent: i, since: time.Now()})
	}
}

func (r *resolver) run(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		r.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round asks about each open commit once; those that are not decided stay for the next round.
func (r *resolver) round(ctx context.Context) {
	r.mu.Lock()
	todo := r.open
	r.open = nil
	r.mu.Unlock()
	var rest []unresolved
	for n, u := range todo {
		done, err := r.resolve(ctx, u)
		if err != nil {
			// The store or the disk is away: ask again later, about all that are left.
			r.s.log.WarnContext(ctx, "cannot resolve a commit yet", "blob", u.Commit.Blob, "err", err)
			rest = append(rest, todo[n:]...)
			break
		}
		if !done {
			rest = append(rest, u)
		}
	}
	r.mu.Lock()
	r.open = append(rest, r.open...)
	r.mu.Unlock()
}

func (r *resolver) resolve(ctx context.Context, u unresolved) (bool, error) {
	p, err := r.s.store.look(ctx, u.Commit.Container, u.Commit.Blob)
	if err != nil {
		return false, err
	}
	if p.exists && p.block && !p.changed.Before(u.Commit.Began.Add(-slack)) {
		c := u.Commit
		c.ContentLength, c.ContentType = p.size, p.contentType
		r.s.log.InfoContext(ctx, "commit without an answer found in the store", "blob", c.Blob)
		return true, r.s.settle(u.Key, newEvent(r.s.o.Topic, c, p.etag, p.requestID, r.s.o.Now()), u.Subs)
	}
	if time.Since(u.since) < settleFor {
		return false, nil
	}
	r.s.log.InfoContext(ctx, "commit without an answer was not made", "blob", u.Commit.Blob)
	return true, r.s.outbox.drop(u.Key)
}
