package ffmpeg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/kinds"
)

// kept is what a reading handed out, as its stage would keep it.
type kept struct {
	saves  int
	last   evidence.Reading
	takes  map[[2]int]evidence.Take
	killed int // the save after which the invocation is killed; 0 is never
}

var errKilled = errors.New("killed")

func (k *kept) save(_ context.Context, now evidence.Reading, takes []evidence.Take) error {
	if k.takes == nil {
		k.takes = map[[2]int]evidence.Take{}
	}
	for _, take := range takes {
		k.takes[[2]int{take.Sound, take.Number}] = take
	}
	k.last = now
	if k.saves++; k.saves == k.killed {
		return errKilled
	}
	return nil
}

// sum is the digest at the reading's end.
func (k *kept) sum(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(k.last.State); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// read reads a recording to its end and checks what must be true of any.
func read(t *testing.T, tools *Tools, d *disk) *kept {
	t.Helper()
	k := &kept{}
	end, err := tools.Read(t.Context(), d.source(t), evidence.Reading{}, k.save)
	if err != nil {
		t.Fatal(err)
	}
	if end.Offset != d.whole() || !bytes.Equal(end.State, k.last.State) || end.Offset != k.last.Offset {
		t.Errorf("ended at %d of %d, kept %d", end.Offset, d.whole(), k.last.Offset)
	}
	if got, want := k.sum(t), digestOf(t, d.file); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if n := d.live.Load(); n != 0 {
		t.Errorf("%d bodies are still open", n)
	}
	for i, s := range k.last.Sounds {
		if !s.Ended || s.Next != nil || s.Name == "" || s.Failed == "" && s.Codecs != "mp4a.40.2" {
			t.Errorf("sound %d: %+v", i, s)
		}
		for n := range s.Takes {
			if _, ok := k.takes[[2]int{i, n}]; !ok {
				t.Errorf("take %d of sound %d was not handed out", n, i)
			}
		}
	}
	return k
}

func digestOf(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// file puts the takes of a sound behind each other, as a player does.
func (k *kept) file(t *testing.T, sound int) string {
	t.Helper()
	var b bytes.Buffer
	for n := range k.last.Sounds[sound].Takes {
		take := k.takes[[2]int{sound, n}]
		if n == 0 {
			b.Write(take.Init)
		}
		if first := k.takes[[2]int{sound, 0}]; !bytes.Equal(take.Init, first.Init) {
			t.Errorf("take %d of sound %d has another header", n, sound)
		}
		b.Write(take.Media)
	}
	file := filepath.Join(t.TempDir(), "sound.mp4")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// packet is one packet as ffprobe sees it.
type packet struct {
	pts, size int64
	hash      string
}

// packets are those of the n-th sound of a file.
func packets(t *testing.T, file string, n int) (list []packet) {
	t.Helper()
	out := command(t, "ffprobe", "-v", "error", "-f", "mov", "-select_streams", fmt.Sprintf("a:%d", n), "-show_packets", "-show_data_hash", "md5",
		"-show_entries", "packet=pts,size,data_hash", "-of", "csv=p=0", file)
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) < 3 {
			t.Fatalf("packet %q", line)
		}
		var p packet
		for i, into := range []*int64{&p.pts, &p.size} {
			v, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				t.Fatalf("packet %q: %v", line, err)
			}
			*into = v
		}
		p.hash = f[2]
		list = append(list, p)
	}
	return list
}

// decoded has ffmpeg play a file, which must go without a word.
func decoded(t *testing.T, file string) {
	t.Helper()
	if out := command(t, "ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", file, "-f", "null", "-"); out != "" {
		t.Errorf("playing: %s", out)
	}
}

