package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bwv/internal/evidence"
	"bwv/internal/kinds"
)

func TestMain(m *testing.M) {
	var err error
	if recordings.dir, err = os.MkdirTemp("", "bwv-kinds-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(recordings.dir)
		os.Exit(code)
	}))
}

// recordings are the kinds that tests share, since making one takes as long as a test of it.
var recordings struct {
	dir  string
	mu   sync.Mutex
	made map[string]func() (string, error)
}

// recordingOf is a recording of a kind, for reading alone.
func recordingOf(t *testing.T, kind kinds.Kind) string {
	t.Helper()
	recordings.mu.Lock()
	get := recordings.made[kind.Name]
	if get == nil {
		get = sync.OnceValues(func() (string, error) {
			dir := filepath.Join(recordings.dir, kind.Name)
			if err := os.Mkdir(dir, 0o700); err != nil {
				return "", err
			}
			return kind.Make(context.Background(), dir)
		})
		if recordings.made == nil {
			recordings.made = map[string]func() (string, error){}
		}
		recordings.made[kind.Name] = get
	}
	recordings.mu.Unlock()
	file, err := get()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// whole is how many bytes the store says that there are.
func (d *disk) whole() int64 {
	if d.claims > 0 {
		return d.claims
	}
	i, err := os.Stat(d.file)
	if err != nil {
		return 0
	}
	return i.Size()
}

// disk is evidence.Originals over one file, with faults.
type disk struct {
	file   string
	fail   int64 // from this offset on, reading gives err; 0 is never
	err    error
	drop   int64 // each connection breaks after so many bytes; 0 is never
	claims int64 // the size that it says to have; 0 is the file's
	opens  atomic.Int64
	reads  atomic.Int64 // bytes
	large  atomic.Int64 // the largest buffer that anybody read into
	live   atomic.Int64 // open bodies
}

func (d *disk) source(t *testing.T) evidence.Source {
	t.Helper()
	o, err := d.Stat(t.Context(), filepath.Base(d.file))
	if err != nil {
		t.Fatal(err)
	}
	return evidence.Source{Original: o, Store: d}
}

func (d *disk) Stat(_ context.Context, path string) (evidence.Original, error) {
	i, err := os.Stat(d.file)
	if err != nil {
		return evidence.Original{}, errors.Join(err, evidence.NotFound)
	}
	return evidence.Original{Path: path, Size: d.whole(), ETag: "0x8DC", Created: i.ModTime()}, nil
}

func (d *disk) Open(ctx context.Context, _ evidence.Original, offset, length int64) (io.ReadCloser, error) {
	d.opens.Add(1)
	if length <= 0 || offset < 0 || offset+length > d.whole() {
		return nil, fmt.Errorf("%d bytes at %d: %w", length, offset, evidence.Invalid)
	}
	if d.fail > 0 && offset >= d.fail {
		return nil, d.err
	}
	f, err := os.Open(d.file)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	d.live.Add(1)
	return &body{ctx: ctx, disk: d, f: f, offset: offset, end: offset + length}, nil
}

func (*disk) Delete(context.Context, evidence.Original) error { return evidence.Denied }

func (*disk) List(context.Context) iter.Seq2[evidence.Original, error] {
	return func(func(evidence.Original, error) bool) {}
}

type body struct {
	ctx    context.Context
	disk   *disk
	f      *os.File
	offset int64
	end    int64
	given  int64
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	d := b.disk
	if b.offset >= b.end {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.end-b.offset)]
	for old := d.large.Load(); int64(len(p)) > old && !d.large.CompareAndSwap(old, int64(len(p))); old = d.large.Load() {
	}
	if d.fail > 0 {
		if b.offset >= d.fail {
			return 0, d.err
		}
		p = p[:min(int64(len(p)), d.fail-b.offset)]
	}
	if d.drop > 0 {
		if b.given >= d.drop {
			return 0, io.ErrUnexpectedEOF
		}
		p = p[:min(int64(len(p)), d.drop-b.given)]
	}
	n, err := b.f.Read(p)
	b.offset += int64(n)
	b.given += int64(n)
	d.reads.Add(int64(n))
	return n, err
}

func (b *body) Close() error {
	b.disk.live.Add(-1)
	return b.f.Close()
}

// start opens tools that are closed with the test.
func start(t *testing.T, cfg Config) *Tools {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	tools, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tools.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return tools
}

// clip is one of the repository's recordings.
func clip(name string) string { return filepath.Join("..", "..", "testdata", name) }

// command runs ffmpeg or ffprobe for the test itself, on files it made.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.String())
	}
	return string(out)
}

// record makes a recording from ffmpeg's arguments.
func record(t *testing.T, name string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	command(t, "ffmpeg", append(append([]string{"-nostdin", "-v", "error", "-y"}, args...), file)...)
	return file
}

// made is a recording's pictures as they were made, chunk by chunk.
type made struct {
	outline evidence.Outline
	chunks  []evidence.Chunk
	clips   []evidence.Clip
	asides  map[string][]byte
	known   []evidence.Sound
	takes   []evidence.Take
}

func (m *made) Chunk(_ context.Context, c evidence.Chunk) error {
	m.chunks = append(m.chunks, c)
	return nil
}

func (m *made) Aside(_ context.Context, name string, body io.Reader) error {
	if m.asides == nil {
		m.asides = map[string][]byte{}
	}
	b, err := io.ReadAll(body)
	m.asides[name] = b
	return err
}

func (m *made) Sound(_ context.Context, known []evidence.Sound, takes []evidence.Take) error {
	m.known, m.takes = slices.Clone(known), append(m.takes, takes...)
	return nil
}

// film cuts a recording and makes all its chunks.
func (tools *Tools) film(ctx context.Context, src evidence.Source) (*made, error) {
	m := &made{}
	var err error
	if m.outline, err = tools.Cut(ctx, src, m); err != nil {
		return m, err
	}
	for _, c := range m.chunks {
		var aside evidence.Opener
		if c.Aside != "" {
			aside = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(m.asides[c.Aside])), nil
			}
		}
		clip, err := tools.Make(ctx, src, c, aside)
		if err != nil {
			return m, err
		}
		m.clips = append(m.clips, clip)
	}
	return m, nil
}

// write puts the chunks behind each other, as a player does, a new file wherever the header is another.
func (m *made) write(t *testing.T) (files []string) {
	t.Helper()
	var b bytes.Buffer
	for i, c := range m.clips {
		if i == 0 || !bytes.Equal(c.Init, m.clips[i-1].Init) {
			b.Reset()
			b.Write(c.Init)
			files = append(files, filepath.Join(t.TempDir(), fmt.Sprintf("proxy-%d.mp4", i)))
		}
		b.Write(c.Media)
		if err := os.WriteFile(files[len(files)-1], b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// notes are what the chunks complained of.
func (m *made) notes() (words []string) {
	for _, c := range m.clips {
		if c.Note != "" {
			words = append(words, c.Note)
		}
	}
	return append(words, m.outline.Warnings...)
}
