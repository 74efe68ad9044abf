package cosmos_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// seed writes a few documents with every type of value.
func seed(t testing.TB, c *azcosmos.ContainerClient) {
	for _, d := range []doc{
		{"id": "a", "shard": "s", "type": "evidence", "n": 1, "tags": []any{"red", "blue"}, "o": doc{"k": "v", "a-b": 1}, "name": "Alpha", "recorded": "2026-11-01", "seen": 2},
		{"id": "b", "shard": "s", "type": "evidence", "n": 2, "tags": []any{doc{"name": "x", "v": 1}}, "name": "beta", "recorded": "2026-11-03", "flag": true, "seen": 1},
		{"id": "c", "shard": "s", "type": "custody", "n": 3, "tags": []any{}, "name": nil, "recorded": "2026-11-02", "flag": false},
		{"id": "d", "shard": "s", "type": "custody", "n": "three", "name": "O'Neil \"x\"", "recorded": "2026-11-02"},
		{"id": "e", "shard": "s", "type": "evidence", "list": []any{10, 20}, "order": 1},
		{"id": "z", "shard": "other", "type": "evidence", "n": 1, "recorded": "2026-11-09"},
	} {
		create(t, c, d)
	}
}

func TestQueryFilters(t *testing.T) {
	c := start(t).container("evidence")
	seed(t, c)
	params := []azcosmos.QueryParameter{{Name: "@n", Value: 2}, {Name: "@tag", Value: "red"}, {Name: "@part", Value: doc{"name": "x"}}, {Name: "@list", Value: []string{"a", "e"}}}
	for where, wanted := range map[string]string{
		"c.n = 1":                 "a",
		"c.n = @n":                "b",
		"2 = c.n":                 "b",
		"c.n != 1":                "b c d",
		"c.n <> 1":                "b c d",
		"c.n > 1":                 "b c",
		"c.n >= 2 AND c.n <= 2":   "b",
		"1 < c.n":                 "b c",
		"c.n > 'a'":               "d",
		"c.n < 'zzz'":             "d",
		"c.n BETWEEN 2 AND 3":     "b c",
		"c.n NOT BETWEEN 2 AND 3": "a",
		"c.n = -1 OR c.n = 3e0":   "c",
		"c.type = 'custody' AND (c.n = 3 OR c.n=1)": "c",
		"NOT c.flag":                           "c",
		"NOT NOT c.flag":                       "b",
		"NOT (c.n = 1)":                        "b c d",
		"c.flag":                               "b",
		"c.flag = false":                       "c",
		"c.id IN ('a', 'e', 'nobody')":         "a e",
		"c.id NOT IN ('a', 'e')":               "b c d",
		"c.n IN (1, 'three')":                  "a d",
		"c.n NOT IN (1, 'three')":              "b c",
		"c.n NOT IN ('x')":                     "a b c d",
		"c.o != c.tags":                        "a",
		"IS_DEFINED(c.flag)":                   "b c",
		"NOT IS_DEFINED(c.n)":                  "e",
		"IS_NULL(c.name)":                      "c",
		"c.name = null":                        "c",
		"c.name != null":                       "a b d",
		"is_string(c.n)":                       "d",
		"IS_NUMBER(c.n) AND NOT IS_ARRAY(c.o)": "a b c",
		"IS_OBJECT(c.o) OR IS_BOOL(c.flag)":    "a b c",
		"IS_PRIMITIVE(c.n)":                    "a b c d",
		"CONTAINS(c.name, 'lph')":              "a",
		"CONTAINS(c.name, 'ALPH', true)":       "a",
		"CONTAINS(c.name, 'ALPH', false)":      "",
		"STARTSWITH(c.name, 'be')":             "b",
		"STARTSWITH(c.name, 'BE', true)":       "b",
		"ENDSWITH(c.name, 'a')":                "a b",
		"STRINGEQUALS(c.name, 'BETA', true)":   "b",
		"LOWER(c.name) = 'alpha'":              "a",
		"UPPER(c.name) = 'BETA'":               "b",
		"LENGTH(c.name) = 4":                   "b",
		"ARRAY_CONTAINS(c.tags, @tag)":         "a",
		"ARRAY_CONTAINS(c.tags, @part)":        "",
		"ARRAY_CONTAINS(c.tags, @part, true)":  "b",
		"ARRAY_CONTAINS(@list, c.id)":          "a e",
		"ARRAY_LENGTH(c.tags) = 0":             "c",
		"ARRAY_LENGTH(c.tags) > 0":             "a b",
		"c.tags[0] = 'red'":                    "a",
		"c.list[1] = 20":                       "e",
		"c.list[7] = 20":                       "",
		"c['o'][\"a-b\"] = 1":                  "a",
		"c.o.k = 'v'":                          "a",
		"c['order'] = 1":                       "e",
		`c.name = 'O\'Neil "x"'`:               "d",
		`c.name = "O'Neil \"x\""`:              "d",
		`c.name = 'O\u0027Neil "x"'`:           "d",
		"c.o = c.o":                            "a",
		"c.nothing = c.nothing":                "",
		"c.nothing = null":                     "",
		"c.nothing = 1 OR c.n = 1":             "a",
		"c.n = 1 OR c.nothing = 1":             "a",
		"NOT (c.nothing = 1)":                  "",
		"true":                                 "a b c d e",
		"1":                                    "",
		"false OR c.id = 'c' -- comment":       "c",
		"c.shard = 's' AND c.id >= 'd'":        "d e",
		"c.shard = 'other'":                    "",
		"STARTSWITH(c.id, 'c')":                "c",
		"c.id > 'b' AND c.id < 'd'":            "c",
		"c.id = 'b' OR c.id = 'a'":             "a b",
		"c.id = 'a' AND c.n = 2":               "",
		"c.n > 1 AND c.n < 1":                  "",
		"c.flag > false":                       "b",
		"c.flag <= true":                       "b c",
	} {
		got := ids(t, c, "s", "SELECT VALUE c.id FROM c WHERE "+where, &azcosmos.QueryOptions{QueryParameters: params})
		if s := strings.Join(got, " "); s != wanted {
			t.Errorf("WHERE %s: %q, want %q", where, s, wanted)
		}
	}
}