// TestListen reads every kind of recording: each has its digest, and what is to be heard of it plays without a word.
func TestListen(t *testing.T) {
	tools := start(t, Config{})
	for _, kind := range kinds.List() {
		if !soundMatters(kind) {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			file := recordingOf(t, kind)
			d := &disk{file: file}
			k := read(t, tools, d)
			tracks, err := kinds.Sound(t.Context(), file)
			switch {
			case kind.Damage == kinds.NoMoov:
				if k.last.Sounds == nil || len(k.last.Sounds) > 0 {
					t.Errorf("sounds of what cannot be read: %+v", k.last.Sounds)
				}
				return
			case k.last.Sounds == nil: // TestGoneThrough has these
				return
			case err != nil:
				t.Fatal(err)
			case len(tracks) != len(k.last.Sounds):
				t.Fatalf("%d sounds of %d", len(k.last.Sounds), len(tracks))
			}
			for i, track := range tracks {
				if got := k.last.Sounds[i].Language; got != strings.TrimPrefix(track.Language, "und") && filepath.Ext(file) != ".mov" { // QuickTime counts languages
					t.Errorf("language %q, want %q", got, track.Language)
				}
				k.plays(t, i, track, kind)
			}
			if limit := d.whole()*11/10 + 1<<20; d.reads.Load() > limit {
				t.Errorf("read %d bytes of %d", d.reads.Load(), d.whole())
			}
		})
	}
}

// soundMatters leaves out the kinds that differ in their pictures alone.
func soundMatters(k kinds.Kind) bool {
	for _, prefix := range []string{"mp4", "mov", "avi", "mkv", "ts", "webm", "silent", "sound", "edit"} {
		if strings.HasPrefix(k.Name, prefix) {
			return true
		}
	}
	return k.Damage != kinds.Whole
}

// plays compares a sound with the track that it is of.
func (k *kept) plays(t *testing.T, i int, of kinds.Track, kind kinds.Kind) {
	t.Helper()
	s := k.last.Sounds[i]
	if s.Failed != "" || s.Takes == 0 || s.Note != "" && kind.Damage == kinds.Whole {
		t.Fatalf("%+v", s)
	}
	file := k.file(t, i)
	if kind.Damage != kinds.Corrupt {
		decoded(t, file)
	}
	list, err := kinds.Sound(t.Context(), file)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if got := list[0]; kind.Damage == kinds.Whole && (got.First.Seconds() > 0.0216 || math.Abs(got.End.Seconds()-of.End.Seconds()) > 0.05) {
		t.Errorf("heard from %.4f to %.4f s, and %.4f to %.4f in the recording", got.First.Seconds(), got.End.Seconds(), of.First.Seconds(), of.End.Seconds())
	}
	var peaks int
	for n := range s.Takes {
		take := k.takes[[2]int{i, n}]
		if peaks += len(take.Peaks); i > 0 && take.Peaks != nil {
			t.Errorf("take %d of sound %d has a waveform", n, i)
		}
	}
	if pairs := int(math.Ceil(list[0].End.Seconds() * evidence.PeaksRate)); i == 0 && (peaks/2 < pairs-1 || peaks/2 > pairs) {
		t.Errorf("%d pairs for %.2f s", peaks/2, list[0].End.Seconds())
	}
}

