package journey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/evidence"
	"bwv/internal/journey"
	"bwv/internal/standin/stack"
)

const (
	crashUploads = 24
	crashRounds  = 6
)

// TestCrash kills the handler, and the whole stack, at random moments while recordings come in and are processed. In the end each upload has
// one record, one live disposal and an unbroken chain, whatever was killed when.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed) // which moments were hit depends on the machine too: the seed alone does not repeat them
	random := rand.New(rand.NewPCG(seed, 1))
	m := newMachine(t, dir)
	files := copies(t, clip(t, t.TempDir(), "clip.mp4"), t.TempDir(), crashUploads)
	m.start(t)
	docked := make(chan error, 1)
	go func() { docked <- m.dockUntilSafe(t.Context(), files) }()
	handlers, stacks := 0, 0
	for round := range crashRounds {
		time.Sleep(time.Duration(500+random.IntN(2500)) * time.Millisecond) // the random moment
		if round%3 == 2 {
			m.kill(t)
			m.start(t)
			stacks++
		} else if m.killHandler(t) {
			handlers++
		}
	}
	if handlers == 0 || stacks == 0 {
		t.Fatalf("%d handlers and %d stacks were killed: the test did not do what it is for", handlers, stacks)
	}
	select {
	case err := <-docked:
		ok(t, err)
	case <-time.After(2 * time.Minute):
		t.Fatal("the dock did not get done")
	}
	records, err := m.client.Processed(within(t, 3*time.Minute), crashUploads)
	ok(t, err)
	t.Logf("killed the handler %d times, the stack %d times; %d uploads", handlers, stacks, crashUploads)
	m.verify(t, records)
}

// machine is cmd/local as a process of its own, so that it can be killed.
type machine struct {
	client    journey.Client
	addresses stack.Addresses
	root      string
	local     string
	dock      string
	arguments []string
	log       *os.File
	process   *exec.Cmd
}

func newMachine(t *testing.T, dir string) *machine {
	t.Helper()
	root, err := journey.Root()
	ok(t, err)
	m := &machine{root: root}
	m.local, err = journey.Build(t.Context(), root, dir, "local")
	ok(t, err)
	m.dock, err = journey.Build(t.Context(), root, dir, "dock")
	ok(t, err)
	settings := filepath.Join(dir, "settings.json")
	ok(t, os.WriteFile(settings, []byte(`{"Values":{"FUNCTIONS_WORKER_RUNTIME":"custom","IDENTITY":"development","RETENTION_KEEP":"31d","RECONCILE_GRACE":"5s","RECONCILE_SCHEDULE":"*/10 * * * * *"}}`), 0o600))
	m.arguments = []string{"--state", filepath.Join(dir, "state"), "--settings", settings}
	for flag, address := range map[string]*string{"--port": &m.addresses.Functions, "--blob-port": &m.addresses.Blob,
		"--servicebus-port": &m.addresses.ServiceBus, "--cosmos-port": &m.addresses.Cosmos, "--control-port": &m.addresses.Control} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		ok(t, err)
		*address = listener.Addr().String()
		_, port, _ := net.SplitHostPort(*address)
		m.arguments = append(m.arguments, flag, port)
		ok(t, listener.Close())
	}
	m.client = journey.Client{Base: "http://" + m.addresses.Functions, Person: "officer"}
	m.log, err = os.Create(filepath.Join(dir, "local.log"))
	ok(t, err)
	t.Cleanup(func() {
		if m.process != nil {
			_ = m.process.Process.Signal(syscall.SIGTERM)
			_ = m.process.Wait()
		}
		m.log.Close()
		if t.Failed() {
			showTail(t, m.log.Name())
		}
	})
	return m
}

// start runs cmd/local and waits until it is healthy.
func (m *machine) start(t *testing.T) {
	t.Helper()
	m.process = exec.Command(m.local, m.arguments...)
	m.process.Dir, m.process.Stdout, m.process.Stderr = m.root, m.log, m.log
	ok(t, m.process.Start())
	ok(t, journey.Wait(within(t, time.Minute), "the stack is healthy", func() (bool, error) {
		answer, err := m.client.Do(t.Context(), http.MethodGet, "/api/health", nil)
		return answer.Status == http.StatusOK, err
	}))
}