func TestQueryProjections(t *testing.T) {
	c := start(t).container("evidence")
	seed(t, c)
	for text, wanted := range map[string]string{
		"SELECT c.id, c.o.k AS x FROM c WHERE c.n = 1":                                    `{"id":"a","x":"v"}`,
		"SELECT c.id, c.o FROM c WHERE c.n = 2":                                           `{"id":"b"}`,
		"SELECT VALUE c.tags FROM c WHERE c.n = 1":                                        `["red","blue"]`,
		"SELECT VALUE c.o FROM c":                                                         `{"a-b":1,"k":"v"}`,
		"SELECT VALUE COUNT(1) FROM c":                                                    `5`,
		"select value count(1) from c where c.type = 'evidence'":                          `3`,
		"SELECT VALUE COUNT(c.flag) FROM c":                                               `2`,
		"SELECT COUNT(1) AS total FROM c":                                                 `{"total":5}`,
		"SELECT COUNT(1) FROM c":                                                          `{"$1":5}`,
		"SELECT VALUE COUNT(1) FROM c WHERE c.id = 'a'":                                   `1`,
		"SELECT e.id i, LOWER(e.name), 1, 'x' AS s FROM docs e WHERE e.id = 'a'":          `{"i":"a","$1":"alpha","$2":1,"s":"x"}`,
		"SELECT root.id FROM root WHERE root.id = 'b'":                                    `{"id":"b"}`,
		"SELECT c.tags[0] FROM c WHERE c.id = 'a'":                                        `{"$1":"red"}`,
		"SELECT TOP 1 c.id FROM c":                                                        `{"id":"a"}`,
		"SELECT VALUE c.id FROM c OFFSET 1 LIMIT 2":                                       `"b" "c"`,
		"SELECT TOP 2 VALUE c.id FROM c ORDER BY c.recorded DESC":                         `"b" "d"`,
		"SELECT VALUE c.id FROM c WHERE c.id != 'e' ORDER BY c.recorded OFFSET 1 LIMIT 2": `"c" "d"`,
		"SELECT TOP 0 c.id FROM c":                                                        ``,
	} {
		items, _, err := all(t, c, pk("s"), text, nil)
		check(t, err)
		if got := strings.Join(items, " "); got != wanted {
			t.Errorf("%s: %s, want %s", text, got, wanted)
		}
	}
	items, _, err := all(t, c, pk("s"), "SELECT * FROM c WHERE c.id = 'a'", nil)
	check(t, err)
	read, err := c.ReadItem(t.Context(), pk("s"), "a", nil)
	check(t, err)
	if len(items) != 1 || items[0] != string(read.Value) {
		t.Fatalf("%s differs from %s", items, read.Value)
	}
	whole, _, err := all(t, c, pk("s"), "SELECT c FROM c WHERE c.id = 'a'", nil)
	check(t, err)
	if whole[0] != `{"c":`+string(read.Value)+`}` {
		t.Fatalf("%s", whole)
	}
}

