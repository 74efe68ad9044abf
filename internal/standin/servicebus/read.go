package servicebus

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// payload encodes message l.seq for a receiver. A lease with a token carries the end of its lock and, where inside is
// set, the token too.
func (t table) payload(l lease, deferred, inside bool) ([]byte, error) {
	r, ok, err := t.record(l.seq)
	if err != nil || !ok {
		return nil, errors.Join(err, fmt.Errorf("%s has no message %d", t.path, l.seq))
	}
	o := outbound{seq: l.seq, rec: r}
	if deferred {
		o.state = 1
	}
	if l.token != (uuid{}) {
		o.lockedUntil = fromMS(l.until)
		if inside {
			o.token = &l.token
		}
	}
	return encodeOutbound(t.bytes(l.seq), o)
}

// payloads encodes leased messages. One that cannot be read is nil.
func (br *broker) payloads(b *box, leases []lease, inside bool) ([][]byte, error) {
	out := make([][]byte, len(leases))
	err := br.store.db.View(func(tx *bbolt.Tx) error {
		for i, l := range leases {
			var err error
			if out[i], err = (table{tx, b.path}).payload(l, l.entry.deferred, inside); err != nil {
				br.log.Error("a message cannot be read", "entity", b.name, "sequence", l.seq, "error", err)
			}
		}
		return nil
	})
	return out, err
}

// Limits of one peek, and of one call for deferred messages.
const (
	maxPeek          = 256
	maxPeekBytes     = 1 << 20
	maxDeferred      = 256
	maxDeferredBytes = 8 << 20
)

// peek encodes up to n messages from sequence number from on, in whatever state, without locking them.
func (br *broker) peek(b *box, from int64, n int) ([][]byte, error) {
	var out [][]byte
	size := 0
	err := br.store.db.View(func(tx *bbolt.Tx) error {
		t := table{tx, b.path}
		c := t.bucket("m").Cursor()
		for k, raw := c.Seek(seqKey(max(from, 0))); k != nil && len(out) < min(n, maxPeek) && size < maxPeekBytes; k, raw = c.Next() {
			o := outbound{seq: keyInt(k)}
			r, ok, err := t.record(o.seq)
			if err != nil {
				return err
			}
			if o.rec = r; r.deferred {
				o.state = 1
			}
			if !ok {
				o.state = 2
				_, o.rec.enqueued, _ = t.scheduled(o.seq)
			}
			payload, err := encodeOutbound(raw, o)
			if err != nil {
				return err
			}
			size += len(payload)
			out = append(out, payload)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("peeking into %s: %w", b.name, err)
	}
	return out, nil
}

// takeDeferred locks deferred messages by sequence number: all of them or, when one is not there or they are too much
// for one answer, none.
func (b *box) takeDeferred(seqs []int64, now int64) ([]lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen, size := map[int64]bool{}, 0
	for _, seq := range seqs {
		e := b.entries[seq]
		if e == nil || !e.deferred || e.holder != held || seen[seq] {
			return nil, errNotDeferred
		}
		seen[seq] = true
		size += int(e.size)
	}
	if len(seqs) > maxDeferred || size > maxDeferredBytes {
		return nil, &wireError{condNotAllowed, fmt.Sprintf("%d deferred messages of %d bytes in one call, want up to %d of %d", len(seqs), size, maxDeferred, maxDeferredBytes)}
	}
	out := make([]lease, len(seqs))
	for i, seq := range seqs {
		e := b.entries[seq]
		b.hold(e, now+b.lock.Milliseconds())
		out[i] = lease{e, seq, e.token, e.until}
	}
	return out, nil
}

// status is one line of GET /entities.
type status struct {
	Name         string `json:"name"`
	Active       int    `json:"active"`
	Scheduled    int64  `json:"scheduled"`
	Locked       int    `json:"locked"`
	Deferred     int    `json:"deferred"`
	DeadLettered int    `json:"deadLettered"`
}

// entities counts the messages of each queue, topic and subscription.
func (br *broker) entities() ([]status, error) {
	out := []status{}
	err := br.store.db.View(func(tx *bbolt.Tx) error {
		for _, b := range br.order {
			if b.kind == kindDeadLetter || b.kind == kindTransfer {
				continue
			}
			n := b.counts()
			s := status{Name: b.name, Active: n.active, Locked: n.locked, Deferred: n.deferred}
			s.Scheduled = int64(table{tx, b.path}.bucket("d").Sequence())
			if b.dead != nil {
				d := b.dead.counts()
				s.DeadLettered = d.active + d.locked + d.deferred
			}
			out = append(out, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting messages: %w", err)
	}
	return out, nil
}
