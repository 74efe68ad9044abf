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

// process is a server in a process of its own.
type process struct {
	addr    string
	pid     int
	started time.Time // before anything of it ran
	kill    func()    // SIGKILL; waits until it is gone
}

func child(t testing.TB, dir string) process {
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
	started := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Error(err)
		}
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return process{strings.TrimSpace(line), cmd.Process.Pid, started, kill}
}
