package kinds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// claim is what a kind is, by ffprobe and by the boxes of its file.
type claim struct {
	video        string // demuxer, codec, pixels, size, pixel's shape, rotation, average rate
	frames, keys int
	shown        string // the first picture's time and the last one's
	sound        string // for each track language, codec, rate, and from when to when it is heard
	top          string // boxes at the top, each once
}

// TestKinds makes each kind, and looks that it is what it claims. What is damaged is judged by TestSubset, but for those that no player opens.
func TestKinds(t *testing.T) {
	claims, more := claims(), more()
	for _, k := range List() {
		want, claimed := claims[k.Name]
		also := more[k.Name]
		delete(claims, k.Name)
		delete(more, k.Name)
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			if !claimed || k.Words == "" || (k.Damage == Whole) != (k.Intact == nil) || (k.Damage == NoMoov) != (k.Sibling != nil) {
				t.Fatalf("%+v claims nothing", k)
			}
			dir := t.TempDir()
			path, err := k.Make(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Dir(path) != dir {
				t.Errorf("it lies at %s", path)
			}
			got, err := describe(t, path)
			if (err != nil) != (k.Damage == NoMoov) {
				t.Error(err)
			}
			if got != want {
				t.Errorf("is %+v, not %+v", got, want)
			}
			if also != nil {
				also(t, path)
			}
		})
	}
	for name := range claims {
		t.Errorf("there is no %s", name)
	}
	for name := range more {
		t.Errorf("there is no %s", name)
	}
}

// describe looks at a recording.
func describe(t *testing.T, path string) (claim, error) {
	t.Helper()
	c := claim{top: top(t, path)}
	probed, err := probe(t.Context(), path)
	if err != nil {
		return c, err
	}
	c.video = probed
	pictures, err := Frames(t.Context(), path)
	if err != nil {
		return c, err
	}
	c.frames, c.shown = len(pictures), fmt.Sprintf("%.3f-%.3f", pictures[0].At.Seconds(), pictures[len(pictures)-1].At.Seconds())
	for _, p := range pictures {
		if p.Key {
			c.keys++
		}
	}
	tracks, err := Sound(t.Context(), path)
	if err != nil {
		return c, err
	}
	var heard []string
	for _, s := range tracks {
		heard = append(heard, strings.TrimSpace(fmt.Sprintf("%s %s %d %.3f-%.3f", s.Language, s.Codec, s.Rate, s.First.Seconds(), s.End.Seconds())))
	}
	c.sound = strings.Join(heard, ", ")
	return c, nil
}

func probe(ctx context.Context, path string) (string, error) {
	out, err := run(ctx, "ffprobe", "-v", "error", "-select_streams", "V:0", "-of", "json", "-show_entries",
		"format=format_name:stream=codec_name,pix_fmt,width,height,sample_aspect_ratio,avg_frame_rate,field_order:stream_side_data=rotation", path)
	if err != nil {
		return "", err
	}
	var p struct {
		Format struct {
			Name string `json:"format_name"`
		}
		Streams []struct {
			Codec    string `json:"codec_name"`
			Pixels   string `json:"pix_fmt"`
			Width    int
			Height   int
			Shape    string `json:"sample_aspect_ratio"`
			Rate     string `json:"avg_frame_rate"`
			Fields   string `json:"field_order"`
			SideData []struct {
				Rotation int
			} `json:"side_data_list"`
		}
	}
	if err := json.Unmarshal(out, &p); err != nil {
		return "", err
	}
	if len(p.Streams) != 1 {
		return "", fmt.Errorf("%d streams of video: %w", len(p.Streams), errNothing)
	}
	s := p.Streams[0]
	demuxer, _, _ := strings.Cut(p.Format.Name, ",")
	words := fmt.Sprintf("%s %s %s %dx%d %s", demuxer, s.Codec, s.Pixels, s.Width, s.Height, s.Rate)
	if s.Shape != "" && s.Shape != "1:1" {
		words += " pixels " + s.Shape
	}
	if s.Fields != "" && s.Fields != "progressive" {
		words += " fields " + s.Fields
	}
	for _, d := range s.SideData {
		if d.Rotation != 0 {
			words += fmt.Sprintf(" turned %d", d.Rotation)
		}
	}
	return words, nil
}

// top lists the boxes at the top of an ISO base media file: each kind once, in the order of its first.
func top(t *testing.T, path string) string {
	t.Helper()
	if !strings.HasSuffix(path, ".mp4") && !strings.HasSuffix(path, ".mov") {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := boxes(b)
	var list []string
	for _, one := range all {
		if !slices.Contains(list, one.kind) {
			list = append(list, one.kind)
		}
	}
	if errors.Is(err, errBox) {
		list = append(list, "and a part of a box")
	}
	return strings.Join(list, " ")
}
