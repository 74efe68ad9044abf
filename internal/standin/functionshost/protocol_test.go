package functionshost

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnswers(t *testing.T) {
	good := []string{"Ok", "Logs", "Created", "Trailing"}
	bad := map[string]string{
		"Text": "text/plain", "NoType": "content type", "Fail": "500", "Moved": "302", "Array": "not a JSON object",
		"Bad": "not JSON", "BadLogs": "wrong shape", "Huge": "larger",
	}
	all := append([]string{}, good...)
	for name := range bad {
		all = append(all, name)
	}
	r := offline(t, all...)
	h := r.Start(t)
	for _, name := range good {
		if err := run(h, name, "x"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, words := range bad {
		err := run(h, name, "x")
		if err == nil {
			t.Errorf("%s: the invocation succeeded", name)
			continue
		}
		mustContain(t, err.Error(), words)
	}
	if !r.Logs.Has("first line", `"invocation"`, `"function":"Logs"`, `"level":"INFO"`) || !r.Logs.Has(`"msg":"2"`) {
		t.Error("the answer's Logs are not in the log")
	}
	if !r.Logs.Has("goes on after its JSON object") {
		t.Error("trailing text was not noticed")
	}
}

func TestRequestOfACall(t *testing.T) {
	r := offline(t, "Ok")
	h := r.Start(t)
	if err := run(h, "ok", "hello"); err != nil {
		t.Fatal(err)
	}
	calls := r.Calls(t, "Ok")
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	c := calls[0]
	if !slices.Equal(c.Encoding, []string{"chunked"}) {
		t.Errorf("transfer encoding %v, want chunked", c.Encoding)
	}
	for name, pattern := range map[string]string{
		"Content-Type": `^application/json; charset=utf-8$`, "User-Agent": `^Azure-Functions-Host/4\.`,
		"X-Azure-Functions-Hostversion": `^4\.`, "X-Azure-Functions-Invocationid": `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(c.Header.Get(name)) {
			t.Errorf("%s is %q", name, c.Header.Get(name))
		}
	}
	if got := string(c.Data["msg"]); got != `"aGVsbG8="` {
		t.Errorf("data is %s", got)
	}
	for key, want := range map[string]string{
		"DeliveryCount": `"0"`, "SequenceNumber": `"-1"`, "LockToken": `"\"00000000-0000-0000-0000-000000000000\""`,
		"EnqueuedTimeUtc": `"0001-01-01T00:00:00"`, "EnqueuedTime": `"0001-01-01T00:00:00+00:00"`, "ExpiresAt": `"9999-12-31T23:59:59+00:00"`,
		"ApplicationProperties": `{}`, "UserProperties": `{}`, "MessageId": "", "Client": "", "MessageActions": "",
	} {
		if got := string(c.Metadata[key]); got != want {
			t.Errorf("Metadata.%s is %s, want %s", key, got, want)
		}
	}
	mustContain(t, string(c.Metadata["sys"]), `"MethodName":"Ok"`, `"UtcNow":"`, `"RandGuid":"`)
}

func TestStringModePollutesTheMetadata(t *testing.T) {
	r := offline(t, "Ok")
	r.Write(t, "Ok/function.json", strings.Replace(anyQueue, `,"dataType":"binary"`, "", 1))
	h := r.Start(t)
	body := `{"messageId":"evil","deliverycount":7,"on":true,"when":"2026-11-22T10:11:12.5Z","nested":{"a":1},"list":[1],"none":null,"myTrigger":"x"}`
	if err := run(h, "Ok", body); err != nil {
		t.Fatal(err)
	}
	if err := run(h, "Ok", "hello"); err != nil {
		t.Fatal(err)
	}
	calls := r.Calls(t, "Ok")
	if got := string(calls[1].Data["msg"]); got != `"\"hello\""` {
		t.Errorf("a string is %s, it must be encoded twice", got)
	}
	for key, want := range map[string]string{
		"DeliveryCount": `"\"7\""`, "messageId": `"\"evil\""`, "on": `"\"True\""`, "when": `"\"11/22/2026 10:11:12\""`, "nested": `{"a":1}`,
		"list": "", "none": "", "myTrigger": "",
	} {
		if got := string(calls[0].Metadata[key]); got != want {
			t.Errorf("Metadata.%s is %s, want %s", key, got, want)
		}
	}
}

func TestEmptyAnswerHangsUntilTheTimeoutKills(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Empty", "Null"} {
		t.Run(name, func(t *testing.T) {
			r := offline(t, name, "Ok")
			r.Write(t, "host.json", strings.Replace(plainHost, "00:00:30", "00:00:01", 1))
			h := r.Start(t)
			before := h.HandlerPID()
			done := make(chan error, 1)
			go func() { done <- run(h, name, "x") }()
			Until(t, "a loud line by name", func() bool { return r.Logs.Has("EMPTY ANSWER", "function "+name, "ERROR") })
			select {
			case err := <-done:
				t.Fatalf("the call ended at once: %v", err)
			default:
			}
			if err := <-done; !errors.Is(err, errTimeout) {
				t.Fatalf("the call ended with %v", err)
			}
			if err := run(h, "Ok", "x"); err != nil {
				t.Fatal(err)
			}
			if h.HandlerPID() == before {
				t.Error("the handler was not restarted")
			}
		})
	}
}

func TestTimeoutKillsEverythingInFlight(t *testing.T) {
	t.Parallel()
	r := offline(t, "Child", "Hang", "Ok")
	r.Write(t, "host.json", strings.Replace(plainHost, "00:00:30", "00:00:01.5", 1))
	h := r.Start(t)
	address := h.worker.address
	results := make(chan error, 2)
	go func() { results <- run(h, "Child", "x") }()
	Until(t, "the child", func() bool { return len(r.Calls(t, "child")) == 1 })
	go func() { results <- run(h, "Hang", "x") }()
	for range 2 {
		if err := <-results; err == nil {
			t.Error("a call in flight survived")
		}
	}
	child := r.Calls(t, "child")[0]
	Until(t, "the handler's child is dead", func() bool { return gone(child.Args[0]) })
	for range 3 { // none of the timeouts counts as a crash
		if err := run(h, "Hang", "x"); !errors.Is(err, errTimeout) {
			t.Errorf("hang: %v", err)
		}
	}
	if err := run(h, "Ok", "x"); err != nil {
		t.Error(err)
	}
	if h.Err() != nil || h.worker.address != address {
		t.Errorf("the host stopped: %v, or its port changed", h.Err())
	}
}

// gone reports whether a process is dead; a zombie nobody collects is.
func gone(pid string) bool {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(data), ") Z ")
}

func TestUnlimitedTimeout(t *testing.T) {
	t.Parallel()
	r := offline(t, "Hang", "Slow")
	r.Write(t, "host.json", strings.Replace(plainHost, `"00:00:30"`, `"-1"`, 1))
	h := r.Start(t)
	if err := run(h, "Slow", "x"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- run(h, "Hang", "x") }()
	Until(t, "the call", func() bool { return len(r.Calls(t, "Hang")) == 1 })
	pid := h.HandlerPID()
	started := time.Now()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("the call survived the host")
	}
	if time.Since(started) > 10*time.Second || h.HandlerPID() != 0 || pid == 0 {
		t.Error("Close did not kill the handler")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
