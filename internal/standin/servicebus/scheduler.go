package servicebus

import (
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// maxSleep bounds how late anything can be noticed where no timer says so: a clock that is set, a machine that slept.
const maxSleep = 500 * time.Millisecond

// expireBatch bounds one transaction that ends locks or lives.
const expireBatch = 512

// schedulerLoop enqueues what is due, ends locks and lives that have run out, and sleeps until the next of these.
func (br *broker) schedulerLoop() {
	defer br.workers.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-br.stop:
			return
		case <-br.kick:
		case <-timer.C:
		}
		timer.Reset(br.tick())
	}
}

// tick does what is due in every entity and returns how long to sleep.
func (br *broker) tick() time.Duration {
	sleep := maxSleep
	for _, b := range br.order {
		now := br.nowMS()
		next, err := br.tickBox(b, now)
		if err != nil {
			br.log.Error("a scheduled change could not be stored, trying again", "entity", b.name, "error", err)
			continue
		}
		if next != 0 {
			sleep = min(sleep, max(time.Duration(next-br.nowMS())*time.Millisecond, 0))
		}
	}
	return sleep
}

// tickBox does one batch of each kind of work and returns when there is more, in ms; 0: nothing known.
func (br *broker) tickBox(b *box, now int64) (int64, error) {
	b.mu.Lock()
	due := b.nextDue
	failed := b.overdue(&b.locks, now)
	expired := b.overdue(&b.expiry, now)
	b.mu.Unlock()
	if due != 0 && due <= now {
		if err := br.enqueueDue(b, now); err != nil {
			b.putBack(failed, expired)
			return 0, fmt.Errorf("enqueueing due messages: %w", err)
		}
	}
	if err := br.ended(b, failed, func(tx *bbolt.Tx, mv *move, r record) error { return br.fail(tx, mv, r) }); err != nil {
		b.putBack(failed, expired)
		return 0, fmt.Errorf("ending locks: %w", err)
	}
	if err := br.ended(b, expired, br.expire); err != nil {
		b.putBack(nil, expired)
		return 0, fmt.Errorf("expiring messages: %w", err)
	}
	return b.nextEvent(), nil
}

// overdue withdraws up to a batch of entries at the head of q whose time has come. The caller holds mu.
func (b *box) overdue(q *queue, now int64) []*entry {
	var out []*entry
	for len(out) < expireBatch {
		e := q.first()
		if e == nil || q.by == byLock && e.until > now || q.by == byExpiry && e.expires > now {
			break
		}
		b.withdraw(e)
		out = append(out, e)
	}
	return out
}

// putBack undoes overdue after a failure of the store: the locks stay lost, what was about to expire will be found again.
func (b *box) putBack(failed, expired []*entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range failed {
		e.holder = locked
		b.locks.add(e)
	}
	for _, e := range expired {
		b.publish(e)
	}
}

// ended applies change to the records of entries in one transaction.
func (br *broker) ended(b *box, entries []*entry, change func(*bbolt.Tx, *move, record) error) error {
	if len(entries) == 0 {
		return nil
	}
	var moves []*move
	err := br.store.update(func(tx *bbolt.Tx) error {
		moves = nil
		for _, e := range entries {
			mv := newMove(b, e)
			r, ok, err := table{tx, b.path}.record(e.seq)
			if err != nil {
				return err
			}
			if !ok {
				mv.gone = true
			} else if err := change(tx, mv, r); err != nil {
				return err
			}
			moves = append(moves, mv)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, mv := range moves {
		mv.apply()
	}
	return nil
}

// expire ends the life of a message: dropped, or dead-lettered where the entity says so.
func (br *broker) expire(tx *bbolt.Tx, mv *move, r record) error {
	if mv.box.deadExpired && mv.box.dead != nil {
		return br.buryFor(tx, mv, r, reasonExpired, "The message expired and was dead lettered.")
	}
	mv.gone = true
	return table{tx, mv.box.path}.remove(mv.entry.seq)
}

// nextEvent is the earliest time at which something happens in b, in ms; 0: nothing is known to.
func (b *box) nextEvent() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.nextDue
	sooner := func(ms int64) {
		if next == 0 || ms < next {
			next = ms
		}
	}
	if e := b.locks.first(); e != nil {
		sooner(e.until)
	}
	if e := b.expiry.first(); e != nil {
		sooner(e.expires)
	}
	return next
}
