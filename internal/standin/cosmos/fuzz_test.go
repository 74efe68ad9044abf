package cosmos

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzQuery: no text makes the parser panic, and what it accepts evaluates.
func FuzzQuery(f *testing.F) {
	for _, text := range []string{
		"SELECT * FROM c", "SELECT VALUE COUNT(1) FROM c WHERE c.a = @x AND NOT c['b'][0] IN (1,'x',null)",
		"SELECT TOP 5 c.id, c.a.b AS x FROM root AS c WHERE CONTAINS(c.n, 'x', true) OR c.n BETWEEN 1 AND 2 ORDER BY c.n DESC, c.id OFFSET 1 LIMIT 2",
		"SELECT c FROM c WHERE ARRAY_CONTAINS(c.t, @x, true) -- x", "SELECT \"\\u00e9\", -1.5e3 FROM c",
	} {
		f.Add(text)
	}
	doc, err := parseJSON([]byte(`{"id":"1","a":{"b":1},"t":[1,{"x":2}],"n":"text","b":[true]}`))
	if err != nil {
		f.Fatal(err)
	}
	c, aerr := (&containerSpec{ID: "c", Key: &partitionKey{Paths: []string{"/a"}}}).define()
	if aerr != nil {
		f.Fatal(aerr)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if q, serr := parseCondition(text); serr == nil && q.where != nil {
			q.where.eval(&scope{doc: doc})
		}
		q, serr := parseQuery(text, map[string]value{"@x": numberValue(1)})
		if serr != nil {
			if serr.api().status != 400 {
				t.Fatal(serr)
			}
			return
		}
		if q.where != nil {
			q.where.eval(&scope{doc: doc})
		}
		if q.count == nil {
			if out, ok := q.project(doc, []byte("{}")); ok {
				if _, err := parseJSON(out); err != nil {
					t.Fatalf("%q projects to %q: %v", text, out, err)
				}
			}
		}
		if c.plan(q, []value{numberValue(1)}) == nil {
			t.Fatal("no plan")
		}
		c.plan(q, c.keyFrom(constraints(q.where)))
	})
}

// FuzzToken: only what was sealed opens.
func FuzzToken(f *testing.F) {
	s := &Server{key: []byte("key")}
	b := binding{"rid", "text", "key", "plan"}
	good := s.seal(b, cursor{after: []byte("after"), skip: 3, take: -1})
	f.Add(good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := s.open(b, token)
		if err == nil && s.seal(b, c) != token {
			t.Fatalf("%q opened as %+v", token, c)
		}
	})
}

// FuzzJSON: what is read is written back as the same value.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,"\u00e9\n",null,true,{}]}`, `"\ud83d\ude00"`, `[[[]]]`, `1e308`, `{"":0}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseJSON(data)
		if err != nil {
			return
		}
		out := appendJSON(nil, v)
		again, err := parseStored(out)
		if err != nil || !equal(v, again) || !bytes.Equal(out, appendJSON(nil, again)) {
			t.Fatalf("%q became %q: %v", data, out, err)
		}
		key := appendKey(nil, v, 0)
		if keyLen(append(key, 1), 1) != len(key) {
			t.Fatalf("key of %q", data)
		}
	})
}

// FuzzRequest: whatever comes behind a good signature is answered, and never with 500.
func FuzzRequest(f *testing.F) {
	const docs, query = "/dbs/d/colls/c/docs", "x-ms-documentdb-query"
	f.Add("POST", docs, "", `["p"]`, `{"id":"1","pk":"p","ttl":5,"u":1}`)
	f.Add("POST", docs, "x-ms-documentdb-is-upsert", `["p"]`, `{"id":"1","pk":"p"}`)
	f.Add("POST", docs, query, `["p"]`, `{"query":"SELECT TOP 3 c.id FROM c WHERE c.a > @x OR (c.a = @x AND c.id < 'b') ORDER BY c.a","parameters":[{"name":"@x","value":1}]}`)
	f.Add("POST", docs, "x-ms-cosmos-is-batch-request", `["p"]`, `[{"operationType":"Create","resourceBody":{"id":"2","pk":"p"}},{"operationType":"Patch","id":"2","resourceBody":{"operations":[{"op":"add","path":"/l/-","value":1}]}}]`)
	f.Add("PATCH", docs+"/1", "", `["p"]`, `{"condition":"from c where c.a = 1","operations":[{"op":"incr","path":"/a","value":1},{"op":"remove","path":"/o/~1x"}]}`)
	f.Add("PUT", docs+"/1", "", `["p"]`, `{"id":"1","pk":"p"}`)
	f.Add("GET", docs+"/1", "", `[{}]`, ``)
	f.Add("POST", "/dbs/d/colls", "", ``, `{"id":"e","partitionKey":{"paths":["/a/\"b c\""]},"defaultTtl":-1,"uniqueKeyPolicy":{"uniqueKeys":[{"paths":["/x"]}]},"indexingPolicy":{"includedPaths":[{"path":"/*"},{"path":"/a/[]/?"}],"excludedPaths":[{"path":"/b/?"}],"compositeIndexes":[[{"path":"/a"},{"path":"/b","order":"descending"}]]}}`)
	f.Add("PUT", "/dbs/d/colls/c", "", ``, `{"id":"c","indexingPolicy":{"indexingMode":"none"}}`)
	f.Add("DELETE", "/dbs/x", "", ``, ``)
	s := opened(f, func(o *Options) { o.PageScan = 50 })
	s.db.NoSync = true
	if err := s.Declare(strings.NewReader(`{"database":"d","containers":[{"name":"c","partitionKey":"/pk","defaultTtl":-1,"uniqueKeys":[{"paths":["/u"]}],
		"indexingPolicy":{"includedPaths":[{"path":"/*"},{"path":"/a/?"}],"compositeIndexes":[[{"path":"/a"},{"path":"/b"}]]}}]}`)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, flag, key, body string) {
		u, err := url.Parse("http://x/" + strings.TrimLeft(path, "/"))
		if err != nil {
			return
		}
		r := (&http.Request{Method: method, URL: u, Host: "x", Header: http.Header{}}).WithContext(t.Context())
		r.Header.Set(flag, "true")
		r.Header.Set("x-ms-cosmos-batch-atomic", "true")
		r.Header.Set("x-ms-documentdb-query-enablecrosspartition", "true")
		r.Header.Set("x-ms-documentdb-partitionkey", key)
		rec := httptest.NewRecorder()
		rq := newRequest(rec, r)
		rq.body = []byte(body)
		p, aerr := rq.path()
		if aerr == nil {
			p.signed()
			aerr = s.route(rq, p)
		}
		if aerr != nil {
			aerr.write(rec, rq.activity)
		} else {
			rq.send()
		}
		if rec.Code < 200 || rec.Code >= 500 {
			t.Fatalf("%s %s, %s, %s, %q: %d %s", method, path, flag, key, body, rec.Code, rec.Body)
		}
		if out := rec.Body.Bytes(); len(out) > 0 {
			if _, err := parseWithin(out, maxDepth+4); err != nil {
				t.Fatalf("%s %s is answered %q: %v", method, path, out, err)
			}
		}
	})
}
