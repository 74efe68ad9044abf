package ffmpeg

import (
	"encoding/json"
	"fmt"
	"image/jpeg"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

// packets are one stream of a file, as ffprobe sees them.
type packets struct {
	Codec   string
	Width   int
	Height  int
	Times   []float64 // decode times, seconds
	Shows   []float64 // presentation times, as they come
	Rotated bool
}

func inspect(t *testing.T, file string) map[string]packets {
	t.Helper()
	var a struct {
		Packets []struct {
			Type string `json:"codec_type"`
			PTS  string `json:"pts_time"`
			DTS  string `json:"dts_time"`
		} `json:"packets"`
		Streams []probed `json:"streams"`
	}
	out := command(t, "ffprobe", "-v", "error", "-f", "mov", "-show_packets", "-show_streams", "-of", "json", file)
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	found := map[string]packets{}
	for _, s := range a.Streams {
		found[s.Type] = packets{Codec: s.Codec, Width: s.Width, Height: s.Height, Rotated: len(s.Side) > 0 || s.Tags["rotate"] != ""}
	}
	for _, p := range a.Packets {
		s := found[p.Type]
		s.Times, s.Shows = append(s.Times, seconds(p.DTS)), append(s.Shows, seconds(p.PTS))
		found[p.Type] = s
	}
	return found
}

// playable checks everything that a player relies on, and gives back the streams.
func playable(t *testing.T, s *shelf, p evidence.Proxy) map[string]packets {
	t.Helper()
	if want := []string{evidence.ProxyFile, evidence.Poster, evidence.Playlist}; !slices.Equal(s.names, want) {
		t.Fatalf("renditions %v, not %v", s.names, want)
	}
	for name, r := range s.made {
		if r.Provenance["tool"] == "" || r.Provenance["parameters"] == "" || r.Provenance["originaletag"] != "0x8DC" || r.ContentType == "" {
			t.Errorf("%s: %+v", name, r)
		}
		if strings.Contains(fmt.Sprint(r.Provenance), "127.0.0.1") {
			t.Errorf("%s: the loopback address is in its provenance", name)
		}
	}
	streams := inspect(t, s.path(evidence.ProxyFile))
	video := streams["video"]
	if video.Codec != "h264" || video.Rotated || video.Width != p.Width || video.Height != p.Height || int64(len(video.Times)) != p.Frames || p.Frames == 0 {
		t.Errorf("video %s %dx%d, rotated %t, %d frames; the proxy says %+v", video.Codec, video.Width, video.Height, video.Rotated, len(video.Times), p)
	}
	if min(p.Width, p.Height) > shorter || p.Width%2 != 0 || p.Height%2 != 0 {
		t.Errorf("%dx%d", p.Width, p.Height)
	}
	if end := slices.Max(video.Shows); p.Seconds <= end || p.Seconds > end+0.2 {
		t.Errorf("the last picture is due at %.3f, the proxy says that it ends at %.3f", end, p.Seconds)
	}
	audio, sound := streams["audio"]
	if sound != p.HasAudio || (sound && audio.Codec != "aac") {
		t.Errorf("sound: %t %s, the proxy says %t", sound, audio.Codec, p.HasAudio)
	}
	for kind, s := range streams {
		for i, at := range s.Times {
			if at < 0 || s.Shows[i] < 0 || (i > 0 && at <= s.Times[i-1]) {
				t.Errorf("%s packet %d: decoded at %f, shown at %f, after %v", kind, i, at, s.Shows[i], s.Times[max(0, i-1)])
				break
			}
		}
	}
	playlist(t, s, p)
	f, err := os.Open(s.path(evidence.Poster))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, err := jpeg.DecodeConfig(f); err != nil || c.Width != p.Width || c.Height != p.Height {
		t.Errorf("poster %dx%d, %v", c.Width, c.Height, err)
	}
	return streams
}

// playlist checks tags, durations and ranges; each range must begin with a fragment of its own.
func playlist(t *testing.T, s *shelf, p evidence.Proxy) {
	t.Helper()
	text, err := os.ReadFile(s.path(evidence.Playlist))
	if err != nil {
		t.Fatal(err)
	}
	media, err := os.ReadFile(s.path(evidence.ProxyFile))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(media)) != p.Bytes {
		t.Errorf("%d bytes, the proxy says %d", len(media), p.Bytes)
	}
	for _, tag := range []string{"#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-MAP:URI=\"proxy.mp4\"", "#EXT-X-ENDLIST"} {
		if !strings.Contains(string(text), tag) {
			t.Errorf("no %s in the playlist", tag)
		}
	}
	total, next := 0.0, -1
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if d, ok := strings.CutPrefix(line, "#EXTINF:"); ok {
			total += seconds(strings.TrimSuffix(d, ","))
		}
		if _, span, ok := strings.Cut(line, "BYTERANGE"); ok {
			length, offset, _ := strings.Cut(strings.Trim(span, `=:"`), "@")
			n, err1 := strconv.Atoi(length)
			from, err2 := strconv.Atoi(offset)
			if err1 != nil || err2 != nil || from != max(0, next) || from+n > len(media) {
				t.Fatalf("range %q after %d of %d", span, next, len(media))
			}
			if kind := string(media[from+4 : from+8]); (from == 0 && kind != "ftyp") || (from > 0 && kind != "moof" && kind != "styp" && kind != "sidx") {
				t.Errorf("the range at %d begins with %q", from, kind)
			}
			next = from + n
		} else if line != "" && line[0] != '#' && line != evidence.ProxyFile {
			t.Errorf("the playlist names %q", line)
		}
	}
	if next != len(media) {
		t.Errorf("ranges up to %d of %d", next, len(media))
	}
	if math.Abs(total-p.Seconds) > 0.001 {
		t.Errorf("segments of %.3f s, the picture has %.3f", total, p.Seconds)
	}
}

// proxy transcodes a file that must work.
func proxy(t *testing.T, tools *Tools, d *disk) (*shelf, evidence.Proxy, []string) {
	t.Helper()
	s := newShelf(t)
	p, warnings, err := tools.Transcode(t.Context(), d.source(t), s.put)
	if err != nil {
		t.Fatal(err)
	}
	return s, p, warnings
}
