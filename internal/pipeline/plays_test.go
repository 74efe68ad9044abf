package pipeline_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"bwv/internal/evidence"
	"bwv/internal/hls"
)

// files are all renditions of a record.
func (w *world) files(id evidence.ID) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, name := range w.names(id) {
		all[name] = w.file(id, name)
	}
	return all
}

// heardOf are the sounds that there is something to hear of, in the end.
func (s script) heardOf() (list []int) {
	for n := range s.sounds {
		if len(s.track(fmt.Sprintf("sound-%d.m3u8", n))) > 0 {
			list = append(list, n)
		}
	}
	return list
}

// plays checks everything that a finished proxy is, against the recording's script.
func (w *world) plays(id evidence.ID) {
	w.t.Helper()
	s, known := w.watch.scripts[id]
	if !known {
		w.t.Fatalf("%s is no recording of a script", id)
	}
	r := w.get(id)
	want := evidence.Proxy{State: evidence.ProxyReady, Width: 854, Height: 480, HasAudio: len(s.heardOf()) > 0, Tool: "ffmpeg 5.1.9", Profile: "-crf 26"}
	for _, t := range s.tracks() {
		m, err := hls.Parse([]byte(w.file(id, t)))
		if err != nil || !m.Ended {
			w.t.Fatalf("%s: %+v, %v", t, m, err)
		}
		if err := w.watch.begins(id, t, s, m); err != nil {
			w.t.Fatalf("%s: %v", t, err)
		}
		if w.file(id, m.Init) == "" {
			w.t.Fatalf("%s has no header %s", t, m.Init)
		}
		for _, segment := range m.Segments {
			want.Bytes += segment.Range.Bytes
			if t == evidence.Pictures {
				want.Seconds += segment.Seconds
			}
			if segment.Gap {
				want.Gaps += segment.Seconds
			}
		}
	}
	whole, _, _ := strings.Cut(s.chunks, "!")
	for n := range whole {
		want.Frames += int64(s.chunk(n).Frames)
	}
	got := r.Proxy
	got.At = want.At
	if got != want {
		w.t.Fatalf("proxy %+v, want %+v", got, want)
	}
	w.mastered(id, s)
	w.drawn(id, s, whole)
	for _, name := range w.names(id) {
		if strings.HasPrefix(name, "video/aside/") {
			w.t.Fatalf("%s was kept", name)
		}
	}
}

// tracks are the playlists that a master names.
func (s script) tracks() []string {
	list := []string{evidence.Pictures}
	for _, n := range s.heardOf() {
		list = append(list, fmt.Sprintf("sound-%d.m3u8", n))
	}
	return list
}

// mastered holds the master playlist to naming the pictures, and of the sounds those that can be heard.
func (w *world) mastered(id evidence.ID, s script) {
	w.t.Helper()
	var named []string
	for line := range strings.Lines(w.file(id, evidence.Master)) {
		if _, uri, ok := strings.Cut(strings.TrimSpace(line), `URI="`); ok {
			named = append(named, strings.TrimSuffix(uri, `"`))
		} else if !strings.HasPrefix(line, "#") {
			named = append([]string{strings.TrimSpace(line)}, named...)
		}
	}
	if fmt.Sprint(named) != fmt.Sprint(s.tracks()) {
		w.t.Fatalf("the master names %v, want %v", named, s.tracks())
	}
}

// drawn holds storyboard and waveform to the script.
func (w *world) drawn(id evidence.ID, s script, whole string) {
	w.t.Helper()
	var stills []hls.Still
	for n := range whole {
		if s.chunks[n] == 'X' {
			continue
		}
		for k, at := range evidence.Stills(s.chunk(n).Seconds()) {
			stills = append(stills, hls.Still{From: at, To: at + 5, URI: fmt.Sprintf("video/%05d.jpg", n), X: 160 * k, W: 160, H: 88})
		}
	}
	if got, want := w.file(id, evidence.Storyboard), string(hls.Stills(stills)); got != want {
		w.t.Fatalf("storyboard %s, want %s", got, want)
	}
	heard, got := s.heardOf(), []byte(w.file(id, evidence.Waveform))
	if len(heard) == 0 {
		if len(got) > 0 {
			w.t.Fatal("there is a waveform of no sound")
		}
		return
	}
	pairs := 0
	if heard[0] == 0 {
		for from := 0; from < len(s.text); from += stretch {
			if _, list := s.heard(0, from, min(from+stretch, len(s.text)), 0, evidence.Sound{}); list != nil {
				pairs += min(from+stretch, len(s.text)) - from
			}
		}
	}
	var head bytes.Buffer
	for _, v := range []uint32{1, 1, 8000, 800, uint32(pairs)} {
		_ = binary.Write(&head, binary.LittleEndian, v)
	}
	if want := head.String() + strings.Repeat("-+", pairs); string(got) != want {
		w.t.Fatalf("waveform %q, want %q", got, want)
	}
}
