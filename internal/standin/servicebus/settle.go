package servicebus

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

type verdict int

const (
	complete verdict = iota
	abandon
	deferral
	deadLetter
)

// outcome is what a receiver decided about a message. props are laid over its application properties; a dead letter's
// reason and description are among them.
type outcome struct {
	verdict verdict
	props   map[string]any
}

// maxProperties bounds what settlements can add to a message, in bytes: Azure's limit of all properties.
const maxProperties = 64 << 10

// Application properties of dead letters.
const (
	propReason      = "DeadLetterReason"
	propDescription = "DeadLetterErrorDescription"
	reasonExpired   = "TTLExpiredException"
	reasonDelivered = "MaxDeliveryCountExceeded"
)

var (
	errNotDeferred = &wireError{condNotFound, "Failed to lock one or more of the specified messages: not deferred, or locked."}
	errLockLost    = &wireError{condLockLost, "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue."}
	errTooMany     = &wireError{condNotAllowed, "The properties that were modified are larger than 64 KiB together."}
	errNoDead      = &wireError{condNotAllowed, "A message in a dead-letter queue cannot be dead-lettered."}
)

// move is a change to one message in a transaction: what becomes of its entry is applied after the commit.
type move struct {
	box      *box
	entry    *entry
	deferred bool
	refused  error    // nothing was written
	gone     bool     // removed from box
	arrival  *arrival // in the dead-letter queue
}

func newMove(b *box, e *entry) *move { return &move{box: b, entry: e, deferred: e.deferred} }

func (mv *move) apply() {
	b := mv.box
	b.mu.Lock()
	if mv.gone {
		delete(b.entries, mv.entry.seq)
	} else {
		mv.entry.deferred = mv.deferred
		b.publish(mv.entry)
		b.notify()
	}
	b.mu.Unlock()
	if a := mv.arrival; a != nil {
		a.box.mu.Lock()
		a.box.publish(a.entry)
		a.box.notify()
		a.box.mu.Unlock()
	}
}

// settle decides about the message locked by token. done gets errLockLost where the lock is lost, and nil only after
// the decision is on disk: a crash before leaves the message to be delivered again.
func (br *broker) settle(b *box, token uuid, o outcome, done func(error)) {
	if o.verdict == deadLetter && b.dead == nil {
		done(errNoDead)
		return
	}
	over, err := encodeProperties(o.props)
	if err != nil {
		done(&wireError{condInvalidField, err.Error()})
		return
	}
	e := b.claim(token, br.nowMS())
	if e == nil {
		done(errLockLost)
		return
	}
	var mv *move
	br.store.submit(op{
		do: func(tx *bbolt.Tx) error {
			mv = newMove(b, e)
			return br.decide(tx, mv, o.verdict, over)
		},
		done: func(err error) {
			if err == nil {
				err = mv.refused
			}
			if err != nil {
				b.restore(e)
			} else {
				mv.apply()
			}
			done(err)
		},
	})
}

func (br *broker) decide(tx *bbolt.Tx, mv *move, v verdict, over []byte) error {
	b, seq := mv.box, mv.entry.seq
	t := table{tx, b.path}
	if v == complete {
		mv.gone = true
		return t.remove(seq)
	}
	r, ok, err := t.record(seq)
	if err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%s has no message %d", b.path, seq))
	}
	if r.props, err = mergeProperties(r.props, over); err != nil {
		return err
	}
	if len(r.props) > maxProperties {
		mv.refused = errTooMany
		return nil
	}
	switch v {
	case deadLetter:
		return br.bury(tx, mv, r)
	case deferral:
		r.deferred, mv.deferred = true, true
	case abandon:
		return br.fail(tx, mv, r)
	}
	return t.putRecord(seq, r)
}

// fail counts a failed delivery, an abandonment or a lock that ran out, and dead-letters the message once it has had
// as many as the entity allows. Dead-letter queues do not count: there is nowhere further to go.
func (br *broker) fail(tx *bbolt.Tx, mv *move, r record) error {
	b := mv.box
	if b.dead != nil {
		if r.count++; r.count >= b.maxDelivery {
			return br.buryFor(tx, mv, r, reasonDelivered, fmt.Sprintf("Message could not be consumed after %d delivery attempts.", b.maxDelivery))
		}
	}
	return table{tx, b.path}.putRecord(mv.entry.seq, r)
}

func (br *broker) buryFor(tx *bbolt.Tx, mv *move, r record, reason, description string) error {
	over, err := encodeProperties(map[string]any{propReason: reason, propDescription: description})
	if err != nil {
		return err
	}
	if r.props, err = mergeProperties(r.props, over); err != nil {
		return err
	}
	return br.bury(tx, mv, r)
}

// bury moves a message to the dead-letter queue, where it keeps its sequence number and never expires.
func (br *broker) bury(tx *bbolt.Tx, mv *move, r record) error {
	b, seq := mv.box, mv.entry.seq
	t := table{tx, b.path}
	raw := append([]byte(nil), t.bytes(seq)...)
	if err := t.remove(seq); err != nil {
		return err
	}
	r.deferred, r.expires, r.source = false, 0, b.name
	mv.gone = true
	mv.arrival = &arrival{b.dead, r.entry(seq)}
	return table{tx, b.dead.path}.put(seq, raw, r)
}

// consume removes leased messages for good and returns what to send: receive-and-delete. A crash after the commit
// loses them, which is what that mode means.
func (br *broker) consume(b *box, leases []lease) ([][]byte, error) {
	var out [][]byte
	err := br.store.update(func(tx *bbolt.Tx) error {
		out = make([][]byte, len(leases))
		t := table{tx, b.path}
		for i, l := range leases {
			payload, err := t.payload(lease{seq: l.seq}, l.entry.deferred, false)
			if err != nil {
				br.log.Error("a message cannot be read and is dropped", "entity", b.name, "sequence", l.seq, "error", err)
			}
			out[i] = payload
			if err := t.remove(l.seq); err != nil {
				return err
			}
		}
		return nil
	})
	now := br.nowMS()
	for _, l := range leases {
		if err != nil {
			b.release(l.token, now)
			continue
		}
		b.mu.Lock()
		b.withdraw(l.entry)
		delete(b.entries, l.seq)
		b.mu.Unlock()
	}
	return out, err
}
