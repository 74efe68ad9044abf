package cosmos_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// A session token is what a read may rely on: given by every answer, growing with every write that happened, and
// refused where the writes it stands for are not.
func TestSessionTokens(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	first := *create(t, c, doc{"id": "1", "shard": "s"}).SessionToken
	read := func(token string) (azcosmos.ItemResponse, error) {
		return c.ReadItem(t.Context(), pk("s"), "1", &azcosmos.ItemOptions{SessionToken: &token})
	}
	res, err := read(first)
	check(t, err)
	if *res.SessionToken != first {
		t.Errorf("a read says %s after the write's %s", *res.SessionToken, first)
	}
	// A write that is refused, also at its very end, does not count.
	for range 3 {
		_, err := c.CreateItem(t.Context(), pk("s"), raw(doc{"id": "1", "shard": "s"}), nil)
		want(t, err, 409)
	}
	u := r.container("unique")
	before := *create(t, u, doc{"id": "1", "shard": "s", "plate": "a"}).SessionToken
	_, err = u.CreateItem(t.Context(), pk("s"), raw(doc{"id": "2", "shard": "s", "plate": "a"}), nil)
	want(t, err, 409)
	var failed *azcore.ResponseError
	if errors.As(err, &failed); failed.RawResponse.Header.Get("x-ms-session-token") != before {
		t.Errorf("a refused write says %s after %s", failed.RawResponse.Header.Get("x-ms-session-token"), before)
	}
	second := *create(t, c, doc{"id": "2", "shard": "s"}).SessionToken
	if second == first {
		t.Errorf("two writes say %s", second)
	}
	for name, test := range map[string]struct {
		token string
		code  int
	}{
		"first": {first, 0}, "second": {second, 0}, "two": {first + "," + second, 0}, "ahead": {first + "000", 404}, "rubbish": {"x", 400}, "number": {"0:-1#x", 400},
	} {
		_, err := read(test.token)
		if got := status(t, err); got != test.code {
			t.Errorf("%s: a read is answered %d, want %d", name, got, test.code)
		}
		if test.code == 404 && !strings.Contains(err.Error(), "session") {
			t.Errorf("%s: %v", name, err)
		}
		_, _, err = all(t, c, pk("s"), "SELECT * FROM c", &azcosmos.QueryOptions{SessionToken: &test.token})
		if got := status(t, err); got != test.code {
			t.Errorf("%s: a query is answered %d, want %d", name, got, test.code)
		}
	}
	link := "dbs/bwv/colls/evidence/docs/1"
	ahead, _ := r.signed("GET", "/"+link, "docs", link, time.Now(), map[string]string{"x-ms-documentdb-partitionkey": `["s"]`, "x-ms-session-token": "0:-1#99999"}, "")
	if ahead.StatusCode != http.StatusNotFound || ahead.Header.Get("x-ms-substatus") != "1002" {
		t.Errorf("%d %v", ahead.StatusCode, ahead.Header)
	}
}
