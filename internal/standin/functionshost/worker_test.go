package functionshost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestProcessEnvironmentAndArguments(t *testing.T) {
	t.Setenv("SECRET_OF_THE_HOST", "leak")
	r := offline(t, "Ok")
	r.Settings["APP_MODE"] = "fast lane"
	r.Settings["TMPDIR"] = "/elsewhere"
	r.Write(t, "work/place", "")
	r.Write(t, "host.json", strings.Replace(plainHost, `"defaultExecutablePath":"handler"`,
		`"defaultExecutablePath":"handler","workingDirectory":"work","arguments":["--mode","%app_mode%","\"a b\"","%UNSET%"],"defaultWorkerPath":"x y.js"`, 1))
	h := r.Start(t)
	start := r.Calls(t, "")[0]
	env := map[string]string{}
	for _, pair := range start.Env {
		k, v, _ := strings.Cut(pair, "=")
		env[k] = v
	}
	_, port, _ := strings.Cut(h.worker.address, ":")
	for k, want := range map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": port, "FUNCTIONS_HTTPWORKER_PORT": port, "FUNCTIONS_HTTPWORKER_ID": env["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"],
		"FUNCTIONS_APP_ROOT_PATH": r.Dir, "APP_MODE": "fast lane", "TMPDIR": "/elsewhere", "PATH": os.Getenv("PATH"), "SECRET_OF_THE_HOST": "",
	} {
		if env[k] != want {
			t.Errorf("%s is %q, want %q", k, env[k], want)
		}
	}
	if env["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"] == "" {
		t.Error("no worker id")
	}
	if want := []string{"x y.js", "--mode", "fast", "lane", "a b"}; !slices.Equal(start.Args, want) {
		t.Errorf("arguments %q, want %q", start.Args, want)
	}
	if want, _ := filepath.EvalSymlinks(filepath.Join(r.Dir, "work")); start.Dir != want {
		t.Errorf("working directory %s, want %s", start.Dir, want)
	}
}

func TestConsoleLevels(t *testing.T) {
	r := offline(t, "Ok")
	r.Start(t)
	Until(t, "the handler's lines with their levels", func() bool {
		return r.Logs.Has("listening", "INFO") && r.Logs.Has("this is a warning", "WARN") && r.Logs.Has("this is bad", "ERROR")
	})
	var out Journal
	o := r.Options()
	o.HandlerOutput = &out
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	Until(t, "prefixed lines", func() bool { return out.Has("handler| listening") && out.Has("handler stderr| this is bad") })
}

func TestConsoleCutsEndlessLines(t *testing.T) {
	var out Journal
	w := &lineWriter{console: &console{out: &out}}
	for range 5 {
		if _, err := w.Write([]byte(strings.Repeat("x", maxLine/2))); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.pending) > maxLine {
		t.Errorf("%d bytes are held", len(w.pending))
	}
	_, _ = w.Write([]byte("y\r\nz"))
	w.flush()
	if got := strings.Count(out.String(), "\n"); got != 4 {
		t.Errorf("%d lines, want 4: two cut, the rest of the long one, and z", got)
	}
}

