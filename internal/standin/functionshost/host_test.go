package functionshost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const handlerSwitch = "FUNCTIONSHOST_TEST_HANDLER"

func TestMain(m *testing.M) {
	if os.Getenv(handlerSwitch) != "" {
		os.Exit(runHandler())
	}
	if os.Getenv(hostSwitch) != "" {
		os.Exit(runHost())
	}
	goleak.VerifyTestMain(m)
}

// Root is a script root in a temporary directory whose handler is this test binary.
type Root struct {
	Dir, State string
	Settings   map[string]string
	Record     string // one JSON line a call that the handler saw
	Logs       *Journal
}

// Files are the files of a script root by path.
type Files map[string]string

const plainHost = `{"version":"2.0","functionTimeout":"00:00:30",
 "customHandler":{"description":{"defaultExecutablePath":"handler"},"enableProxyingHttpRequest":true,"initializationTimeout":"00:00:10"},
 "extensionBundle":{"id":"Microsoft.Azure.Functions.ExtensionBundle","version":"[4.*, 5.0.0)"}}`

// NewRoot writes files; host.json is a plain one unless given.
func NewRoot(t testing.TB, files Files) *Root {
	t.Helper()
	r := &Root{Dir: t.TempDir(), State: t.TempDir(), Logs: &Journal{}}
	r.Record = filepath.Join(r.State, "record")
	r.Settings = map[string]string{handlerSwitch: "1", "RECORD": r.Record, "AzureWebJobsStorage": "none"}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		r.Settings["GOCOVERDIR"] = dir
	}
	if _, ok := files["host.json"]; !ok {
		r.Write(t, "host.json", plainHost)
	}
	for path, text := range files {
		r.Write(t, path, text)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(r.Dir, "handler")); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Root) Write(t testing.TB, path, text string) {
	t.Helper()
	full := filepath.Join(r.Dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r *Root) Options() Options {
	return Options{Root: r.Dir, Settings: r.Settings, StateDir: r.State, MasterKey: "master",
		Logger: slog.New(slog.NewJSONHandler(r.Logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

// Start makes a host, starts it, and closes it with the test.
func (r *Root) Start(t testing.TB, change ...func(*Host)) *Host {
	t.Helper()
	h, err := New(r.Options())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(h)
	}
	t.Cleanup(func() {
		_ = h.Close()
		if t.Failed() {
			t.Log(r.Logs.String())
		}
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, r.Logs.String())
	}
	return h
}

// Spawn starts the host in a process of its own and returns it with its handler's id.
func (r *Root) Spawn(t testing.TB) (host *exec.Cmd, handler string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(Child{Dir: r.Dir, State: r.State, Settings: r.Settings})
	if err != nil {
		t.Fatal(err)
	}
	host = exec.Command(self)
	host.Env = append(os.Environ(), hostSwitch+"="+string(told))
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	handler = strings.TrimSpace(line)
	if _, err := strconv.Atoi(handler); err != nil {
		_ = host.Process.Kill()
		_ = host.Wait() // it was killed
		t.Fatalf("the host said %q", line)
	}
	return host, handler
}

// Call is one call that the handler recorded.
type Call struct {
	Function string
	Header   http.Header
	Encoding []string // Transfer-Encoding
	Data     map[string]json.RawMessage
	Metadata map[string]json.RawMessage
	PID      int
	Start    bool
	Env      []string
	Args     []string
	Dir      string
}

// Calls are the calls so far; with a name, those of one function.
func (r *Root) Calls(t testing.TB, function string) []Call {
	t.Helper()
	data, err := os.ReadFile(r.Record)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []Call
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c Call
		if json.Unmarshal(lines.Bytes(), &c) != nil {
			continue // being written
		}
		if c.Function == function {
			out = append(out, c)
		}
	}
	return out
}

// Until waits for a condition.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Journal collects a log.
type Journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// Has reports whether one line has all the texts.
func (j *Journal) Has(texts ...string) bool {
	for _, line := range strings.Split(j.String(), "\n") {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return true
		}
	}
	return false
}

const anyQueue = `{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"msg","queueName":"q","connection":"SB","dataType":"binary"}]}`

// offline is a root with queue functions that are disabled, so that no broker is needed; they run all the same.
func offline(t testing.TB, functions ...string) *Root {
	t.Helper()
	files := Files{}
	for _, name := range functions {
		files[name+"/function.json"] = anyQueue
	}
	r := NewRoot(t, files)
	for _, name := range functions {
		r.Settings["AzureWebJobs."+name+".Disabled"] = "1"
	}
	return r
}

// run invokes a queue function and waits for its outcome.
func run(h *Host, name, body string) error {
	f := h.named(name)
	return h.invoke(context.Background(), f, handmade(f, body))
}

// front serves the host over TCP.
func front(t testing.TB, h *Host) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func mustContain(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}

func httpFunction(route, auth string, methods ...string) string {
	list, _ := json.Marshal(methods)
	if methods == nil {
		list = []byte("[]")
	}
	return fmt.Sprintf(`{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","route":%q,"authLevel":%q,"methods":%s},
		{"type":"http","direction":"out","name":"res"}]}`, route, auth, list)
}
