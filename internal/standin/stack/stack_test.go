package stack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bwv/internal/standin/azurite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of a stack with an app that has no function, so that no handler is needed.
func options(t *testing.T) Options {
	t.Helper()
	script, err := azurite.Find("")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{App: t.TempDir(), Infra: filepath.Join("..", "..", "..", "infra"), Azurite: script, State: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(o.App, "handler")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.App, "host.json"), `{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"handler"}}}`)
	return o
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start is bounded, because node may be slow.
func start(t *testing.T, o Options) (*Stack, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return Start(ctx, o)
}

// taken returns a listener on a port of its own, and the port.
func taken(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // it may be closed
	return l, l.Addr().(*net.TCPAddr).Port
}

// A start that fails at its last steps leaves no port, no lock and no process behind: the next one succeeds with
// the same ports and the same state, and goleak sees nothing.
func TestStartThatFailsHalfwayClosesEverything(t *testing.T) {
	o := options(t)
	for _, port := range []*int{&o.Ports.Functions, &o.Ports.Blob, &o.Ports.ServiceBus, &o.Ports.Cosmos} {
		var l net.Listener
		l, *port = taken(t)
		_ = l.Close() // it was only to pick the port
	}
	good := o.App
	o.App = t.TempDir()
	if _, err := start(t, o); err == nil || !strings.Contains(err.Error(), "reading the function app") {
		t.Fatalf("without an app: %v", err)
	}
	o.App = good
	l, control := taken(t)
	o.Ports.Control = control
	if _, err := start(t, o); err == nil || !strings.Contains(err.Error(), "control endpoint") {
		t.Fatalf("without the last port: %v", err)
	}
	_ = l.Close() // its work is done
	s, err := start(t, o)
	if err != nil {
		t.Fatalf("after two starts that failed: %v", err)
	}
	for name, url := range map[string]string{"Cosmos DB": "http://" + s.Addresses.Cosmos + "/", "host": "http://" + s.Addresses.Functions + "/",
		"control": "http://" + s.Addresses.Control + "/entities", "blob": "http://" + s.Addresses.Blob + "/" + azurite.Account + "?comp=list"} {
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		response.Body.Close()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	select {
	case err := <-s.Failed():
		t.Errorf("closing is no failure: %v", err)
	default:
	}
}

func TestTakenPortSaysWhoseItIs(t *testing.T) {
	l, port := taken(t)
	defer l.Close()
	for name, set := range map[string]func(*Ports){
		"Service Bus":        func(p *Ports) { p.ServiceBus = port },
		"Cosmos DB":          func(p *Ports) { p.Cosmos = port },
		"blob storage":       func(p *Ports) { p.Blob = port },
		"the Functions host": func(p *Ports) { p.Functions = port },
	} {
		o := options(t)
		set(&o.Ports)
		_, err := start(t, o)
		if want := fmt.Sprintf("%s cannot have port %d", name, port); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "another port can be given") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestFailedTellsThatAzuriteDied(t *testing.T) {
	s, err := start(t, options(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := syscall.Kill(s.Azurite.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.Failed():
		if !strings.Contains(err.Error(), "Azurite ended") {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing was said")
	}
}

func TestDeclarationsAreChecked(t *testing.T) {
	for text, words := range map[string]string{
		``:                 "reading what the storage account has",
		`{"containrs":[]}`: "unknown field",
		`{"containers":["ccc"],"eventSubscriptions":[{"name":"a","container":"ccc","queue":"q","eventType":"Microsoft.Storage.BlobDeleted"}]}`:                "only BlobCreated",
		`{"containers":["ccc"],"eventSubscriptions":[{"name":"a","container":"ccc","queue":"q","eventType":"Microsoft.Storage.BlobCreated","apis":["Put"]}]}`: `"Put" is not covered`,
	} {
		o := options(t)
		infra := t.TempDir()
		for _, name := range []string{"servicebus.json", "cosmos.json"} {
			raw, err := os.ReadFile(filepath.Join(o.Infra, name))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(infra, name), string(raw))
		}
		write(t, filepath.Join(infra, "storage.json"), text)
		o.Infra = infra
		if _, err := start(t, o); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
