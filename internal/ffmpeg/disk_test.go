package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bwv/internal/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is evidence.Originals over one file, with faults.
type disk struct {
	file  string
	fail  int64 // from this offset on, reading gives err; 0 is never
	err   error
	drop  int64 // each connection breaks after so many bytes; 0 is never
	opens atomic.Int64
	reads atomic.Int64 // bytes
	large atomic.Int64 // the largest buffer that anybody read into
	live  atomic.Int64 // open bodies
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
	return evidence.Original{Path: path, Size: i.Size(), ETag: "0x8DC", Created: i.ModTime()}, nil
}

func (d *disk) Open(ctx context.Context, _ evidence.Original, offset int64) (io.ReadCloser, error) {
	d.opens.Add(1)
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
	return &body{ctx: ctx, disk: d, f: f, offset: offset}, nil
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
	given  int64
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	d := b.disk
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

// open gives tools whose temporary directory is the test's own, checked to be empty in the end.
func open(t *testing.T, cfg Config) *Tools {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	tools, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := os.ReadDir(tools.temp.dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the temporary directory: %v, %v", left, err)
		}
		if err := tools.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("left after closing: %v, %v", left, err)
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

// shelf keeps the renditions in a directory, in the order they came.
type shelf struct {
	dir   string
	names []string
	made  map[string]evidence.Rendition
}

func newShelf(t *testing.T) *shelf {
	return &shelf{dir: t.TempDir(), made: map[string]evidence.Rendition{}}
}

func (s *shelf) put(_ context.Context, r evidence.Rendition, b io.Reader) error {
	s.names = append(s.names, r.Name)
	s.made[r.Name] = r
	f, err := os.Create(filepath.Join(s.dir, r.Name))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, b)
	return errors.Join(err, f.Close())
}

func (s *shelf) path(name string) string { return filepath.Join(s.dir, name) }
