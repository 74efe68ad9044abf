package servicebus

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// childDir names the environment variable that turns the test binary into a server on that directory.
const childDir = "SERVICEBUS_TEST_CHILD_DIR"

func isChild() bool { return os.Getenv(childDir) != "" }

// childMain serves until it is killed. It prints its address on a line.
func childMain() {
	err := func() error {
		cfg, err := ParseConfig(strings.NewReader(testConfig))
		if err != nil {
			return err
		}
		srv, err := Open(cfg, Options{Dir: os.Getenv(childDir), Key: testKey})
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println(l.Addr())
		return srv.Serve(l)
	}()
	fmt.Println(err)
	os.Exit(1)
}

// child starts a server process and returns its address and what kills it.
func child(t *testing.T, dir string) (string, func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	kill := func() {
		once.Do(func() {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL
				t.Error(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) {
				t.Error(err)
			}
		})
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), kill
}

// TestKill kills the server in the middle of sends, schedules, cancellations and completions. Whatever was acknowledged
// must hold afterwards; what was not may have happened or not.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}     // messages whose send was acknowledged
	completed := map[string]bool{} // whose completion was
	pending := map[int64]bool{}    // scheduled, not cancelled
	cancelled := map[int64]bool{}
	for round := range 4 {
		addr, kill := child(t, dir)
		c := newClient(t, addr, testKey)
		s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
		timer := time.AfterFunc(time.Duration(250+90*round)*time.Millisecond, kill)
		work := func() error {
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d-%d", round, i)
				if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte(body)}, nil); err != nil {
					return err
				}
				acked[body] = true
				seqs, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("later")}}, time.Now().Add(time.Hour), nil)
				if err != nil {
					return err
				}
				pending[seqs[0]] = true
				if i%2 == 0 {
					delete(pending, seqs[0]) // from here on it is not known until the answer
					if err := s.CancelScheduledMessages(testContext(t), seqs, nil); err != nil {
						return err
					}
					cancelled[seqs[0]] = true
				}
				if i%3 == 0 {
					list, err := rc.ReceiveMessages(testContext(t), 1, nil)
					if err != nil || len(list) == 0 {
						return errors.Join(err, errors.New("nothing received"))
					}
					delete(acked, string(list[0].Body)) // unknown until the answer
					if err := rc.CompleteMessage(testContext(t), list[0], nil); err != nil {
						return err
					}
					completed[string(list[0].Body)] = true
				}
			}
		}
		if err := work(); err == nil {
			t.Fatal("the server was not killed")
		}
		timer.Stop()
		kill()
	}
	if len(acked) == 0 || len(completed) == 0 || len(pending) == 0 || len(cancelled) == 0 {
		t.Fatalf("too little happened: %d sent, %d completed, %d scheduled, %d cancelled", len(acked), len(completed), len(pending), len(cancelled))
	}
	t.Logf("acknowledged: %d sends, %d completions, %d schedules, %d cancellations", len(acked), len(completed), len(pending), len(cancelled))
	checkAfterKill(t, dir, acked, completed, pending, cancelled)
}

func checkAfterKill(t *testing.T, dir string, acked, completed map[string]bool, pending, cancelled map[int64]bool) {
	t.Helper()
	r := startRig(t, dir, Options{})
	rc := newReceiver(t, r.client(), "ingest", nil)
	active, scheduled := map[string]int{}, map[int64]bool{}
	for {
		list, err := rc.PeekMessages(testContext(t), 200, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, m := range list {
			if m.State == azservicebus.MessageStateScheduled {
				scheduled[*m.SequenceNumber] = true
			} else {
				active[string(m.Body)]++
			}
		}
	}
	for b := range acked {
		if active[b] != 1 {
			t.Errorf("acknowledged message %s is there %d times", b, active[b])
		}
	}
	for b := range completed {
		if active[b] != 0 {
			t.Errorf("completed message %s is back", b)
		}
	}
	for seq := range pending {
		if !scheduled[seq] {
			t.Errorf("scheduled message %d is gone", seq)
		}
	}
	for seq := range cancelled {
		if scheduled[seq] {
			t.Errorf("cancelled message %d is back", seq)
		}
	}
	if n := r.status("ingest").Scheduled; n != int64(len(scheduled)) {
		t.Errorf("%d are counted as scheduled, %d are", n, len(scheduled))
	}
}
