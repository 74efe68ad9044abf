package ffmpeg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLimits asks the kernel what holds for a child: it is the child's first act to show it.
func TestLimits(t *testing.T) {
	r := newChildren(t, 1, Limits{Memory: 1 << 30, CPU: 90*time.Second + 1, Files: 40})
	ask := func(limits Limits) map[string]string {
		var said bytes.Buffer
		if _, err := r.run(t.Context(), job{path: "/bin/cat", args: []string{"/proc/self/limits"}, stdout: sink{&said, 1 << 16}, limits: limits}); err != nil {
			t.Fatal(err)
		}
		rows := map[string]string{}
		for line := range strings.Lines(said.String()) {
			if len(line) > 65 {
				rows[strings.TrimSpace(line[:26])] = strings.Join(strings.Fields(line[26:65]), " ")
			}
		}
		return rows
	}
	common := map[string]string{"Max core file size": "0 0", "Max file size": "0 0", "Max stack size": "8388608 8388608", "Max open files": "40 40"}
	for _, row := range []struct {
		limits Limits
		want   map[string]string
	}{
		{Limits{}, map[string]string{"Max address space": "1073741824 1073741824", "Max cpu time": "91 93"}},
		{Limits{Memory: 1 << 29, CPU: time.Second}, map[string]string{"Max address space": "536870912 536870912", "Max cpu time": "1 3"}},
	} {
		got := ask(row.limits)
		for _, want := range []map[string]string{common, row.want} {
			for name, value := range want {
				if got[name] != value {
					t.Errorf("%s: %q, not %q", name, got[name], value)
				}
			}
		}
	}
	// What this process may not have itself, a child gets no more of: only root could give it.
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 0, Max: 4096}); err != nil {
		t.Fatal(err)
	}
	if more, less := within(syscall.RLIMIT_CORE, 1<<20), within(syscall.RLIMIT_CORE, 100); more != "4096" || less != "100" {
		t.Errorf("%s and %s", more, less)
	}
}

// TestYield wants a child for which somebody waits to go before the others.
func TestYield(t *testing.T) {
	r := newChildren(t, 1, Limits{})
	for _, urgent := range []bool{false, true} {
		var said bytes.Buffer
		j := shell("for i in $(seq 100); do [ $(nice) = 10 ] && break; [ $i = 5 ] && [ $0 = true ] && break; sleep 0.05; done; nice")
		j.args, j.urgent, j.stdout = append(j.args, strconv.FormatBool(urgent)), urgent, sink{&said, 100}
		if _, err := r.run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(said.String()); (got == strconv.Itoa(niceness)) == urgent {
			t.Errorf("urgent %t: niceness %s", urgent, got)
		}
	}
}

// TestHandlerKilled runs itself once more, with a child, and kills that as the Functions host would: nobody is left to clean up.
func TestHandlerKilled(t *testing.T) {
	const variable = "BWV_TEST_HANDLER"
	if os.Getenv(variable) != "" {
		r, err := newRunner(t.Context(), slog.New(slog.DiscardHandler), 1, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		j := shell("echo $$; exec sleep 1000")
		j.stdout.to = os.Stdout
		_, err = r.run(t.Context(), j)
		t.Fatalf("it ended by itself: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHandlerKilled$")
	cmd.Env = append(os.Environ(), variable+"=1")
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatalf("%q %v", line, err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || len(ours(t, cmd.Process.Pid)) != 1 {
		t.Fatalf("%q, %q", line, ours(t, cmd.Process.Pid))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", number))
		if err != nil || strings.Contains(string(stat), ") Z ") { // gone, or waiting for its new parent to take note
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the child lives: %s", stat)
		}
	}
}

// TestGroups holds where a child's group may lie.
func TestGroups(t *testing.T) {
	root := t.TempDir()
	for dir, has := range map[string]string{"": "cpu memory pids\n", "bwv.service": "cpu memory pids\n", "other.service": "memory\n", "plain.service": ""} {
		dir = filepath.Join(root, dir)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(has), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for self, want := range map[string]string{
		"0::/bwv.service/handler\n":              filepath.Join(root, "bwv.service"),
		"0::/init\n":                             root,
		"0::/other.service/handler\n":            "", // without pids
		"0::/plain.service/handler\n":            "", // not delegated
		"0::/nowhere/handler\n":                  "",
		"0::/\n":                                 "", // nothing lies beside it
		"0::/../outside\n":                       "",
		"4:memory:/a\n0::/bwv.service/handler\n": filepath.Join(root, "bwv.service"),
		"4:memory:/a\n":                          "",
		"":                                       "",
	} {
		if got := groups(root, self); got != want {
			t.Errorf("%q: %q", self, got)
		}
	}
	// A directory that looks like one and is none: no child can start in it, and none has to.
	l, err := newLeash(t.Context(), root, "0::/bwv.service/handler\n")
	if err != nil || l.String() != "rlimits" {
		t.Errorf("%s %v", l, err)
	}
}

// TestGroup has a child say where it is. Where this process may give it a group of its own, that group is what its memory is counted by, and it
// goes with it; where not, there is none.
func TestGroup(t *testing.T) {
	r := newChildren(t, 1, Limits{})
	var said bytes.Buffer
	j := shell("cat /proc/self/cgroup")
	j.stdout.to = &said
	if _, err := r.run(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	own := r.leash.groups != ""
	t.Logf("%s: %q", r.leash, said.String())
	if strings.Contains(said.String(), groupPrefix) != own || own != (r.leash.String() == "rlimits and cgroups") {
		t.Errorf("%s: %q", r.leash, said.String())
	}
	in := said.String()
	if _, err := os.Stat(filepath.Join(r.leash.groups, filepath.Base(strings.TrimSpace(in[strings.LastIndex(in, "0::")+3:])))); own && !os.IsNotExist(err) {
		t.Errorf("its group is still there: %v", err)
	}
	// Two that together want more than they may have: alone each has enough, so that without a group they get it.
	j = shell("for i in 1 2; do (dd if=/dev/zero bs=110M count=1; [ $? = 137 ] && kill $$) | sleep 2 & done; wait")
	j.limits.Memory = 128 << 20
	_, err := r.run(t.Context(), j)
	var beyond *over
	if errors.As(err, &beyond) != own {
		t.Errorf("%v", err)
	}
}