func TestCallsWaitUntilTheHandlerIsReady(t *testing.T) {
	r := offline(t, "Ok")
	r.Settings["START_DELAY"] = "500ms"
	h, err := New(r.Options())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var calls sync.WaitGroup
	for range 5 {
		calls.Go(func() {
			Until(t, "the process", func() bool { return h.HandlerPID() != 0 })
			if err := run(h, "Ok", "x"); err != nil {
				t.Error(err)
			}
		})
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls.Wait()
	if n := len(r.Calls(t, "Ok")); n != 5 {
		t.Errorf("%d calls arrived", n)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	t.Run("200 restarts, uncounted", func(t *testing.T) {
		r := offline(t, "Exit200", "Ok")
		h := r.Start(t)
		address := h.worker.address
		for i := range 4 {
			before := h.HandlerPID()
			if err := run(h, "Exit200", "x"); err == nil {
				t.Error("the call in flight succeeded")
			}
			Until(t, "another process", func() bool { pid := h.HandlerPID(); return pid != 0 && pid != before })
			if err := run(h, "Ok", "x"); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		if h.Err() != nil || h.worker.address != address {
			t.Errorf("stopped: %v", h.Err())
		}
	})
	t.Run("0 is left alone", func(t *testing.T) {
		r := offline(t, "Exit0", "Ok")
		h := r.Start(t)
		if err := run(h, "Exit0", "x"); err == nil {
			t.Error("the call in flight succeeded")
		}
		Until(t, "the loud line", func() bool { return r.Logs.Has("exited with code 0", "ERROR") })
		for range 3 {
			if err := run(h, "Ok", "x"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("want connection refused, have %v", err)
			}
		}
		if h.HandlerPID() != 0 || len(r.Calls(t, "")) != 1 {
			t.Error("the handler was restarted")
		}
	})
	t.Run("the third crash stops the host", func(t *testing.T) {
		r := offline(t, "Exit3", "Kill", "Ok")
		h := r.Start(t)
		for i, name := range []string{"Exit3", "Kill", "Exit3"} {
			before := h.HandlerPID()
			if err := run(h, name, "x"); err == nil {
				t.Error("the call in flight succeeded")
			}
			if i < 2 {
				Until(t, "another process", func() bool { pid := h.HandlerPID(); return pid != 0 && pid != before })
			}
		}
		select {
		case <-h.Done():
		case <-time.After(20 * time.Second):
			t.Fatal("the host goes on")
		}
		mustContain(t, h.Err().Error(), "last words of Exit3", "code 3")
		if err := run(h, "Ok", "x"); err == nil {
			t.Error("a stopped host runs functions")
		}
	})
}

func TestCrashesMoreThanHalfAnHourApartAreForgotten(t *testing.T) {
	r := offline(t, "Exit3", "Ok")
	var clock atomic.Int64
	o := r.Options()
	o.Now = func() time.Time { return time.Unix(1_800_000_000+clock.Load(), 0) }
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		before := h.HandlerPID()
		_ = run(h, "Exit3", "x")
		Until(t, "another process", func() bool { pid := h.HandlerPID(); return pid != 0 && pid != before })
		if err := run(h, "Ok", "x"); err != nil {
			t.Fatal(err)
		}
		clock.Add(31 * 60)
	}
	select {
	case <-h.Done():
		t.Error("crashes 31 minutes apart stopped the host")
	default:
	}
}

func TestCrashesAtTheStart(t *testing.T) {
	t.Parallel()
	r := offline(t, "Ok")
	r.Settings["START_CRASHES"] = "2"
	h := r.Start(t)
	if err := run(h, "Ok", "x"); err != nil {
		t.Error(err)
	}
	r = offline(t, "Ok")
	r.Settings["START_CRASHES"] = "3"
	h, err := New(r.Options())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	err = h.Start(t.Context())
	if err == nil {
		t.Fatal("the host started")
	}
	mustContain(t, err.Error(), "crash 3")
	<-h.Done()
}

func TestHandlerThatIsNeverReady(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string][2]string{"silent": {"START_DELAY", "1h"}, "exit 0 at once": {"START_EXIT", "0"}} {
		t.Run(name, func(t *testing.T) {
			r := offline(t, "Ok")
			r.Settings[setting[0]] = setting[1]
			r.Write(t, "host.json", strings.Replace(plainHost, "00:00:10", "00:00:01.5", 1))
			h, err := New(r.Options())
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if err = h.Start(t.Context()); err == nil {
				t.Fatal("the host started")
			}
			<-h.Done()
			mustContain(t, h.Err().Error(), "Initializing HttpWorker timed out.")
			if n := len(r.Calls(t, "")); n != 3 {
				t.Errorf("%d processes, want 3", n)
			}
		})
	}
}

func TestStartIsBounded(t *testing.T) {
	r := offline(t, "Ok")
	r.Settings["START_DELAY"] = "1h"
	h, err := New(r.Options())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		Until(t, "the process", func() bool { return len(r.Calls(t, "")) == 1 })
		cancel()
	}()
	if err := h.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("start ended with %v", err)
	}
	pid := r.Calls(t, "")[0].PID
	Until(t, "the handler is dead", func() bool { return gone(strconv.Itoa(pid)) })
	if err := h.Start(t.Context()); err == nil {
		t.Error("a closed host started")
	}
}

func TestNoFunctions(t *testing.T) {
	r := NewRoot(t, nil)
	h := r.Start(t)
	if h.HandlerPID() != 0 || len(r.Calls(t, "")) != 0 {
		t.Error("a handler was started for nothing")
	}
	if !r.Logs.Has("No job functions found") {
		t.Error("nothing was said")
	}
}