// TestResume kills the invocation at every save, before it is stored and behind it in turns: the same takes and the same digest in the end.
func TestResume(t *testing.T) {
	tools := start(t, Config{})
	picture := []string{"-f", "lavfi", "-i", "testsrc2=s=96x64:r=5:d=150", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-g", "10"}
	voice := func(filter string) []string {
		return []string{"-f", "lavfi", "-i", "sine=f=220:b=4:r=8000:d=150,vibrato=f=0.1:d=0.5", "-af", filter}
	}
	fragments := []string{"-movflags", "+frag_keyframe+empty_moov+default_base_moof"}
	several := []string{"-f", "lavfi", "-i", "sine=300:r=8000:d=100", "-f", "lavfi", "-i", "sine=500:r=8000:d=150,adelay=31337", "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:a"}
	for _, row := range []struct {
		name, file string
		args       [][]string
	}{
		{"copied", "a.mp4", [][]string{voice("anull"), picture, {"-c:a", "aac", "-aac_coder", "fast"}}},
		{"copied, with holes", "a.mp4", [][]string{voice("aselect=not(between(t\\,20\\,29.99)+between(t\\,70\\,135.5))"), picture, {"-c:a", "aac", "-aac_coder", "fast"}}},
		{"fragmented", "a.mp4", [][]string{voice("anull"), picture, {"-c:a", "aac", "-aac_coder", "fast"}, fragments}},
		{"coded", "a.mov", [][]string{voice("anull"), picture, {"-c:a", "pcm_s16le"}}},
		{"coded, fragmented", "a.mp4", [][]string{voice("anull"), picture, {"-c:a", "libmp3lame", "-ar", "16000"}, fragments}},
		{"forty minutes of nothing", "a.mp4", [][]string{{"-f", "lavfi", "-i", "color=s=32x32:r=1:d=5"}, {"-f", "lavfi", "-i", "sine=d=5,adelay=2400000"}, {"-c:v", "libx264", "-c:a", "aac", "-af", "aselect=gte(t\\,2400)"}}},
		{"read at once", "a.mp4", [][]string{voice("aformat=channel_layouts=mono"), {"-f", "lavfi", "-i", "color=s=32x32:r=1:d=150", "-c:v", "libx264"}, {"-c:a", "aac", "-b:a", "8k", "-ar", "8000"}}},
		{"several", "a.mp4", [][]string{{"-f", "lavfi", "-i", "testsrc2=s=96x64:r=5:d=150"}, voice("anull")[:4], several, picture[4:], {"-c:a:0", "ac3", "-c:a:1", "aac", "-c:a:2", "aac", "-aac_coder", "fast"}}},
		{"several, fragmented", "a.mp4", [][]string{{"-f", "lavfi", "-i", "testsrc2=s=96x64:r=5:d=150"}, voice("anull")[:4], several, picture[4:], {"-c:a", "aac", "-aac_coder", "fast"}, fragments}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := &disk{file: record(t, row.file, slices.Concat(inputsFirst(row.args)...)...)}
			want := read(t, tools, d)
			for i, s := range want.last.Sounds {
				if s.Failed != "" || s.Takes < 3 {
					t.Fatalf("sound %d: %+v", i, s)
				}
				decoded(t, want.file(t, i))
			}
			got := chain(t, tools, d)
			if got.sum(t) != want.sum(t) || !reflect.DeepEqual(got.last.Sounds, want.last.Sounds) || len(got.takes) != len(want.takes) {
				t.Errorf("ended with %+v, want %+v", got.last.Sounds, want.last.Sounds)
			}
			for n, take := range want.takes {
				if !reflect.DeepEqual(take, got.takes[n]) {
					t.Errorf("take %d of sound %d is another", n[1], n[0])
				}
			}
		})
	}
}

// inputsFirst puts inputs before outputs' options.
func inputsFirst(groups [][]string) [][]string {
	var in, out []string
	for _, g := range groups {
		for i := 0; i < len(g); {
			if g[i] == "-f" && i+3 < len(g) && g[i+2] == "-i" {
				in, i = append(in, g[i:i+4]...), i+4
				continue
			}
			out = append(out, g[i])
			i++
		}
	}
	return [][]string{in, out}
}

// chain reads a recording by invocations that live for one save each, and every other one dies before its save is stored.
func chain(t *testing.T, tools *Tools, d *disk) *kept {
	t.Helper()
	k := &kept{}
	for n := range 1000 {
		save := func(ctx context.Context, now evidence.Reading, takes []evidence.Take) error {
			if n%2 == 0 {
				return errKilled
			}
			k.killed = k.saves + 1
			return k.save(ctx, now, takes)
		}
		page, err := json.Marshal(k.last) // as it is stored
		if err != nil {
			t.Fatal(err)
		}
		var from evidence.Reading
		if err := json.Unmarshal(page, &from); err != nil {
			t.Fatal(err)
		}
		end, err := tools.Read(t.Context(), d.source(t), from, save)
		switch {
		case err == nil && end.Offset == d.whole():
			return k
		case !errors.Is(err, errKilled):
			t.Fatal(err)
		}
	}
	t.Fatal("it gets nowhere")
	return nil
}
