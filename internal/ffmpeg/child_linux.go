package ffmpeg

import (
	"os"
	"os/exec"
	"syscall"
)

// confine puts the child into a process group of its own and lets it die with this process: the Functions host ends us with SIGKILL.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// crashed tells whether the child fell over by itself, which a file can bring about, and was not killed from outside.
func crashed(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return false
	}
	switch status.Signal() {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGFPE, syscall.SIGILL, syscall.SIGBUS:
		return true
	}
	return false
}

// locks says whether tryLock works here.
const locks = true

// tryLock takes the directory's lock, which ends with the process.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
