package kinds

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// facts are bytes that a hostile file must have: the lie itself, at its place.
func facts() map[string]string {
	return map[string]string{ // a box's type as text, then hexadecimal
		"count-stsz": "stsz 00000000 00000000 ffffffff", "count-stts": "stts 00000000 ffffffff", "count-stsc": "stsc 00000000 ffffffff",
		"count-stco": "stco 00000000 ffffffff", "count-stss": "stss 00000000 ffffffff", "count-ctts": "ctts 00000000 ffffffff", "count-stsd": "stsd 00000000 ffffffff",
		"count-samples-of-a-byte":  "stsz 00000000 00000001 3b9aca00",
		"count-samples-of-nothing": "stsz 00000000 00000000 3b9aca00",
		"count-times":              "stts 00000000 00000001 ffffffff 00000001",
		"count-chunk":              "stsc 00000000 00000001 00000001 ffffffff",
		"size-of-sample":           "stsz 00000000 00000000 00000001 7fffffff",
		"offsets-overflow":         "co64 00000000 00000002 ffffffffffffffff 8000000000000000",
		"keyframes-none":           "stss 00000000 00000000",
		"picture-65535":            "avc1 00000000 00000001 00000000 00000000 00000000 00000000 ffffffff",
		"edit-overflow":            "elst 01000000 00000002 ffffffffffffffff 7fffffffffffffff",
		"edit-count":               "elst 01000000 ffffffff",
		"refers-count":             "dref 00000000 ffffffff",
		"box-nested-1000":          "moov 00001f38 6d6f6f76 00001f30 6d6f6f76",
		"box-size-1-overflow":      "mdat ffffffffffffffff",
		"box-size-0-within":        "moov 00000000 7472616b 00000000",
		"fragment-billion":         "trun 00000000 3b9aca00",
		"fragment-time-overflow":   "tfdt 01000000 ffffffffffffffff",
		"fragment-sidx-self":       "sidx 01000000 00000001 000061a8 0000000000000000 ffffffffffffffc0 00000002 80000040",
		"fragment-mfro-size":       "mfro 00000000 ffffffff",
	}
}

func pattern(t *testing.T, fact string) []byte {
	t.Helper()
	kind, rest, _ := strings.Cut(fact, " ")
	b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(kind), b...)
}

// TestHostile makes each: small, quickly, where it belongs, and with its lie in it.
func TestHostile(t *testing.T) {
	bait := Bait{URL: "http://127.0.0.1:9", File: "/nowhere/canary.mov"}
	list, seen, facts := HostileList(bait), map[string]bool{}, facts()
	for _, k := range list {
		if seen[k.Name] || k.Words == "" || k.Intact != nil || strings.ContainsAny(k.Name, "/ ") {
			t.Errorf("%+v", k)
		}
		seen[k.Name] = true
		dir := t.TempDir()
		path, err := k.Make(t.Context(), dir)
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		b := content(t, path)
		if filepath.Dir(path) != dir || len(b) > 5<<20 {
			t.Errorf("%s: %d bytes at %s", k.Name, len(b), path)
		}
		if fact := facts[k.Name]; fact != "" && !bytes.Contains(b, pattern(t, fact)) {
			t.Errorf("%s: there is no %s", k.Name, fact)
		}
		if strings.HasPrefix(k.Name, "text-hls") && !bytes.Contains(b, []byte(bait.URL)) && !bytes.Contains(b, []byte(bait.File)) {
			t.Errorf("%s has no bait", k.Name)
		}
		delete(facts, k.Name)
	}
	for name := range facts {
		t.Errorf("there is no %s", name)
	}
	if len(list) < 200 {
		t.Errorf("%d kinds", len(list))
	}
}

func hostile(t *testing.T, name string, bait Bait) string {
	t.Helper()
	list := HostileList(bait)
	i := slices.IndexFunc(list, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	path, err := list[i].Make(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBait shows that who is careless takes it: a test that finds nothing fetched is worth something only then.
func TestBait(t *testing.T) {
	for name, args := range map[string][]string{
		"text-hls-url.mp4":    {"-protocol_whitelist", "file,crypto,data,http,tcp"},
		"text-hls-master.mov": {"-protocol_whitelist", "file,crypto,data,http,tcp"},
		"text-dash.mkv":       {"-protocol_whitelist", "file,crypto,data,http,tcp"},
		"text-concat-url.avi": {"-f", "concat", "-safe", "0", "-protocol_whitelist", "file,crypto,data,http,tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			fetched := make(chan error, 1)
			go func() {
				c, err := l.Accept()
				if err == nil {
					err = c.Close()
				}
				fetched <- err
			}()
			path := hostile(t, name, Bait{URL: "http://" + l.Addr().String(), File: "/nowhere/canary.mov"})
			_, _ = run(t.Context(), "ffprobe", append(args, "-v", "error", path)...) // it fails: the address has nothing
			_ = l.Close()                                                            // who has not connected by now never will
			if err := <-fetched; err != nil {
				t.Errorf("nothing was fetched: %v", err)
			}
		})
	}
}

// TestCanary does the same with a file: a named pipe, whose writer learns when anybody opens it to read.
func TestCanary(t *testing.T) {
	for name, args := range map[string][]string{
		"text-hls-file.mp4":    {"-allowed_extensions", "ALL"},
		"text-concat-file.mp4": {"-f", "concat", "-safe", "0"},
		"refers-alias":         {"-enable_drefs", "1", "-use_absolute_path", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			canary := filepath.Join(t.TempDir(), "canary.mov")
			if err := syscall.Mkfifo(canary, 0o600); err != nil {
				t.Fatal(err)
			}
			opened := make(chan error, 1)
			go func() {
				f, err := os.OpenFile(canary, os.O_WRONLY, 0) // waits for a reader
				opened <- err                                 // before the reader finds that there is nothing, and ends
				_ = f.Close()
			}()
			path := hostile(t, name, Bait{URL: "http://127.0.0.1:9", File: canary})
			ctx, done := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = run(ctx, "ffprobe", append(args, "-v", "error", path)...) // it fails: the canary is empty; or it opens it again, and waits
			}()
			var err error
			select {
			case err = <-opened:
			case <-ended:
				if len(opened) == 0 {
					err = errors.Join(errNothing, let(canary))
				}
			}
			done()
			<-ended
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// let lets a writer go that waits for a reader.
func let(pipe string) error {
	f, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// TestBombs decodes the first two pictures of each: they are what they claim, and a player would have to take them.
func TestBombs(t *testing.T) {
	for name, frames := range map[string]string{"bomb-jpeg": "1000", "bomb-h264": "10000"} {
		t.Run(name, func(t *testing.T) {
			path := hostile(t, name, Bait{})
			out, err := run(t.Context(), "ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "stream=width,height,nb_frames", path)
			if got := strings.TrimSpace(string(out)); err != nil || got != "16000,16000,"+frames {
				t.Errorf("%s %v", got, err)
			}
			out, err = run(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-threads", "1", "-i", path, "-frames:v", "2", "-vf", "scale=8:8:flags=neighbor,format=gray",
				"-f", "rawvideo", "-")
			if err != nil || len(out) != 2*8*8 || !bytes.Equal(out[:64], out[64:]) {
				t.Errorf("%d bytes, %v", len(out), err)
			}
		})
	}
}
