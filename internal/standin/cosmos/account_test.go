package cosmos_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bwv/internal/standin/cosmos"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// request makes a request of our own, signed for the date.
func (r *rig) request(method, path, typ, link string, at time.Time, header map[string]string, body string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	check(r.t, err)
	date := at.UTC().Format(http.TimeFormat)
	key, err := base64.StdEncoding.DecodeString(testKey)
	check(r.t, err)
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, strings.ToLower(method)+"\n"+typ+"\n"+link+"\n"+strings.ToLower(date)+"\n\n")
	req.Header.Set("x-ms-date", date)
	req.Header.Set("Authorization", url.QueryEscape("type=master&ver=1.0&sig="+base64.StdEncoding.EncodeToString(mac.Sum(nil))))
	for k, v := range header {
		req.Header.Set(k, v)
	}
	return req
}

// signed sends such a request.
func (r *rig) signed(method, path, typ, link string, at time.Time, header map[string]string, body string) (*http.Response, string) {
	r.t.Helper()
	res, err := r.http.Do(r.request(method, path, typ, link, at, header, body))
	check(r.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	check(r.t, err)
	return res, string(text)
}

func TestAuthorization(t *testing.T) {
	r := start(t)
	now := time.Now()
	for name, test := range map[string]struct {
		at   time.Time
		link string
		head map[string]string
		code int
	}{
		"right":       {now, "dbs/bwv", nil, 200},
		"within skew": {now.Add(-14 * time.Minute), "dbs/bwv", nil, 200},
		"old":         {now.Add(-16 * time.Minute), "dbs/bwv", nil, 403},
		"future":      {now.Add(16 * time.Minute), "dbs/bwv", nil, 403},
		"other link":  {now, "dbs/other", nil, 401},
		"changed":     {now, "dbs/bwv", map[string]string{"x-ms-date": now.Add(time.Second).UTC().Format(http.TimeFormat)}, 401},
		"no date":     {now, "dbs/bwv", map[string]string{"x-ms-date": ""}, 401},
		"nothing":     {now, "dbs/bwv", map[string]string{"Authorization": ""}, 401},
		"entra":       {now, "dbs/bwv", map[string]string{"Authorization": "type%3daad%26ver%3d1.0%26sig%3dx"}, 401},
		"rubbish":     {now, "dbs/bwv", map[string]string{"Authorization": "type%3dmaster%26ver%3d1.0%26sig%3d!!"}, 401},
	} {
		res, body := r.signed("GET", "/dbs/bwv", "dbs", test.link, test.at, test.head, "")
		if res.StatusCode != test.code {
			t.Errorf("%s: %d, want %d: %s", name, res.StatusCode, test.code, body)
		}
		if name == "entra" && !strings.Contains(body, "Entra") {
			t.Errorf("%s does not say that Entra tokens are refused", body)
		}
	}
	cl, _ := client(t, r.url, base64.StdEncoding.EncodeToString([]byte("another key")))
	c, err := cl.NewContainer("bwv", "evidence")
	check(t, err)
	_, err = c.ReadItem(t.Context(), pk("s"), "1", nil)
	want(t, err, 401)
}

func TestAccountPointsBack(t *testing.T) {
	r := start(t)
	res, body := r.signed("GET", "/", "", "", time.Now(), nil, "")
	var account struct {
		Readable []struct{ Name, DatabaseAccountEndpoint string } `json:"readableLocations"`
		Writable []struct{ Name, DatabaseAccountEndpoint string } `json:"writableLocations"`
	}
	check(t, json.Unmarshal([]byte(body), &account))
	if res.StatusCode != 200 || account.Readable[0].DatabaseAccountEndpoint != r.url+"/" || account.Writable[0].DatabaseAccountEndpoint != r.url+"/" {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
}

func TestDatabasesAndContainers(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	made, err := r.cl.CreateDatabase(ctx, azcosmos.DatabaseProperties{ID: "two"}, nil)
	check(t, err)
	_, err = r.cl.CreateDatabase(ctx, azcosmos.DatabaseProperties{ID: "two"}, nil)
	want(t, err, 409)
	_, err = r.cl.CreateDatabase(ctx, azcosmos.DatabaseProperties{ID: "a/b"}, nil)
	want(t, err, 400)
	db, err := r.cl.NewDatabase("two")
	check(t, err)
	got, err := db.Read(ctx, nil)
	check(t, err)
	if got.DatabaseProperties.ResourceID == "" || got.DatabaseProperties.ResourceID != made.DatabaseProperties.ResourceID || got.ETag == "" {
		t.Fatalf("%+v", got.DatabaseProperties)
	}
	props := azcosmos.ContainerProperties{ID: "c", PartitionKeyDefinition: azcosmos.PartitionKeyDefinition{Paths: []string{"/pk"}}}
	_, err = db.CreateContainer(ctx, props, nil)
	check(t, err)
	_, err = db.CreateContainer(ctx, props, nil)
	want(t, err, 409)
	throughput := azcosmos.NewManualThroughputProperties(400)
	_, err = db.CreateContainer(ctx, azcosmos.ContainerProperties{ID: "d", PartitionKeyDefinition: props.PartitionKeyDefinition}, &azcosmos.CreateContainerOptions{ThroughputProperties: &throughput})
	want(t, err, 400)
	c, err := r.cl.NewContainer("two", "c")
	check(t, err)
	read, err := c.Read(ctx, nil)
	check(t, err)
	p := *read.ContainerProperties
	if p.ResourceID == "" || p.PartitionKeyDefinition.Paths[0] != "/pk" || p.IndexingPolicy == nil || p.IndexingPolicy.IncludedPaths[0].Path != "/*" {
		t.Fatalf("%+v", p)
	}
	_, err = c.ReadThroughput(ctx, nil)
	want(t, err, 400)
	_, err = c.CreateItem(ctx, pk("k"), raw(doc{"id": "1", "pk": "k", "a": 2, "b": 1}), nil)
	check(t, err)
	const ordered = "SELECT VALUE c.id FROM c ORDER BY c.a, c.b DESC"
	_, _, err = all(t, c, pk("k"), ordered, nil)
	want(t, err, 400)
	p.IndexingPolicy.CompositeIndexes = [][]azcosmos.CompositeIndex{{{Path: "/a", Order: azcosmos.CompositeIndexAscending}, {Path: "/b", Order: azcosmos.CompositeIndexDescending}}}
	_, err = c.Replace(ctx, p, nil)
	check(t, err)
	same(t, ids(t, c, "k", ordered, nil), []string{"1"}) // indexed after the fact
	p.PartitionKeyDefinition.Paths = []string{"/other"}
	_, err = c.Replace(ctx, p, nil)
	want(t, err, 400)
	pager := db.NewQueryContainersPager("SELECT * FROM c WHERE c.id = 'c'", nil)
	page, err := pager.NextPage(ctx)
	check(t, err)
	if len(page.Containers) != 1 || page.Containers[0].ID != "c" {
		t.Fatalf("%+v", page.Containers)
	}
	dbs, err := r.cl.NewQueryDatabasesPager("SELECT * FROM c", nil).NextPage(ctx)
	check(t, err)
	if len(dbs.Databases) != 2 {
		t.Fatalf("%+v", dbs.Databases)
	}
	_, err = c.Delete(ctx, nil)
	check(t, err)
	_, err = c.ReadItem(ctx, pk("k"), "1", nil)
	want(t, err, 404)
	_, err = c.Read(ctx, nil)
	want(t, err, 404)
	_, err = db.CreateContainer(ctx, props, nil)
	check(t, err)
	_, err = c.ReadItem(ctx, pk("k"), "1", nil)
	want(t, err, 404) // a new container has nothing of the old one
	_, err = db.Delete(ctx, nil)
	check(t, err)
	_, err = db.Read(ctx, nil)
	want(t, err, 404)
	_, err = c.Read(ctx, nil)
	want(t, err, 404)
}

func TestRefusedContainers(t *testing.T) {
	r := start(t)
	for name, body := range map[string]string{
		"no key":            `{"id":"x"}`,
		"two paths, hash":   `{"id":"x","partitionKey":{"paths":["/a","/b"],"kind":"Hash"}}`,
		"four paths":        `{"id":"x","partitionKey":{"paths":["/a","/b","/c","/d"],"kind":"MultiHash"}}`,
		"bad path":          `{"id":"x","partitionKey":{"paths":["a"],"kind":"Hash"}}`,
		"ttl 0":             `{"id":"x","partitionKey":{"paths":["/a"]},"defaultTtl":0}`,
		"no root path":      `{"id":"x","partitionKey":{"paths":["/a"]},"indexingPolicy":{"includedPaths":[{"path":"/a/?"}]}}`,
		"bad index path":    `{"id":"x","partitionKey":{"paths":["/a"]},"indexingPolicy":{"includedPaths":[{"path":"/*"},{"path":"/a"}]}}`,
		"composite of one":  `{"id":"x","partitionKey":{"paths":["/a"]},"indexingPolicy":{"includedPaths":[{"path":"/*"}],"compositeIndexes":[[{"path":"/a"}]]}}`,
		"composite order":   `{"id":"x","partitionKey":{"paths":["/a"]},"indexingPolicy":{"includedPaths":[{"path":"/*"}],"compositeIndexes":[[{"path":"/a"},{"path":"/b","order":"up"}]]}}`,
		"vector":            `{"id":"x","partitionKey":{"paths":["/a"]},"vectorEmbeddingPolicy":{}}`,
		"lazy":              `{"id":"x","partitionKey":{"paths":["/a"]},"indexingPolicy":{"indexingMode":"lazy"}}`,
		"not json":          `{`,
		"unique of nothing": `{"id":"x","partitionKey":{"paths":["/a"]},"uniqueKeyPolicy":{"uniqueKeys":[{"paths":[]}]}}`,
	} {
		res, text := r.signed("POST", "/dbs/bwv/colls", "colls", "dbs/bwv", time.Now(), nil, body)
		if res.StatusCode != 400 {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
	}
}

func TestRefusedResources(t *testing.T) {
	r := start(t)
	const coll = "dbs/bwv/colls/evidence"
	for path, code := range map[string]int{
		coll + "/sprocs": 400, coll + "/triggers": 400, coll + "/udfs": 400, coll + "/conflicts": 400, "dbs/bwv/users": 400,
		coll + "/docs": 400, coll + "/what": 400, "nothing": 400, "offers": 400, "dbs/bwv/colls/nobody/docs": 404, "dbs/nobody/colls": 404,
	} {
		i := strings.LastIndexByte(path, '/')
		link := ""
		if i >= 0 {
			link = path[:i]
		}
		res, body := r.signed("GET", "/"+path, path[i+1:], link, time.Now(), nil, "")
		if res.StatusCode != code || !strings.Contains(body, `"code"`) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	res, _ := r.signed("PUT", "/dbs", "dbs", "", time.Now(), nil, "")
	if res.StatusCode != 405 {
		t.Errorf("PUT /dbs: %d", res.StatusCode)
	}
}

func TestDeclare(t *testing.T) {
	r := start(t)
	c := r.container("brief")
	create(t, c, doc{"id": "1", "shard": "s", "a": 1, "b": 2})
	const ordered = "SELECT VALUE c.id FROM c ORDER BY c.a, c.b"
	_, _, err := all(t, c, pk("s"), ordered, nil)
	want(t, err, 400)
	with := `{"database":"bwv","containers":[{"name":"brief","partitionKey":"/shard","indexingPolicy":{"indexingMode":"consistent","includedPaths":[{"path":"/*"}],"compositeIndexes":[[{"path":"/a"},{"path":"/b"}]]}}]}`
	before, err := c.Read(t.Context(), nil)
	check(t, err)
	for range 2 {
		check(t, r.srv.Declare(strings.NewReader(with)))
		same(t, ids(t, c, "s", ordered, nil), []string{"1"})
	}
	after, err := c.Read(t.Context(), nil)
	check(t, err)
	if after.ContainerProperties.DefaultTimeToLive != nil || before.ContainerProperties.ResourceID != after.ContainerProperties.ResourceID || before.ETag == after.ETag {
		t.Fatalf("%+v", after.ContainerProperties)
	}
	check(t, r.srv.Declare(strings.NewReader(with)))
	if again, err := c.Read(t.Context(), nil); err != nil || again.ETag != after.ETag {
		t.Fatalf("declaring the same again changed the container: %v", err)
	}
	for _, bad := range []string{
		``, `{`, `[]`, `{"database":""}`, `{"database":"x","unknown":1}`, with + `{}`,
		`{"database":"bwv","containers":[{"name":"brief","partitionKey":"/other"}]}`,
		`{"database":"bwv","containers":[{"name":"new","partitionKey":5}]}`,
		`{"database":"bwv","containers":[{"name":"","partitionKey":"/a"}]}`,
	} {
		if err := r.srv.Declare(strings.NewReader(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, o := range map[string]cosmos.Options{
		"no key":  {Dir: t.TempDir()},
		"bad key": {Dir: t.TempDir(), Key: "***"},
		"bad dir": {Dir: "/dev/null/x", Key: testKey},
	} {
		if s, err := cosmos.Open(o); err == nil {
			s.Close()
			t.Errorf("%s was accepted", name)
		}
	}
}
