package functionshost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what to run and where.
type Options struct {
	// Root is the script root: host.json, the handler and <name>/function.json.
	Root string
	// Settings are the app settings: the handler's environment, on top of PATH, HOME, TMPDIR and LANG, and what
	// %SETTING% is replaced by. AzureWebJobs.<name>.Disabled = true or 1 switches one function off.
	Settings map[string]string
	// Logger gets the host's log; nil discards it.
	Logger *slog.Logger
	// HandlerOutput gets the handler's output line by line, each with a prefix; nil sends it through Logger:
	// standard output as information, standard error as errors, or warnings where a line contains "warn".
	HandlerOutput io.Writer
	// Now is the clock of timers, locks and the restart rule; nil is time.Now.
	Now func() time.Time
	// StateDir keeps timers/<name>.json and keys.json.
	StateDir string
	// MasterKey opens /admin and every function; empty makes one and keeps it in StateDir/keys.json.
	MasterKey string
}

// tuning is what tests shorten.
type tuning struct {
	activity time.Duration // of silence in either direction of a proxied request
}

// Host runs one script root. Its HTTP front is the Host itself, an http.Handler.
type Host struct {
	log       *slog.Logger
	now       func() time.Time
	stateDir  string
	config    hostConfig
	functions []*function
	router    router
	keys      *keyring
	worker    *worker
	bodyLimit int64
	tuning    tuning
	id        string
	born      time.Time

	outstanding atomic.Int64 // invocations in flight
	life        context.Context
	end         context.CancelFunc
	listening   context.Context
	quiet       context.CancelFunc // stops listeners and timers
	running     sync.WaitGroup
	down        chan struct{} // closed when the host shut itself down
	closeOnce   sync.Once

	mu       sync.Mutex
	started  bool
	draining bool
	closed   bool
	detached int
	err      error
}

// New reads and checks the script root. Its error names every mistake that it found.
func New(o Options) (*Host, error) {
	h := &Host{log: o.Logger, now: o.Now, stateDir: o.StateDir, tuning: tuning{activity: 240 * time.Second},
		id: strings.ReplaceAll(newID(), "-", ""), born: time.Now(), down: make(chan struct{})}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	if o.StateDir == "" {
		return nil, fmt.Errorf("functions host: StateDir is required")
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, fmt.Errorf("functions host: script root: %w", err)
	}
	s, err := newSettings(o.Settings)
	if err != nil {
		return nil, fmt.Errorf("functions host: %w", err)
	}
	if err := h.load(root, s); err != nil {
		return nil, fmt.Errorf("functions host: %w", err)
	}
	if h.keys, err = loadKeys(o.StateDir, o.MasterKey, h.functions); err != nil {
		return nil, fmt.Errorf("functions host: %w", err)
	}
	if h.worker, err = h.newWorker(root, s, o.HandlerOutput); err != nil {
		return nil, fmt.Errorf("functions host: %w", err)
	}
	h.life, h.end = context.WithCancel(context.Background())
	h.listening, h.quiet = context.WithCancel(h.life)
	return h, nil
}

// load reads host.json and the functions.
func (h *Host) load(root string, s settings) error {
	data, err := readLimited(filepath.Join(root, "host.json"))
	if err != nil {
		return fmt.Errorf("reading host.json: %w", err)
	}
	if h.config, err = parseHostJSON(data); err != nil {
		return err
	}
	for _, w := range h.config.warnings {
		h.log.Warn(w)
	}
	if v, ok := s.lookup("FUNCTIONS_WORKER_RUNTIME"); ok && !strings.EqualFold(v, "custom") {
		return fmt.Errorf("FUNCTIONS_WORKER_RUNTIME is %q, it must be custom", v)
	}
	h.bodyLimit = 104_857_600
	if v, ok := s.lookup("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"); ok {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n <= 0 {
			return fmt.Errorf("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT %q is not a number of bytes", v)
		}
		h.bodyLimit = n
	}
	if h.functions, err = loadFunctions(root, h.config, s); err != nil {
		return err
	}
	var routes []route
	for _, f := range h.functions {
		if f.disabled {
			h.log.Info("function is disabled", "function", f.name)
		} else if f.http != nil {
			routes = append(routes, f.http.route)
		}
		if f.bus != nil && !f.disabled {
			if err := checkConnection(f); err != nil {
				return fmt.Errorf("function %s: %w", f.name, err)
			}
		}
		if f.timer != nil && !f.disabled {
			if _, ok := s.lookup("AzureWebJobsStorage"); !ok {
				h.log.Warn("AzureWebJobsStorage is not set: in Azure a timer needs it for its lease", "function", f.name)
			}
		}
	}
	h.router = newRouter(routes)
	return nil
}