func TestQueryOrder(t *testing.T) {
	c := start(t).container("evidence")
	seed(t, c)
	for order, wanted := range map[string]string{
		"c.id":                          "a b c d e",
		"c.id DESC":                     "e d c b a",
		"c.n":                           "a b c d", // numbers, strings; see below for undefined
		"c.n DESC":                      "d c b a",
		"c.recorded":                    "a c d b", // equal values by id
		"c.recorded DESC":               "b d c a",
		"c.recorded DESC, c.id DESC":    "b d c a e",
		"c.recorded ASC, c.id ASC":      "e a c d b",
		"c.type, c.n DESC":              "d c b a e",
		"c.type DESC, c.n ASC":          "e a b c d",
		"c.flag":                        "c b",
		"c.o.k DESC":                    "a",
		"c.tags":                        "a c b",
		`c["name"]`:                     "c a d b",
		"c._ts, c.id":                   "",
		"c.name, c.n":                   "",
		"c.recorded DESC, c.id ASC":     "",
		"c.recorded, c.id, c.n":         "",
		"c.seen":                        "c d e b a", // named in the policy: undefined comes first
		"c.seen DESC":                   "a b e d c",
		"c.type":                        "c d a b e",
		"c.secret.x":                    "",
		"c._etag":                       "",
		"c._ts":                         "a b c d e",
		"LOWER(c.name)":                 "",
		"c.tags[0]":                     "",
		"c.type, c.n DESC, c.id DESC":   "",
		"c.id, c.recorded":              "",
		"c.n, c.type":                   "",
		"c.type ASC, c.n ASC":           "",
		"c.type DESC, c.n ASC, c.o ASC": "",
	} {
		text := "SELECT VALUE c.id FROM c ORDER BY " + order
		if wanted == "" {
			_, _, err := all(t, c, pk("s"), text, nil)
			if code := status(t, err); code != 400 {
				t.Errorf("ORDER BY %s: status %d, want 400", order, code)
			}
			continue
		}
		if order == "c._ts" {
			text = strings.Replace(text, "ORDER", "WHERE c._ts > 0 ORDER", 1)
			if got := ids(t, c, "s", text, nil); len(got) != 5 {
				t.Errorf("ORDER BY c._ts: %v", got)
			}
			continue
		}
		for size := range int32(4) { // 0 is the default size
			got := ids(t, c, "s", text, &azcosmos.QueryOptions{PageSizeHint: size})
			if s := strings.Join(got, " "); s != wanted {
				t.Errorf("ORDER BY %s, pages of %d: %s, want %s", order, size, s, wanted)
			}
		}
	}
	// With a filter that fixes or bounds what it is ordered by.
	for text, wanted := range map[string]string{
		"c.type = 'custody' ORDER BY c.type, c.n DESC":                                "d c",
		"c.type = 'evidence' ORDER BY c.n":                                            "a b",
		"c.type = 'evidence' ORDER BY c.n DESC":                                       "b a",
		"c.type = 'evidence' AND c.n >= 1 ORDER BY c.n":                               "a b",
		"c.type = 'evidence' AND c.n < 2 ORDER BY c.n DESC":                           "a",
		"c.recorded >= '2026-11-02' ORDER BY c.recorded DESC, c.id DESC":              "b d c",
		"c.recorded < '2026-11-03' ORDER BY c.recorded, c.id":                         "a c d",
		"STARTSWITH(c.recorded, '2026-11-02') ORDER BY c.recorded DESC, c.id DESC":    "d c",
		"c.id = 'c' ORDER BY c.recorded DESC, c.id DESC":                              "c",
		"c.id IN ('c','a','b') ORDER BY c.recorded DESC, c.id DESC":                   "b c a",
		"c.recorded = '2026-11-02' ORDER BY c.recorded DESC, c.id DESC":               "d c",
		"c.recorded = '2026-11-02' ORDER BY c.id":                                     "c d",
		"c.recorded = '2026-11-02' ORDER BY c.recorded":                               "c d",
		"c.recorded = '2026-11-02' ORDER BY c.recorded DESC":                          "d c",
		"STARTSWITH(c.id, 'b') OR STARTSWITH(c.id, 'd') ORDER BY c.id DESC":           "d b",
		"c.recorded > '2026-11-01' AND c.recorded > '2026-11-02' ORDER BY c.recorded": "b",
	} {
		for size := range int32(3) {
			got := ids(t, c, "s", "SELECT VALUE c.id FROM c WHERE "+text, &azcosmos.QueryOptions{PageSizeHint: size})
			if s := strings.Join(got, " "); s != wanted {
				t.Errorf("WHERE %s, pages of %d: %s, want %s", text, size, s, wanted)
			}
		}
	}
}

