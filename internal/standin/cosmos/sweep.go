package cosmos

import (
	"bytes"
	"time"

	bolt "go.etcd.io/bbolt"
)

// sweepBatch is how many expired items one transaction removes.
const sweepBatch = 500

// sweeper removes expired items now and then. Nobody sees them before that
// either: every read checks the time to live.
func (s *Server) sweeper() {
	defer close(s.swept)
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.sweep()
		}
	}
}

func (s *Server) sweep() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.cat.colls {
		if c.TTL == nil {
			continue
		}
		for more := true; more && !s.closed.Load(); {
			var err error
			if more, err = s.sweepSome(c); err != nil {
				s.log.Error("cosmos stand-in: removing expired items", "container", c.ID, "error", err)
				break
			}
		}
	}
}

// sweepSome removes up to sweepBatch expired items; more says to come again.
func (s *Server) sweepSome(c *container) (more bool, err error) {
	var keys [][]byte
	now := s.now()
	err = s.db.View(func(tx *bolt.Tx) error {
		cur := tx.Bucket(docsBucket(c.RID)).Cursor()
		for k, v := cur.First(); k != nil && len(keys) < sweepBatch; k, v = cur.Next() {
			if recordOf(v).expired(c, now.Unix()) {
				keys = append(keys, bytes.Clone(k))
			}
		}
		return nil
	})
	if err != nil || len(keys) == 0 {
		return false, err
	}
	return len(keys) == sweepBatch, s.db.Update(func(tx *bolt.Tx) error {
		t, err := newItemTx(tx, c, nil, now)
		if err != nil {
			return err
		}
		for _, k := range keys {
			v := t.docs.Get(k)
			if v == nil || !recordOf(v).expired(c, now.Unix()) {
				continue // written anew meanwhile
			}
			doc, err := parseStored(recordOf(v).body)
			if err != nil {
				return err
			}
			t.part = k[:keyLen(k, len(c.keys))]
			if err := t.remove(doc.get("id").s); err != nil {
				return err
			}
		}
		return nil
	})
}