// kill ends cmd/local as a power cut would.
func (m *machine) kill(t *testing.T) {
	t.Helper()
	ok(t, m.process.Process.Kill())
	_ = m.process.Wait() // it says that it was killed
	m.process = nil
}

// killHandler kills the stack's handler, if it runs at this moment.
func (m *machine) killHandler(t *testing.T) bool {
	t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", m.process.Process.Pid, m.process.Process.Pid))
	if err != nil {
		children = nil // the kernel may not tell; look at every process
	}
	pids := strings.Fields(string(children))
	if len(pids) == 0 {
		all, err := filepath.Glob("/proc/[0-9]*")
		ok(t, err)
		for _, p := range all {
			pids = append(pids, filepath.Base(p))
		}
	}
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		ok(t, err)
		if name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && name == filepath.Join(m.root, "dist", "handler") && parent(pid) == m.process.Process.Pid {
			return syscall.Kill(pid, syscall.SIGKILL) == nil
		}
	}
	return false
}

func parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	n, _ := strconv.Atoi(fields[1])
	return n
}

// dockUntilSafe runs the dock until every file is safe, as an officer would plug the camera in again.
func (m *machine) dockUntilSafe(ctx context.Context, files []string) error {
	for {
		_, err := journey.Dock(ctx, m.dock, m.addresses.Blob, files...)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if err := journey.Until(ctx, time.Now().Add(200*time.Millisecond)); err != nil {
			return err
		}
	}
}

// verify looks at each record, its chain, and what Service Bus really holds for it.
func (m *machine) verify(t *testing.T, records map[string]evidence.Record) {
	t.Helper()
	if len(records) != crashUploads {
		t.Errorf("%d records of %d uploads", len(records), crashUploads)
	}
	live, orphans := m.disposals(t, records)
	for path, r := range records {
		if live[r.ID] != 1 {
			t.Errorf("%s has %d live disposals", path, live[r.ID])
		}
		if r.Retention.State != evidence.Scheduled || r.Media.State != evidence.MediaReady || r.Proxy.State != evidence.ProxyReady || len(r.Attention) != 0 {
			t.Errorf("%s: %s, media %s, proxy %s, attention %+v", path, r.Retention.State, r.Media.State, r.Proxy.State, r.Attention)
		}
		chain, err := m.client.Custody(t.Context(), r.ID)
		if err != nil {
			t.Error(err)
		}
		for op, most := range map[evidence.Operation]int{evidence.OpReceive: 1, evidence.OpSchedule: 1, evidence.OpMetadata: 1, evidence.OpProxy: 1} {
			n := 0
			for _, e := range chain {
				if e.Operation == op {
					n++
				}
			}
			if n != most {
				t.Errorf("%s has %d entries of %s", path, n, op)
			}
		}
		if _, err := m.client.Play(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d records, each with one live disposal; %d void messages are left of attempts that were cut off", len(records), orphans)
}

// disposals peeks at the scheduled messages: live ones by record, and void ones of attempts that were cut off.
func (m *machine) disposals(t *testing.T, records map[string]evidence.Record) (map[evidence.ID]int, int) {
	t.Helper()
	epochs := map[evidence.ID]int{}
	for _, r := range records {
		epochs[r.ID] = r.Retention.Epoch
	}
	client, err := azservicebus.NewClientFromConnectionString(m.addresses.Settings()["SB"], nil)
	ok(t, err)
	defer client.Close(t.Context())
	receiver, err := client.NewReceiverForQueue("expire", nil)
	ok(t, err)
	live, orphans := map[evidence.ID]int{}, 0
	for {
		messages, err := receiver.PeekMessages(within(t, time.Minute), 100, nil)
		ok(t, err)
		if len(messages) == 0 {
			return live, orphans
		}
		for _, message := range messages {
			var d evidence.Disposal
			ok(t, json.Unmarshal(message.Body, &d))
			if d.Epoch == epochs[d.Evidence] {
				live[d.Evidence]++
			} else {
				orphans++
			}
		}
	}
}
