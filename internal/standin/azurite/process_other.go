//go:build !linux

package azurite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// isolate does nothing where there is no parent-death signal: the child outlives a killed parent.
func isolate(*exec.Cmd) {}

func signal(cmd *exec.Cmd, sig syscall.Signal) error {
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to process %d: %w", sig, cmd.Process.Pid, err)
	}
	return nil
}

// lockDir opens the file only: two servers on one directory are not noticed here.
func lockDir(_ context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("opening azurite's lock: %w", err)
	}
	return f, nil
}
