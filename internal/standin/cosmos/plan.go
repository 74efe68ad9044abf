package cosmos

import (
	"bytes"
	"slices"
	"strings"
)

// plan says which keys of which bucket a query reads, and in what order.
//
// Each document has an order key: the values of the columns the query is
// ordered by, then its id. A continuation token holds the order key of the
// last document, so documents added or removed elsewhere do not move a page.
type plan struct {
	bucket  []byte
	docs    bool     // the entries are the documents, not references to them
	prefix  []byte   // what every key starts with
	lo, hi  []byte   // bounds on what follows; hi includes all that starts with it
	points  [][]byte // or just these document keys, ascending
	reverse bool
	ordered bool     // what follows the prefix is the order key (complemented when reverse)
	cols    []column // what the order key is made of, for when it is not
	name    string   // which order key this is; a token of another is refused
}

// constraint is what a filter demands of one path, as far as an index can use it.
type constraint struct {
	path   []string
	eq     *value
	lo, hi []byte // ascending encodings, nil when open
}

// constraints collects the demands of the AND terms of a filter, and of an OR those that each of its terms makes: the
// usual condition of a page, c.x < @x OR (c.x = @x AND c.id < @id), demands c.x <= @x.
func constraints(where expr) demands {
	d := demands{}
	d.collect(where)
	return d
}

// demands are the constraints of a filter, one for each path.
type demands []*constraint

// at is the constraint on a path, a new one if there is none.
func (d *demands) at(path []string) *constraint {
	c := find(*d, path)
	if c == nil {
		c = &constraint{path: path}
		*d = append(*d, c)
	}
	return c
}

func (d *demands) collect(e expr) {
	switch e := e.(type) {
	case *logic:
		if e.or {
			for _, h := range hull(e.terms) {
				d.at(h.path).narrow(h.lo, h.hi)
			}
			return
		}
		for _, t := range e.terms {
			d.collect(t)
		}
	case *comparison:
		op, l, r := e.op, e.l, e.r
		if _, ok := l.(constant); ok {
			op, l, r = mirrored(op), r, l
		}
		k, ok := r.(constant)
		if path := pathOf(l); ok && path != nil {
			d.at(path).demand(op, k.val)
		}
	case *call:
		c := prefixCall(e)
		if c == nil {
			return
		}
		if path := pathOf(e.args[0]); path != nil {
			d.at(path).narrow(c.lo, c.hi)
		}
	}
}

// pathOf is the path an index could have, or nil.
func pathOf(e expr) []string {
	p, ok := e.(*pathExpr)
	if !ok {
		return nil
	}
	names, ok := p.names()
	if !ok {
		return nil
	}
	return names
}

// hull returns the ranges that hold whichever of the terms is true.
func hull(terms []expr) []*constraint {
	var out []*constraint
	for i, t := range terms {
		cs := constraints(t)
		for _, c := range cs {
			if c.eq != nil { // closer than any range, and not to be told from one afterwards
				key := appendKey(nil, *c.eq, maxIndexedText)
				c.lo, c.hi, c.eq = key, key, nil
			}
		}
		if i == 0 {
			out = cs
			continue
		}
		out = slices.DeleteFunc(out, func(h *constraint) bool {
			c := find(cs, h.path)
			return c == nil || !h.widen(c)
		})
	}
	return slices.DeleteFunc(out, func(h *constraint) bool { return h.lo == nil })
}

// widen makes the range hold another one, too; false says that there is none that does.
func (c *constraint) widen(o *constraint) bool {
	if c.lo == nil || o.lo == nil {
		return false
	}
	if bytes.Compare(o.lo, c.lo) < 0 {
		c.lo = o.lo
	}
	if bytes.HasPrefix(c.hi, o.hi) || bytes.Compare(o.hi, c.hi) > 0 && !bytes.HasPrefix(o.hi, c.hi) {
		c.hi = o.hi
	}
	return true
}

func mirrored(op string) string {
	switch op {
	case "<":
		return ">"
	case "<=":
		return ">="
	case ">":
		return "<"
	case ">=":
		return "<="
	}
	return op
}

// prefixCall turns STARTSWITH(path, 'constant') into a range.
func prefixCall(e *call) *constraint {
	if e.fn.name != "STARTSWITH" {
		return nil
	}
	if len(e.args) == 3 {
		if k, ok := e.args[2].(constant); !ok || k.val.kind != kindBool || k.val.b {
			return nil
		}
	}
	k, ok := e.args[1].(constant)
	if !ok || k.val.kind != kindString || len(k.val.s) > maxIndexedText {
		return nil
	}
	p := appendTextPrefix([]byte{tagString}, k.val.s, 0)
	return &constraint{lo: p, hi: p}
}

func (c *constraint) demand(op string, v value) {
	if v.kind < kindNull || v.kind > kindString {
		return // arrays and objects are compared, not indexed
	}
	key := appendKey(nil, v, maxIndexedText)
	lowest, highest := key[:1], key[:1]
	if v.kind == kindBool {
		lowest, highest = []byte{tagFalse}, []byte{tagTrue}
	}
	switch op {
	case "=":
		c.eq = &v
	case "<", "<=":
		c.narrow(lowest, key)
	case ">", ">=":
		c.narrow(key, highest)
	}
}

// narrow intersects the range: the greater lower bound, and of two upper
// bounds the smaller, or the longer where one begins the other.
func (c *constraint) narrow(lo, hi []byte) {
	if c.lo == nil || bytes.Compare(lo, c.lo) > 0 {
		c.lo = lo
	}
	if c.hi == nil || bytes.HasPrefix(hi, c.hi) || bytes.Compare(hi, c.hi) < 0 && !bytes.HasPrefix(c.hi, hi) {
		c.hi = hi
	}
}

