package eventgrid

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

var errFull = errors.New("too many events are waiting")

// The buckets of the outbox.
const (
	bktIntent = "intent"   // sequence -> intent
	bktDue    = "due"      // subscription -> (due time, sequence) -> delivery
	bktSerial = "sequence" // its sequence is the sequencer's
)

// outbox is what must survive a crash: commits under way, and events not delivered yet.
type outbox struct {
	db    *bbolt.DB
	limit int64
	count atomic.Int64 // intents and deliveries
}

// intent is a commit whose outcome is not on disk.
type intent struct {
	Key    uint64   `json:"-"`
	Commit commit   `json:"commit"`
	Subs   []string `json:"subs"`
}

// delivery is an event on its way to one subscription.
type delivery struct {
	key      []byte
	Event    event     `json:"event"`
	Born     time.Time `json:"born"`
	Attempts int       `json:"attempts"`
	Last     time.Time `json:"last"`
}

func openOutbox(path string, subs []Subscription, limit int) (*outbox, error) {
	db, err := bbolt.Open(path, 0o640, &bbolt.Options{Timeout: 10 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("opening outbox %s: %w", path, err)
	}
	b := &outbox{db: db, limit: int64(limit)}
	err = db.Update(func(tx *bbolt.Tx) error {
		n, err := prepare(tx, subs)
		b.count.Store(int64(n))
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening outbox %s: %w", path, err), db.Close())
	}
	return b, nil
}

// prepare makes the buckets and counts what is in them. Events of a subscription that is no longer
// declared go with it, as they do in Azure.
func prepare(tx *bbolt.Tx, subs []Subscription) (int, error) {
	for _, name := range []string{bktIntent, bktDue, bktSerial} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return 0, err
		}
	}
	n := tx.Bucket([]byte(bktIntent)).Stats().KeyN
	due := tx.Bucket([]byte(bktDue))
	var gone [][]byte
	err := due.ForEachBucket(func(name []byte) error {
		if !slices.ContainsFunc(subs, func(s Subscription) bool { return s.Name == string(name) }) {
			gone = append(gone, append([]byte(nil), name...))
			return nil
		}
		n += due.Bucket(name).Stats().KeyN
		return dueNow(due.Bucket(name))
	})
	if err != nil {
		return 0, err
	}
	for _, name := range gone {
		if err := due.DeleteBucket(name); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// dueNow lets a restart try everything at once. It also frees what was postponed by a clock that ran
// ahead and was set back since.
func dueNow(bkt *bbolt.Bucket) error {
	var later [][]byte
	c := bkt.Cursor()
	for k, _ := c.Seek(serial(1)); k != nil; k, _ = c.Next() {
		later = append(later, append([]byte(nil), k...))
	}
	for _, k := range later {
		v := append([]byte(nil), bkt.Get(k)...)
		if err := bkt.Delete(k); err != nil {
			return err
		}
		if err := bkt.Put(dueKey(time.Time{}, binary.BigEndian.Uint64(k[8:])), v); err != nil {
			return err
		}
	}
	return nil
}

func (b *outbox) close() error {
	if err := b.db.Close(); err != nil {
		return fmt.Errorf("closing outbox: %w", err)
	}
	return nil
}

func (b *outbox) pending() int { return int(b.count.Load()) }

// begin writes the intent. errFull when the outbox holds as much as it may.
func (b *outbox) begin(c commit, subs []string) (uint64, error) {
	if b.count.Add(1) > b.limit {
		b.count.Add(-1)
		return 0, fmt.Errorf("beginning a commit of %s: %w", c.Blob, errFull)
	}
	var key uint64
	err := b.db.Update(func(tx *bbolt.Tx) error {
		bkt := tx.Bucket([]byte(bktIntent))
		var err error
		if key, err = bkt.NextSequence(); err != nil {
			return err
		}
		v, err := json.Marshal(intent{Commit: c, Subs: subs})
		if err != nil {
			return err
		}
		return bkt.Put(serial(key), v)
	})
	if err != nil {
		b.count.Add(-1)
		return 0, fmt.Errorf("beginning a commit of %s: %w", c.Blob, err)
	}
	return key, nil
}

// drop forgets an intent that came to nothing.
func (b *outbox) drop(key uint64) error {
	err := b.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bktIntent)).Delete(serial(key)) })
	if err != nil {
		return fmt.Errorf("dropping intent %d: %w", key, err)
	}
	b.count.Add(-1)
	return nil
}

