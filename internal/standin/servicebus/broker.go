package servicebus

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// broker is the entities and their store; it knows nothing of the network.
type broker struct {
	store *store
	log   *slog.Logger
	clock func() time.Time
	added atomic.Int64 // what Advance has added to the clock, in ns
	boxes map[string]*box
	order []*box // as declared

	maxEntity int64 // bytes that a queue or topic may hold

	clockMu sync.Mutex    // one advance at a time
	kick    chan struct{} // capacity one: the scheduler looks again
	stop    chan struct{}
	workers sync.WaitGroup
}

func (br *broker) now() time.Time { return br.clock().Add(time.Duration(br.added.Load())) }

func (br *broker) nowMS() int64 { return br.now().UnixMilli() }

func newToken() uuid {
	var u uuid
	_, _ = rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

func newBroker(cfg Config, st *store, o Options) (*broker, error) {
	br := &broker{
		store: st, log: o.Logger, clock: o.Now, maxEntity: o.entitySize,
		boxes: map[string]*box{}, kick: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	br.declare(cfg.UserConfig.Namespaces[0])
	offset, err := st.clockOffset()
	if err != nil {
		return nil, err
	}
	br.added.Store(int64(offset))
	if err := st.update(br.createTables); err != nil {
		return nil, fmt.Errorf("creating the entities: %w", err)
	}
	if err := st.db.View(br.load); err != nil {
		return nil, fmt.Errorf("loading the entities: %w", err)
	}
	return br, nil
}

func (br *broker) add(b *box) *box {
	b.path = strings.ToLower(b.path)
	br.boxes[b.path] = b
	br.order = append(br.order, b)
	return b
}

func (br *broker) declare(ns Namespace) {
	for _, q := range ns.Queues {
		b := br.add(newBox(q.Name, q.Name, kindQueue))
		br.receivable(b, q.Properties)
		b.duplicates = q.Properties.duplicates()
	}
	for _, t := range ns.Topics {
		topic := br.add(newBox(t.Name, t.Name, kindTopic))
		topic.ttl = t.Properties.timeToLive()
		topic.duplicates = t.Properties.duplicates()
		for _, s := range t.Subscriptions {
			name := t.Name + "/Subscriptions/" + s.Name
			b := br.add(newBox(name, name, kindSubscription))
			br.receivable(b, s.Properties)
			b.ttl = shorter(b.ttl, topic.ttl)
			b.rules = s.Rules
			topic.subs = append(topic.subs, b)
		}
	}
}

// receivable sets up what queues and subscriptions have: a lock, a time to live, dead-letter queues.
func (br *broker) receivable(b *box, p Properties) {
	if b.lock = time.Duration(p.LockDuration); b.lock == 0 {
		b.lock = defaultLock
	}
	if b.maxDelivery = uint32(p.MaxDeliveryCount); b.maxDelivery == 0 {
		b.maxDelivery = defaultMaxDelivery
	}
	b.ttl = p.timeToLive()
	b.deadExpired = p.DeadLetteringOnMessageExpiration
	b.dead = br.add(newBox(b.name+"/$DeadLetterQueue", b.path+"/$deadletterqueue", kindDeadLetter))
	b.dead.lock = b.lock
	t := br.add(newBox(b.name+"/$Transfer/$DeadLetterQueue", b.path+"/$transfer/$deadletterqueue", kindTransfer))
	t.lock = b.lock
}

func (p Properties) timeToLive() time.Duration { return time.Duration(p.DefaultMessageTimeToLive) }

func (p Properties) duplicates() time.Duration {
	if !p.RequiresDuplicateDetection {
		return 0
	}
	if p.DuplicateDetectionHistoryTimeWindow == 0 {
		return defaultDuplicate
	}
	return time.Duration(p.DuplicateDetectionHistoryTimeWindow)
}

// shorter of two times to live, where 0 means none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (br *broker) createTables(tx *bbolt.Tx) error {
	for _, b := range br.order {
		if err := (table{tx, b.path}).create(); err != nil {
			return err
		}
	}
	return nil
}

// load reads the records of active and deferred messages. Scheduled ones are not read at all, only the earliest due
// time: a million of them cost nothing here.
func (br *broker) load(tx *bbolt.Tx) error {
	for _, b := range br.order {
		t := table{tx, b.path}
		err := t.bucket("s").ForEach(func(k, v []byte) error {
			r, err := decodeRecord(v)
			if err != nil {
				return fmt.Errorf("%s, message %d: %w", b.path, keyInt(k), err)
			}
			b.publish(r.entry(keyInt(k)))
			return nil
		})
		if err != nil {
			return err
		}
		if due, _, ok := t.firstDue(); ok {
			b.nextDue = max(due, 1)
		}
	}
	return nil
}

func (r record) entry(seq int64) *entry {
	return &entry{seq: seq, expires: r.expires, size: r.size, deferred: r.deferred}
}

// find returns the entity at an address, or nil.
func (br *broker) find(path string) *box { return br.boxes[path] }

// advance moves the clock and lets the scheduler look at it.
func (br *broker) advance(d time.Duration) error {
	br.clockMu.Lock()
	defer br.clockMu.Unlock()
	next := time.Duration(br.added.Load()) + d
	if err := br.store.setClockOffset(next); err != nil {
		return fmt.Errorf("storing the clock: %w", err)
	}
	br.added.Store(int64(next))
	signal(br.kick)
	return nil
}
