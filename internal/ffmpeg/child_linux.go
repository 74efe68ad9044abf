package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// leash is how children are limited on this machine.
//
// Their resource limits are set by util-linux's prlimit, which then becomes the child: they hold from its first instruction, and its process
// number, group and death signal are those of the process that was started. Go cannot set them between fork and exec, and to set them from
// here afterwards leaves a moment without; prlimit is on every Debian and Ubuntu.
type leash struct {
	prlimit string
	groups  string // the cgroup directory in which each child gets a group of its own; "" where that is not allowed
}

// threads is how many a child's group may have: ffmpeg without -threads starts some for each processor.
const threads = 512

func openLeash(ctx context.Context) (leash, error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		self = nil // no cgroups here
	}
	return newLeash(ctx, "/sys/fs/cgroup", string(self))
}

// newLeash is openLeash on a tree of cgroups, in which this process's place is self.
func newLeash(ctx context.Context, root, self string) (leash, error) {
	path, err := exec.LookPath(setter)
	if err != nil {
		return leash{}, fmt.Errorf("finding %s, which limits what a child may use (Debian and Ubuntu: apt-get install util-linux): %w", setter, err)
	}
	l := leash{prlimit: path, groups: groups(root, self)}
	if l.groups == "" {
		return l, nil
	}
	sweepGroups(l.groups)
	cmd, release, err := l.command(ctx, path, []string{"--version"}, Limits{Memory: 1 << 30, CPU: time.Second, Files: 64})
	if err == nil {
		err = cmd.Run()
		release()
	}
	if err != nil {
		l.groups = "" // we may make groups, but not start a process in one
	}
	return l, nil
}

func (l leash) String() string {
	if l.groups == "" {
		return "rlimits"
	}
	return "rlimits and cgroups"
}

// command is a child within limits. It dies with this process: the Functions host ends us with SIGKILL. The caller calls release when the
// child is gone or was never started; it tells whether the kernel killed the child for want of memory in its group.
func (l leash) command(ctx context.Context, path string, args []string, limits Limits) (cmd *exec.Cmd, release func() bool, err error) {
	seconds := int64((limits.CPU + time.Second - 1) / time.Second)
	line := []string{
		"--core=0", "--fsize=0", "--stack=" + within(syscall.RLIMIT_STACK, 8<<20), // also of each thread
		"--as=" + within(syscall.RLIMIT_AS, limits.Memory),
		"--nofile=" + within(syscall.RLIMIT_NOFILE, int64(limits.Files)),
		"--cpu=" + within(syscall.RLIMIT_CPU, seconds) + ":" + within(syscall.RLIMIT_CPU, seconds+int64(grace/time.Second)),
		"--", path,
	}
	cmd = exec.CommandContext(ctx, l.prlimit, append(line, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	if l.groups == "" {
		return cmd, func() bool { return false }, nil
	}
	g, err := openGroup(l.groups, limits.Memory)
	if err != nil {
		return nil, nil, fmt.Errorf("making a cgroup: %w", err)
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(g.Fd())
	return cmd, func() bool { return closeGroup(g) }, nil
}

// niceness is that of a child for which nobody waits: beside one of 0 it gets about a tenth of a processor.
const niceness = 10

// yield lets others go first. A child that is gone already, or a system that says no, does no harm.
func yield(pid int) { _ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, niceness) }

// within is the limit, or what this process itself is held to if that is less: only root may raise it.
func within(resource int, limit int64) string {
	var own syscall.Rlimit
	if err := syscall.Getrlimit(resource, &own); err == nil && own.Max < uint64(limit) {
		limit = int64(own.Max)
	}
	return strconv.FormatInt(limit, 10)
}

const groupPrefix = "bwv-child-"

// groups is the directory of a cgroup v2 tree in which the process of /proc/self/cgroup's text may make limited groups, or "".
//
// A group with processes in it cannot have limited groups below it, and ours has us in it. So the children's lie beside ours, and whoever
// starts us must have delegated our group's parent with its controllers (systemd: Delegate=yes with DelegateSubgroup=).
func groups(root, self string) string {
	for line := range strings.Lines(self) {
		own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::/")
		if !ok || own == "" || !filepath.IsLocal(own) { // v1; or the root has nothing beside it; or it lies outside our namespace
			continue
		}
		parent := filepath.Join(root, filepath.Dir(own))
		list, err := os.ReadFile(filepath.Join(parent, "cgroup.subtree_control"))
		if err != nil {
			return ""
		}
		has := map[string]bool{}
		for _, controller := range strings.Fields(string(list)) {
			has[controller] = true
		}
		if has["memory"] && has["pids"] {
			return parent
		}
	}
	return ""
}

// sweepGroups removes what killed processes of this kind left. Their children died with them, and a group with a process in it stays.
func sweepGroups(in string) {
	left, err := filepath.Glob(filepath.Join(in, groupPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		if _, err := os.Stat(filepath.Join("/proc", owner)); err != nil {
			_ = os.Remove(dir) // tried again by the next process that starts
		}
	}
}

// openGroup makes a group for one child, which yields the processor to this process where both want it.
func openGroup(in string, memory int64) (*os.File, error) {
	dir, err := os.MkdirTemp(in, groupPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, err
	}
	set := func(name string, value int64) error {
		return os.WriteFile(filepath.Join(dir, name), []byte(strconv.FormatInt(value, 10)), 0o600)
	}
	err = errors.Join(set("memory.max", memory), set("pids.max", threads))
	for name, value := range map[string]int64{"memory.swap.max": 0, "cpu.weight": 50} {
		if set := set(name, value); !errors.Is(set, os.ErrNotExist) && !errors.Is(set, os.ErrPermission) { // without swap, or the cpu controller
			err = errors.Join(err, set)
		}
	}
	if err == nil {
		var g *os.File
		if g, err = os.Open(dir); err == nil {
			return g, nil
		}
	}
	return nil, errors.Join(err, os.Remove(dir))
}

// closeGroup removes a group whose child is gone, with whatever that left behind, and tells whether the kernel had to kill for its memory.
func closeGroup(g *os.File) (starved bool) {
	_ = os.WriteFile(filepath.Join(g.Name(), "cgroup.kill"), []byte("1"), 0o600) // Linux 5.14; before, what is left ends when it likes
	events, err := os.ReadFile(filepath.Join(g.Name(), "memory.events"))
	if err == nil {
		for line := range strings.Lines(string(events)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
				starved = true
			}
		}
	}
	_ = g.Close()           // read only
	_ = os.Remove(g.Name()) // where something is still dying in it, the next process of this kind that starts removes it
	return starved
}

func signal(state *os.ProcessState) syscall.Signal {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// crashed tells whether the child fell over by itself, which a file can bring about, and was not killed from outside. Writing to a file is one
// way: the limit for that is 0.
func crashed(state *os.ProcessState) bool {
	switch signal(state) {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGFPE, syscall.SIGILL, syscall.SIGBUS, syscall.SIGSYS, syscall.SIGTRAP, syscall.SIGXFSZ:
		return true
	}
	return false
}

// exhausted tells whether the kernel's word that the CPU time is used up ended the child.
func exhausted(state *os.ProcessState) bool { return signal(state) == syscall.SIGXCPU }

// peak is the most memory that was resident, in bytes.
func peak(state *os.ProcessState) int64 {
	used, ok := state.SysUsage().(*syscall.Rusage)
	if !ok || used.Maxrss > math.MaxInt64>>10 {
		return 0
	}
	return used.Maxrss << 10
}
