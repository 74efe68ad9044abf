package cosmos

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Limits of an item (Azure's service quotas).
const (
	maxItem  = 2 << 20
	maxID    = 1023
	maxKey   = 2048
	maxPatch = 10
)

// record is an item as stored: a header and the JSON text as it is returned.
type record struct {
	number uint64 // sequence at creation; names the item's _rid
	lsn    uint64 // sequence of the last write; makes the ETag
	ts     int64  // seconds since 1970 of the last write
	ttl    int32  // the item's own ttl; 0 when it has none
	body   []byte
}

const recordHeader = 29

func (r record) append(dst []byte) []byte {
	dst = append(dst, 1) // version of this layout
	dst = binary.BigEndian.AppendUint64(dst, r.number)
	dst = binary.BigEndian.AppendUint64(dst, r.lsn)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.ts))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.ttl))
	return append(dst, r.body...)
}

// recordOf reads a stored item; its body is only valid inside the transaction.
func recordOf(v []byte) record {
	if len(v) < recordHeader {
		return record{body: []byte("{}")}
	}
	return record{
		number: binary.BigEndian.Uint64(v[1:]),
		lsn:    binary.BigEndian.Uint64(v[9:]),
		ts:     int64(binary.BigEndian.Uint64(v[17:])),
		ttl:    int32(binary.BigEndian.Uint32(v[25:])),
		body:   v[recordHeader:],
	}
}

func (r record) etag() string { return etagOf(r.number, r.lsn, r.ts) }

// etagOf makes a quoted ETag in Azure's shape; lsn makes it unique in a container.
func etagOf(number, lsn uint64, ts int64) string {
	return fmt.Sprintf("\"%08x-%04x-%04x-0000-%08x0000\"", uint32(lsn), uint16(lsn>>32), uint16(number), uint32(ts))
}

// expired says whether time to live has run out; the container's setting turns
// it on, the item's own overrides it.
func (r record) expired(c *container, now int64) bool {
	if c.TTL == nil {
		return false
	}
	ttl := *c.TTL
	if r.ttl != 0 {
		ttl = r.ttl
	}
	return ttl > 0 && now >= r.ts+int64(ttl)
}

// opKind is what a write request or one operation of a batch does.
type opKind string

const (
	opCreate  opKind = "Create"
	opUpsert  opKind = "Upsert"
	opReplace opKind = "Replace"
	opDelete  opKind = "Delete"
	opPatch   opKind = "Patch"
	opRead    opKind = "Read"
)

// operation is one checked operation on one item, ready to be applied.
type operation struct {
	kind    opKind
	id      string
	doc     value // create, upsert, replace
	patch   *patch
	ifMatch string
}

// result is what became of an operation.
type result struct {
	status int
	etag   string
	body   []byte
	charge float64
}

// document checks the JSON text of an item against the rules that need no
// store: its id, its partition key, its size.
func (c *container) document(raw []byte, key []value) (doc value, id string, aerr *apiError) {
	if len(raw) > maxItem {
		return doc, "", errTooLarge()
	}
	doc, err := parseJSON(raw)
	if err != nil {
		return doc, "", badRequest("The input content is invalid because it is not valid JSON: %v.", err)
	}
	if doc.kind != kindObject {
		return doc, "", badRequest("The input content is invalid because it is not a JSON object.")
	}
	id, aerr = c.checkDocument(doc, key)
	return doc, id, aerr
}

// checkDocument is also what a patched document must pass.
func (c *container) checkDocument(doc value, key []value) (string, *apiError) {
	id := doc.get("id")
	if id.kind == kindUndefined {
		return "", badRequest("The input content is invalid because the required properties - 'id; ' - are missing")
	}
	if id.kind != kindString {
		return "", badRequest("The input content is invalid because the property 'id' is not a string.")
	}
	if err := checkID(id.s); err != nil {
		return "", err
	}
	for i, path := range c.keys {
		have := doc.at(path)
		if have.kind > kindString {
			return "", badRequest("The partition key value at '%s' must be a string, a number, a boolean, null or absent.", c.Key.Paths[i])
		}
		if have.kind != key[i].kind || !equal(have, key[i]) {
			return "", errPartitionKeyMismatch()
		}
	}
	if ttl := doc.get("ttl"); ttl.kind != kindUndefined && ttl.kind != kindNull && c.TTL != nil && !validTTL(ttl) {
		return "", badRequest("The input ttl '%s' is invalid. Ensure to provide a nonzero positive integer or -1.", appendJSON(nil, ttl))
	}
	return id.s, nil
}

