package azurite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Account is the well-known development account, the first segment of every path.
const Account = "devstoreaccount1"

// Key is the well-known public key of the development account; it protects nothing.
// Source: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
const Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

// ErrNotInstalled means that node or Azurite's script is missing; the message says how to get it.
var ErrNotInstalled = errors.New("azurite is not installed")

const (
	startTimeout = 60 * time.Second // node on a busy machine takes 3 s, seldom 20
	lockTimeout  = 30 * time.Second // how long a predecessor may take to write its state out
	stopTimeout  = 15 * time.Second // after SIGTERM, before SIGKILL
	portAttempts = 5                // a picked port can be taken before node binds it
)

// Options says what to run and where. Script and Dir are required.
type Options struct {
	Node   string       // the node executable, default "node" from PATH
	Script string       // .../azurite/dist/src/blob/main.js, see Find
	Dir    string       // state; created if missing, one server at a time
	Addr   string       // host:port, default "127.0.0.1:0"; port 0 picks a free one
	Logger *slog.Logger // default discards
}

// Server is a running Azurite.
type Server struct {
	addr string
	cmd  *exec.Cmd
	log  *slog.Logger
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; read after done
	stop sync.Once
}

// ConnectionString returns what azblob.NewClientFromConnectionString needs to reach Azurite, or a
// proxy in front of it, at addr (host:port).
func ConnectionString(addr string) string {
	return "DefaultEndpointsProtocol=http;AccountName=" + Account + ";AccountKey=" + Key +
		";BlobEndpoint=http://" + addr + "/" + Account + ";"
}

// Find returns the path of Azurite's blob service as `make setup` installs it, or ErrNotInstalled.
// An empty repoRoot is found by walking up from the working directory to the first go.mod.
func Find(repoRoot string) (string, error) {
	if repoRoot == "" {
		var err error
		if repoRoot, err = moduleRoot(); err != nil {
			return "", err
		}
	}
	script := filepath.Join(repoRoot, "scripts", "azurite", "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(script); err != nil {
		return "", fmt.Errorf("%w: no %s: run `make setup`", ErrNotInstalled, script)
	}
	return script, nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%w: no go.mod above the working directory: name the script", ErrNotInstalled)
		}
		dir = parent
	}
}

// Start runs Azurite and returns when it answers. The context bounds the start only; the server
// lives until Close, or until this process ends. A predecessor on the same Dir that is still
// writing its state out is waited for.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Node == "" {
		o.Node = "node"
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	node, err := exec.LookPath(o.Node)
	if err != nil {
		return nil, fmt.Errorf("%w: no node executable %q (%w): run `make setup`", ErrNotInstalled, o.Node, err)
	}
	o.Node = node
	if _, err := os.Stat(o.Script); err != nil {
		return nil, fmt.Errorf("%w: no script %q: run `make setup`", ErrNotInstalled, o.Script)
	}
	if o.Dir == "" {
		return nil, errors.New("starting azurite: no directory for its state")
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("starting azurite: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("making azurite's directory: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout+startTimeout)
	defer cancel()
	lock, err := lockDir(ctx, filepath.Join(o.Dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the child has inherited it: the lock is held as long as the child lives
	return startLocked(ctx, o, lock)
}

// startLocked tries again on another port when it was free to pick and somebody else took it.
func startLocked(ctx context.Context, o Options, lock *os.File) (*Server, error) {
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting azurite at %q: %w", o.Addr, err)
	}
	var last error
	for range portAttempts {
		addr, err := freeAddr(o.Addr)
		if err != nil {
			return nil, err
		}
		s, err := launch(o, addr, lock)
		if err != nil {
			return nil, err
		}
		if last = s.ready(ctx, filepath.Join(o.Dir, logName)); last == nil {
			s.log.Info("azurite answers", "addr", addr, "pid", s.PID())
			return s, nil
		}
		if err := s.Close(); err != nil {
			s.log.Warn("closing an azurite that did not start", "err", err)
		}
		if port != "0" || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("starting azurite on %s: %w", host, last)
}

// freeAddr binds the address once, which both picks a port and gives a clear error for a taken one.
func freeAddr(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("starting azurite: %w", err)
	}
	picked := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("starting azurite: %w", err)
	}
	return picked, nil
}

// logName is where the child writes: a file and not a pipe, so that it can still write after the
// parent was killed, while it stores its state.
const logName = "azurite.log"

// bootstrap runs Azurite unchanged, but under a handler that stays: Azurite listens for one SIGTERM
// only, and Linux repeats the parent-death signal for every thread of a dying parent. The second one
// would end the process before its state is written.
const bootstrap = `process.on("SIGTERM", () => {}); require(process.argv[1])`

func launch(o Options, addr string, lock *os.File) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("starting azurite at %q: %w", addr, err)
	}
	out, err := os.Create(filepath.Join(o.Dir, logName))
	if err != nil {
		return nil, fmt.Errorf("making azurite's log: %w", err)
	}
	defer out.Close() // the child has its own copy
	cmd := exec.Command(o.Node, "-e", bootstrap, "--", o.Script, "--silent", "--disableTelemetry", "--skipApiVersionCheck",
		"--blobHost", host, "--blobPort", port, "--location", o.Dir)
	cmd.Dir = o.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{lock}
	isolate(cmd)
	s := &Server{addr: addr, cmd: cmd, log: o.Logger, done: make(chan struct{})}
	started := make(chan error)
	go s.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting azurite: %w", err)
	}
	return s, nil
}

// run starts the process and waits for it on one locked thread: Linux delivers the parent-death
// signal when the *thread* that forked ends, so that thread has to outlive the child.
func (s *Server) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.cmd.Start(); err != nil {
		started <- err
		return
	}
	close(started)
	s.err = s.cmd.Wait()
	close(s.done)
}

// ready polls until Azurite itself answers; another server on the same port does not count.
func (s *Server) ready(ctx context.Context, logPath string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return fmt.Errorf("it ended at once (%v): %s", s.err, tail(logPath))
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w: %s", ctx.Err(), tail(logPath))
		case <-tick.C:
		}
		if s.answers(ctx, client) {
			return nil
		}
	}
}

func (s *Server) answers(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/"+Account+"?comp=list", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false // not listening yet
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // only the header matters
	return strings.HasPrefix(resp.Header.Get("Server"), "Azurite-Blob/")
}

// tail returns the last words of the child's log, for the error message.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	b = bytes.TrimSpace(b)
	return string(b[max(0, len(b)-1024):])
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.addr }

// PID returns the process id of node, for crash tests.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Done is closed when the process has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says how the process ended; nil while it runs and after an orderly end.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close asks Azurite to write its state out and end, and waits; after 15 s it is killed, which is
// an error, since blobs of the last seconds may be lost. Close of an ended server is a no-op.
func (s *Server) Close() error {
	var err error
	s.stop.Do(func() { err = s.shutdown() })
	<-s.done
	return err
}

func (s *Server) shutdown() error {
	select {
	case <-s.done:
		return nil
	default:
	}
	if err := signal(s.cmd, syscall.SIGTERM); err != nil {
		s.log.Warn("asking azurite to end", "err", err)
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-s.done:
		return nil
	case <-timer.C:
	}
	if err := signal(s.cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing azurite: %w", err)
	}
	<-s.done
	return fmt.Errorf("azurite did not end within %s and was killed", stopTimeout)
}
