package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bwv/internal/standin/stack"
)

// Machine is cmd/local as a process of its own, as `make run` starts it, so that it can be killed and measured. It needs Linux's /proc.
type Machine struct {
	Client    Client
	Addresses stack.Addresses
	Root      string // of the repository
	LogFile   string

	local, dock string
	arguments   []string
	log         *os.File
	process     *exec.Cmd
}

// NewMachine builds what runs and picks its ports; Start starts it. State and log are kept in dir.
func NewMachine(ctx context.Context, dir string, settings map[string]string) (*Machine, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	m := &Machine{Root: root, LogFile: filepath.Join(dir, "local.log")}
	if m.local, err = Build(ctx, root, dir, "local"); err != nil {
		return nil, err
	}
	if m.dock, err = Build(ctx, root, dir, "dock"); err != nil {
		return nil, err
	}
	file, err := json.Marshal(map[string]any{"Values": defaults(settings)})
	if err != nil {
		return nil, err
	}
	settingsFile := filepath.Join(dir, "settings.json")
	if err := os.WriteFile(settingsFile, file, 0o600); err != nil {
		return nil, err
	}
	m.arguments = []string{"--state", filepath.Join(dir, "state"), "--settings", settingsFile}
	for flag, address := range map[string]*string{"--port": &m.Addresses.Functions, "--blob-port": &m.Addresses.Blob,
		"--servicebus-port": &m.Addresses.ServiceBus, "--cosmos-port": &m.Addresses.Cosmos, "--control-port": &m.Addresses.Control} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		*address = "127.0.0.1:" + port // known before the start, and the same after it
		m.arguments = append(m.arguments, flag, port)
	}
	m.Client = Client{Base: "http://" + m.Addresses.Functions, Person: "officer"}
	m.log, err = os.Create(m.LogFile)
	return m, err
}

// defaults are the settings of a run, with changes.
func defaults(changes map[string]string) map[string]string {
	all := map[string]string{"FUNCTIONS_WORKER_RUNTIME": "custom", "IDENTITY": "development", "RECONCILE_SCHEDULE": "0 */5 * * * *", "RETENTION_KEEP": "31d"}
	for name, value := range changes {
		all[name] = value
	}
	return all
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", err
	}
	return port, listener.Close()
}

// Start runs it and waits until it is healthy.
func (m *Machine) Start(ctx context.Context) error {
	m.process = exec.Command(m.local, m.arguments...)
	m.process.Dir, m.process.Stdout, m.process.Stderr = m.Root, m.log, m.log
	if err := m.process.Start(); err != nil {
		return err
	}
	return Wait(ctx, "the stack is healthy", func() (bool, error) {
		answer, err := m.Client.Do(ctx, http.MethodGet, "/api/health", nil)
		return answer.Status == http.StatusOK, err
	})
}

// Kill ends it as a power cut would.
func (m *Machine) Kill() error {
	err := m.process.Process.Kill()
	_ = m.process.Wait() // it says that it was killed
	m.process = nil
	return err
}

// Stop ends it as Ctrl-C does.
func (m *Machine) Stop() error {
	defer m.log.Close()
	if m.process == nil {
		return nil
	}
	if err := m.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := m.process.Wait()
	m.process = nil
	return err
}

// Dock uploads files with the dock.
func (m *Machine) Dock(ctx context.Context, files ...string) ([]Docked, error) {
	return Dock(ctx, m.dock, m.Addresses.Blob, files...)
}

// PID is the process of cmd/local.
func (m *Machine) PID() int { return m.process.Process.Pid }

// Child finds a child process of cmd/local by the end of its executable's path, e.g. "dist/handler"; 0 when there is none at this moment.
func (m *Machine) Child(executable string) int {
	all, _ := filepath.Glob("/proc/[0-9]*/exe") // a fixed pattern is never malformed
	for _, link := range all {
		name, err := os.Readlink(link)
		if err != nil || !strings.HasSuffix(name, executable) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if p, statErr := ReadProcess(pid); err == nil && statErr == nil && p.Parent == m.PID() {
			return pid
		}
	}
	return 0
}

// Process is what /proc says of one process.
type Process struct {
	Parent   int
	Self     time.Duration // CPU of its own
	Children time.Duration // CPU of children that have ended and were waited for
	Peak     int64         // bytes of memory at most, its own
}

// clockTick is USER_HZ: 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// ReadProcess reads /proc (proc(5)).
func ReadProcess(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return Process{}, fmt.Errorf("process %d: stat has %d fields", pid, len(fields))
	}
	var n [15]int64
	for i := 1; i < len(n); i++ {
		n[i], _ = strconv.ParseInt(fields[i], 10, 64) // the kernel writes numbers
	}
	p := Process{Parent: int(n[1]), Self: time.Duration(n[11]+n[12]) * clockTick, Children: time.Duration(n[13]+n[14]) * clockTick}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, err
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, err = fmt.Sscan(text, &p.Peak)
			p.Peak <<= 10
		}
	}
	return p, err
}
