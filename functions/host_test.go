package functions_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binding is everything that a function.json may declare here.
type binding struct {
	Name, Type, Direction, DataType, Cardinality       string
	QueueName, TopicName, SubscriptionName, Connection string
	Methods                                            []string
	Route, AuthLevel, Schedule                         string
	UseMonitor                                         bool
}

func bindings(t *testing.T, function string) []binding {
	t.Helper()
	var config struct{ Bindings []binding }
	load(t, filepath.Join(function, "function.json"), true, &config)
	if len(config.Bindings) == 0 {
		t.Fatalf("%s has no bindings", function)
	}
	return config.Bindings
}

// load reads a JSON file; strictly means that it may have no field that into has not.
func load(t *testing.T, path string, strictly bool, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if strictly {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// deliver hands a message to a function exactly as the host does: base64 under the name of function.json, since its dataType is binary,
// metadata as JSON in strings, chunked.
func (w *world) deliver(function, message string, delivery int) answer {
	w.t.Helper()
	value, err := json.Marshal(base64.StdEncoding.EncodeToString([]byte(message)))
	if err != nil {
		w.t.Fatal(err)
	}
	metadata := fmt.Sprintf(`"MessageReceiver":{},"MessageSession":{},"MessageActions":{},"SessionActions":{},"ReceiveActions":{},`+
		`"Client":{"FullyQualifiedNamespace":"ns.servicebus.windows.net","IsClosed":false,"TransportType":0,"Identifier":"ns-1"},`+
		`"DeliveryCount":"%d","LockToken":"\"7ebe3bcf-bae7-455e-99ea-568500a75173\"","ExpiresAtUtc":"2026-12-06T10:11:12","ExpiresAt":"2026-12-06T10:11:12+00:00",`+
		`"EnqueuedTimeUtc":"2026-11-22T10:11:12","EnqueuedTime":"2026-11-22T10:11:12+00:00","MessageId":"\"message-%s\"","ContentType":"\"application/json\"",`+
		`"SequenceNumber":"1","ApplicationProperties":{},"UserProperties":{},`, delivery, function)
	return w.invoke(function, string(value), metadata)
}

func (w *world) tick() answer {
	w.t.Helper()
	return w.invoke("reconcile", `{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"0001-01-01T00:00:00+00:00",`+
		`"Next":"2026-11-22T10:15:00+00:00","LastUpdated":"0001-01-01T00:00:00+00:00"},"IsPastDue":false}`, "")
}

func (w *world) invoke(function, value, metadata string) answer {
	w.t.Helper()
	body := fmt.Sprintf(`{"Data":{%q:%s},"Metadata":{%s"sys":{"MethodName":%q,"UtcNow":"2026-11-22T10:11:13.0042Z","RandGuid":"831e1650-001e-001b-66ab-eeb76e069631"}}}`,
		bindings(w.t, function)[0].Name, value, metadata, function)
	header := map[string]string{"Content-Type": "application/json; charset=utf-8", "User-Agent": "Azure-Functions-Host/4.1040.0.0", "X-Azure-Functions-HostVersion": "4.1040.0.0"}
	return w.send(http.MethodPost, "/"+function, io.MultiReader(strings.NewReader(body)), header)
}

// must delivers a message that the function has to take.
func (w *world) must(function, message string, delivery int) {
	w.t.Helper()
	a := w.deliver(function, message, delivery)
	w.taken(a)
}

// taken checks that the host would complete the message: JSON, and never empty.
func (w *world) taken(a answer) {
	w.t.Helper()
	var body map[string]any
	w.want(a, http.StatusOK, &body)
	if a.header.Get("Content-Type") != "application/json" || body == nil {
		w.t.Fatalf("%v %q", a.header, a.body)
	}
}

// twice delivers a message two times: the second changes nothing. It returns how many custody entries the first wrote.
func (w *world) twice(function, message string) int {
	w.t.Helper()
	before := len(w.ledger.Entries())
	w.must(function, message, 1)
	written, state := len(w.ledger.Entries())-before, w.state()
	w.now = w.now.Add(time.Minute)
	w.must(function, message, 2)
	if n := len(w.ledger.Entries()) - before; n != written {
		w.t.Errorf("%d custody entries after the second delivery, %d after the first", n, written)
	}
	if again := w.state(); again != state {
		w.t.Errorf("the second delivery changed something:\n%s\n---\n%s", state, again)
	}
	return written
}
