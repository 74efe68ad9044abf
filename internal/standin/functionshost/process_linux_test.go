package functionshost

import (
	"testing"
	"time"
)

func TestHandlerDiesWithAKilledHost(t *testing.T) {
	r := offline(t, "Ok")
	host, pid := r.Spawn(t)
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
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
