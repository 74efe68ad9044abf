package servicebus

import (
	"fmt"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// arrival is a message that a transaction has put into a box.
type arrival struct {
	box   *box
	entry *entry
}

// batch collects what a transaction changed, to be shown to receivers once it is committed.
type batch struct {
	arrivals []arrival
	due      map[*box]int64 // earliest due time of what was scheduled
}

func (br *broker) show(c *batch) {
	for _, a := range c.arrivals {
		a.box.mu.Lock()
		a.box.publish(a.entry)
		a.box.notify()
		a.box.mu.Unlock()
	}
	soon := false
	for b, due := range c.due {
		b.mu.Lock()
		if b.nextDue == 0 || due < b.nextDue {
			b.nextDue = due
			soon = true
		}
		b.mu.Unlock()
	}
	if soon {
		signal(br.kick)
	}
}

// send stores messages in a queue or topic, all or none; those with an enqueue time ahead are scheduled. done gets
// their sequence numbers, and no error only after they are on disk.
func (br *broker) send(b *box, msgs []inbound, done func([]int64, error)) {
	var c *batch
	var seqs []int64
	var refused error
	br.store.submit(op{
		do: func(tx *bbolt.Tx) error {
			c, seqs = &batch{due: map[*box]int64{}}, nil
			if refused = br.full(tx, b, msgs); refused != nil {
				return nil
			}
			now := br.nowMS()
			for _, m := range msgs {
				seq, err := br.accept(tx, c, b, m, now)
				if err != nil {
					return err
				}
				seqs = append(seqs, seq)
			}
			return nil
		},
		done: func(err error) {
			if err == nil {
				err = refused
			}
			if err == nil {
				br.show(c)
			}
			done(seqs, err)
		},
	})
}

// full refuses what would make the entity larger than it may be. Only senders are refused: what is inside already, a
// scheduled message that falls due or a dead letter, always has its place.
func (br *broker) full(tx *bbolt.Tx, b *box, msgs []inbound) error {
	size := br.used(tx, b)
	for _, m := range msgs {
		size += int64(len(m.raw))
	}
	if size <= br.maxEntity {
		return nil
	}
	return &wireError{condResourceLimit, fmt.Sprintf("The maximum entity size has been reached or exceeded for '%s'. Size of entity in bytes: %d, Max entity size in bytes: %d.", b.name, size, br.maxEntity)}
}

// used is what counts against the size of a queue or topic: its messages, those of its subscriptions, the dead letters.
func (br *broker) used(tx *bbolt.Tx, b *box) int64 {
	n := table{tx, b.path}.size()
	if b.dead != nil {
		n += table{tx, b.dead.path}.size()
	}
	for _, sub := range b.subs {
		n += br.used(tx, sub)
	}
	return n
}

// accept stores one message now or for later and returns its sequence number. A duplicate gets a number and is dropped.
func (br *broker) accept(tx *bbolt.Tx, c *batch, b *box, m inbound, now int64) (int64, error) {
	t := table{tx, b.path}
	if b.duplicates > 0 && m.id != "" {
		seen, err := t.duplicate(m.id, now, b.duplicates.Milliseconds())
		if err != nil {
			return 0, err
		}
		if seen {
			return t.nextSequence()
		}
	}
	due := m.scheduled.UnixMilli()
	if m.scheduled.IsZero() || due <= now {
		return br.enqueue(tx, c, b, m, now)
	}
	seq, err := t.nextSequence()
	if err != nil {
		return 0, err
	}
	if first, ok := c.due[b]; !ok || due < first {
		c.due[b] = due
	}
	return seq, t.schedule(seq, m.raw, due, now)
}

// enqueue makes a message active: in a queue, or in each subscription of a topic whose rules it matches.
func (br *broker) enqueue(tx *bbolt.Tx, c *batch, b *box, m inbound, now int64) (int64, error) {
	seq, err := table{tx, b.path}.nextSequence()
	if err != nil {
		return 0, err
	}
	if b.kind != kindTopic {
		return seq, br.place(tx, c, b, seq, 0, m, now)
	}
	for _, sub := range b.subs {
		if !anyMatches(sub.rules, &m.head) {
			continue
		}
		copySeq, err := table{tx, sub.path}.nextSequence()
		if err != nil {
			return 0, err
		}
		if err := br.place(tx, c, sub, copySeq, seq, m, now); err != nil {
			return 0, err
		}
	}
	return seq, nil
}

func (br *broker) place(tx *bbolt.Tx, c *batch, b *box, seq, origin int64, m inbound, now int64) error {
	r := record{size: uint32(len(m.raw)), enqueued: now, origin: origin}
	if ttl := shorter(b.ttl, m.ttl); ttl > 0 {
		ms := ttl.Milliseconds()
		if ms <= math.MaxUint32 {
			r.ttl = uint32(ms)
		}
		if ms < math.MaxInt64-now {
			r.expires = now + ms
		}
	}
	c.arrivals = append(c.arrivals, arrival{b, r.entry(seq)})
	return table{tx, b.path}.put(seq, m.raw, r)
}

// cancel removes scheduled messages: all of them or, when one is unknown or already enqueued, none; found tells which.
func (br *broker) cancel(b *box, seqs []int64, done func(found bool, err error)) {
	found := false
	seqs = slices.Compact(slices.Sorted(slices.Values(seqs)))
	br.store.submit(op{
		do: func(tx *bbolt.Tx) error {
			t := table{tx, b.path}
			dues := make([]int64, len(seqs))
			for i, seq := range seqs {
				if dues[i], _, found = t.scheduled(seq); !found {
					return nil
				}
			}
			for i, seq := range seqs {
				if err := t.unschedule(seq, dues[i]); err != nil {
					return err
				}
			}
			return nil
		},
		done: func(err error) { done(found, err) },
	})
}

// Limits of one transaction that enqueues what is due.
const (
	dueBatch = 2048
	dueBytes = 8 << 20
)

// enqueueDue makes scheduled messages active whose time has come, at most a batch of them, and finds the next due time.
// The message gets a new sequence number, as in Azure: the scheduled one is no longer valid. A crash before the commit
// leaves it scheduled, and due.
func (br *broker) enqueueDue(b *box, now int64) error {
	var c *batch
	var next int64
	err := br.store.update(func(tx *bbolt.Tx) error {
		c, next = &batch{}, 0
		t := table{tx, b.path}
		size := 0
		for n := 0; ; n++ {
			due, seq, ok := t.firstDue()
			if !ok {
				return nil
			}
			if due > now || n == dueBatch || size > dueBytes {
				next = max(due, 1)
				return nil
			}
			raw := append([]byte(nil), t.bytes(seq)...)
			size += len(raw)
			if err := t.unschedule(seq, due); err != nil {
				return err
			}
			m, err := parseInbound(raw)
			if err != nil {
				br.log.Error("a scheduled message cannot be read and is dropped", "entity", b.name, "sequence", seq, "error", err)
				continue
			}
			if _, err := br.enqueue(tx, c, b, m, now); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.nextDue = next
	b.mu.Unlock()
	br.show(c)
	return nil
}

func fromMS(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
