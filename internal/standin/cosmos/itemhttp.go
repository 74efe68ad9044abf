package cosmos

import (
	"errors"
	"net/http"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// items answers POST docs: create, upsert, query or batch.
func (s *Server) items(rq *request, c *container) *apiError {
	if rq.header("A-IM") != "" {
		return notSupported("the change feed of items")
	}
	if rq.header("x-ms-documentdb-pre-trigger-include") != "" || rq.header("x-ms-documentdb-post-trigger-include") != "" {
		return notSupported("triggers")
	}
	switch {
	case rq.r.Method == http.MethodGet:
		return notSupported("reading the feed of items without a query")
	case rq.r.Method != http.MethodPost:
		return errMethod(rq.r)
	case rq.flag("x-ms-cosmos-is-query-plan-request"):
		return notSupported("query plan requests")
	case rq.isQuery():
		return s.queryItems(rq, c)
	case rq.flag("x-ms-cosmos-is-batch-request"):
		return s.batch(rq, c)
	}
	key, aerr := rq.partitionKey(c, true)
	if aerr != nil {
		return aerr
	}
	op := &operation{kind: opCreate, ifMatch: rq.header("If-Match")}
	if rq.flag("x-ms-documentdb-is-upsert") {
		op.kind = opUpsert
	}
	if op.doc, op.id, aerr = c.document(rq.body, key); aerr != nil {
		return aerr
	}
	return s.write(rq, c, key, op)
}

// item answers requests on one item.
func (s *Server) item(rq *request, c *container, id string) *apiError {
	if rq.header("x-ms-documentdb-pre-trigger-include") != "" || rq.header("x-ms-documentdb-post-trigger-include") != "" {
		return notSupported("triggers")
	}
	key, aerr := rq.partitionKey(c, true)
	if aerr != nil {
		return aerr
	}
	if aerr := checkID(id); aerr != nil {
		return aerr
	}
	op := &operation{id: id, ifMatch: rq.header("If-Match")}
	switch rq.r.Method {
	case http.MethodGet:
		return s.read(rq, c, key, id)
	case http.MethodDelete:
		op.kind = opDelete
	case http.MethodPut:
		aerr = op.replace(c, rq.body, key)
	case http.MethodPatch:
		op.kind = opPatch
		op.patch, aerr = c.readPatch(rq.body)
	default:
		aerr = errMethod(rq.r)
	}
	if aerr != nil {
		return aerr
	}
	return s.write(rq, c, key, op)
}

// replace makes op a replacement; the document must carry the id it is put under.
func (op *operation) replace(c *container, raw []byte, key []value) *apiError {
	op.kind = opReplace
	doc, id, aerr := c.document(raw, key)
	if aerr != nil {
		return aerr
	}
	if id != op.id {
		return badRequest("The id in the document '%.64s' differs from the id of the item it replaces.", id)
	}
	op.doc = doc
	return nil
}

func (c *container) readPatch(raw []byte) (*patch, *apiError) {
	body, err := parseWithin(raw, maxDepth+3)
	if err != nil {
		return nil, badRequest("The patch request is not valid JSON: %v.", err)
	}
	return c.parsePatch(body)
}

func (s *Server) read(rq *request, c *container, key []value, id string) *apiError {
	var res result
	var aerr *apiError
	err := s.db.View(func(tx *bolt.Tx) error {
		t, err := newItemTx(tx, c, key, s.now())
		if err != nil {
			return err
		}
		rq.session(t.lsn)
		if aerr = rq.checkSession(t.lsn); aerr != nil {
			return nil
		}
		res, aerr, err = t.apply(&operation{kind: opRead, id: id})
		return err
	})
	if err != nil {
		return s.internal("reading item", err)
	}
	if aerr != nil {
		return aerr
	}
	rq.charge(res.charge)
	rq.w.Header().Set("etag", res.etag)
	if rq.header("If-None-Match") == res.etag {
		rq.reply(http.StatusNotModified, nil)
		return nil
	}
	rq.reply(res.status, res.body)
	return nil
}

// write applies one operation in one transaction of its own. When it returns
// from Update the operation is on disk; a crash before that leaves nothing.
func (s *Server) write(rq *request, c *container, key []value, op *operation) *apiError {
	var res result
	var aerr *apiError
	var lsn uint64
	err := s.db.Update(func(tx *bolt.Tx) error {
		t, err := newItemTx(tx, c, key, s.now())
		if err != nil {
			return err
		}
		lsn = t.lsn
		if res, aerr, err = t.apply(op); err != nil {
			return err
		}
		if aerr != nil {
			return errRollback // and what it had written has no number
		}
		lsn = t.lsn
		return nil
	})
	if err != nil && !errors.Is(err, errRollback) {
		return s.internal("writing item", err)
	}
	rq.session(lsn)
	if aerr != nil {
		return aerr
	}
	rq.charge(res.charge)
	if res.etag != "" {
		rq.w.Header().Set("etag", res.etag)
	}
	if res.status == http.StatusNoContent || rq.minimal() {
		rq.reply(res.status, nil)
		return nil
	}
	rq.reply(res.status, res.body)
	return nil
}

func (rq *request) minimal() bool { return strings.Contains(rq.header("Prefer"), "return=minimal") }
