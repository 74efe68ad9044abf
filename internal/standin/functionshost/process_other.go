//go:build !linux

package functionshost

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup ends the handler; elsewhere than on Linux its children are left to it.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
