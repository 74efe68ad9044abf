package cosmos

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// each calls yield for every stored item the plan selects whose order key
// comes after the given one, in the plan's order, until yield says false. The
// order key is nil when the plan is not ordered. Everything is valid only
// inside the transaction.
func (p *plan) each(tx *bolt.Tx, c *container, after []byte, yield func(key []byte, r record) bool) error {
	docs := tx.Bucket(docsBucket(c.RID))
	b := tx.Bucket(p.bucket)
	if docs == nil || b == nil {
		return fmt.Errorf("container %s: %w", c.RID, errNoBucket)
	}
	item := func(k, v []byte) bool {
		if !p.docs {
			v = docs.Get(v)
		}
		if !p.ordered {
			return yield(nil, recordOf(v))
		}
		key := k[len(p.prefix):]
		if p.reverse {
			key = bytes.Clone(key)
			invert(key)
		}
		return yield(key, recordOf(v))
	}
	if !p.ordered {
		after = nil // what was not in order is filtered by the caller
	}
	switch {
	case p.points != nil:
		for _, k := range p.points {
			if after != nil && bytes.Compare(k[len(p.prefix):], after) <= 0 {
				continue
			}
			if v := b.Get(k); v != nil && !item(k, v) {
				return nil
			}
		}
	case p.reverse:
		p.backward(b.Cursor(), after, item)
	default:
		p.forward(b.Cursor(), after, item)
	}
	return nil
}

func (p *plan) forward(cur *bolt.Cursor, after []byte, item func(k, v []byte) bool) {
	start := p.lo
	if bytes.Compare(after, start) > 0 {
		start = after
	}
	for k, v := cur.Seek(append(bytes.Clone(p.prefix), start...)); k != nil && bytes.HasPrefix(k, p.prefix); k, v = cur.Next() {
		rest := k[len(p.prefix):]
		if after != nil && bytes.Compare(rest, after) <= 0 {
			continue
		}
		if p.hi != nil && bytes.Compare(rest, p.hi) > 0 && !bytes.HasPrefix(rest, p.hi) || !item(k, v) {
			return
		}
	}
}

func (p *plan) backward(cur *bolt.Cursor, after []byte, item func(k, v []byte) bool) {
	end := successor(append(bytes.Clone(p.prefix), p.hi...))
	if after != nil {
		stop := bytes.Clone(after)
		invert(stop)
		stop = append(bytes.Clone(p.prefix), stop...)
		if end == nil || bytes.Compare(stop, end) < 0 {
			end = stop
		}
	}
	var k, v []byte
	if end != nil {
		k, _ = cur.Seek(end)
	}
	if k == nil {
		k, v = cur.Last()
	} else {
		k, v = cur.Prev()
	}
	for ; k != nil && bytes.HasPrefix(k, p.prefix); k, v = cur.Prev() {
		if p.lo != nil && bytes.Compare(k[len(p.prefix):], p.lo) < 0 || !item(k, v) {
			return
		}
	}
}

// orderKey makes the document's order key from its values.
func (p *plan) orderKey(doc value) []byte {
	var key []byte
	for _, col := range p.cols {
		key = appendColumnKey(key, doc.at(col.path), col.desc)
	}
	return key
}

// page is one page of a query being filled.
type page struct {
	ctx   context.Context
	q     *query
	c     *container
	p     *plan
	from  cursor
	max   int // items
	scan  int // items looked at
	now   int64
	out   [][]byte
	bytes int
	next  *cursor
	read  int
}

// cursor is where a query stands between two pages.
type cursor struct {
	after []byte // order key of the last item looked at; nil at the start
	skip  int    // what remains of OFFSET
	take  int    // what remains of TOP or LIMIT; -1 without
}

func (q *query) start() cursor {
	if q.top >= 0 {
		return cursor{take: q.top}
	}
	return cursor{skip: q.offset, take: q.limit}
}

// maxPageBytes is the largest page Azure sends.
const maxPageBytes = 4 << 20

// fill runs the query for one page.
func (pg *page) fill(tx *bolt.Tx) error {
	switch {
	case pg.q.count != nil:
		return pg.countAll(tx)
	case pg.from.take == 0:
		return nil
	case pg.p.ordered:
		return pg.stream(tx)
	}
	return pg.sort(tx)
}

// each is the plan's, until the client has gone.
func (pg *page) each(tx *bolt.Tx, after []byte, yield func(key []byte, r record) bool) error {
	gone := false
	err := pg.p.each(tx, pg.c, after, func(key []byte, r record) bool {
		gone = pg.read%256 == 255 && pg.ctx.Err() != nil
		return !gone && yield(key, r)
	})
	if gone {
		return pg.ctx.Err()
	}
	return err
}