func validTTL(v value) bool {
	return v.kind == kindNumber && v.n == float64(int32(v.n)) && (v.n == -1 || v.n > 0)
}

// checkID checks an item's id: 1 to 1023 bytes, without / \ ? # and without a
// trailing space.
func checkID(id string) *apiError {
	if id == "" || len(id) > maxID || strings.ContainsAny(id, `/\?#`) || strings.HasSuffix(id, " ") {
		return badRequest("The input name '%.64s' is invalid. Ensure to provide a unique non-empty string less than '1024' characters, without '/', '\\\\', '?', '#' and without a space at its end.", id)
	}
	return nil
}

// itemTx applies operations to one container inside one transaction.
type itemTx struct {
	c    *container
	tx   *bolt.Tx
	docs *bolt.Bucket
	part []byte  // encoded partition key
	key  []value // partition key
	now  time.Time
	lsn  uint64 // of the last write in this transaction
}

func newItemTx(tx *bolt.Tx, c *container, key []value, now time.Time) (*itemTx, error) {
	docs := tx.Bucket(docsBucket(c.RID))
	if docs == nil {
		return nil, fmt.Errorf("container %s: %w", c.RID, errNoBucket)
	}
	return &itemTx{c: c, tx: tx, docs: docs, part: appendPart(nil, key), key: key, now: now, lsn: docs.Sequence()}, nil
}

// appendPart encodes a full partition key.
func appendPart(dst []byte, key []value) []byte {
	for _, v := range key {
		dst = appendKey(dst, v, 0)
	}
	return dst
}

func (t *itemTx) docKey(id string) []byte {
	return appendIDKey(bytes.Clone(t.part), id)
}

// find returns the live item with the id. An expired one is reported as absent.
func (t *itemTx) find(id string) (record, bool) {
	v := t.docs.Get(t.docKey(id))
	if v == nil {
		return record{}, false
	}
	r := recordOf(v)
	return r, !r.expired(t.c, t.now.Unix())
}

// apply carries out one operation. On an error nothing may be committed: the
// caller rolls the whole transaction back.
func (t *itemTx) apply(op *operation) (result, *apiError, error) {
	old, exists := t.find(op.id)
	switch {
	case op.kind == opCreate && exists:
		return result{}, errConflict(), nil
	case op.kind != opCreate && op.kind != opUpsert && !exists:
		return result{}, errNotFound(), nil
	case exists && op.ifMatch != "" && op.ifMatch != "*" && op.ifMatch != old.etag():
		return result{}, errPrecondition(), nil
	}
	switch op.kind {
	case opRead:
		return result{http.StatusOK, old.etag(), bytes.Clone(old.body), readCharge(len(old.body))}, nil, nil
	case opDelete:
		charge := writeCharge(len(old.body))
		if err := t.remove(op.id); err != nil {
			return result{}, nil, err
		}
		return result{status: http.StatusNoContent, charge: charge}, nil, nil
	case opPatch:
		doc, err := parseStored(old.body)
		if err != nil {
			return result{}, nil, fmt.Errorf("reading item %q: %w", op.id, err)
		}
		if doc, aerr := op.patch.apply(t.c, doc); aerr != nil {
			return result{}, aerr, nil
		} else if _, aerr := t.c.checkDocument(doc, t.key); aerr != nil {
			return result{}, aerr, nil
		} else if depth(doc) > maxDepth {
			return result{}, badRequest("The patched document nests too deeply."), nil
		} else {
			return t.put(op.id, doc, old, exists)
		}
	}
	return t.put(op.id, op.doc, old, exists)
}

