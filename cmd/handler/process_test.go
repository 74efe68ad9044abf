package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const asHandler = "TEST_RUNS_HANDLER"

// TestMain is the handler itself when a test starts this program again.
func TestMain(m *testing.M) {
	if os.Getenv(asHandler) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is the handler with nothing but settings in its environment.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, settings map[string]string, arguments ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, self, arguments...)}
	p.Env = []string{asHandler + "=1", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		p.Env = append(p.Env, name+"="+settings[name])
	}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// code waits for the end.
func (p *process) code(t *testing.T) int {
	t.Helper()
	err := p.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// lines decodes what was logged. The host takes standard error for errors, so there may be nothing on it.
func (p *process) lines(t *testing.T) []map[string]any {
	t.Helper()
	if p.stderr.Len() > 0 {
		t.Errorf("on standard error: %s", p.stderr.String())
	}
	hides(t, p.stdout.String())
	var list []map[string]any
	for decoder := json.NewDecoder(&p.stdout); ; {
		line := map[string]any{}
		err := decoder.Decode(&line)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, line)
	}
}

func TestProcessRefusesBadSettings(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		words    string
	}{
		"none":           {nil, "set exactly one of"},
		"no bus string":  {with(local(), "SB", "SharedAccessKey="+busKey), ""},
		"no blob string": {with(local(), "FOOTAGE", "AccountKey="+blobKey), ""},
		"no ledger key":  {with(local(), "COSMOS", "AccountEndpoint=http://localhost:8081/;AccountKey=no base64"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, c.settings)
			if code := p.code(t); code != 1 {
				t.Errorf("exit code %d", code)
			}
			list := p.lines(t)
			if len(list) != 1 || list[0]["msg"] != "handler.failed" || list[0]["level"] != "ERROR" {
				t.Fatalf("logged %v", list)
			}
			if text := fmt.Sprint(list[0]["error"]); text == "" || !strings.Contains(text, c.words) {
				t.Errorf("error %q, want %q", text, c.words)
			}
		})
	}
}

func TestProcessTakesNoArguments(t *testing.T) {
	p := start(t, local(), "--help")
	if code := p.code(t); code != 1 || !strings.Contains(p.stdout.String(), "takes no arguments") {
		t.Errorf("exit code %d, said %s", code, p.stdout.String())
	}
}

// freePort is one that nobody listens on just now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// The stores are first spoken to by the first call: without them the handler is ready, says that it is not healthy, and ends when told,
// by a code that the host takes for no end of its own will.
func TestProcess(t *testing.T) {
	port, nobody := freePort(t), strconv.Itoa(freePort(t))
	settings := with(local(), "FUNCTIONS_CUSTOMHANDLER_PORT", strconv.Itoa(port), "IDENTITY", "development")
	for _, name := range []string{"SB", "FOOTAGE", "COSMOS"} {
		settings[name] = strings.NewReplacer(":5672", ":"+nobody, ":10000", ":"+nobody, ":8081", ":"+nobody).Replace(settings[name])
	}
	p := start(t, settings)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	ready(t, p, base)
	for path, want := range map[string]int{"/": 200, "/api/evidence/x": 401, "/api/health": 503} {
		if got := status(t, base+path); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.code(t); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d", code)
	}
	list := p.lines(t)
	if len(list) < 3 || list[0]["msg"] != "handler.started" {
		t.Fatalf("logged %v", list)
	}
	if config, ok := list[0]["config"].(map[string]any); !ok || config["Cosmos"] != "(set)" || config["CosmosDatabase"] != "bwv" {
		t.Errorf("logged %v", list[0])
	}
}

// ready polls as the host does.
func ready(t *testing.T, p *process, base string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(25 * time.Millisecond) {
		response, err := http.Get(base)
		if err == nil {
			response.Body.Close()
			return
		}
		if time.Now().After(end) {
			_ = p.Process.Kill()
			t.Fatalf("not ready: %v; exit code %d; logged %s", err, p.code(t), p.stdout.String())
		}
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
