package cosmos_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

func TestReadNotModified(t *testing.T) {
	r := start(t)
	etag := string(create(t, r.container("evidence"), doc{"id": "1", "shard": "s"}).ETag)
	const link = "dbs/bwv/colls/evidence/docs/1"
	for given, code := range map[string]int{etag: 304, `"other"`: 200, "": 200} {
		head := map[string]string{"x-ms-documentdb-partitionkey": `["s"]`, "If-None-Match": given}
		if res, body := r.signed("GET", "/"+link, "docs", link, time.Now(), head, ""); res.StatusCode != code || (code == 304) != (body == "") {
			t.Errorf("If-None-Match %s: %d %s", given, res.StatusCode, body)
		}
	}
}

// What the client never sends is refused as well.
func TestRefusedRequests(t *testing.T) {
	r := start(t)
	const coll = "dbs/bwv/colls/evidence"
	query := map[string]string{"x-ms-documentdb-query": "True", "Content-Type": "application/query+json", "x-ms-documentdb-partitionkey": `["s"]`}
	with := func(head map[string]string, k, v string) map[string]string {
		out := map[string]string{k: v}
		for name, val := range head {
			if name != k {
				out[name] = val
			}
		}
		return out
	}
	batch := map[string]string{"x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True", "x-ms-documentdb-partitionkey": `["s"]`}
	key := map[string]string{"x-ms-documentdb-partitionkey": `["s"]`}
	for name, test := range map[string]struct {
		head map[string]string
		body string
		code int
	}{
		"query":                  {query, `{"query":"SELECT * FROM c"}`, 200},
		"query without text":     {query, `{}`, 400},
		"query not json":         {query, `SELECT * FROM c`, 400},
		"page size":              {with(query, "x-ms-max-item-count", "many"), `{"query":"SELECT * FROM c"}`, 400},
		"page size 0":            {with(query, "x-ms-max-item-count", "0"), `{"query":"SELECT * FROM c"}`, 400},
		"another range":          {with(query, "x-ms-documentdb-partitionkeyrangeid", "1"), `{"query":"SELECT * FROM c"}`, 410},
		"query plan":             {with(query, "x-ms-cosmos-is-query-plan-request", "True"), `{"query":"SELECT * FROM c"}`, 400},
		"key not an array":       {with(query, "x-ms-documentdb-partitionkey", `"s"`), `{"query":"SELECT * FROM c"}`, 400},
		"key of two":             {with(query, "x-ms-documentdb-partitionkey", `["s","t"]`), `{"query":"SELECT * FROM c"}`, 400},
		"key an array":           {with(query, "x-ms-documentdb-partitionkey", `[[]]`), `{"query":"SELECT * FROM c"}`, 400},
		"key undefined":          {with(query, "x-ms-documentdb-partitionkey", `[{}]`), `{"query":"SELECT * FROM c"}`, 200},
		"batch not atomic":       {with(batch, "x-ms-cosmos-batch-atomic", "False"), `[{"operationType":"Read","id":"1"}]`, 400},
		"batch without a key":    {with(batch, "x-ms-documentdb-partitionkey", ""), `[{"operationType":"Read","id":"1"}]`, 400},
		"batch of nothing":       {batch, `[]`, 400},
		"batch not an array":     {batch, `{}`, 400},
		"batch of numbers":       {batch, `[1]`, 207},
		"batch of unknown":       {batch, `[{"operationType":"Explode","id":"1"}]`, 207},
		"batch read without id":  {batch, `[{"operationType":"Read"}]`, 207},
		"batch patch of nothing": {batch, `[{"operationType":"Patch","id":"1"}]`, 207},
		"body over 2 MB":         {key, `{"id":"` + strings.Repeat("x", 3<<20) + `"}`, 413},
		"deepest batch":          {batch, `[{"operationType":"Create","resourceBody":{"id":"deep","shard":"s","x":` + strings.Repeat("[", 127) + strings.Repeat("]", 127) + `}}]`, 200},
		"deeper batch":           {batch, `[{"operationType":"Create","resourceBody":{"id":"deep","shard":"s","x":` + strings.Repeat("[", 128) + strings.Repeat("]", 128) + `}}]`, 400},
	} {
		res, body := r.signed("POST", "/"+coll+"/docs", "docs", coll, time.Now(), test.head, test.body)
		if res.StatusCode != test.code || res.Header.Get("x-ms-activity-id") == "" {
			t.Errorf("%s: %d, want %d: %.300s", name, res.StatusCode, test.code, body)
		}
	}
	for _, path := range []string{"/dbs//colls", "/dbs/%zz"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		check(t, err)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		check(t, err)
		if res.Body.Close(); res.StatusCode != 400 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		check(t, conn.Close())
	}
}

