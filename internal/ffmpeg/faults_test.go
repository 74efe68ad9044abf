package ffmpeg

import (
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
	tools := open(t, Config{})
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
			s := newShelf(t)
			_, _, err := tools.Transcode(t.Context(), d.source(t), s.put)
			if !errors.Is(err, row.want) || errors.Is(err, evidence.Unreadable) || len(s.names) > 0 {
				t.Errorf("%v, stored %v", err, s.names)
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

// TestDrops breaks each connection every so often: nothing may be missing.
func TestDrops(t *testing.T) {
	tools := open(t, Config{})
	d := &disk{file: clip("udacity_solidWhiteRight_9s.mp4"), drop: 150_000}
	s, p, warnings := proxy(t, tools, d)
	if p.Frames != 221 || len(warnings) > 0 {
		t.Errorf("%+v %q", p, warnings)
	}
	playable(t, s, p)
	if d.opens.Load() < 15 {
		t.Errorf("only %d connections", d.opens.Load())
	}
}

// TestShort has a store that gives fewer bytes than the original's size: that is the store's failure, not the recording's.
func TestShort(t *testing.T) {
	tools := open(t, Config{})
	d := &disk{file: clip("udacity_solidWhiteRight_9s.mp4")}
	src := d.source(t)
	src.Original.Size += 1000
	if _, _, err := tools.Transcode(t.Context(), src, newShelf(t).put); !errors.Is(err, evidence.Unavailable) {
		t.Errorf("%v", err)
	}
}

// TestCancel ends a call in the middle: the child must be gone, whatever it was doing.
func TestCancel(t *testing.T) {
	tools := open(t, Config{Jobs: 1})
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
				_, _, err := tools.Transcode(ctx, src, newShelf(t).put)
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
	tools := open(t, Config{})
	tools.cfg.Timeout = 300 * time.Millisecond // from here on: asking for the version may take its time on a busy machine
	d := &disk{file: clip("intel_one-by-one-person_139s.mp4")}
	_, _, err := tools.Transcode(t.Context(), d.source(t), newShelf(t).put)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, evidence.Unreadable) {
		t.Errorf("%v", err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// stuck is a source that stops giving after its beginning.
type stuck struct{ *disk }

func (s stuck) Open(ctx context.Context, o evidence.Original, offset int64) (io.ReadCloser, error) {
	b, err := s.disk.Open(ctx, o, offset)
	return &waits{ReadCloser: b, ctx: ctx, left: 1_000_000}, err
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

// TestPutFails has a store that refuses one of the renditions: the playlist must not be stored before the rest.
func TestPutFails(t *testing.T) {
	tools := open(t, Config{})
	refused := errors.New("refused")
	file := record(t, "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1", "-c:v", "libx264")
	for _, name := range []string{evidence.ProxyFile, evidence.Poster, evidence.Playlist} {
		s := newShelf(t)
		_, _, err := tools.Transcode(t.Context(), (&disk{file: file}).source(t),
			func(ctx context.Context, r evidence.Rendition, b io.Reader) error {
				if r.Name == name {
					return refused
				}
				return s.put(ctx, r, b)
			})
		if !errors.Is(err, refused) || (len(s.names) > 0 && s.names[len(s.names)-1] == evidence.Playlist) {
			t.Errorf("%s: %v, stored %v", name, err, s.names)
		}
	}
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