func TestRefusedQueries(t *testing.T) {
	c := start(t).container("evidence")
	seed(t, c)
	for text, names := range map[string]string{
		"SELECT DISTINCT c.type FROM c":                                      "DISTINCT",
		"SELECT c.type FROM c GROUP BY c.type":                               "GROUP",
		"SELECT VALUE SUM(c.n) FROM c":                                       "SUM",
		"SELECT VALUE MAX(c.n) FROM c":                                       "MAX",
		"SELECT c.id FROM c JOIN t IN c.tags":                                "JOIN",
		"SELECT VALUE t FROM t IN c.tags":                                    "FROM",
		"SELECT * FROM c.tags":                                               "FROM",
		"SELECT * FROM c WHERE c.name LIKE 'a%'":                             "LIKE",
		"SELECT * FROM c WHERE EXISTS(SELECT VALUE 1 FROM c)":                "EXISTS",
		"SELECT * FROM c WHERE c.n + 1 = 2":                                  "'+'",
		"SELECT * FROM c WHERE c.n ?? 1":                                     "'??'",
		"SELECT * FROM c WHERE c.n = 1 ? true : false":                       "?",
		"SELECT VALUE {x: c.id} FROM c":                                      "{",
		"SELECT VALUE [c.id] FROM c":                                         "array literals",
		"SELECT * FROM c WHERE udf.f(c.n)":                                   "UDF",
		"SELECT * FROM c WHERE ST_DISTANCE(c.a, c.b) < 1":                    "ST_DISTANCE",
		"SELECT * FROM c WHERE c.n = @missing":                               "@missing",
		"SELECT * FROM c WHERE d.n = 1":                                      "'d'",
		"SELECT * FROM c WHERE c.order = 1":                                  "'ORDER'",
		"SELECT * FROM c WHERE c.value = 1":                                  "'VALUE'",
		"SELECT * FROM c WHERE":                                              "<end>",
		"SELEC * FROM c":                                                     "SELEC",
		"SELECT * FROM c ORDER BY c.n + 1":                                   "'+'",
		"SELECT VALUE COUNT(1) FROM c ORDER BY c.n":                          "COUNT",
		"SELECT c.id, COUNT(1) FROM c":                                       "COUNT",
		"SELECT c.id, c.o.id FROM c":                                         "more than once",
		"SELECT * FROM c OFFSET 1":                                           "<end>",
		"SELECT TOP -1 * FROM c":                                             "-",
		"SELECT TOP 1.5 * FROM c":                                            "TOP",
		"SELECT TOP 1 * FROM c OFFSET 0 LIMIT 1":                             "TOP",
		"SELECT * FROM c WHERE c[@x] = 1":                                    "computed subscripts",
		"SELECT * FROM c WHERE c.n = 'x":                                     "'x",
		"SELECT * FROM c WHERE " + strings.Repeat("(", 100) + "1":            "deeply",
		"SELECT * FROM c WHERE c.x = '" + strings.Repeat("x", 600<<10) + "'": "length",
	} {
		_, _, err := all(t, c, pk("s"), text, nil)
		if code := status(t, err); code != 400 || !strings.Contains(err.Error(), `"code": "BadRequest"`) || !strings.Contains(strings.ReplaceAll(err.Error(), `\"`, `"`), names) {
			t.Errorf("%.80s: %d, %.600v; want 400 naming %s", text, code, err, names)
		}
	}
}