// Writers go on while the indexing policy is changed under them, and the new
// index misses nothing.
func TestPolicyChangesUnderLoad(t *testing.T) {
	r := start(t)
	c := r.container("brief")
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				_, err := c.CreateItem(t.Context(), pk("s"), raw(doc{"id": fmt.Sprintf("%d-%02d", w, i), "shard": "s", "a": i, "b": w}), nil)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	const policy = `{"database":"bwv","containers":[{"name":"brief","partitionKey":"/shard","indexingPolicy":{"includedPaths":[{"path":"/*"}],"compositeIndexes":[[{"path":"/a"},{"path":"/b"%s}]]}}]}`
	for i := range 7 {
		order := ""
		if i%2 == 1 {
			order = `,"order":"descending"`
		}
		check(t, r.srv.Declare(strings.NewReader(fmt.Sprintf(policy, order))))
	}
	wg.Wait()
	got := ids(t, c, "s", "SELECT VALUE c.id FROM c ORDER BY c.a, c.b", nil)
	var wanted []string
	for i := range 25 {
		for w := range 4 {
			wanted = append(wanted, fmt.Sprintf("%d-%02d", w, i))
		}
	}
	same(t, got, wanted)
}

// A client that does not read its answer holds up nobody.
func TestSlowReader(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	for i := range 8 {
		create(t, c, doc{"id": fmt.Sprint(i), "shard": "s", "x": strings.Repeat("x", 1<<20)})
	}
	pr, pw := net.Pipe()
	defer pr.Close()
	srv := &http.Server{Handler: r.srv}
	l := &oneConn{conn: pw, done: make(chan struct{})}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }()
	const coll = "dbs/bwv/colls/evidence"
	head := map[string]string{"x-ms-documentdb-query": "True", "x-ms-documentdb-partitionkey": `["s"]`}
	slow := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return pr, nil }, DisableCompression: true}}
	other := &rig{t: t, url: "http://slow", http: slow}
	req := other.request("POST", "/"+coll+"/docs", "docs", coll, time.Now(), head, `{"query":"SELECT * FROM c"}`)
	res, err := slow.Do(req) // the head of the answer has come, its 4 MB have not
	check(t, err)
	check(t, r.srv.Declare(strings.NewReader(`{"database":"another","containers":[{"name":"x","partitionKey":"/a"}]}`)))
	create(t, c, doc{"id": "meanwhile", "shard": "s"})
	check(t, res.Body.Close())
	slow.CloseIdleConnections()
	check(t, srv.Close())
	<-served
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// Readers see each batch whole or not at all.
func TestBatchIsAtomicToReaders(t *testing.T) {
	c := start(t).container("evidence")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		for i := range 60 {
			b := c.NewTransactionalBatch(pk("s"))
			b.UpsertItem(raw(doc{"id": "a", "shard": "s", "n": i}), nil)
			b.UpsertItem(raw(doc{"id": "b", "shard": "s", "n": i}), nil)
			if res, err := c.ExecuteTransactionalBatch(t.Context(), b, nil); err != nil || !res.Success {
				t.Error(err)
			}
		}
	})
	for done := false; !done; {
		select {
		case <-stop:
			done = true
		default:
		}
		items, _, err := all(t, c, pk("s"), "SELECT VALUE c.n FROM c", &azcosmos.QueryOptions{PageSizeHint: 2})
		check(t, err)
		if len(items) == 1 || len(items) == 2 && items[0] != items[1] {
			t.Fatalf("saw %v", items)
		}
	}
	wg.Wait()
}