// settle replaces the intent by one delivery a subscription, in one transaction.
func (b *outbox) settle(key uint64, e event, subs []string, now time.Time) error {
	err := b.db.Update(func(tx *bbolt.Tx) error {
		n, err := tx.Bucket([]byte(bktSerial)).NextSequence()
		if err != nil {
			return err
		}
		e.Data.Sequencer = sequencer(n)
		v, err := json.Marshal(delivery{Event: e, Born: now})
		if err != nil {
			return err
		}
		for _, sub := range subs {
			bkt, err := tx.Bucket([]byte(bktDue)).CreateBucketIfNotExists([]byte(sub))
			if err != nil {
				return err
			}
			if err := bkt.Put(dueKey(time.Time{}, n), v); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(bktIntent)).Delete(serial(key))
	})
	if err != nil {
		return fmt.Errorf("storing the event of %s: %w", e.Subject, err)
	}
	b.count.Add(int64(len(subs)) - 1)
	return nil
}

// due returns up to limit deliveries of the subscription whose time has come, oldest first, and when
// the next one is due (zero: none waits).
func (b *outbox) due(sub string, now time.Time, limit int) (ready []delivery, next time.Time, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		bkt := tx.Bucket([]byte(bktDue)).Bucket([]byte(sub))
		if bkt == nil {
			return nil
		}
		c := bkt.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if at := time.Unix(0, int64(binary.BigEndian.Uint64(k))); at.After(now) || len(ready) == limit {
				next = at
				return nil
			}
			d := delivery{key: append([]byte(nil), k...)}
			if err := json.Unmarshal(v, &d); err != nil {
				return fmt.Errorf("delivery %x: %w", k, err)
			}
			ready = append(ready, d)
		}
		return nil
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("reading what is due for %s: %w", sub, err)
	}
	return ready, next, nil
}

// delivered forgets the deliveries.
func (b *outbox) delivered(sub string, done []delivery) error {
	err := b.db.Update(func(tx *bbolt.Tx) error {
		for _, d := range done {
			if err := tx.Bucket([]byte(bktDue)).Bucket([]byte(sub)).Delete(d.key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing what %s got: %w", sub, err)
	}
	b.count.Add(-int64(len(done)))
	return nil
}

// postpone stores the failed attempt and when to try again.
func (b *outbox) postpone(sub string, d delivery, until time.Time) error {
	err := b.db.Update(func(tx *bbolt.Tx) error {
		v, err := json.Marshal(d)
		if err != nil {
			return err
		}
		bkt := tx.Bucket([]byte(bktDue)).Bucket([]byte(sub))
		if err := bkt.Delete(d.key); err != nil {
			return err
		}
		return bkt.Put(dueKey(until, binary.BigEndian.Uint64(d.key[8:])), v)
	})
	if err != nil {
		return fmt.Errorf("postponing an event of %s: %w", sub, err)
	}
	return nil
}

// intents returns the commits that the last process left without an outcome.
func (b *outbox) intents() ([]intent, error) {
	var all []intent
	err := b.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bktIntent)).ForEach(func(k, v []byte) error {
			i := intent{Key: binary.BigEndian.Uint64(k)}
			if err := json.Unmarshal(v, &i); err != nil {
				return fmt.Errorf("intent %x: %w", k, err)
			}
			all = append(all, i)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading intents: %w", err)
	}
	return all, nil
}

func serial(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// dueKey sorts by due time, then by sequence. The zero time is due at once, whatever the clock says.
func dueKey(at time.Time, n uint64) []byte {
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	return binary.BigEndian.AppendUint64(serial(uint64(at.UnixNano())), n)
}
