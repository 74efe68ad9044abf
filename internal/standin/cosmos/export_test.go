package cosmos

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Stock writes n items, made by item from 0 on, without a client: with the function that carries out what clients ask
// for, but 5000 to a transaction. The bytes of an item and of its index entries are the same; pages may be fuller.
func (s *Server) Stock(db, coll string, n int, item func(i int) []byte) error {
	c := s.cat.colls[containerPath(db, coll)]
	for at := 0; at < n; {
		to := min(n, at+5000)
		err := s.db.Update(func(tx *bolt.Tx) error {
			for ; at < to; at++ {
				d, err := parseJSON(item(at))
				if err != nil {
					return err
				}
				t, err := newItemTx(tx, c, []value{d.at(c.keys[0])}, s.now())
				if err != nil {
					return err
				}
				op := &operation{kind: opUpsert, id: d.get("id").s, doc: d}
				if _, aerr, err := t.apply(op); aerr != nil || err != nil {
					return fmt.Errorf("%v %w", aerr, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