func find(cs []*constraint, path []string) *constraint {
	for _, c := range cs {
		if slices.Equal(c.path, path) {
			return c
		}
	}
	return nil
}

// keyFrom returns the partition key that the filter fixes by equality.
func (c *container) keyFrom(cs []*constraint) []value {
	var key []value
	for _, path := range c.keys {
		k := find(cs, path)
		if k == nil || k.eq == nil {
			return nil
		}
		key = append(key, *k.eq)
	}
	return key
}

// withID adds the tie-breaking id to a list of columns.
func withID(cols []column, desc bool) []column {
	if len(cols) > 0 && isIDPath(cols[len(cols)-1].path) {
		return cols
	}
	return append(slices.Clone(cols), column{[]string{"id"}, desc})
}

// plan chooses how to run q inside the partition, or across all when key is nil.
func (c *container) plan(q *query, key []value) *plan {
	part := appendPart(nil, key)
	cs := constraints(q.where)
	order := slices.DeleteFunc(slices.Clone(q.order), func(col column) bool {
		k := find(cs, col.path)
		return k != nil && k.eq != nil
	})
	full := withID(order, lastDesc(q.order))
	name := "order"
	for _, col := range full {
		name += "|" + strings.Join(col.path, "/")
		if col.desc {
			name += " desc"
		}
	}
	docs := &indexDef{cols: []column{{path: []string{"id"}}}, name: "docs"}
	if keys, ok := c.points(q.where, key); ok {
		p := &plan{bucket: docsBucket(c.RID), docs: true, prefix: part, points: keys, cols: full, name: name}
		if p.ordered = len(q.order) == 0; p.ordered {
			p.name = "docs"
		}
		return p
	}
	if key == nil {
		return &plan{bucket: docsBucket(c.RID), docs: true, ordered: true, name: "all"}
	}
	var best *plan
	bestScore := -1
	for _, d := range append([]*indexDef{docs}, c.indexes...) {
		if d.unique {
			continue
		}
		p, score := d.plan(part, cs, full, len(q.order) > 0)
		if score > bestScore {
			best, bestScore = p, score
		}
		if p.docs = d == docs; p.docs {
			p.bucket = docsBucket(c.RID)
		} else {
			p.bucket = indexBucket(c.RID, d)
		}
		if p.cols = full; len(q.order) > 0 {
			p.name = name
		}
	}
	return best
}

// plan uses the index as far as the filter and the order allow; the score says
// how good that is: already in order first, then equalities, then a range.
func (d *indexDef) plan(part []byte, cs []*constraint, full []column, ordering bool) (*plan, int) {
	p := &plan{prefix: bytes.Clone(part), ordered: !ordering, name: d.name}
	rest := withID(d.cols, lastDesc(d.cols))
	score := 0
	for len(rest) > 1 && !isIDPath(rest[0].path) {
		k := find(cs, rest[0].path)
		if k == nil || k.eq == nil {
			break
		}
		p.prefix = appendColumnKey(p.prefix, *k.eq, rest[0].desc)
		p.name += "|="
		rest = rest[1:]
		score += 4
	}
	if k := find(cs, rest[0].path); k != nil && k.lo != nil {
		p.lo, p.hi = bytes.Clone(k.lo), bytes.Clone(k.hi)
		if rest[0].desc {
			invert(p.lo)
			invert(p.hi)
			p.lo, p.hi = p.hi, p.lo
		}
		score += 2
	}
	if ordering && len(rest) == len(full) {
		same, reversed := true, true
		for i, col := range rest {
			same = same && col.is(full[i])
			col.desc = !col.desc
			reversed = reversed && col.is(full[i])
		}
		p.ordered, p.reverse = same || reversed, reversed && !same
	}
	if p.ordered && ordering {
		score += 1000
	}
	return p, score
}

// points returns the keys of the only documents a filter on ids can keep.
func (c *container) points(where expr, key []value) ([][]byte, bool) {
	var keys [][]byte
	terms := []expr{where}
	if l, ok := where.(*logic); ok && l.or {
		terms = l.terms
	}
	for _, t := range terms {
		ids, ok := idsOf(t)
		if !ok {
			return nil, false
		}
		k := key
		if k == nil {
			if k = c.keyFrom(constraints(t)); k == nil {
				return nil, false
			}
		}
		part := appendPart(nil, k)
		for _, id := range ids {
			keys = append(keys, appendIDKey(bytes.Clone(part), id))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal), true
}

// idsOf finds c.id = 'x' or c.id IN ('x', ...) among the AND terms of e.
func idsOf(e expr) ([]string, bool) {
	isID := func(e expr) bool {
		p, ok := e.(*pathExpr)
		return ok && len(p.steps) == 1 && p.steps[0].name == "id" && !p.steps[0].array
	}
	switch e := e.(type) {
	case *logic:
		for _, t := range e.terms {
			if ids, ok := idsOf(t); ok && !e.or {
				return ids, true
			}
		}
	case *comparison:
		k, ok := e.r.(constant)
		if ok && e.op == "=" && isID(e.l) && k.val.kind == kindString {
			return []string{k.val.s}, true
		}
	case *inExpr:
		if !isID(e.x) {
			return nil, false
		}
		var ids []string
		for _, item := range e.list {
			k, ok := item.(constant)
			if !ok || k.val.kind != kindString {
				return nil, false
			}
			ids = append(ids, k.val.s)
		}
		return ids, true
	}
	return nil, false
}
