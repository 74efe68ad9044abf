//go:build !linux

package ffmpeg

import (
	"context"
	"os"
	"os/exec"
)

// leash holds children by time and output alone: only Linux lets a child die with its parent, and start within limits.
type leash struct{}

func openLeash(context.Context) (leash, error) { return leash{}, nil }

func (leash) String() string { return "time and output alone" }

func (leash) command(ctx context.Context, path string, args []string, _ Limits) (*exec.Cmd, func() bool, error) {
	return exec.CommandContext(ctx, path, args...), func() bool { return false }, nil
}

func yield(int) {}

func crashed(*os.ProcessState) bool { return false }

func exhausted(*os.ProcessState) bool { return false }

func peak(*os.ProcessState) int64 { return 0 }
