package blob

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"bwv/internal/evidence"
	"bwv/internal/standin/azurite"
)

// cutter is a TCP proxy that cuts each connection after so many bytes from the service.
type cutter struct {
	listener net.Listener
	after    atomic.Int64 // bytes; 0 never
	cuts     atomic.Int32
	passed   atomic.Int64 // bytes from the service, of connections that were not to be cut
	group    sync.WaitGroup
}

func cut(t *testing.T) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: listener}
	c.group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			c.group.Go(func() { c.serve(client) })
		}
	})
	t.Cleanup(func() { _ = listener.Close() })
	return c
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	service, err := net.Dial("tcp", stands.server.Addr())
	if err != nil {
		return
	}
	defer service.Close()
	c.group.Go(func() {
		_, _ = io.Copy(service, client)
		_ = service.Close()
	})
	if after := c.after.Load(); after > 0 {
		_, err = io.CopyN(client, service, after)
		if err == nil {
			c.cuts.Add(1)
			_ = client.(*net.TCPConn).SetLinger(0) // a reset, as a broken network gives
		}
		return
	}
	_, _ = io.Copy(io.MultiWriter(client, tally{&c.passed}), service)
}

type tally struct{ n *atomic.Int64 }

func (c tally) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func (c *cutter) open(t *testing.T, cfg Config) *Store {
	t.Helper()
	cfg.ConnectionString = azurite.ConnectionString(c.listener.Addr().String())
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// TestResume reads a file over connections that break every 300 kB.
func TestResume(t *testing.T) {
	cfg, client := containers(t)
	body := random(3 << 20)
	upload(t, client, cfg.Footage, "a", body, nil)
	c := cut(t)
	c.after.Store(300_000)
	s := c.open(t, cfg)
	o, err := s.Originals().Stat(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int64{{0, 3 << 20}, {1 << 20, 2 << 20}, {1<<20 + 1, 1<<20 + 1}} {
		reader, err := s.Originals().Open(t.Context(), o, part[0], part[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(reader)
		if err != nil || !bytes.Equal(got, body[part[0]:part[0]+part[1]]) {
			t.Fatalf("%d bytes at %d, not the right %d: %v", len(got), part[0], part[1], err)
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.cuts.Load(); n < 5 {
		t.Fatalf("only %d connections were cut", n)
	}
}

// TestNoByteMore reads little of much, and closes early: the service is not asked for the rest, which costs money and time even where nobody reads it.
func TestNoByteMore(t *testing.T) {
	cfg, client := containers(t)
	body := random(16 << 20)
	upload(t, client, cfg.Footage, "a", body, nil)
	c := cut(t)
	s := c.open(t, cfg)
	o, err := s.Originals().Stat(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	before, asked := c.passed.Load(), int64(0)
	for n := range int64(20) {
		offset, length := n*700_000, 1000+n
		asked += length
		reader, err := s.Originals().Open(t.Context(), o, offset, length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(reader)
		if err != nil || !bytes.Equal(got, body[offset:offset+length]) {
			t.Fatalf("%d bytes at %d: %d, %v", length, offset, len(got), err)
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if came := c.passed.Load() - before; came < asked || came > asked+20*2000 {
		t.Fatalf("%d bytes came, %d were asked for", came, asked)
	}
}

// TestSwapOverABrokenConnection loses the answer of every write: the client tries again, and its own text is there, once. What it is told is a
// conflict, or an outage, and never that all is well where it is not.
func TestSwapOverABrokenConnection(t *testing.T) {
	cfg, _ := containers(t)
	c := cut(t)
	s := c.open(t, cfg)
	const id = evidence.ID("lambeth-202611-aaaaaaaaaaaaaaaaaaaa")
	swap := func(text, version string) error {
		return s.Pages().Swap(t.Context(), id, evidence.Rendition{Name: "a"}, []byte(text), version)
	}
	c.after.Store(1) // one byte of the answer, which so does not come
	if err := swap("first", ""); !errors.Is(err, evidence.Conflict) && !errors.Is(err, evidence.Unavailable) {
		t.Fatalf("every answer was lost: %v", err)
	}
	c.after.Store(0)
	text, version, err := s.Pages().Load(t.Context(), id, "a")
	if err != nil || string(text) != "first" {
		t.Fatalf("%q, %v", text, err)
	}
	if err := swap("second", version); err != nil {
		t.Fatal(err)
	}
	if err := swap("third", version); !errors.Is(err, evidence.Conflict) {
		t.Fatal(err)
	}
}

// TestResumeOfAnother replaces or deletes the file while it is read, and breaks the connection.
func TestResumeOfAnother(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, client *azblob.Client, container string)
		want      evidence.Kind
	}{
		"replaced": {func(t *testing.T, client *azblob.Client, container string) {
			if _, err := client.UploadBuffer(t.Context(), container, "a", random(4<<20), nil); err != nil {
				t.Fatal(err)
			}
		}, evidence.Conflict},
		"deleted": {func(t *testing.T, client *azblob.Client, container string) {
			if _, err := client.DeleteBlob(t.Context(), container, "a", nil); err != nil {
				t.Fatal(err)
			}
		}, evidence.Conflict}, // so Azurite; Azure may say NotFound
	} {
		t.Run(name, func(t *testing.T) {
			cfg, client := containers(t)
			upload(t, client, cfg.Footage, "a", random(3<<20), nil)
			proxy := cut(t)
			proxy.after.Store(200_000)
			s := proxy.open(t, cfg)
			o, err := s.Originals().Stat(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			reader, err := s.Originals().Open(t.Context(), o, 0, o.Size)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			if _, err := io.CopyN(io.Discard, reader, 1000); err != nil {
				t.Fatal(err)
			}
			c.meanwhile(t, client, cfg.Footage)
			if n, err := io.Copy(io.Discard, reader); !errors.Is(err, c.want) || n > 250_000 {
				t.Fatalf("read %d bytes on, then %v, want %q", n, err, c.want)
			}
		})
	}
}

// TestNobodyThere is an outage.
func TestNobodyThere(t *testing.T) {
	cfg, _ := containers(t)
	c := cut(t)
	s := c.open(t, cfg)
	if err := c.listener.Close(); err != nil {
		t.Fatal(err)
	}
	id := evidence.ID("lambeth-202611-aaaaaaaaaaaaaaaaaaaa")
	o := evidence.Original{Path: "a", ETag: "0x1", Size: 5}
	var group sync.WaitGroup
	for name, call := range map[string]func() error{
		"stat":   func() error { _, err := s.Originals().Stat(t.Context(), "a"); return err },
		"open":   func() error { _, err := s.Originals().Open(t.Context(), o, 0, o.Size); return err },
		"delete": func() error { return s.Originals().Delete(t.Context(), o) },
		"list": func() (err error) {
			for _, err = range s.Originals().List(t.Context()) {
			}
			return err
		},
		"put": func() error {
			return s.Renditions().Put(t.Context(), id, evidence.Rendition{Name: "a"}, strings.NewReader("x"))
		},
		"load": func() error { _, _, err := s.Pages().Load(t.Context(), id, "a"); return err },
		"swap": func() error {
			return s.Pages().Swap(t.Context(), id, evidence.Rendition{Name: "a"}, []byte("x"), "0x1")
		},
		"delete all": func() error { return s.Renditions().DeleteAll(t.Context(), id, "") },
		"ready":      func() error { return s.Ready(t.Context()) },
	} {
		group.Go(func() { // at once, since each is repeated for some seconds
			if err := call(); !errors.Is(err, evidence.Unavailable) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	group.Wait()
}