// keep parses the item and says whether it lives and passes the filter.
func (pg *page) keep(r record) (value, bool) {
	pg.read++
	if r.expired(pg.c, pg.now) {
		return value{}, false
	}
	doc, err := parseStored(r.body)
	if err != nil {
		return value{}, false // cannot happen: it was written by this package
	}
	return doc, pg.q.where == nil || pg.q.where.eval(&scope{doc: doc}).isTrue()
}

// stream takes items as they come, and stops when the page is full or enough
// was looked at: then the page may well be empty and still have a successor.
func (pg *page) stream(tx *bolt.Tx) error {
	at := pg.from
	return pg.each(tx, at.after, func(key []byte, r record) bool {
		if pg.full() || pg.read >= pg.scan {
			pg.next = &at
			return false
		}
		doc, ok := pg.keep(r)
		at.after = bytes.Clone(key)
		if ok {
			at = pg.emit(at, doc, r)
		}
		return at.take != 0
	})
}

func (pg *page) full() bool { return len(pg.out) >= pg.max || pg.bytes >= maxPageBytes }

// emit counts the item against OFFSET and LIMIT and adds what SELECT makes of it.
func (pg *page) emit(at cursor, doc value, r record) cursor {
	if at.skip > 0 {
		at.skip--
		return at
	}
	if body, ok := pg.q.project(doc, r.body); ok {
		pg.out = append(pg.out, body)
		pg.bytes += len(body) + 1
	}
	if at.take > 0 {
		at.take--
	}
	return at
}

// sort looks at everything the plan selects and keeps the first items of the
// page in a heap.
func (pg *page) sort(tx *bolt.Tx) error {
	at := pg.from
	want := at.skip + pg.max + 1
	if at.take >= 0 {
		want = min(want, at.skip+at.take)
	}
	h := &topHeap{}
	err := pg.each(tx, nil, func(_ []byte, r record) bool {
		doc, ok := pg.keep(r)
		if !ok {
			return true
		}
		key := pg.p.orderKey(doc)
		switch {
		case at.after != nil && bytes.Compare(key, at.after) <= 0:
		case h.Len() < want:
			heap.Push(h, ranked{key, r})
		case bytes.Compare(key, (*h)[0].key) < 0:
			(*h)[0] = ranked{key, r}
			heap.Fix(h, 0)
		}
		return true
	})
	items := make([]ranked, h.Len())
	for i := len(items) - 1; i >= 0; i-- {
		items[i] = heap.Pop(h).(ranked)
	}
	for _, it := range items {
		if at.take == 0 {
			break
		}
		if pg.full() {
			pg.next = &at
			break
		}
		doc, perr := parseStored(it.r.body)
		if perr != nil {
			return perr
		}
		at.after = it.key
		at = pg.emit(at, doc, it.r)
	}
	return err
}

func (pg *page) countAll(tx *bolt.Tx) error {
	n := 0
	err := pg.each(tx, nil, func(_ []byte, r record) bool {
		if doc, ok := pg.keep(r); ok && pg.q.count.eval(&scope{doc: doc}).kind != kindUndefined {
			n++
		}
		return true
	})
	out := numberValue(float64(n))
	if len(pg.q.items) > 0 {
		out = value{kind: kindObject, obj: []member{{pg.q.items[0].name, out}}}
	}
	pg.out = append(pg.out, appendJSON(nil, out))
	return err
}

// project makes the result of one document; ok is false for SELECT VALUE of
// something undefined.
func (q *query) project(doc value, body []byte) (out []byte, ok bool) {
	s := &scope{doc: doc}
	switch {
	case q.star:
		return bytes.Clone(body), true
	case q.value != nil:
		v := q.value.eval(s)
		return appendJSON(nil, v), v.kind != kindUndefined
	}
	obj := value{kind: kindObject}
	for _, it := range q.items {
		obj.obj = append(obj.obj, member{it.name, it.e.eval(s)})
	}
	return appendJSON(nil, obj), true
}

// ranked is an item with its order key; topHeap keeps the greatest on top.
type ranked struct {
	key []byte
	r   record
}

type topHeap []ranked

func (h topHeap) Len() int           { return len(h) }
func (h topHeap) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) > 0 }
func (h topHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *topHeap) Push(x any)        { *h = append(*h, x.(ranked)) }
func (h *topHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
