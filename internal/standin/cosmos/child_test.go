package cosmos_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/standin/cosmos"
)

// child is a process that serves, on a port it prints, until it is killed.
func child(dir string) {
	srv, err := cosmos.Open(cosmos.Options{Dir: dir, Key: testKey})
	if err == nil {
		err = srv.Declare(strings.NewReader(declared))
	}
	var l net.Listener
	if err == nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String())
	_ = http.Serve(l, srv)
}

// process is a running child.
type process struct {
	url     string
	pid     int
	started time.Time // before anything of it ran
	kill    func()    // SIGKILL; waits until it is gone
}

func spawn(t testing.TB, dir string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "COSMOS_TEST_CHILD="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	started := time.Now()
	check(t, cmd.Start())
	kill := sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // killed: always an error
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http") {
		t.Fatalf("child said %q, %v", line, err)
	}
	return process{strings.TrimSpace(line), cmd.Process.Pid, started, kill}
}
