package ffmpeg

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// TestHostile proves that a disguised file makes nobody fetch or read anything: a listener counts, and no child runs at all.
func TestHostile(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var fetched atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fetched.Add(1)
			_ = c.Close()
		}
	}()
	defer func() { _ = l.Close(); <-done }()

	dir := t.TempDir()
	canary := record(t, "canary.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "-c:v", "libx264")
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	files, err := filepath.Glob(clip("hostile/*"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%v: %v", files, err)
	}
	texts := map[string]string{
		"hls-url.mp4":     "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:" + port + "/x.ts\n#EXT-X-ENDLIST\n",
		"hls-file.mp4":    "#EXTM3U\n#EXTINF:1,\nfile://" + canary + "\n#EXT-X-ENDLIST\n",
		"hls-mark.mp4":    "\xef\xbb\xbf#EXTM3U\n#EXTINF:1,\n" + canary + "\n#EXT-X-ENDLIST\n",
		"concat-file.mp4": "ffconcat version 1.0\nfile '" + canary + "'\n",
		"dash.mp4":        "<?xml version=\"1.0\"?><MPD><BaseURL>http://127.0.0.1:" + port + "/</BaseURL></MPD>",
		"sdp.mp4":         "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video " + port + " RTP/AVP 96\n",
		// behind a first box that is one: the demuxer is told to be mov, so the rest is not a playlist to it
		"boxed.mp4": "\x00\x00\x00\x08free#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:" + port + "/x.ts\n#EXT-X-ENDLIST\n",
	}
	for name, text := range texts {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	before := accessed(t, canary)
	tools := open(t, Config{})
	tools.ffmpeg.path, tools.ffprobe.path = "/nonexistent/ffmpeg", "/nonexistent/ffprobe" // running one would be another error
	for _, file := range files {
		d := &disk{file: file}
		_, err := tools.Probe(t.Context(), d.source(t))
		_, _, err2 := tools.Transcode(t.Context(), d.source(t), newShelf(t).put)
		t.Logf("%v", err)
		if !errors.Is(err, evidence.Unreadable) || !errors.Is(err2, evidence.Unreadable) {
			t.Errorf("%s: %v; %v", file, err, err2)
		}
	}
	if fetched.Load() != 0 {
		t.Errorf("%d connections to the attacker", fetched.Load())
	}
	if now := accessed(t, canary); !now.Equal(before) {
		t.Errorf("the canary was read at %s", now)
	}
}

// TestReferences runs the children on real containers that refer to other files.
func TestReferences(t *testing.T) {
	tools := open(t, Config{})
	canary := record(t, "canary.mov", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "-c:v", "libx264", "-metadata:s:v:0", "title=canary")
	b, err := os.ReadFile(canary)
	if err != nil {
		t.Fatal(err)
	}
	// A data reference without the flag "in this file" makes mov look for the media under a name, which is here.
	i := strings.Index(string(b), "url \x00\x00\x00\x01")
	if i < 0 {
		t.Fatal("no data reference")
	}
	b[i+7] = 0
	file := filepath.Join(filepath.Dir(canary), "refers.mov")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	before := accessed(t, canary)
	d := &disk{file: file}
	if _, err := tools.Probe(t.Context(), d.source(t)); err != nil {
		t.Log(err)
	}
	if now := accessed(t, canary); !now.Equal(before) {
		t.Errorf("the canary was read at %s", now)
	}
}

// TestSourceFails wants the store's error, never a verdict about the recording.
func TestSourceFails(t *testing.T) {
	tools := open(t, Config{})
	file := clip("intel_car-detection_30s.mp4")
	gone := errors.New("the blob is gone")
	for _, row := range []struct {
		name string
		kind error
		want error
	}{
		{"not found", errors.Join(gone, evidence.NotFound), evidence.NotFound},
		{"conflict", evidence.Conflict, evidence.Conflict},
		{"unavailable", evidence.Unavailable, evidence.Unavailable},
		{"no kind", gone, gone},
	} {
		for _, at := range []int64{1, 100_000, 1_500_000, 2_700_000} {
			t.Run(row.name+" at "+strconv.FormatInt(at, 10), func(t *testing.T) {
				d := &disk{file: file, fail: at, err: row.kind}
				s := newShelf(t)
				_, _, err := tools.Transcode(t.Context(), d.source(t), s.put)
				if !errors.Is(err, row.want) || errors.Is(err, evidence.Unreadable) || len(s.names) > 0 {
					t.Errorf("%v, stored %v", err, s.names)
				}
				if at <= 100_000 {
					if _, err := tools.Probe(t.Context(), d.source(t)); !errors.Is(err, row.want) || errors.Is(err, evidence.Unreadable) {
						t.Errorf("probe: %v", err)
					}
				}
				if d.live.Load() != 0 {
					t.Errorf("%d bodies are still open", d.live.Load())
				}
			})
		}
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

// TestShort has a store that gives fewer bytes than the original's size.
func TestShort(t *testing.T) {
	tools := open(t, Config{})
	d := &disk{file: clip("udacity_solidWhiteRight_9s.mp4")}
	src := d.source(t)
	src.Original.Size += 1000
	if _, _, err := tools.Transcode(t.Context(), src, newShelf(t).put); !errors.Is(err, evidence.Unavailable) && err != nil {
		t.Errorf("%v", err)
	}
	if _, err := tools.Probe(t.Context(), evidence.Source{Original: evidence.Original{Path: "x", Size: 100_000_000}, Store: d}); err == nil {
		t.Log("the index came first")
	}
}

// TestCancel ends a call in the middle: the child must be gone, whatever it was doing.
func TestCancel(t *testing.T) {
	tools := open(t, Config{Jobs: 1})
	for _, end := range []string{"call", "timeout", "slow source"} {
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
			want := context.Canceled
			if end == "timeout" {
				cancel()
			} else {
				cancel()
			}
			select {
			case err := <-stopped:
				if !errors.Is(err, want) || errors.Is(err, evidence.Unreadable) {
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
	tools := open(t, Config{Timeout: 300 * time.Millisecond})
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
	for _, name := range []string{evidence.ProxyFile, evidence.Poster, evidence.Playlist} {
		s := newShelf(t)
		_, _, err := tools.Transcode(t.Context(), (&disk{file: clip("udacity_solidWhiteRight_9s.mp4")}).source(t),
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
