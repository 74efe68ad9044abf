package servicebus

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"
)

// record is what the broker keeps about an active or deferred message, apart from its bytes. Times are in ms.
type record struct {
	deferred bool
	count    uint32 // failed deliveries
	size     uint32 // of the message
	ttl      uint32 // what the receiver is told; 0: none
	enqueued int64
	expires  int64  // 0: never
	origin   int64  // the topic's sequence number, in a subscription
	source   string // the entity a dead letter comes from
	props    []byte // application-properties section laid over the message's own
}

const recordFixed = 1 + 4 + 4 + 4 + 8 + 8 + 8 + 2

func (r record) encode() []byte {
	b := make([]byte, 0, recordFixed+len(r.source)+len(r.props))
	state := byte(0)
	if r.deferred {
		state = 1
	}
	b = append(b, state)
	for _, v := range []uint32{r.count, r.size, r.ttl} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for _, v := range []int64{r.enqueued, r.expires, r.origin} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.source)))
	return append(append(b, r.source...), r.props...)
}

func decodeRecord(b []byte) (record, error) {
	if len(b) < recordFixed {
		return record{}, errors.New("record is cut short")
	}
	u32 := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	i64 := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[i:])) }
	r := record{deferred: b[0] == 1, count: u32(1), size: u32(5), ttl: u32(9), enqueued: i64(13), expires: i64(21), origin: i64(29)}
	n := int(binary.BigEndian.Uint16(b[37:]))
	rest := b[recordFixed:]
	if n > len(rest) {
		return record{}, errors.New("record is cut short")
	}
	r.source = string(rest[:n])
	if len(rest) > n {
		r.props = append([]byte(nil), rest[n:]...)
	}
	return r, nil
}

func seqKey(seq int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

func dueKey(due, seq int64) []byte {
	return binary.BigEndian.AppendUint64(seqKey(due), uint64(seq))
}

func keyInt(k []byte) int64 { return int64(binary.BigEndian.Uint64(k)) }

// table gives access to the buckets of one entity inside a transaction.
type table struct {
	tx   *bbolt.Tx
	path string
}

func (t table) bucket(letter string) *bbolt.Bucket { return t.tx.Bucket([]byte(letter + ":" + t.path)) }

func (t table) create() error {
	for _, letter := range []string{"m", "s", "q", "d", "x", "y"} {
		if _, err := t.tx.CreateBucketIfNotExists([]byte(letter + ":" + t.path)); err != nil {
			return err
		}
	}
	return nil
}

// nextSequence gives out the next sequence number; a transaction that fails gives it back.
func (t table) nextSequence() (int64, error) {
	n, err := t.bucket("m").NextSequence()
	return int64(n), err
}

func (t table) put(seq int64, raw []byte, r record) error {
	if err := errors.Join(t.putBytes(seq, raw), grow(t.bucket("s"), len(raw))); err != nil {
		return err
	}
	return t.putRecord(seq, r)
}

// grow counts bytes of messages in or out. The sequences of s and q count, since every change writes one of them anyway.
// A file from before there was a count starts at zero.
func grow(b *bbolt.Bucket, n int) error {
	return b.SetSequence(uint64(max(int64(b.Sequence())+int64(n), 0)))
}

// size is how many bytes of messages the entity holds.
func (t table) size() int64 { return int64(t.bucket("s").Sequence() + t.bucket("q").Sequence()) }

func (t table) putBytes(seq int64, raw []byte) error {
	b := t.bucket("m")
	b.FillPercent = 0.9 // keys only grow
	return b.Put(seqKey(seq), raw)
}

func (t table) putRecord(seq int64, r record) error {
	b := t.bucket("s")
	b.FillPercent = 0.9
	return b.Put(seqKey(seq), r.encode())
}

func (t table) record(seq int64) (record, bool, error) {
	v := t.bucket("s").Get(seqKey(seq))
	if v == nil {
		return record{}, false, nil
	}
	r, err := decodeRecord(v)
	return r, err == nil, err
}

// bytes is the message as it was received, valid until the transaction ends.
func (t table) bytes(seq int64) []byte { return t.bucket("m").Get(seqKey(seq)) }

func (t table) remove(seq int64) error {
	s := t.bucket("s")
	return errors.Join(grow(s, -len(t.bytes(seq))), t.bucket("m").Delete(seqKey(seq)), s.Delete(seqKey(seq)))
}

// schedule stores a message that is due later.
func (t table) schedule(seq int64, raw []byte, due, accepted int64) error {
	q, d := t.bucket("q"), t.bucket("d")
	return errors.Join(t.putBytes(seq, raw), q.Put(seqKey(seq), dueKey(due, accepted)), grow(q, len(raw)),
		d.Put(dueKey(due, seq), nil), grow(d, 1))
}

// scheduled returns when message seq is due and when it was accepted.
func (t table) scheduled(seq int64) (due, accepted int64, ok bool) {
	v := t.bucket("q").Get(seqKey(seq))
	if len(v) != 16 {
		return 0, 0, false
	}
	return keyInt(v), keyInt(v[8:]), true
}

func (t table) unschedule(seq, due int64) error {
	q, d := t.bucket("q"), t.bucket("d")
	return errors.Join(grow(q, -len(t.bytes(seq))), t.bucket("m").Delete(seqKey(seq)), q.Delete(seqKey(seq)),
		d.Delete(dueKey(due, seq)), grow(d, -1))
}

// firstDue is the earliest due time; ok is false where nothing is scheduled.
func (t table) firstDue() (due, seq int64, ok bool) {
	k, _ := t.bucket("d").Cursor().First()
	if len(k) != 16 {
		return 0, 0, false
	}
	return keyInt(k), keyInt(k[8:]), true
}

// duplicate reports whether id was seen within window before now, remembers it, and forgets a few that are too old.
func (t table) duplicate(id string, now, window int64) (bool, error) {
	seen, times := t.bucket("x"), t.bucket("y")
	for range 16 {
		k, _ := times.Cursor().First()
		if k == nil || keyInt(k) > now-window {
			break
		}
		old := append([]byte(nil), k...)
		if err := errors.Join(seen.Delete(old[8:]), times.Delete(old)); err != nil {
			return false, err
		}
	}
	if v := seen.Get([]byte(id)); v != nil && keyInt(v) > now-window {
		return true, nil
	}
	if err := seen.Put([]byte(id), seqKey(now)); err != nil {
		return false, err
	}
	return false, times.Put(append(seqKey(now), id...), nil)
}
