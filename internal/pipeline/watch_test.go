package pipeline_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"bwv/internal/evidence"
	"bwv/internal/hls"
	"bwv/internal/memory"
)

// watch sees every version of every playlist that is written: each must be a beginning of what the recording's script says, of parts that are there.
type watch struct {
	*memory.Renditions
	w *world

	mu      sync.Mutex
	scripts map[evidence.ID]script
	last    map[string]*hls.Media // by record and name: only ever longer, until it is deleted
	swaps   int
	lost    int               // conflicts
	before  func(call string) // of each mutating call: what it does, and to which rendition
	lose    string            // the rendition whose next writing is lost
	again   func() bool       // whether a client tries a swap again that was stored: it is told that somebody else was faster
}

func (v *watch) Put(ctx context.Context, id evidence.ID, r evidence.Rendition, body io.Reader) error {
	v.about("put " + r.Name)
	if v.loses(r.Name) {
		return fmt.Errorf("storing %s: %w", r.Name, evidence.Unavailable)
	}
	return v.Renditions.Put(ctx, id, r, body)
}

// DeleteAll takes one after the other, in order, as the blob service does: others move between.
func (v *watch) DeleteAll(ctx context.Context, id evidence.ID, prefix string) error {
	names, err := v.List(ctx, id)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		v.about("delete " + name)
		v.mu.Lock()
		delete(v.last, string(id)+"/"+name)
		err := v.Renditions.DeleteAll(ctx, id, name)
		v.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *watch) Swap(ctx context.Context, id evidence.ID, r evidence.Rendition, text []byte, version string) error {
	v.about("swap " + r.Name)
	if v.loses(r.Name) {
		return fmt.Errorf("storing %s: %w", r.Name, evidence.Unavailable)
	}
	if !strings.HasSuffix(r.Name, ".m3u8") {
		return v.Renditions.Swap(ctx, id, r, text, version)
	}
	m, err := hls.Parse(text)
	if err != nil {
		v.w.t.Errorf("%s of %s is to be %v:\n%s", r.Name, id, err, text)
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	err = v.Renditions.Swap(ctx, id, r, text, version)
	v.swaps++
	if errors.Is(err, evidence.Conflict) {
		v.lost++
	}
	if now, _, e := v.Renditions.Load(context.WithoutCancel(ctx), id, r.Name); e == nil && string(now) == string(text) { // whatever the caller was told
		v.written(id, r.Name, m)
	}
	if err == nil && v.again != nil && v.again() {
		return fmt.Errorf("%s of %s moved on: %w", r.Name, id, evidence.Conflict)
	}
	return err
}

func (v *watch) loses(name string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lose != name {
		return false
	}
	v.lose = ""
	return true
}

func (v *watch) about(call string) {
	if v.before != nil {
		v.before(call)
	}
	runtime.Gosched() // let somebody else move between the look and the write
}

// written checks a playlist that is there from now on.
func (v *watch) written(id evidence.ID, name string, m *hls.Media) {
	v.w.t.Helper()
	key := string(id) + "/" + name
	if was := v.last[key]; was != nil {
		if len(m.Segments) < len(was.Segments) || was.Ended && !m.Ended || !reflect.DeepEqual(m.Segments[:len(was.Segments)], was.Segments) {
			v.w.t.Errorf("%s went from %+v to %+v", key, was, m)
		}
		if was.Ended && len(m.Segments) > len(was.Segments) {
			v.w.t.Errorf("%s had ended, and goes on", key)
		}
	}
	v.last[key] = m
	if s, known := v.scripts[id]; known {
		if err := v.begins(id, name, s, m); err != nil {
			v.w.t.Errorf("%s: %v", key, err)
		}
	}
}

// begins tells whether m is a beginning of the track that the script says, and plays: all of its parts are there, each of some version of the tool.
func (v *watch) begins(id evidence.ID, name string, s script, m *hls.Media) error {
	want := s.track(name)
	if len(m.Segments) > len(want) {
		return fmt.Errorf("%d segments, of %d", len(m.Segments), len(want))
	}
	for n, got := range m.Segments {
		head, err := v.file(id, cmp.Or(got.Init, m.Init))
		if !got.Gap && want[n].header != "" && (err != nil || string(head) != want[n].header) {
			return fmt.Errorf("segment %d, %+v, is to be played with %q, %v", n, got, head, err)
		}
		if got.URI != want[n].uri || got.Seconds != float64(want[n].milliseconds)/1000 || got.Gap != want[n].gap {
			return fmt.Errorf("segment %d is %+v, want %+v", n, got, want[n])
		}
		if got.Gap {
			continue
		}
		file, err := v.file(id, got.URI)
		if err != nil || int64(len(file)) < got.Range.Offset+got.Range.Bytes {
			return fmt.Errorf("segment %d, %+v, of a file of %d bytes: %v", n, got, len(file), err)
		}
		if body := string(file[got.Range.Offset:][:got.Range.Bytes]); body != want[n].body && !strings.HasPrefix(body, strings.TrimSuffix(want[n].body, "0;")) {
			return fmt.Errorf("segment %d, %+v, is %q, want %q", n, got, body, want[n].body)
		}
	}
	if m.Ended != (len(m.Segments) == len(want)) && m.Ended {
		return fmt.Errorf("it ends after %d of %d segments", len(m.Segments), len(want))
	}
	return nil
}

func (v *watch) file(id evidence.ID, name string) ([]byte, error) {
	body, err := v.Get(context.Background(), id, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// segment is one that a track must have.
type segment struct {
	piece
	uri    string
	gap    bool
	header string
}

// track is all that a finished playlist must name.
func (s script) track(name string) (list []segment) {
	if name == evidence.Pictures {
		whole, _, _ := strings.Cut(s.chunks, "!")
		for n := range whole {
			c, uri := s.chunk(n), fmt.Sprintf("video/%05d.mp4", n)
			if s.chunks[n] == 'X' {
				list = append(list, segment{piece{"", c.End - c.Start}, uri, true, ""})
				continue
			}
			for _, p := range pieces(c, 0) {
				list = append(list, segment{p, uri, false, header(s.chunks[n : n+1])})
			}
		}
		return list
	}
	var n int
	if _, err := fmt.Sscanf(name, "sound-%d.m3u8", &n); err != nil || n >= len(s.sounds) {
		return nil
	}
	var now evidence.Sound
	for from := 0; from < len(s.text); from += stretch {
		var heard []piece
		now, heard = s.heard(n, from, min(from+stretch, len(s.text)), 0, now)
		for _, p := range heard {
			list = append(list, segment{p, fmt.Sprintf("sound-%d/%05d.mp4", n, now.Takes-1), false, "sound"})
		}
	}
	return list
}
