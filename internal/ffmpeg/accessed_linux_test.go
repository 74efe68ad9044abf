package ffmpeg

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// accessed makes the file look as if it was never read since long ago, so that even relatime notes the next reading, and tells when it was read.
func accessed(t *testing.T, file string) time.Time {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no access time here")
	}
	return time.Unix(s.Atim.Unix())
}
