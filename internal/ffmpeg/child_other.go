//go:build !linux

package ffmpeg

import (
	"os"
	"os/exec"
)

// confine leaves the child in this process's group: only Linux lets it die with its parent.
func confine(*exec.Cmd) {}

func crashed(*os.ProcessState) bool { return false }

// locks says whether tryLock works here; where not, directories of killed processes stay.
const locks = false

func tryLock(*os.File) bool { return false }
