package functionshost

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the handler in a process group of its own, so that the kill reaches its children, and lets the
// kernel kill it when the host dies: in Azure the container goes with its host, and an orphan would hold the port.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends the handler and all its children at once, without a word.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
