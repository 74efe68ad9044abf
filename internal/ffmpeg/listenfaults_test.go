package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"bwv/internal/evidence"
)

// TestListenFaults wants the store's errors as they are, and its dropped connections mended.
func TestListenFaults(t *testing.T) {
	tools := start(t, Config{})
	file := clip("gopro_hero5_karma_12s.mp4")
	want := read(t, tools, &disk{file: file})
	t.Run("drops", func(t *testing.T) {
		d := &disk{file: file, drop: 100_000}
		if got := read(t, tools, d); !reflect.DeepEqual(got.takes, want.takes) || d.opens.Load() < 40 {
			t.Errorf("%d takes over %d connections", len(got.takes), d.opens.Load())
		}
	})
	for _, kind := range []evidence.Kind{evidence.NotFound, evidence.Conflict, evidence.Unavailable} {
		for _, at := range []int64{1, 1000, 2_000_000, 4_100_000} {
			t.Run(fmt.Sprintf("%s at %d", kind, at), func(t *testing.T) {
				d := &disk{file: file, fail: at, err: kind}
				k := &kept{}
				_, err := tools.Read(t.Context(), d.source(t), evidence.Reading{}, k.save)
				if !errors.Is(err, kind) || errors.Is(err, evidence.Unreadable) || k.last.Offset > at+gulp {
					t.Errorf("%v, kept %d", err, k.last.Offset)
				}
				if n := d.live.Load(); n != 0 {
					t.Errorf("%d bodies are still open", n)
				}
			})
		}
	}
	t.Run("short", func(t *testing.T) {
		d := &disk{file: file, claims: want.last.Offset + 1000}
		if _, err := tools.Read(t.Context(), d.source(t), evidence.Reading{}, (&kept{}).save); !errors.Is(err, evidence.Unavailable) {
			t.Errorf("%v", err)
		}
	})
	t.Run("save", func(t *testing.T) {
		k := &kept{killed: 1}
		if _, err := tools.Read(t.Context(), (&disk{file: file}).source(t), evidence.Reading{}, k.save); !errors.Is(err, errKilled) || k.saves != 1 {
			t.Errorf("%v after %d saves", err, k.saves)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		save := func(context.Context, evidence.Reading, []evidence.Take) error { cancel(); return nil }
		if _, err := tools.Read(ctx, (&disk{file: file}).source(t), evidence.Reading{}, save); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	for name, from := range map[string]evidence.Reading{
		"another state": {Offset: 1000, State: []byte("x"), Sounds: want.last.Sounds},
		"another size":  {Offset: 1 << 40, State: want.last.State, Sounds: want.last.Sounds},
		"other sounds":  {Offset: 1000, State: want.last.State, Sounds: []evidence.Sound{}},
		"another mark":  {Offset: 1000, State: want.last.State, Sounds: []evidence.Sound{{Name: "Sound 1", Copied: true, Channels: 2, Next: []byte("x")}}},
	} {
		t.Run(name, func(t *testing.T) { // begun anew
			k := &kept{}
			if _, err := tools.Read(t.Context(), (&disk{file: file}).source(t), from, k.save); err != nil || !reflect.DeepEqual(k.takes, want.takes) || k.sum(t) != want.sum(t) {
				t.Errorf("%v, %d takes", err, len(k.takes))
			}
		})
	}
	t.Run("done", func(t *testing.T) {
		d := &disk{file: file}
		k := &kept{}
		if end, err := tools.Read(t.Context(), d.source(t), want.last, k.save); err != nil || !reflect.DeepEqual(end, want.last) || d.opens.Load() > 0 || k.saves > 0 {
			t.Errorf("%v, %d requests", err, d.opens.Load())
		}
	})
}

// TestListenMangled changes bytes of an index, many times over: there is always a digest, and what is handed out can be read.
func TestListenMangled(t *testing.T) {
	tools := start(t, Config{})
	picture := []string{"-f", "lavfi", "-i", "testsrc2=s=96x64:r=5:d=8", "-f", "lavfi", "-i", "sine=d=8", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10"}
	for name, args := range map[string][]string{"plain": {"-c:a", "aac"}, "fragmented": {"-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"}, "coded": {"-c:a", "libmp3lame"}} {
		t.Run(name, func(t *testing.T) {
			whole, err := os.ReadFile(record(t, "a.mp4", append(slices.Clone(picture), args...)...))
			if err != nil {
				t.Fatal(err)
			}
			sound := bytes.Index(whole, []byte("smhd"))
			random := rand.New(rand.NewPCG(7, 7))
			d := &disk{file: filepath.Join(t.TempDir(), "a.mp4")}
			outcomes := map[string]int{}
			for range 15 {
				b := bytes.Clone(whole)
				for range 1 + random.IntN(4) {
					b[sound+random.IntN(min(len(b)-sound, 1500))] = byte(random.IntN(256))
				}
				if err := os.WriteFile(d.file, b, 0o600); err != nil {
					t.Fatal(err)
				}
				k := read(t, tools, d)
				for _, s := range k.last.Sounds {
					outcomes[fmt.Sprintf("%d takes, %q", s.Takes, s.Failed)]++
				}
			}
			t.Log(outcomes)
		})
	}
}
