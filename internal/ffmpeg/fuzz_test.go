package ffmpeg

import (
	"os"
	"testing"

	"bwv/internal/isobmff"
)

// FuzzSniff may not crash, and a file is a known container or there are words why not.
func FuzzSniff(f *testing.F) {
	for _, name := range []string{"gopro_max_heromode_10s_gps5.mp4", "hostile/evil_hls.mp4", "hostile/text.mp4"} {
		b, err := os.ReadFile(clip(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 512)], int64(len(b)))
	}
	f.Add([]byte("\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"), int64(9000))
	f.Add([]byte("RIFF\xff\xff\xff\x7fAVI LIST"), int64(100))
	f.Fuzz(func(t *testing.T, head []byte, size int64) {
		c, words := sniff(head, size)
		if (c.demuxer == "") != (words != "") {
			t.Errorf("%+v, %q", c, words)
		}
		c.short(head, size)
	})
}

// FuzzRecipe may not crash, nor take memory by what a recipe claims: whoever can write to the renditions can write one.
func FuzzRecipe(f *testing.F) {
	packed, err := recipe{Demuxer: "mov", Timescale: 90000, Width: 640, Height: 360, Frames: []int64{0, 3000},
		Samples: []isobmff.Sample{{Size: 10, Duration: 3000, Sync: true, Count: 1}, {Offset: 10, Size: 5, DTS: 3000, Duration: 3000, Count: 1}}}.pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(packed[:len(packed)/2])
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, err := unpack(packed)
		if err != nil {
			return
		}
		head, extents := isobmff.Film(slack, isobmff.FilmTrack{Track: r.track(), Samples: r.Samples})
		if len(head) == 0 || len(extents) > len(r.Samples) {
			t.Errorf("a head of %d bytes, %d extents of %d samples", len(head), len(extents), len(r.Samples))
		}
	})
}
