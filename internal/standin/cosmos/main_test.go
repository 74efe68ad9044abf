package cosmos_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"bwv/internal/standin/cosmos"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
	"go.uber.org/goleak"
)

const testKey = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="

const declared = `{"database":"bwv","containers":[
 {"name":"evidence","partitionKey":"/shard","indexingPolicy":{"indexingMode":"consistent","automatic":true,
   "includedPaths":[{"path":"/*"},{"path":"/seen/?"}],
   "excludedPaths":[{"path":"/secret/*"},{"path":"/\"_etag\"/?"}],
   "compositeIndexes":[
     [{"path":"/recorded","order":"descending"},{"path":"/id","order":"descending"}],
     [{"path":"/type","order":"ascending"},{"path":"/n","order":"descending"}]]}},
 {"name":"brief","partitionKey":"/shard","defaultTtl":-1},
 {"name":"short","partitionKey":"/shard","defaultTtl":60},
 {"name":"unique","partitionKey":"/shard","uniqueKeys":[{"paths":["/plate","/force"]}]},
 {"name":"deep","partitionKey":["/region","/unit"]}]}`

func TestMain(m *testing.M) {
	if dir := os.Getenv("COSMOS_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// rig is a server on a port of its own, with the real client.
type rig struct {
	t    testing.TB
	srv  *cosmos.Server
	url  string
	cl   *azcosmos.Client
	http *http.Client
	opts cosmos.Options
}

func start(t testing.TB, change ...func(*cosmos.Options)) *rig {
	t.Helper()
	o := cosmos.Options{Dir: t.TempDir(), Key: testKey}
	for _, c := range change {
		c(&o)
	}
	srv, err := cosmos.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, srv.Close()) })
	check(t, srv.Declare(jsonReader(declared)))
	ts := httptest.NewServer(srv)
	t.Cleanup(ts.Close)
	r := &rig{t: t, srv: srv, url: ts.URL, opts: o}
	r.cl, r.http = client(t, ts.URL, testKey)
	return r
}

func client(t testing.TB, url, key string) (*azcosmos.Client, *http.Client) {
	t.Helper()
	cred, err := azcosmos.NewKeyCredential(key)
	check(t, err)
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	cl, err := azcosmos.NewClientWithKey(url, cred, &azcosmos.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: hc,
		Retry:     policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Millisecond, MaxRetryDelay: 10 * time.Millisecond},
	}})
	check(t, err)
	t.Cleanup(func() { cl.Close(); hc.CloseIdleConnections() })
	return cl, hc
}

func (r *rig) container(name string) *azcosmos.ContainerClient {
	c, err := r.cl.NewContainer("bwv", name)
	check(r.t, err)
	return c
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// status is the HTTP status of a client error, 0 for none.
func status(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		t.Fatalf("not a response error: %v", err)
	}
	return re.StatusCode
}

func want(t testing.TB, err error, code int) {
	t.Helper()
	if got := status(t, err); got != code {
		t.Fatalf("status %d, want %d: %v", got, code, err)
	}
}

type doc = map[string]any

func raw(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func pk(s string) azcosmos.PartitionKey { return azcosmos.NewPartitionKeyString(s) }

func decode(t testing.TB, b []byte) doc {
	t.Helper()
	var d doc
	check(t, json.Unmarshal(b, &d))
	return d
}

func create(t testing.TB, c *azcosmos.ContainerClient, d doc) azcosmos.ItemResponse {
	t.Helper()
	res, err := c.CreateItem(t.Context(), pk(d["shard"].(string)), raw(d), nil)
	check(t, err)
	return res
}

// all runs a query to its end and returns the items and the number of pages.
func all(t testing.TB, c *azcosmos.ContainerClient, key azcosmos.PartitionKey, text string, o *azcosmos.QueryOptions) (items []string, pages int, err error) {
	t.Helper()
	pager := c.NewQueryItemsPager(text, key, o)
	for pager.More() {
		page, err := pager.NextPage(context.Background())
		if err != nil {
			return items, pages, err
		}
		if pages++; pages > 5000 {
			t.Fatalf("%s: the pages do not end", text)
		}
		for _, it := range page.Items {
			items = append(items, string(it))
		}
	}
	return items, pages, nil
}

// ids is all for a query whose results are plain strings.
func ids(t testing.TB, c *azcosmos.ContainerClient, key, text string, o *azcosmos.QueryOptions) []string {
	t.Helper()
	items, _, err := all(t, c, pk(key), text, o)
	check(t, err)
	out := []string{}
	for _, it := range items {
		var s string
		check(t, json.Unmarshal([]byte(it), &s))
		out = append(out, s)
	}
	return out
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}
