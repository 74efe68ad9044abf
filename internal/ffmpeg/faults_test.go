package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// TestSourceFails wants the store's error, never a verdict about the recording.
func TestSourceFails(t *testing.T) {
	tools := start(t, Config{})
	file := clip("udacity_solidWhiteRight_9s.mp4")
	gone := errors.New("the blob is gone")
	for _, row := range []struct {
		name string
		at   int64
		kind error
		want error
	}{
		{"not found at once", 1, errors.Join(gone, evidence.NotFound), evidence.NotFound},
		{"not found midway", 1_500_000, evidence.NotFound, evidence.NotFound},
		{"not found near the end", 2_500_000, evidence.NotFound, evidence.NotFound},
		{"conflict", 100_000, evidence.Conflict, evidence.Conflict},
		{"unavailable at once", 1, evidence.Unavailable, evidence.Unavailable},
		{"unavailable midway", 1_500_000, evidence.Unavailable, evidence.Unavailable},
		{"no kind", 100_000, gone, gone},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := &disk{file: file, fail: row.at, err: row.kind}
			m, err := tools.film(t.Context(), d.source(t))
			if !errors.Is(err, row.want) || errors.Is(err, evidence.Unreadable) {
				t.Errorf("%v after %d chunks", err, len(m.clips))
			}
			// The probe may have all it needs from before the failure: then it is right, and not Unreadable in any case.
			found, err := tools.Probe(t.Context(), d.source(t))
			if !errors.Is(err, row.want) && (err != nil || row.at == 1 || len(found.Media.Video) != 1) || errors.Is(err, evidence.Unreadable) {
				t.Errorf("probe: %v", err)
			}
			if d.live.Load() != 0 {
				t.Errorf("%d bodies are still open", d.live.Load())
			}
		})
	}
}

// TestDrops breaks each connection every so often: the same bytes come out as without.
func TestDrops(t *testing.T) {
	tools := start(t, Config{})
	d := &disk{file: clip("udacity_solidWhiteRight_9s.mp4"), drop: 150_000}
	m, err := tools.film(t.Context(), d.source(t))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := tools.film(t.Context(), (&disk{file: d.file}).source(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole.clips {
		if !bytes.Equal(m.clips[i].Media, whole.clips[i].Media) || !bytes.Equal(m.clips[i].Strip, whole.clips[i].Strip) {
			t.Errorf("chunk %d came out otherwise", i)
		}
	}
	if m.outline.Frames != 221 || len(m.notes()) > 0 || d.opens.Load() < 15 {
		t.Errorf("%+v, notes %q, %d connections", m.outline, m.notes(), d.opens.Load())
	}
}

// TestShort has a store that gives fewer bytes than the original's size: that is the store's failure, not the recording's.
func TestShort(t *testing.T) {
	tools := start(t, Config{})
	d := &disk{file: clip("intel_car-detection_30s.mp4")} // its index is last
	src := d.source(t)
	d.claims = src.Original.Size
	short := filepath.Join(t.TempDir(), "short.mp4")
	content, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(short, content[:len(content)-300_000], 0o600); err != nil {
		t.Fatal(err)
	}
	d.file = short
	if _, err := tools.film(t.Context(), src); !errors.Is(err, evidence.Unavailable) {
		t.Errorf("%v", err)
	}
}

// TestCancel ends a call in the middle: the child must be gone, whatever it was doing.
func TestCancel(t *testing.T) {
	tools := start(t, Config{Jobs: 1})
	for _, end := range []string{"call", "slow source"} {
		t.Run(end, func(t *testing.T) {
			d := &disk{file: clip("intel_one-by-one-person_139s.mp4")}
			src := d.source(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if end == "slow source" {
				src.Store = stuck{d}
			}
			stopped := make(chan error, 1)
			go func() {
				_, err := tools.film(ctx, src)
				stopped <- err
			}()
			wait(t, func() bool { return len(children(t)) > 0 })
			cancel()
			select {
			case err := <-stopped:
				if !errors.Is(err, context.Canceled) || errors.Is(err, evidence.Unreadable) {
					t.Errorf("%v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the call goes on")
			}
			if left := children(t); len(left) > 0 {
				t.Errorf("still running: %v", left)
			}
		})
	}
}

// TestTimeout has a limit that the child cannot keep.
func TestTimeout(t *testing.T) {
	tools := start(t, Config{})
	tools.limits.Time = 300 * time.Millisecond // from here on: asking for the version may take its time on a busy machine
	d := &disk{file: clip("intel_one-by-one-person_139s.mp4")}
	_, err := tools.film(t.Context(), d.source(t))
	if !errors.Is(err, evidence.Unreadable) || !strings.Contains(err.Error(), "time") { // a chunk that takes this long always will: it becomes a gap
		t.Errorf("%v", err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// stuck is a source that stops giving after 300 kB of an answer: its index comes whole, its first pictures do not.
type stuck struct{ *disk }

func (s stuck) Open(ctx context.Context, o evidence.Original, offset, length int64) (io.ReadCloser, error) {
	b, err := s.disk.Open(ctx, o, offset, length)
	return &waits{ReadCloser: b, ctx: ctx, left: 300_000}, err
}

type waits struct {
	io.ReadCloser
	ctx  context.Context
	left int
}

func (w *waits) Read(p []byte) (int, error) {
	if w.left <= 0 {
		<-w.ctx.Done()
		return 0, w.ctx.Err()
	}
	n, err := w.ReadCloser.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

func wait(t *testing.T, until func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !until(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// children are the processes whose parent is this one.
func children(t *testing.T) (found []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("reading /proc: %v", err)
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil { // ended meanwhile
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			found = append(found, string(b[:min(40, len(b))]))
		}
	}
	return found
}
