package cosmos

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// maxBatch is the most operations one transactional batch may have.
const maxBatch = 100

// batch applies up to 100 operations on one partition in one transaction: all
// of them, or on the first failure none. It answers 200, or 207 with the
// failure's own status and 424 for the others.
func (s *Server) batch(rq *request, c *container) *apiError {
	if !rq.flag("x-ms-cosmos-batch-atomic") {
		return notSupported("batches that are not atomic")
	}
	key, aerr := rq.partitionKey(c, true)
	if aerr != nil {
		return aerr
	}
	list, err := parseWithin(rq.body, maxDepth+2) // the items lie two levels down
	if err != nil || list.kind != kindArray || len(list.arr) == 0 {
		return badRequest("The batch request is not a JSON array of operations.")
	}
	if len(list.arr) > maxBatch {
		return badRequest("Batch request has more operations than what is supported.")
	}
	results := make([]result, len(list.arr))
	failed, lsn, err := s.runBatch(c, key, list.arr, results)
	if err != nil {
		return s.internal("executing batch", err)
	}
	status := http.StatusOK
	if failed != nil {
		status = http.StatusMultiStatus
	}
	total := 0.0
	for _, r := range results {
		total += r.charge
	}
	rq.session(lsn)
	rq.charge(total)
	rq.reply(status, batchBody(results, rq.minimal()))
	return nil
}

// runBatch fills results. A failed operation rolls back the transaction.
func (s *Server) runBatch(c *container, key, list []value, results []result) (failed *apiError, lsn uint64, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		t, err := newItemTx(tx, c, key, s.now())
		if err != nil {
			return err
		}
		lsn = t.lsn
		for i, item := range list {
			op, aerr := c.operation(item, key)
			if aerr == nil {
				results[i], aerr, err = t.apply(op)
			}
			if err != nil {
				return err
			}
			if aerr != nil {
				failed = aerr
				for j := range results {
					results[j] = result{status: http.StatusFailedDependency, charge: 1}
				}
				results[i].status = aerr.status
				return errRollback
			}
		}
		lsn = t.lsn
		return nil
	})
	if errors.Is(err, errRollback) {
		err = nil
	}
	return failed, lsn, err
}

// operation reads one operation of a batch:
// {"operationType":"Replace","id":"...","ifMatch":"...","resourceBody":{...}}.
func (c *container) operation(item value, key []value) (*operation, *apiError) {
	if item.kind != kindObject {
		return nil, badRequest("A batch operation is not a JSON object.")
	}
	op := &operation{kind: opKind(item.get("operationType").s), id: item.get("id").s, ifMatch: item.get("ifMatch").s}
	var raw []byte
	body := item.get("resourceBody")
	if body.kind != kindUndefined {
		raw = appendJSON(nil, body)
	}
	var aerr *apiError
	switch op.kind {
	case opCreate, opUpsert:
		op.doc, op.id, aerr = c.document(raw, key)
	case opReplace:
		aerr = op.replace(c, raw, key)
	case opPatch:
		op.patch, aerr = c.parsePatch(body)
	case opRead, opDelete:
	default:
		return nil, badRequest("'%.20s' is not a batch operation.", op.kind)
	}
	if aerr == nil {
		aerr = checkID(op.id)
	}
	return op, aerr
}

// batchBody is [{"statusCode":201,"requestCharge":6.3,"eTag":"...","resourceBody":{...}}].
// A minimal answer carries no documents.
func batchBody(results []result, minimal bool) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, r := range results {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"statusCode":` + strconv.Itoa(r.status) + `,"requestCharge":`)
		b.Write(strconv.AppendFloat(nil, r.charge, 'f', 2, 64))
		if r.etag != "" {
			b.WriteString(`,"eTag":`)
			b.Write(appendString(nil, r.etag))
		}
		if r.body != nil && !minimal {
			b.WriteString(`,"resourceBody":`)
			b.Write(r.body)
		}
		b.WriteByte('}')
	}
	b.WriteByte(']')
	return b.Bytes()
}
