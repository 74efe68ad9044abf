package functionshost_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bwv/internal/standin/functionshost"
)

// A host that drains takes no more messages; what runs may finish and is completed, and HTTP goes on.
func TestDrainTakesNoMoreMessages(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Slow/function.json": queue(`"queueName":"ingest"`), "host.json": hostJSON(1, "00:00:30"),
		"Web/function.json": `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","route":"quick","authLevel":"anonymous"},{"type":"http","direction":"out","name":"res"}]}`})
	front := httptest.NewServer(r.Start(t))
	defer front.Close()
	call := func(method, path string) int {
		request, err := http.NewRequest(method, front.URL+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("x-functions-key", "master")
		response, err := front.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	b.send("ingest", text("in flight"), text("left"))
	functionshost.Until(t, "the call in flight", func() bool { return len(r.Calls(t, "Slow")) == 1 })
	if got := call(http.MethodPost, "/admin/host/drain"); got != http.StatusAccepted {
		t.Fatalf("drain: %d", got)
	}
	functionshost.Until(t, "its completion", func() bool { return b.left("ingest") == 1 })
	if got := call(http.MethodGet, "/api/quick"); got != http.StatusOK {
		t.Errorf("HTTP while draining: %d", got)
	}
	for limit := time.Now().Add(time.Second); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		if n := len(r.Calls(t, "Slow")); n != 1 || b.left("ingest") != 1 {
			t.Fatalf("%d calls: a message was taken while draining", n)
		}
	}
}
