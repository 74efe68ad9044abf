package functionshost

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

const (
	outputLinger  = 250 * time.Millisecond
	noticeTime    = 100 * time.Millisecond
	idleConnLimit = 256
)

// process is one run of the handler.
type process struct {
	cmd       *exec.Cmd
	pid       int
	born      time.Time
	ready     chan struct{} // closed when it answered
	condemned chan struct{} // closed when the host kills it: no new calls
	gone      chan struct{} // closed when it is no longer the current one
	transport *http.Transport

	mu      sync.Mutex
	exited  bool
	timeout bool // killed for a function timeout: not counted
	silent  bool // killed because it never answered: counted
}

func newProcess() *process {
	return &process{ready: make(chan struct{}), condemned: make(chan struct{}), gone: make(chan struct{}), transport: newTransport()}
}

// newTransport is one pool of connections for one process, so that no connection outlives it.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		DisableCompression:  true,
		MaxIdleConnsPerHost: idleConnLimit,
		IdleConnTimeout:     90 * time.Second,
	}
}

// run starts the process and waits for its end.
func (w *worker) run(p *process) (code int, err error) {
	cmd := exec.Command(w.path, w.args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	ownGroup(cmd)
	output, err := newOutput(cmd, w.console)
	if err != nil {
		return -1, err
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		output.finish()
		return 0, nil
	}
	err = cmd.Start()
	p.mu.Lock()
	if err == nil {
		p.cmd, p.pid, p.born = cmd, cmd.Process.Pid, time.Now()
	}
	p.mu.Unlock()
	w.mu.Unlock()
	output.started()
	if err != nil {
		output.finish()
		return -1, fmt.Errorf("starting the handler: %w", err)
	}
	w.log.Info("handler started", "pid", p.pid, "address", w.address)
	over := make(chan struct{})
	var probing sync.WaitGroup
	probing.Go(func() { w.probe(p, over) })
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	code = exitCode(cmd)
	p.end(code)
	close(over)
	probing.Wait()
	output.finish()
	return code, err
}

// exitCode is 137 for a process that a signal ended, as a shell shows SIGKILL.
func exitCode(cmd *exec.Cmd) int {
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return 137
}

// end notes that the process is gone. New calls wait for the next one, except after exit 0, where none comes:
// they must not burn their messages' deliveries on a port that nobody listens to.
func (p *process) end(code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exited = true
	if code != 0 {
		p.condemn()
	}
}

// awaitEnd gives the system a moment to report the death that broke a connection, so that the message of the
// broken call is not handed at once to the process that just died.
func (p *process) awaitEnd() {
	t := time.NewTimer(noticeTime)
	defer t.Stop()
	select {
	case <-p.condemned:
	case <-t.C:
	}
}

// condemn keeps new calls away; the caller holds mu.
func (p *process) condemn() {
	select {
	case <-p.condemned:
	default:
		close(p.condemned)
	}
}

// kill sends SIGKILL to the process group; false when the process is gone already.
func (p *process) kill(mark func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.exited {
		return false
	}
	mark()
	p.condemn()
	killGroup(p.cmd)
	return true
}

// output reads what the handler writes. It has pipes of its own, because exec's wait for their end: a child of
// the handler that holds them would hide the handler's death.
type output struct {
	ours, theirs []*os.File
	copying      sync.WaitGroup
}

func newOutput(cmd *exec.Cmd, c *console) (*output, error) {
	o := &output{}
	for _, stderr := range []bool{false, true} {
		r, w, err := os.Pipe()
		if err != nil {
			o.finish()
			return nil, fmt.Errorf("making the handler's output: %w", err)
		}
		o.ours, o.theirs = append(o.ours, r), append(o.theirs, w)
		if stderr {
			cmd.Stderr = w
		} else {
			cmd.Stdout = w
		}
		o.copying.Go(func() {
			lines := &lineWriter{console: c, stderr: stderr}
			_, _ = io.Copy(lines, r) // ends with the pipe, or with its deadline
			lines.flush()
		})
	}
	return o, nil
}

// started gives the handler's ends up.
func (o *output) started() {
	for _, w := range o.theirs {
		_ = w.Close() // nothing was written
	}
	o.theirs = nil
}

// finish reads what is left, for a moment only.
func (o *output) finish() {
	o.started()
	for _, r := range o.ours {
		_ = r.SetReadDeadline(time.Now().Add(outputLinger)) // pipes have deadlines
	}
	o.copying.Wait()
	for _, r := range o.ours {
		_ = r.Close() // nothing was written
	}
}

// freePort asks the system for a loopback port; nothing keeps it from others until the handler listens.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("choosing the handler's port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("freeing the handler's port %s: %w", strconv.Itoa(port), err)
	}
	return port, nil
}