// TestCrossPartition lists one by one what Azure's gateway does not serve without a partition key ("Queries that cannot
// be served by gateway", in the documentation of the REST API), and what it does.
func TestCrossPartition(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	seed(t, c)
	none := azcosmos.NewPartitionKey()
	const gateway = "can not be directly served by the gateway"
	for text, why := range map[string]string{
		"SELECT * FROM c ORDER BY c.n":                                             gateway,
		"SELECT * FROM c ORDER BY c.recorded DESC, c.id DESC":                      gateway,
		"SELECT * FROM c WHERE c.type = 'evidence' ORDER BY c.n":                   gateway,
		"SELECT TOP 1 * FROM c":                                                    gateway,
		"SELECT TOP 1 * FROM c WHERE c.id = 'a'":                                   gateway,
		"SELECT TOP 1 * FROM c ORDER BY c.n":                                       gateway,
		"SELECT * FROM c OFFSET 0 LIMIT 1":                                         gateway,
		"SELECT * FROM c ORDER BY c.n OFFSET 0 LIMIT 1":                            gateway,
		"SELECT VALUE COUNT(1) FROM c":                                             gateway,
		"SELECT VALUE COUNT(1) FROM c WHERE c.type = 'evidence'":                   gateway,
		"SELECT COUNT(1) AS n FROM c":                                              gateway,
		"SELECT VALUE SUM(c.n) FROM c":                                             "SUM",
		"SELECT VALUE AVG(c.n) FROM c":                                             "AVG",
		"SELECT VALUE MIN(c.n) FROM c":                                             "MIN",
		"SELECT VALUE MAX(c.n) FROM c":                                             "MAX",
		"SELECT DISTINCT c.type FROM c":                                            "DISTINCT",
		"SELECT DISTINCT VALUE c.type FROM c":                                      "DISTINCT",
		"SELECT c.type FROM c GROUP BY c.type":                                     "GROUP",
		"SELECT c.type, COUNT(1) AS n FROM c GROUP BY c.type":                      "COUNT",
		"SELECT c.id FROM c JOIN t IN c.tags":                                      "JOIN",
		"SELECT * FROM c WHERE c.shard > 's' ORDER BY c.n":                         gateway, // a range is not a partition key
		"SELECT * FROM c WHERE c.shard IN ('s', 't') ORDER BY c.n":                 gateway,
		"SELECT * FROM c WHERE c.shard = 's' OR c.n = 1 ORDER BY c.n":              gateway,
		"SELECT * FROM c WHERE c.shard = 's' OR c.shard = 't' ORDER BY c.n":        gateway,
		"SELECT * FROM c WHERE STARTSWITH(c.shard, 's') ORDER BY c.n":              gateway,
		"SELECT * FROM c WHERE NOT (c.shard != 's') ORDER BY c.n":                  gateway,
		"SELECT VALUE COUNT(1) FROM c WHERE c.shard >= 's' AND c.shard <= 's'":     gateway,
		"SELECT * FROM c WHERE LOWER(c.shard) = 's' ORDER BY c.n OFFSET 0 LIMIT 1": gateway,
	} {
		_, _, err := all(t, c, none, text, nil)
		if status(t, err) != 400 || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", text, err)
		}
	}
	deep := r.container("deep")
	for _, text := range []string{"SELECT * FROM c WHERE c.region = 'north' ORDER BY c.id", "SELECT TOP 1 * FROM c WHERE c.unit = 'leeds'"} {
		_, _, err := all(t, deep, none, text, nil) // half a key
		if status(t, err) != 400 || !strings.Contains(err.Error(), gateway) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, wanted := range map[string]string{
		"SELECT VALUE c.id FROM c WHERE c.type = 'evidence'":             "a b e z",
		"SELECT VALUE c.id FROM c":                                       "a b c d e z",
		"SELECT VALUE c.id FROM c WHERE c.shard IN ('s', 'other')":       "a b c d e z",
		"SELECT VALUE c.id FROM c WHERE c.shard > 'o' AND c.shard < 'p'": "z",
		"SELECT VALUE LOWER(c.name) FROM c WHERE CONTAINS(c.name, 'lp')": "alpha",
		"SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, 'red')":   "a",
	} {
		for size := range int32(4) {
			items, _, err := all(t, c, none, text, &azcosmos.QueryOptions{PageSizeHint: size})
			check(t, err)
			slices.Sort(items)
			if got := strings.ReplaceAll(strings.Join(items, " "), `"`, ""); got != wanted {
				t.Errorf("%s, pages of %d: %s, want %s", text, size, got, wanted)
			}
		}
	}
	off := false
	_, _, err := all(t, c, none, "SELECT * FROM c", &azcosmos.QueryOptions{EnableCrossPartitionQuery: &off})
	want(t, err, 400)
	// A filter that fixes the partition key makes it a query of one partition.
	items, _, err := all(t, c, none, "SELECT VALUE c.id FROM c WHERE c.shard = 's' AND c.n > 0 ORDER BY c.n DESC", &azcosmos.QueryOptions{EnableCrossPartitionQuery: &off})
	check(t, err)
	same(t, items, []string{`"c"`, `"b"`, `"a"`})
}

