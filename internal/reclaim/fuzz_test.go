package reclaim

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"bwv/internal/isobmff"
)

// FuzzWalk may not crash, and its pictures lie in the recording, one behind the other, each at a time of its own.
func FuzzWalk(f *testing.F) {
	var references []*Reference
	for _, name := range []string{"gopro_max_heromode_10s_gps5.mp4", "udacity_solidWhiteRight_9s.mp4"} {
		b, m := clip(f, name)
		r := learn(f, b, m)
		references = append(references, r)
		table := truth(f, m, r.Track)
		f.Add(bytes.Clone(b[table[1].Offset : table[1].Offset+4<<10]))
		f.Add(short(b, table[:12]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range references {
			w, end, last := r.Walk(bytes.NewReader(b), 100, 100+int64(len(b))), int64(100), int64(-1)
			shown := map[int64]bool{}
			for {
				s, err := w.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if s.Offset < end || s.Size < 1 || s.Offset+s.Size > 100+int64(len(b)) || s.DTS <= last || s.Duration < 1 || s.PTS() < 0 || shown[s.PTS()] {
					t.Fatalf("%+v behind %d, decoded at %d", s, end, last)
				}
				end, last, shown[s.PTS()] = s.Offset+s.Size, s.DTS, true
			}
		}
	})
}

// short are pictures of a few bytes, which are all that tells them apart, with sound and telemetry between them.
func short(b []byte, table []isobmff.Sample) (out []byte) {
	for _, s := range table {
		for p := b[s.Offset : s.Offset+s.Size]; len(p) > 4; p = p[4+number(p[:4]):] {
			n := p[4:][:min(number(p[:4]), 24)]
			if kind := n[0] & 31; kind != unitSlice && kind != unitIDR {
				continue
			}
			n = append(bytes.Clone(n), 0x80)
			out = append(append(out, 0, 0, 0, byte(len(n))), n...)
		}
		out = append(out, b[s.Offset+s.Size:][:30]...)
	}
	return out
}
