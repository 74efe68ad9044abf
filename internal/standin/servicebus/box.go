package servicebus

import (
	"container/heap"
	"sync"
	"time"
)

type boxKind int

const (
	kindQueue boxKind = iota
	kindTopic
	kindSubscription
	kindDeadLetter
	kindTransfer // transfer dead-letter queues exist and stay empty: nothing is forwarded
)

// holder says who has a message.
type holder uint8

const (
	held     holder = iota // nobody: it is ready, or deferred
	locked                 // a receiver
	settling               // the store, between a decision and its commit
)

// entry is a stored message in memory: its bytes stay on disk.
type entry struct {
	seq      int64
	expires  int64 // ms; 0: never
	until    int64 // ms; end of the lock
	token    uuid
	size     uint32
	holder   holder
	deferred bool
	index    [3]int32 // place in each queue, plus one; 0: not in it
}

const (
	byReady = iota
	byExpiry
	byLock
)

// queue is a heap of entries in the order by; each entry knows its place, so that it can be taken out of the middle.
type queue struct {
	list []*entry
	by   int
}

func (q *queue) Len() int { return len(q.list) }

func (q *queue) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	switch q.by {
	case byExpiry:
		return a.expires < b.expires
	case byLock:
		return a.until < b.until
	}
	return a.seq < b.seq
}

func (q *queue) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].index[q.by], q.list[j].index[q.by] = int32(i+1), int32(j+1)
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	q.list = append(q.list, e)
	e.index[q.by] = int32(len(q.list))
}

func (q *queue) Pop() any {
	n := len(q.list) - 1
	e := q.list[n]
	q.list[n] = nil
	q.list = q.list[:n]
	e.index[q.by] = 0
	return e
}

func (q *queue) add(e *entry) {
	if e.index[q.by] == 0 {
		heap.Push(q, e)
	}
}

func (q *queue) drop(e *entry) {
	if i := e.index[q.by]; i != 0 {
		heap.Remove(q, int(i-1))
	}
}

func (q *queue) first() *entry {
	if len(q.list) == 0 {
		return nil
	}
	return q.list[0]
}

// box is one entity that holds messages: a queue, a topic (scheduled messages only), a subscription, a dead-letter queue.
type box struct {
	name        string // as declared
	path        string // lower case: the address and the key in the store
	kind        boxKind
	lock        time.Duration
	ttl         time.Duration // 0: none
	maxDelivery uint32
	deadExpired bool
	duplicates  time.Duration // 0: not detected
	rules       []Rule
	dead        *box   // where dead letters go; nil in a dead-letter queue
	subs        []*box // of a topic

	mu       sync.Mutex
	entries  map[int64]*entry
	ready    queue
	expiry   queue // ready ones only: a locked message does not expire
	locks    queue
	tokens   map[uuid]*entry
	deferred int
	nextDue  int64 // ms of the earliest scheduled message; 0: none
	watchers map[chan struct{}]struct{}
}

func newBox(name, path string, kind boxKind) *box {
	return &box{
		name: name, path: path, kind: kind,
		entries:  map[int64]*entry{},
		ready:    queue{by: byReady},
		expiry:   queue{by: byExpiry},
		locks:    queue{by: byLock},
		tokens:   map[uuid]*entry{},
		watchers: map[chan struct{}]struct{}{},
	}
}

// publish makes e available. The caller holds mu and calls notify afterwards.
func (b *box) publish(e *entry) {
	e.holder = held
	b.entries[e.seq] = e
	if e.deferred {
		b.deferred++
		return
	}
	b.ready.add(e)
	if e.expires != 0 {
		b.expiry.add(e)
	}
}

// withdraw takes e out of every queue; it stays in entries. The caller holds mu.
func (b *box) withdraw(e *entry) {
	if e.holder == held && e.deferred {
		b.deferred--
	}
	b.ready.drop(e)
	b.expiry.drop(e)
	if e.holder == locked {
		b.locks.drop(e)
		delete(b.tokens, e.token)
	}
	e.holder = settling
}

// hold locks e until the time given. The caller holds mu.
func (b *box) hold(e *entry, until int64) {
	b.withdraw(e)
	e.token = newToken()
	e.until = until
	e.holder = locked
	b.locks.add(e)
	b.tokens[e.token] = e
}

// watch makes every later notify of b fill c, which has room for one.
func (b *box) watch(c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[c] = struct{}{}
}

func (b *box) unwatch(c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watchers, c)
}

// notify tells every waiting receiver to look again. The caller holds mu.
func (b *box) notify() {
	if b.ready.Len() == 0 {
		return
	}
	for c := range b.watchers {
		signal(c)
	}
}

// signal fills a channel of capacity one without waiting.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lease is a message handed to one receiver. token is the zero value in receive-and-delete.
type lease struct {
	entry *entry
	seq   int64
	token uuid
	until int64
}

// take locks up to n ready messages of together about maxBytes, at least one if there is any. Expired ones are left to
// the scheduler.
func (b *box) take(now int64, n, maxBytes int) []lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []lease
	for len(out) < n && maxBytes > 0 {
		e := b.ready.first()
		if e == nil {
			break
		}
		if e.expires != 0 && e.expires <= now {
			b.ready.drop(e)
			continue
		}
		b.hold(e, now+b.lock.Milliseconds())
		maxBytes -= int(e.size)
		out = append(out, lease{e, e.seq, e.token, e.until})
	}
	return out
}

// release gives a lease back as if it had never been handed out. False means that the lock is lost.
func (b *box) release(token uuid, now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.tokens[token]
	if e == nil || e.until <= now {
		return false
	}
	b.withdraw(e)
	b.publish(e)
	b.notify()
	return true
}

// renew extends locks to the lock duration from now: all of them or, when one is lost, none.
func (b *box) renew(tokens []uuid, now int64) ([]time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range tokens {
		if e := b.tokens[t]; e == nil || e.until <= now {
			return nil, false
		}
	}
	out := make([]time.Time, len(tokens))
	for i, t := range tokens {
		e := b.tokens[t]
		b.locks.drop(e)
		e.until = now + b.lock.Milliseconds()
		b.locks.add(e)
		out[i] = time.UnixMilli(e.until).UTC()
	}
	return out, true
}

// claim takes the message out of its lock for a settlement; nil means that the lock is lost.
func (b *box) claim(token uuid, now int64) *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.tokens[token]
	if e == nil || e.until <= now {
		return nil
	}
	b.withdraw(e)
	return e
}

// restore puts e back under the lock it had: its settlement could not be stored.
func (b *box) restore(e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.holder = locked
	b.locks.add(e)
	b.tokens[e.token] = e
}

// counts of one entity, by state.
type counts struct{ active, locked, deferred int }

func (b *box) counts() counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return counts{active: b.ready.Len(), locked: len(b.tokens), deferred: b.deferred}
}
