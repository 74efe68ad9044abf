package functionshost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

const (
	probeEvery   = 25 * time.Millisecond
	crashLimit   = 3
	crashWindow  = 30 * time.Minute
	restartCode  = 200 // "intentional restart"
	waitForReady = 4   // times initializationTimeout: (3 restarts + 1)
)

// worker keeps the one handler process of the host alive, by the rules of WorkerProcess.OnProcessExited and
// HttpFunctionInvocationDispatcher: exit 0 is left alone, 200 restarts, anything else restarts and counts, and
// the third error of which no two neighbours are more than 30 minutes apart stops the host.
type worker struct {
	path, dir   string
	args, env   []string
	address     string // 127.0.0.1:port, the same for every process
	initTimeout time.Duration
	now         func() time.Time
	log         *slog.Logger
	console     *console

	stop   chan struct{} // closed by close
	done   chan struct{} // closed when the supervisor has returned
	failed chan struct{} // closed when the worker gave up; reason is set
	again  chan struct{} // asks for a new process after an exit 0

	mu      sync.Mutex
	reason  error
	current *process
	crashes []time.Time
	closed  bool
}

// start begins supervising; it returns before the handler is ready.
func (w *worker) start() {
	w.mu.Lock()
	w.current = newProcess()
	w.mu.Unlock()
	go w.supervise()
}

// supervise runs the handler again and again. It holds on to its thread: on Linux the kernel kills the handler
// when the thread that started it ends.
func (w *worker) supervise() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(w.done)
	for {
		p := w.current // only this goroutine writes it after start
		code, err := w.run(p)
		p.transport.CloseIdleConnections()
		if !w.goOn(p, code, err) {
			return
		}
		next := newProcess()
		w.mu.Lock()
		w.current = next
		w.mu.Unlock()
		close(p.gone)
	}
}

// goOn decides after an exit whether there is a next process.
func (w *worker) goOn(p *process, code int, err error) bool {
	p.mu.Lock()
	timeout, silent := p.timeout, p.silent
	p.mu.Unlock()
	select {
	case <-w.stop:
		return false
	default:
	}
	words := w.console.lastWords()
	switch {
	case timeout:
		w.log.Warn("handler restarts after a function timeout", "pid", p.pid)
		return true
	case silent:
		return w.crashed("Initializing HttpWorker timed out.", words)
	case code == restartCode:
		w.log.Info("handler asked for a restart", "pid", p.pid, "exit", code)
		return true
	case code == 0 && err == nil:
		return w.abandoned(p)
	}
	text := fmt.Sprintf("handler exited with code %d", code)
	if err != nil {
		text = fmt.Sprintf("handler: %v", err)
	}
	return w.crashed(text, words)
}

// abandoned is what Azure does with exit 0: nothing. Calls get connection refused until the host recycles; a
// process that had not answered yet is found missing when its time to answer is over.
func (w *worker) abandoned(p *process) bool {
	w.log.Error("handler exited with code 0: Azure does not restart it, every call fails from now on", "pid", p.pid)
	var late <-chan time.Time
	select {
	case <-p.ready:
	default:
		t := time.NewTimer(w.initTimeout - time.Since(p.born))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-w.stop:
		return false
	case <-w.again: // a call that hung until its timeout restarts the handler after all
		return true
	case <-late:
		return w.crashed("Initializing HttpWorker timed out.", "exit code 0 before it answered")
	}
}

// crashed counts an error; the third in a row stops the host.
func (w *worker) crashed(text, words string) bool {
	now := w.now()
	w.mu.Lock()
	if n := len(w.crashes); n > 0 && now.Sub(w.crashes[n-1]) > crashWindow {
		w.crashes = nil
	}
	w.crashes = append(w.crashes, now)
	count := len(w.crashes)
	w.mu.Unlock()
	w.log.Error(text, "count", count, "limit", crashLimit, "stderr", words)
	if count < crashLimit {
		return true
	}
	w.fail(fmt.Errorf("exceeded the handler's restart count: %s (%d errors, the last words were %q)", text, count, words))
	return false
}

// fail gives up for good.
func (w *worker) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason == nil {
		w.reason = err
		close(w.failed)
	}
}

func (w *worker) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

// probe asks GET / until anything but a socket error happens; any status is ready (IsWorkerReady).
func (w *worker) probe(p *process, over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), w.initTimeout)
	defer cancel()
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/", nil)
		if err == nil {
			var response *http.Response
			if response, err = p.transport.RoundTrip(request); err == nil {
				response.Body.Close()
			}
		}
		var socket *net.OpError
		if ctx.Err() == nil && (err == nil || !errors.As(err, &socket)) {
			select {
			case <-over: // somebody else answered: the handler itself is gone
			default:
				w.log.Info("handler is ready", "pid", p.pid)
				close(p.ready)
			}
			return
		}
		select {
		case <-over:
			return
		case <-ctx.Done():
			p.kill(func() { p.silent = true })
			return
		case <-ticker.C:
		}
	}
}

// acquire waits for a process that is ready. After 4 times initializationTimeout in vain the host stops
// (WorkerFunctionInvoker.DelayUntilFunctionDispatcherInitializedOrShutdown).
func (w *worker) acquire(ctx context.Context) (*process, error) {
	limit := time.NewTimer(waitForReady * w.initTimeout)
	defer limit.Stop()
	for {
		w.mu.Lock()
		p, reason := w.current, w.reason
		w.mu.Unlock()
		if reason != nil {
			return nil, reason
		}
		ready := p.ready
		select {
		case <-p.condemned:
			ready = nil // its replacement is what to wait for
		default:
		}
		select {
		case <-ready:
			return p, nil
		case <-p.gone:
		case <-w.failed:
			return nil, w.failure()
		case <-w.stop:
			return nil, errStopped
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the handler: %w", context.Cause(ctx))
		case <-limit.C:
			err := fmt.Errorf("the handler was not ready within %v", waitForReady*w.initTimeout)
			w.fail(err)
			return nil, err
		}
	}
}

// expire kills the current process for a function timeout, with every call in it, and restarts it, uncounted.
// One that is not ready yet is its replacement already and is left alone.
func (w *worker) expire() {
	w.mu.Lock()
	p := w.current
	w.mu.Unlock()
	select {
	case <-p.ready:
	default:
		return
	}
	// Callers wait for the replacement from here on.
	if p.kill(func() { p.timeout = true }) {
		return
	}
	select {
	case w.again <- struct{}{}:
	default:
	}
}

// pidNow is the current process's id, 0 when there is none.
func (w *worker) pidNow() int {
	w.mu.Lock()
	p := w.current
	w.mu.Unlock()
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.exited {
		return 0
	}
	return p.pid
}

// close kills the handler and waits for its end. There is no SIGTERM and no grace, as in Azure.
func (w *worker) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.stop)
	}
	p := w.current
	w.mu.Unlock()
	if p == nil {
		return
	}
	p.kill(func() {})
	<-w.done
}

// stopped reports whether close was called.
func (w *worker) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}
