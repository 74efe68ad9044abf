package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"bwv/internal/evidence"
)

// pipe is a canary: a named pipe, whose writer learns when anybody opens it to read. touched tells that; with expect it waits for it.
func pipe(t *testing.T) (file string, touched func(expect bool) bool) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "canary.mov")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	var opened atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		f, err := os.OpenFile(file, os.O_WRONLY, 0) // waits for a reader
		opened.Store(true)
		if err == nil {
			_ = f.Close()
		}
	}()
	t.Cleanup(func() { <-done })
	return file, func(expect bool) bool {
		if expect {
			wait(t, opened.Load)
		}
		was := opened.Load()
		f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		<-done // the writer, if it still waits, has found this reader
		_ = f.Close()
		return was
	}
}

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
	canary, touched := pipe(t)
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
	if touched(false) {
		t.Error("the canary was opened")
	}
}

// alias rewrites a recording's data reference into one that names another file by its absolute path, as QuickTime could.
func alias(t *testing.T, file, path string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("\x00\x00\x00\x0curl \x00\x00\x00\x01"))
	if at < 0 {
		t.Fatal("no data reference")
	}
	// Version and flags, then the alias record: a volume, a name, no levels (they would make the path relative), and as type 2 the path.
	record := append([]byte("\x00\x00\x00\x00"), make([]byte, 10)...)
	record = append(append(record, 3), append([]byte("vol"), make([]byte, 24)...)...)
	record = append(append(record, make([]byte, 12)...), 10)
	record = append(append(record, []byte("canary.mov")...), make([]byte, 53)...)
	record = append(append(record, make([]byte, 16)...), 0, 0, 0, 0)
	record = append(record, make([]byte, 16)...)
	path += strings.Repeat("\x00", len(path)%2)
	record = append(record, 0, 2, 0, byte(len(path)))
	record = append(append(record, path...), 0xff, 0xff, 0, 0)
	entry := binary.BigEndian.AppendUint32(nil, uint32(8+len(record)))
	entry = append(append(entry, "alis"...), record...)
	grown := uint32(len(entry) - 12)
	for _, kind := range []string{"moov", "trak", "mdia", "minf", "dinf", "dref"} { // the moov is last: no chunk moves
		i := bytes.LastIndex(b[:at], []byte(kind)) - 4
		binary.BigEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:])+grown)
	}
	b = append(append(bytes.Clone(b[:at]), entry...), b[at+12:]...)
	out := filepath.Join(filepath.Dir(file), "refers.mov")
	if err := os.WriteFile(out, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestReferences has a real recording whose media lie in another file, by name. A careless ffprobe opens it, which shows that the test sees it.
func TestReferences(t *testing.T) {
	file := record(t, "a.mov", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "-c:v", "libx264")
	canary, touched := pipe(t)
	refers := alias(t, file, canary)
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-enable_drefs", "1", "-use_absolute_path", "1", refers)
	_ = cmd.Run() // the pipe is empty: it fails
	touched(true)
	canary, touched = pipe(t)
	refers = alias(t, file, canary)
	tools := open(t, Config{})
	d := &disk{file: refers}
	_, err := tools.Probe(t.Context(), d.source(t))
	_, _, err2 := tools.Transcode(t.Context(), d.source(t), newShelf(t).put)
	t.Log(err, err2)
	if touched(false) {
		t.Error("the canary was opened")
	}
}