func (h *Host) newWorker(root string, s settings, out io.Writer) (*worker, error) {
	c := h.config.handler
	path, err := findExecutable(root, c.executable)
	if err != nil {
		return nil, err
	}
	dir := root
	if c.workingDirectory != "" {
		dir = c.workingDirectory
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(root, dir)
		}
		if isNotDir(dir) {
			return nil, fmt.Errorf("the handler's workingDirectory %s is not a folder", dir)
		}
	}
	port := c.port
	if port == 0 {
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	base := map[string]string{}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			base[name] = v
		}
	}
	workerID := newID()
	own := map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": strconv.Itoa(port), "FUNCTIONS_CUSTOMHANDLER_WORKER_ID": workerID,
		"FUNCTIONS_HTTPWORKER_PORT": strconv.Itoa(port), "FUNCTIONS_HTTPWORKER_ID": workerID,
		"FUNCTIONS_APP_ROOT_PATH": root,
	}
	return &worker{
		path: path, dir: dir, args: arguments(c, s, base), env: environment(base, own, s),
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), initTimeout: c.initTimeout, now: h.now, log: h.log,
		console: &console{log: h.log, out: out},
		stop:    make(chan struct{}), done: make(chan struct{}), failed: make(chan struct{}), again: make(chan struct{}, 1),
	}, nil
}

// arguments are joined with spaces without quotes, then cut again: an argument with a space needs its own.
func arguments(c handlerConfig, s settings, base map[string]string) []string {
	var line []string
	if c.workerPath != "" {
		line = append(line, `"`+c.workerPath+`"`)
	}
	for _, a := range c.arguments {
		line = append(line, expandArgument(a, func(name string) (string, bool) {
			if v, ok := s.lookup(name); ok {
				return v, true
			}
			v, ok := base[name]
			return v, ok
		}))
	}
	return splitArguments(strings.Join(line, " "))
}

// Start starts the handler, waits until it answers, and then listens. ctx bounds the start alone. Without a
// single function no handler is started. After an error the host is closed.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	if h.started || h.closed {
		h.mu.Unlock()
		return fmt.Errorf("functions host: it was started before")
	}
	h.started = true
	if len(h.functions) == 0 {
		h.mu.Unlock()
		h.log.Warn("No job functions found: the handler is not started")
		return nil
	}
	h.worker.start()
	h.running.Go(h.watch)
	h.mu.Unlock()
	if _, err := h.worker.acquire(ctx); err != nil {
		return errors.Join(fmt.Errorf("functions host: %w", err), h.Close())
	}
	if err := h.listen(); err != nil {
		return errors.Join(fmt.Errorf("functions host: %w", err), h.Close())
	}
	return nil
}

// watch shuts the host down when the worker gives up.
func (h *Host) watch() {
	select {
	case <-h.worker.stop:
		return
	case <-h.worker.failed:
	}
	h.mu.Lock()
	h.err = h.worker.failure()
	h.mu.Unlock()
	h.log.Error("shutting down Functions Host", "error", h.err.Error())
	h.quiet()
	h.worker.close()
	close(h.down)
}

// listen starts a listener or a timer for each function that is not disabled.
func (h *Host) listen() error {
	var sources []*busSource
	for _, f := range h.functions {
		if f.bus == nil || f.disabled {
			continue
		}
		s, err := newBusSource(f, h.config.serviceBus)
		if err != nil {
			for _, opened := range sources {
				opened.close()
			}
			return fmt.Errorf("function %s: %w", f.name, err)
		}
		sources = append(sources, s)
	}
	for _, s := range sources {
		f := s.function
		l := &listener{source: s, maxCalls: h.config.serviceBus.maxCalls, maxRenewal: h.config.serviceBus.maxRenewal,
			now: h.now, log: h.log.With("function", f.name), closing: h.worker.stop,
			handle: func(m *message) error { return h.handleMessage(f, m) }}
		if !h.background(func() { l.run(h.listening) }) {
			s.close()
		}
	}
	for _, f := range h.functions {
		if f.timer != nil && !f.disabled {
			h.background(func() { h.runTimer(h.listening, f) })
		}
	}
	return nil
}

// background runs work that Close waits for; false when the host is closed already.
func (h *Host) background(work func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running.Go(work)
	return true
}

// Close stops the listeners, kills the handler's process group without grace as Azure does, and waits. Messages
// in flight are abandoned. It may be called again.
func (h *Host) Close() error {
	h.closeOnce.Do(func() {
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		h.quiet()
		h.worker.close()
		h.running.Wait()
		h.end()
	})
	return nil
}

// Done is closed when the host shut itself down: the handler crashed 3 times, or never became ready. Err says why.
func (h *Host) Done() <-chan struct{} { return h.down }

// Err is the reason of Done, nil before.
func (h *Host) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// HandlerPID is the id of the handler process, 0 while there is none.
func (h *Host) HandlerPID() int { return h.worker.pidNow() }

// MasterKeyValue is the master key, given or made.
func (h *Host) MasterKeyValue() string { return h.keys.Master }

// serving reports whether HTTP functions can be called.
func (h *Host) serving() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.started && !h.closed && h.err == nil && len(h.functions) > 0
}

// drain stops what starts calls; calls in flight go on, and so does HTTP, which the platform routes away.
func (h *Host) drain() {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	h.log.Info("draining: listeners stop")
	h.quiet()
}

func (h *Host) isDraining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

func (h *Host) state() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.err != nil:
		return "Error"
	case h.closed:
		return "Stopped"
	case !h.started:
		return "Initialized"
	}
	return "Running"
}
