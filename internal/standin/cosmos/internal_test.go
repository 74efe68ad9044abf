package cosmos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

const testKey = "a2V5"

func opened(t testing.TB, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{Dir: t.TempDir(), Key: testKey}
	for _, c := range change {
		c(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fill declares one container and writes the documents straight into it.
func fill(t testing.TB, s *Server, policy string, docs []value) *container {
	t.Helper()
	if err := s.Declare(strings.NewReader(`{"database":"d","containers":[{"name":"c","partitionKey":"/pk","indexingPolicy":` + policy + `}]}`)); err != nil {
		t.Fatal(err)
	}
	c := s.cat.colls[containerPath("d", "c")]
	for chunk := range slices.Chunk(docs, 5000) {
		err := s.db.Update(func(tx *bolt.Tx) error {
			for _, d := range chunk {
				key := []value{d.get("pk")}
				it, err := newItemTx(tx, c, key, s.now())
				if err != nil {
					return err
				}
				op := &operation{kind: opUpsert, id: d.get("id").s, doc: d}
				if _, aerr, err := it.apply(op); aerr != nil || err != nil {
					return fmt.Errorf("%v %w", aerr, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func mustParse(t testing.TB, text string) value {
	t.Helper()
	v, err := parseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// someValue makes values that collide often.
func someValue(r *rand.Rand) value {
	switch r.IntN(9) {
	case 0:
		return value{}
	case 1:
		return value{kind: kindNull}
	case 2:
		return boolValue(r.IntN(2) == 0)
	case 3, 4:
		return numberValue(float64(r.IntN(7) - 3))
	case 5:
		return numberValue(math.Float64frombits(r.Uint64()&^(0x7ff<<52) | uint64(r.IntN(0x7ff))<<52))
	case 6:
		return stringValue(strings.Repeat("x", 1020+r.IntN(10)))
	}
	return stringValue(string([]byte{"ab\x00\x01z"[r.IntN(5)], "ab\x00\x01z"[r.IntN(5)]}[:r.IntN(3)]))
}

func TestKeysSortLikeValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		a, b := someValue(r), someValue(r)
		ka, kb := appendKey(nil, a, 0), appendKey(nil, b, 0)
		want := int(a.kind) - int(b.kind)
		if c, ok := compare(a, b); ok {
			want = c
		}
		got := bytes.Compare(ka, kb)
		if got < 0 != (want < 0) || got > 0 != (want > 0) {
			t.Fatalf("%v and %v: keys %d, values %d", a, b, got, want)
		}
		if keyLen(append(slices.Clone(ka), kb...), 1) != len(ka) {
			t.Fatalf("length of the key of %v", a)
		}
		da, db := appendColumnKey(nil, a, true), appendColumnKey(nil, b, true)
		if bytes.Compare(da, db) != bytes.Compare(appendColumnKey(nil, b, false), appendColumnKey(nil, a, false)) {
			t.Fatalf("descending keys of %v and %v", a, b)
		}
	}
}

func TestJSONAgreesWithGo(t *testing.T) {
	for _, text := range []string{
		`{"a":[1,2.5,-0,1e3,1E-7,123456789012345678],"b":{"c":null,"d":true,"e":false},"f":"\u00e9\ud83d\ude00\n\"\\\/\b\f\r\t"}`,
		`[]`, `{}`, ` [ { } , [ ] ] `, `"x"`, `0`, `-1.5e+300`, `"` + "\u2028<>&" + `"`, `"\u0000\u001f\u007f"`,
	} {
		v := mustParse(t, text)
		out := appendJSON(nil, v)
		var a, b any
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &b); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%s became %s", text, out)
		}
		if again := appendJSON(nil, mustParse(t, string(out))); !bytes.Equal(out, again) {
			t.Errorf("%s is not stable: %s", out, again)
		}
	}
	for _, bad := range []string{
		``, ` `, `{`, `[1,]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `01`, `1.`, `.5`, `+1`, `1e`, `nul`, `tru`, `"`, `"\x"`, `"\u12"`, `"\ud800"`, `"\ud800\u0041"`,
		"\"\n\"", `1 2`, `1e999`, `{"a":1,"a":2}`, "\"\xff\"", strings.Repeat("[", 129) + strings.Repeat("]", 129),
	} {
		if v, err := parseJSON([]byte(bad)); err == nil {
			t.Errorf("%q was read as %s", bad, appendJSON(nil, v))
		}
	}
}

const mixedPolicy = `{"includedPaths":[{"path":"/*"},{"path":"/c/?"}],"compositeIndexes":[
 [{"path":"/a","order":"ascending"},{"path":"/b","order":"descending"}],
 [{"path":"/b","order":"descending"},{"path":"/id","order":"descending"}],
 [{"path":"/a","order":"descending"},{"path":"/b","order":"descending"},{"path":"/c","order":"ascending"}]]}`

// Whatever plan is chosen, a query gives what a plain scan and sort give.
func TestPlansAgreeWithBruteForce(t *testing.T) {
	s := opened(t, func(o *Options) { o.PageScan = 7 })
	r := rand.New(rand.NewPCG(3, 4))
	var docs []value
	for i := range 400 {
		d := value{kind: kindObject}
		d.set("id", stringValue(fmt.Sprintf("%c%d", 'a'+rune(r.IntN(3)), i)))
		d.set("pk", numberValue(float64(i%2)))
		for _, name := range []string{"a", "b", "c"} {
			if v := someValue(r); v.kind != kindUndefined {
				d.set(name, v)
			}
		}
		docs = append(docs, d)
	}
	c := fill(t, s, mixedPolicy, docs)
	literals := []string{"null", "true", "false", "-1", "0", "2", "'a'", "'ab'", "'zz'", `'` + strings.Repeat("x", 1026) + `'`}
	names := []string{"a", "b", "c", "id"}
	orders := []string{"", "", "c.a", "c.b DESC", "c.c", "c.c DESC", "c.id DESC", "c.a, c.b DESC", "c.a DESC, c.b", "c.b DESC, c.id DESC", "c.b, c.id", "c.a DESC, c.b DESC, c.c", "c.a, c.b, c.c DESC"}
	streamed := 0
	for n := range 1000 {
		var terms []string
		for range r.IntN(4) {
			path, lit := "c."+names[r.IntN(4)], literals[r.IntN(len(literals))]
			switch r.IntN(7) {
			case 6: // the condition of a page
				other := "c." + names[r.IntN(4)] + " > " + literals[r.IntN(len(literals))]
				terms = append(terms, "("+path+[]string{" < ", " >= "}[r.IntN(2)]+lit+" OR ("+path+" = "+lit+" AND "+other+"))")
			case 0:
				terms = append(terms, "STARTSWITH("+path+", 'a')")
			case 1, 2:
				terms = append(terms, path+" = "+lit)
			case 3:
				terms = append(terms, lit+" <= "+path)
			default:
				terms = append(terms, path+[]string{" < ", " <= ", " > ", " >= ", " != "}[r.IntN(5)]+lit)
			}
		}
		text := "SELECT VALUE c.id FROM c"
		if len(terms) > 0 {
			text += " WHERE " + strings.Join(terms, " AND ")
		}
		if o := orders[r.IntN(len(orders))]; o != "" {
			text += " ORDER BY " + o
		}
		q, serr := parseQuery(text, nil)
		if serr != nil {
			t.Fatal(text, serr)
		}
		if aerr := c.checkOrder(q); aerr != nil {
			t.Fatal(text, aerr)
		}
		key := []value{numberValue(float64(r.IntN(2)))}
		p := c.plan(q, key)
		streamed += b2i(p.ordered && len(q.order) > 0)
		got := drain(t, s, &page{ctx: t.Context(), q: q, c: c, p: p, max: 5 + r.IntN(60), scan: s.scan, from: q.start()})
		want := bruteForce(q, docs, key[0])
		if len(q.order) == 0 {
			slices.Sort(got)
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d: %s\nplan %q, ordered %v, reverse %v\ngot  %v\nwant %v", n, text, p.name, p.ordered, p.reverse, got, want)
		}
	}
	if streamed < 100 {
		t.Fatalf("only %d queries were served in an index's order", streamed)
	}
}

// drain reads all pages, sealing and opening the token between them.
func drain(t testing.TB, s *Server, first *page) (out []string) {
	b := binding{"rid", "text", "key", first.p.name}
	for pg := first; ; {
		if err := s.db.View(pg.fill); err != nil {
			t.Fatal(err)
		}
		if len(pg.out) > pg.max {
			t.Fatalf("%d items on a page of %d", len(pg.out), pg.max)
		}
		for _, o := range pg.out {
			out = append(out, strings.Trim(string(o), `"`))
		}
		if pg.next == nil {
			return out
		}
		from, err := s.open(b, s.seal(b, *pg.next))
		if err != nil {
			t.Fatal(err)
		}
		pg = &page{ctx: pg.ctx, q: pg.q, c: pg.c, p: pg.p, max: pg.max, scan: pg.scan, from: from}
	}
}

func bruteForce(q *query, docs []value, key value) []string {
	var kept []value
	for _, d := range docs {
		if equal(d.get("pk"), key) && (q.where == nil || q.where.eval(&scope{doc: d}).isTrue()) {
			kept = append(kept, d)
		}
	}
	slices.SortFunc(kept, func(x, y value) int {
		for _, col := range append(slices.Clone(q.order), column{[]string{"id"}, lastDesc(q.order)}) {
			a, b := x.at(col.path), y.at(col.path)
			c := int(a.kind) - int(b.kind)
			if n, ok := compare(a, b); ok {
				c = n
				if a.kind == kindString {
					c = strings.Compare(a.s[:min(len(a.s), maxIndexedText)], b.s[:min(len(b.s), maxIndexedText)])
				}
			}
			if col.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	var out []string
	for _, d := range kept {
		out = append(out, d.get("id").s)
	}
	return out
}

// The indexes hold exactly the documents, whatever was written over what.
func TestIndexesFollowItems(t *testing.T) {
	s := opened(t)
	r := rand.New(rand.NewPCG(5, 6))
	var docs []value
	for range 500 {
		d := value{kind: kindObject}
		d.set("id", stringValue(fmt.Sprint(r.IntN(50))))
		d.set("pk", stringValue("p"))
		d.set("a", someValue(r))
		d.set("b", someValue(r))
		docs = append(docs, d)
	}
	c := fill(t, s, mixedPolicy, docs)
	key := []value{stringValue("p")}
	err := s.db.Update(func(tx *bolt.Tx) error {
		it, err := newItemTx(tx, c, key, s.now())
		if err != nil {
			return err
		}
		for i := range 20 {
			if _, aerr, err := it.apply(&operation{kind: opDelete, id: fmt.Sprint(i)}); aerr != nil || err != nil {
				return fmt.Errorf("%v %w", aerr, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.View(func(tx *bolt.Tx) error {
		stored := tx.Bucket(docsBucket(c.RID))
		if len(c.indexes) != 4 || stored.Stats().KeyN != 30 {
			t.Errorf("%d indexes, %d documents", len(c.indexes), stored.Stats().KeyN)
		}
		for _, d := range c.indexes {
			n := 0
			check := func(k, v []byte) error {
				n++
				doc, err := parseStored(recordOf(stored.Get(v)).body)
				if err == nil && !bytes.Equal(k, indexKey(d, appendPart(nil, key), doc)) {
					t.Errorf("%s: an entry that does not belong", d.name)
				}
				return err
			}
			if err := tx.Bucket(indexBucket(c.RID, d)).ForEach(check); err != nil || n != 30 {
				t.Errorf("%s: %d entries, %v", d.name, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSweepRemovesExpired(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := opened(t, func(o *Options) { o.Now = func() time.Time { return now } })
	var docs []value
	for i := range 1200 {
		docs = append(docs, mustParse(t, fmt.Sprintf(`{"id":"%d","pk":"p","a":%d,"ttl":%d}`, i, i, 10+i%2*90)))
	}
	c := fill(t, s, mixedPolicy, docs)
	ttl := int32(-1)
	s.mu.Lock()
	c, aerr := s.replaceContainer(c, &containerSpec{ID: "c", TTL: &ttl, Policy: c.Policy})
	s.mu.Unlock()
	if aerr != nil {
		t.Fatal(aerr)
	}
	for _, left := range []int{1200, 600, 0} {
		s.sweep()
		if err := s.db.View(func(tx *bolt.Tx) error {
			for _, b := range [][]byte{docsBucket(c.RID), indexBucket(c.RID, c.indexes[0])} {
				if n := tx.Bucket(b).Stats().KeyN; n != left {
					t.Errorf("%d left, want %d", n, left)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(50 * time.Second)
	}
}

func TestPolicyPaths(t *testing.T) {
	p, _, aerr := parsePolicy(json.RawMessage(`{"includedPaths":[{"path":"/a/b/?"},{"path":"/x/*"},{"path":"/x/y/z/?"},{"path":"/\"q r\"/?"}],"excludedPaths":[{"path":"/*"},{"path":"/x/y/*"}]}`))
	if aerr != nil {
		t.Fatal(aerr)
	}
	for path, want := range map[string]bool{"a": false, "a b": true, "a b c": false, "x": true, "x q": true, "x y": false, "x y q": false, "x y z": true, "id": true, "_ts": true, "other": false} {
		if p.includes(strings.Fields(path)) != want {
			t.Errorf("%s: %v, want %v", path, !want, want)
		}
	}
	if !p.includes([]string{"q r"}) {
		t.Error("a quoted label is not matched")
	}
	none, _, aerr := parsePolicy(json.RawMessage(`{"indexingMode":"none"}`))
	if aerr != nil || none.includes([]string{"a"}) {
		t.Error("indexing mode none includes a path")
	}
}