func TestReadMany(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	seed(t, c)
	read := func(c *azcosmos.ContainerClient, list ...azcosmos.ItemIdentity) []string {
		res, err := c.ReadManyItems(t.Context(), list, nil)
		check(t, err)
		var out []string
		for _, it := range res.Items {
			out = append(out, decode(t, it)["id"].(string))
		}
		slices.Sort(out)
		return out
	}
	same(t, read(c, azcosmos.ItemIdentity{ID: "a", PartitionKey: pk("s")}, azcosmos.ItemIdentity{ID: "z", PartitionKey: pk("other")}, azcosmos.ItemIdentity{ID: "b", PartitionKey: pk("other")}), []string{"a", "z"})
	same(t, read(c, azcosmos.ItemIdentity{ID: "a", PartitionKey: pk("s")}, azcosmos.ItemIdentity{ID: "c", PartitionKey: pk("s")}), []string{"a", "c"})
	var many []azcosmos.ItemIdentity
	for i := range 1500 {
		many = append(many, azcosmos.ItemIdentity{ID: fmt.Sprint("x", i), PartitionKey: pk(fmt.Sprint(i % 7))})
	}
	same(t, read(c, append(many, azcosmos.ItemIdentity{ID: "e", PartitionKey: pk("s")})...), []string{"e"})
	ranges, err := c.ReadFeedRanges(t.Context(), nil)
	check(t, err)
	if len(ranges) != 1 || ranges[0].MinInclusive != "" || ranges[0].MaxExclusive != "FF" {
		t.Fatalf("%+v", ranges)
	}
	_, err = c.ReadChangeFeed(t.Context(), &azcosmos.ChangeFeedOptions{FeedRange: &ranges[0]})
	want(t, err, 400)
}