// put writes the document with its system properties and its index entries.
func (t *itemTx) put(id string, doc value, old record, exists bool) (result, *apiError, error) {
	if err := t.remove(id); err != nil { // also an expired one
		return result{}, nil, err
	}
	lsn, err := t.docs.NextSequence()
	if err != nil {
		return result{}, nil, err
	}
	t.lsn = lsn
	r := record{number: lsn, lsn: lsn, ts: t.now.Unix()}
	status := http.StatusCreated
	if exists {
		r.number, status = old.number, http.StatusOK
	}
	if ttl := doc.get("ttl"); validTTL(ttl) {
		r.ttl = int32(ttl.n)
	}
	doc = t.stamp(doc, r)
	r.body = appendJSON(nil, doc)
	if len(r.body) > maxItem {
		return result{}, errTooLarge(), nil
	}
	docKey := t.docKey(id)
	for _, d := range t.c.indexes {
		b := t.tx.Bucket(indexBucket(t.c.RID, d))
		if b == nil {
			return result{}, nil, fmt.Errorf("index %s: %w", d.name, errNoBucket)
		}
		key := indexKey(d, t.part, doc)
		if d.unique && b.Get(key) != nil {
			return result{}, backError(http.StatusConflict, "Conflict", "Unique index constraint violation."), nil
		}
		if err := b.Put(key, docKey); err != nil {
			return result{}, nil, err
		}
	}
	if err := t.docs.Put(docKey, r.append(nil)); err != nil {
		return result{}, nil, err
	}
	return result{status, r.etag(), r.body, writeCharge(len(r.body))}, nil, nil
}

// stamp puts the system properties at the end of the document, over whatever
// the client sent in their names.
func (t *itemTx) stamp(doc value, r record) value {
	rid := documentRID(t.c.RID, r.number)
	out := value{kind: kindObject, obj: make([]member, 0, len(doc.obj)+5)}
	for _, m := range doc.obj {
		if !isSystem(m.name) {
			out.obj = append(out.obj, m)
		}
	}
	out.obj = append(out.obj,
		member{"_rid", stringValue(rid)},
		member{"_self", stringValue(t.c.self() + "docs/" + rid + "/")},
		member{"_etag", stringValue(r.etag())},
		member{"_attachments", stringValue("attachments/")},
		member{"_ts", numberValue(float64(r.ts))})
	return out
}

func isSystem(name string) bool {
	switch name {
	case "_rid", "_self", "_etag", "_attachments", "_ts":
		return true
	}
	return false
}

// remove deletes an item and its index entries; absent is not an error.
func (t *itemTx) remove(id string) error {
	docKey := t.docKey(id)
	v := t.docs.Get(docKey)
	if v == nil {
		return nil
	}
	if len(t.c.indexes) > 0 {
		doc, err := parseStored(recordOf(v).body)
		if err != nil {
			return fmt.Errorf("reading item %q: %w", id, err)
		}
		for _, d := range t.c.indexes {
			b := t.tx.Bucket(indexBucket(t.c.RID, d))
			if b == nil {
				return fmt.Errorf("index %s: %w", d.name, errNoBucket)
			}
			if err := b.Delete(indexKey(d, t.part, doc)); err != nil {
				return err
			}
		}
	}
	return t.docs.Delete(docKey)
}

// indexKey is the key under which the document stands in the index.
func indexKey(d *indexDef, part []byte, doc value) []byte {
	key := bytes.Clone(part)
	if d.unique { // whole values, of any length; nobody reads these in order
		var all []byte
		for _, col := range d.cols {
			all = appendKey(all, doc.at(col.path), 0)
		}
		sum := sha256.Sum256(all)
		return append(key, sum[:]...)
	}
	for _, col := range d.cols {
		key = appendColumnKey(key, doc.at(col.path), col.desc)
	}
	if d.endsWithID() {
		return key
	}
	return appendTie(key, doc.get("id").s, lastDesc(d.cols))
}

// appendTie appends the id that makes keys of equal columns distinct.
func appendTie(key []byte, id string, desc bool) []byte {
	at := len(key)
	key = appendIDKey(key, id)
	if desc {
		invert(key[at:])
	}
	return key
}

// Charges are plausible, not Azure's: a read costs 1 unit a kilobyte, a write
// about 6 and as much more as it is larger.
func readCharge(n int) float64  { return float64(1 + n/1024) }
func writeCharge(n int) float64 { return 6.29 + 5*float64(n/1024) }
