package functionshost

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHandlerDiesWithAKilledHost(t *testing.T) {
	r := offline(t, "Ok")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self)
	host.Env = append(os.Environ(), hostSwitch+"="+r.Dir)
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid := strings.TrimSpace(line)
	if _, err := strconv.Atoi(pid); err != nil || gone(pid) {
		_ = host.Process.Kill()
		_ = host.Wait()
		t.Fatalf("the host said %q", line)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // killed
	Until(t, "the handler is dead", func() bool { return gone(pid) })
}

func TestOrphansDoNotHideADeadHandler(t *testing.T) {
	r := offline(t, "Orphan", "Ok")
	h := r.Start(t)
	started := time.Now()
	if err := run(h, "Orphan", "x"); err == nil {
		t.Error("the call succeeded")
	}
	for i := range 20 { // not one call is lost on the dead process
		if err := run(h, "Ok", "x"); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if time.Since(started) > 4*time.Second {
		t.Error("the orphan held up the restart")
	}
}
