package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/kinds"
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

// attacker counts who comes to fetch something.
func attacker(t *testing.T) (url string, fetched *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fetched = &atomic.Int64{}
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
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String(), fetched
}

// TestHostile gives the tools every kind of file that was made to do harm: nothing is fetched, nothing is read, and each is done with in bounded time
// and memory, of this process too, with a verdict about the recording or with what could be seen of it.
func TestHostile(t *testing.T) {
	url, fetched := attacker(t)
	canary, touched := pipe(t)
	tools := start(t, Config{Limits: Limits{CPU: 2 * time.Second}, Timeout: 15 * time.Second})
	list := kinds.HostileList(kinds.Bait{URL: url, File: canary})
	if len(list) < 60 {
		t.Fatalf("only %d kinds", len(list))
	}
	t.Run("each", func(t *testing.T) { harmless(t, tools, list) })
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d connections to the attacker", n)
	}
	if touched(false) {
		t.Error("the canary was opened")
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if memory.Sys > 3<<30 { // the test holds what would go into the store
		t.Errorf("this process took %d MB", memory.Sys>>20)
	}
}

// harmless returns when all of the list is done with.
func harmless(t *testing.T, tools *Tools, list []kinds.Kind) {
	for _, kind := range list {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			file, err := kind.Make(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			d := &disk{file: file}
			src := d.source(t)
			began := time.Now()
			_, probed := tools.Probe(t.Context(), src)
			m, cut := tools.film(t.Context(), src)
			k := read(t, tools, d) // it has a digest
			for i, s := range k.last.Sounds {
				if s.Takes > 0 && s.Failed == "" {
					packets(t, k.file(t, i), 0)
				}
			}
			took := time.Since(began)
			for what, err := range map[string]error{"probe": probed, "proxy": cut} {
				if err != nil && !errors.Is(err, evidence.Unreadable) {
					t.Errorf("%s: %v: that is no verdict about a recording", what, err)
				}
			}
			if took > 8*time.Minute { // several children, each held to 2 s of CPU and 15 s
				t.Errorf("it took %s", took)
			}
			if n := d.live.Load(); n != 0 {
				t.Errorf("%d bodies are still open", n)
			}
			t.Logf("%s: probe %v; %d chunks, %v", took.Round(time.Millisecond), probed, len(m.clips), cut)
		})
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
	tools := start(t, Config{})
	d := &disk{file: refers}
	_, err := tools.Probe(t.Context(), d.source(t))
	_, err2 := tools.film(t.Context(), d.source(t))
	t.Log(err, err2)
	if touched(false) {
		t.Error("the canary was opened")
	}
}
