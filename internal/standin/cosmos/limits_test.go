package cosmos

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestRequestsAtATime(t *testing.T) {
	s := opened(t)
	for range maxRequests {
		s.slots <- struct{}{}
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != http.StatusTooManyRequests || rec.Header().Get("x-ms-retry-after-ms") == "" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	<-s.slots
	rec = httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != http.StatusUnauthorized || len(s.slots) != maxRequests-1 {
		t.Errorf("%d, %d slots are taken", rec.Code, len(s.slots))
	}
}

func TestDatabasesAndContainersAnAccountMayHave(t *testing.T) {
	s := opened(t)
	s.mu.Lock()
	db, aerr := s.createDatabase("d")
	if aerr != nil {
		t.Fatal(aerr)
	}
	for i := range maxEntities - 1 {
		s.cat.colls[containerPath("d", fmt.Sprint(i))] = &container{}
	}
	if _, aerr := s.createDatabase("e"); aerr == nil || aerr.status != http.StatusForbidden {
		t.Errorf("one database too many: %v", aerr)
	}
	spec := &containerSpec{ID: "c", Key: &partitionKey{Paths: []string{"/pk"}}}
	if _, aerr := s.createContainer(db, spec); aerr == nil || aerr.status != http.StatusForbidden {
		t.Errorf("one container too many: %v", aerr)
	}
	delete(s.cat.colls, containerPath("d", "0"))
	if _, aerr := s.createContainer(db, spec); aerr != nil {
		t.Error(aerr)
	}
	s.mu.Unlock()
}

// A client that promises a body and does not send it is given up.
func TestSlowBody(t *testing.T) {
	s := opened(t, func(o *Options) { o.slow = 50 * time.Millisecond })
	ts := httptest.NewServer(s)
	defer ts.Close()
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	var timeout net.Error
	if _, err := io.Copy(io.Discard, conn); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection is kept")
	}
}

// An equality or a range with ORDER BY looks at the documents of its page and no others, however many there are: the
// queries of the pipeline and the portal, with the policy they are declared with.
func TestOrderedPagesLookAtNothingElse(t *testing.T) {
	s := opened(t)
	var docs []value
	for i := range 4000 {
		docs = append(docs, mustParse(t, fmt.Sprintf(`{"id":"r%04d","pk":"p","type":"evidence","sort":{"created":"2026-11-%05d"},"n":%d}`, i, i/2, i)))
	}
	c := fill(t, s, `{"includedPaths":[{"path":"/*"},{"path":"/n/?"}],"compositeIndexes":[
		[{"path":"/sort/created","order":"descending"},{"path":"/id","order":"descending"}],
		[{"path":"/type","order":"ascending"},{"path":"/sort/created","order":"descending"},{"path":"/id","order":"descending"}]]}`, docs)
	const newest = " ORDER BY c.sort.created DESC, c.id DESC"
	for _, text := range []string{
		"SELECT * FROM c WHERE c.type = 'evidence'" + newest,
		"SELECT * FROM c WHERE c.type = 'evidence' AND (c.sort.created < '2026-11-00500' OR (c.sort.created = '2026-11-00500' AND c.id < 'r1001'))" + newest,
		"SELECT * FROM c WHERE c.sort.created >= '2026-11-00300' AND c.sort.created < '2026-11-00900'" + newest,
		"SELECT * FROM c WHERE c.type = 'evidence' AND c.sort.created < '2026-11-00900'" + newest,
		"SELECT * FROM c WHERE c.id > 'r2000' AND c.id < 'r3000' ORDER BY c.id",
		"SELECT * FROM c WHERE c.id > 'r2000' ORDER BY c.id DESC",
		"SELECT * FROM c WHERE STARTSWITH(c.id, 'r3') ORDER BY c.id",
		"SELECT * FROM c WHERE c.n BETWEEN 1500 AND 2500 ORDER BY c.n",
		"SELECT * FROM c WHERE c.n > 3000 ORDER BY c.n DESC",
		"SELECT TOP 50 * FROM c WHERE c.n = 7 OR c.n > 3000 ORDER BY c.n DESC",
	} {
		q, serr := parseQuery(text, nil)
		if serr != nil {
			t.Fatal(text, serr)
		}
		if aerr := c.checkOrder(q); aerr != nil {
			t.Fatal(text, aerr)
		}
		c.dropUndefined(q)
		pg := &page{ctx: t.Context(), q: q, c: c, p: c.plan(q, []value{stringValue("p")}), max: 50, scan: s.scan, from: q.start()}
		if err := s.db.View(pg.fill); err != nil {
			t.Fatal(err)
		}
		if len(pg.out) != 50 || pg.read > 53 {
			t.Errorf("%s: %d items, %d looked at", text, len(pg.out), pg.read)
		}
	}
}
