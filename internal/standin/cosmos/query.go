package cosmos

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// Page sizes: Azure's default, and what -1 and anything greater are taken for.
const (
	defaultPage = 100
	maxPage     = 1000
)

// readQuery reads {"query":"...","parameters":[{"name":"@x","value":...}]}.
func readQuery(body []byte) (*query, string, *apiError) {
	doc, err := parseJSON(body)
	if err != nil || doc.kind != kindObject || doc.get("query").kind != kindString {
		return nil, "", badRequest("The query body is not valid JSON with a query.")
	}
	params := make(map[string]value)
	for _, p := range doc.get("parameters").arr {
		params[p.get("name").s] = p.get("value")
	}
	text := doc.get("query").s
	q, serr := parseQuery(text, params)
	if serr != nil {
		return nil, "", serr.api()
	}
	return q, text, nil
}

func errCrossPartition() *apiError {
	e := frontError(http.StatusBadRequest, "BadRequest", "The provided cross partition query can not be directly served by the gateway. "+
		"This is a first chance (internal) exception that all newer clients will know how to handle gracefully. "+
		"This exception is traced, but unless you see it bubble up as an exception (which only happens on older SDK clients), "+
		"then you can safely ignore this message.")
	e.substatus = substatusCrossPartition
	return e
}

// checkOrder refuses what the indexing policy cannot order, as Azure does.
func (c *container) checkOrder(q *query) *apiError {
	for _, col := range q.order {
		if len(q.order) == 1 && !c.policy.includes(col.path) {
			return badRequest("The index path corresponding to the specified order-by item is excluded.")
		}
	}
	if len(q.order) > 1 && !c.policy.ordersBy(q.order) {
		return badRequest("The order by query does not have a corresponding composite index that it can be served from.")
	}
	return nil
}

// dropUndefined makes ORDER BY on one path leave out the documents that have
// no value there, as Azure does unless the policy includes that very path
// (ORDER BY's documentation; not said for composite indexes, which keep them here).
func (c *container) dropUndefined(q *query) {
	if len(q.order) != 1 || c.policy.names(q.order[0].path) {
		return
	}
	e := &pathExpr{}
	for _, name := range q.order[0].path {
		e.steps = append(e.steps, step{name: name})
	}
	terms := []expr{&call{builtin("IS_DEFINED"), []expr{e}}}
	if q.where != nil {
		terms = append(terms, q.where)
	}
	q.where = &logic{terms: terms}
}

// queryKey is the partition key of a query: given with it, or fixed by its filter, or nil across partitions, for which
// the query must be one that Azure's gateway serves.
func (rq *request) queryKey(c *container, q *query) ([]value, *apiError) {
	key, aerr := rq.partitionKey(c, false)
	if aerr != nil || key != nil {
		return key, aerr
	}
	if key = c.keyFrom(constraints(q.where)); key != nil {
		return key, nil
	}
	if !rq.flag("x-ms-documentdb-query-enablecrosspartition") && rq.header("x-ms-documentdb-partitionkeyrangeid") == "" {
		return nil, frontError(http.StatusBadRequest, "BadRequest", "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.")
	}
	if !q.simple() {
		return nil, errCrossPartition()
	}
	return nil, nil
}

// queryItems answers POST docs with a query.
func (s *Server) queryItems(rq *request, c *container) *apiError {
	if id := rq.header("x-ms-documentdb-partitionkeyrangeid"); id != "" && id != "0" {
		e := backError(http.StatusGone, "Gone", "The requested resource is no longer available at the server.")
		e.substatus = substatusRangeGone
		return e
	}
	q, text, aerr := readQuery(rq.body)
	if aerr != nil {
		return aerr
	}
	key, aerr := rq.queryKey(c, q)
	if aerr != nil {
		return aerr
	}
	if aerr := c.checkOrder(q); aerr != nil {
		return aerr
	}
	c.dropUndefined(q)
	pg := &page{ctx: rq.r.Context(), q: q, c: c, p: c.plan(q, key), from: q.start(), scan: s.scan, now: s.now().Unix()}
	if pg.max, aerr = pageSize(rq.header("x-ms-max-item-count")); aerr != nil {
		return aerr
	}
	bind := binding{c.RID, text, string(appendPart(nil, key)), pg.p.name}
	if token := rq.header("x-ms-continuation"); token != "" {
		var err error
		if pg.from, err = s.open(bind, token); err != nil {
			return frontError(http.StatusBadRequest, "BadRequest", "Invalid Continuation Token: it was altered, or belongs to another query, partition key or container.")
		}
	}
	err := s.db.View(func(tx *bolt.Tx) error {
		docs := tx.Bucket(docsBucket(c.RID))
		if docs == nil {
			return errNoBucket
		}
		rq.session(docs.Sequence())
		if aerr = rq.checkSession(docs.Sequence()); aerr != nil {
			return nil
		}
		return pg.fill(tx)
	})
	if aerr != nil {
		return aerr
	}
	if err != nil {
		if rq.r.Context().Err() != nil {
			return frontError(http.StatusRequestTimeout, "RequestTimeout", "The client has gone.")
		}
		return s.internal("querying", err)
	}
	h := rq.w.Header()
	if pg.next != nil {
		h.Set("x-ms-continuation", s.seal(bind, *pg.next))
	}
	h.Set("x-ms-item-count", strconv.Itoa(len(pg.out)))
	rq.charge(2.2 + float64(pg.read)/20)
	rq.reply(http.StatusOK, pg.body("Documents"))
	return nil
}

func pageSize(text string) (int, *apiError) {
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < -1 || n == 0:
		return 0, badRequest("The input max item count '%.20s' is invalid. Ensure to provide a positive number or -1.", text)
	case n == -1 || n > maxPage:
		return maxPage, nil
	}
	return n, nil
}

// body is {"_rid":"...","Documents":[...],"_count":n}.
func (pg *page) body(list string) []byte {
	return feed(pg.c.RID, list, pg.out)
}

func feed(rid, list string, items [][]byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"_rid":`)
	b.Write(appendString(nil, rid))
	b.WriteString(`,"` + list + `":[`)
	for i, it := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(it)
	}
	b.WriteString(`],"_count":` + strconv.Itoa(len(items)) + `}`)
	return b.Bytes()
}

// queryBodies runs a query over the few databases or containers that exist.
func queryBodies(rq *request, bodies [][]byte) ([][]byte, *apiError) {
	q, _, aerr := readQuery(rq.body)
	if aerr != nil {
		return nil, aerr
	}
	if !q.simple() || !q.star {
		return nil, notSupported("anything but SELECT * FROM c WHERE ... on databases and containers")
	}
	var out [][]byte
	for _, b := range bodies {
		doc, err := parseStored(b)
		if err != nil {
			return nil, errInternal()
		}
		if q.where == nil || q.where.eval(&scope{doc: doc}).isTrue() {
			out = append(out, b)
		}
	}
	return out, nil
}

// errRollback undoes a write transaction whose answer is already decided.
var errRollback = errors.New("rolled back")
