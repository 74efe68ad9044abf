package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bwv/internal/evidence"
	"bwv/internal/hls"
	"bwv/internal/isobmff"
)

// Assembly brings a proxy's playlists up to what lies in the store. No counter says how far the proxy is: whoever lands a part looks, whoever finds
// the last one there ends the playlist, and each may do so twice.
type Assembly struct {
	Ledger     evidence.Ledger
	Renditions evidence.Renditions
	Pages      evidence.Pages
}

// Files of a proxy that only its stages read. All of the pictures begin with `video`, all of the sound with `sound`.
const (
	videoPrefix = "video"
	soundPrefix = "sound"
	asidePrefix = "video/aside/"

	planPage    = "video-plan.json"  // plan, once every chunk is known
	picturePage = "video-facts.json" // facts, once one chunk was made
	soundPage   = "sound.json"       // []evidence.Sound
)

// plan is where a proxy's chunks begin: all but the last entry, which is the end.
type plan struct {
	Timescale int64    `json:"timescale"`
	Borders   []int64  `json:"borders"`
	Frames    int64    `json:"frames"`
	Warnings  []string `json:"warnings,omitempty"`
}

func (p plan) chunks() int { return max(0, len(p.Borders)-1) }

// facts are what all chunks of a proxy share.
type facts struct {
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	Codecs  string `json:"codecs"`
	Tool    string `json:"tool"`
	Profile string `json:"profile"`
}

// gap stands for a chunk that could not be made.
type gap struct {
	From   float64 `json:"from"` // seconds
	To     float64 `json:"to"`
	Reason string  `json:"reason"`
}

// track is the pictures, or one sound: a playlist, and a folder with its parts.
type track struct{ playlist, folder string }

func pictures() track { return track{evidence.Pictures, videoPrefix + "/"} }

func sound(n int) track {
	name := fmt.Sprintf("%s-%d", soundPrefix, n)
	return track{name + ".m3u8", name + "/"}
}

func (t track) part(n int, extension string) string {
	return fmt.Sprintf("%s%05d.%s", t.folder, n, extension)
}

// number is the part that a segment's URI names.
func (t track) number(uri string) (int, error) {
	text, _, _ := strings.Cut(strings.TrimPrefix(uri, t.folder), ".")
	return strconv.Atoi(text)
}

const (
	swapTries  = 50 // every other writer that gets ahead has brought the playlist forward
	maxSidx    = 64 << 10
	baseTarget = 8 // seconds: segments are of 6, or of what a keyframe's place makes of it
)

// advance adds to a track's playlist every part that lies in the store and follows on, and ends it behind the last one; total is -1 as long as
// nobody knows how many there are. It returns the playlist as it is now.
//
// The last look into the store comes after the last write: of two writers that land neighbours at the same time, at least one sees both.
func (a *Assembly) advance(ctx context.Context, id evidence.ID, t track, total int) (*hls.Media, error) {
	for range swapTries {
		m, version, err := a.playlist(ctx, id, t)
		if err != nil {
			return nil, err
		}
		changed, err := a.extend(ctx, id, t, m, total)
		if err != nil || !changed {
			return m, err
		}
		r := evidence.Rendition{Name: t.playlist, ContentType: hls.ContentType}
		err = a.Pages.Swap(ctx, id, r, m.Text(), version)
		if err != nil && !errors.Is(err, evidence.Conflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("bringing %s of %s forward: others were faster %d times: %w", t.playlist, id, swapTries, evidence.Unavailable)
}

// playlist reads a track's playlist; one that is not there yet is empty.
func (a *Assembly) playlist(ctx context.Context, id evidence.ID, t track) (*hls.Media, string, error) {
	text, version, err := a.Pages.Load(ctx, id, t.playlist)
	if errors.Is(err, evidence.NotFound) {
		return &hls.Media{Target: baseTarget, Init: t.folder + "init.mp4"}, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	m, err := hls.Parse(text)
	if err != nil {
		return nil, "", fmt.Errorf("%s of %s: %w", t.playlist, id, err)
	}
	return m, version, nil
}

// extend adds what follows on to m and tells whether there was anything.
func (a *Assembly) extend(ctx context.Context, id evidence.ID, t track, m *hls.Media, total int) (changed bool, err error) {
	if m.Ended {
		return false, nil
	}
	next := 0
	if n := len(m.Segments); n > 0 {
		last, err := t.number(m.Segments[n-1].URI)
		if err != nil {
			return false, fmt.Errorf("%s of %s names %.60q: %w", t.playlist, id, m.Segments[n-1].URI, err)
		}
		next = last + 1
	}
	for ; total < 0 || next < total; next++ {
		segments, err := a.segments(ctx, id, t, next)
		if errors.Is(err, evidence.NotFound) {
			return changed, nil
		}
		if err != nil {
			return changed, err
		}
		m.Add(segments...)
		changed = true
	}
	if total >= 0 && next == total && total > 0 {
		m.Ended, changed = true, true
	}
	return changed, nil
}

// segments reads the directory of a part, or the note that stands for one that could not be made; NotFound when there is neither yet.
func (a *Assembly) segments(ctx context.Context, id evidence.ID, t track, n int) ([]hls.Segment, error) {
	name := t.part(n, "mp4")
	body, err := a.Renditions.Get(ctx, id, name)
	if errors.Is(err, evidence.NotFound) {
		var g gap
		if err := a.read(ctx, id, t.part(n, "gap"), &g); err != nil {
			return nil, err
		}
		return []hls.Segment{{URI: name, Seconds: g.To - g.From, Gap: true}}, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	head, err := io.ReadAll(io.LimitReader(body, maxSidx))
	if err != nil {
		return nil, err
	}
	d, err := isobmff.ParseDirectory(head)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", name, id, err)
	}
	header := t.part(n, "init")
	if own, err := a.there(ctx, id, header); err != nil || !own {
		if err != nil {
			return nil, err
		}
		header = ""
	}
	segments, offset := make([]hls.Segment, 0, len(d.Refs)), d.First
	for _, ref := range d.Refs {
		segments = append(segments, hls.Segment{URI: name, Init: header, Range: hls.Range{Offset: offset, Bytes: ref.Bytes}, Seconds: float64(ref.Duration) / float64(d.Timescale)})
		offset += ref.Bytes
	}
	return segments, nil
}

// read loads a page of ours.
func (a *Assembly) read(ctx context.Context, id evidence.ID, name string, into any) error {
	text, _, err := a.Pages.Load(ctx, id, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s of %s: %w", name, id, err)
	}
	return nil
}

// write stores a page of ours, whatever was there.
func (a *Assembly) write(ctx context.Context, id evidence.ID, name string, page any) error {
	text, err := json.Marshal(page)
	if err != nil {
		return fmt.Errorf("writing %s of %s: %w", name, id, err)
	}
	return a.Renditions.Put(ctx, id, evidence.Rendition{Name: name, ContentType: "application/json"}, bytes.NewReader(text))
}

// keep stores what a playlist names, once: the first writer's, since the playlist may already say where its segments lie. It goes with its folder only.
func (a *Assembly) keep(ctx context.Context, id evidence.ID, r evidence.Rendition, body []byte) error {
	if err := a.Pages.Swap(ctx, id, r, body, ""); err != nil && !errors.Is(err, evidence.Conflict) {
		return err
	}
	return nil
}

// wish is the message that had something made anew; empty where it was made once only.
func (a *Assembly) wish(ctx context.Context, id evidence.ID, page string) (wish string, err error) {
	err = a.read(ctx, id, page, &wish)
	return wish, nothingYet(err)
}

// there tells whether a rendition is in the store.
func (a *Assembly) there(ctx context.Context, id evidence.ID, name string) (bool, error) {
	body, err := a.Renditions.Get(ctx, id, name)
	if errors.Is(err, evidence.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, body.Close()
}

// has tells whether a part was made, or given up.
func (a *Assembly) has(ctx context.Context, id evidence.ID, t track, n int) (bool, error) {
	made, err := a.there(ctx, id, t.part(n, "mp4"))
	if made || err != nil {
		return made, err
	}
	return a.there(ctx, id, t.part(n, "gap"))
}

// missing are the chunks that were neither made nor given up.
func (a *Assembly) missing(ctx context.Context, id evidence.ID, total int) ([]evidence.Part, error) {
	names, err := a.Renditions.List(ctx, id)
	if err != nil {
		return nil, err
	}
	var parts []evidence.Part
	for n := range total {
		_, made := slices.BinarySearch(names, pictures().part(n, "mp4"))
		_, given := slices.BinarySearch(names, pictures().part(n, "gap"))
		if !made && !given {
			parts = append(parts, evidence.Part{Evidence: id, Chunk: n})
		}
	}
	return parts, nil
}

// total is how many chunks the plan has; -1 as long as there is none.
func (a *Assembly) total(ctx context.Context, id evidence.ID) (int, error) {
	var p plan
	err := a.read(ctx, id, planPage, &p)
	if errors.Is(err, evidence.NotFound) {
		return -1, nil
	}
	return p.chunks(), err
}

// sounds are the sounds of a proxy; known is false as long as nobody has looked.
func (a *Assembly) sounds(ctx context.Context, id evidence.ID) (list []evidence.Sound, known bool, err error) {
	err = a.read(ctx, id, soundPage, &list)
	if errors.Is(err, evidence.NotFound) {
		return nil, false, nil
	}
	return list, err == nil, err
}

// heard are the sounds that there is something of.
func heard(list []evidence.Sound) []int {
	var n []int
	for i, s := range list {
		if s.Failed == "" && (s.Takes > 0 || !s.Ended) {
			n = append(n, i)
		}
	}
	return n
}

// begun tells whether there is something of each sound that can be heard.
func begun(list []evidence.Sound) bool {
	for _, n := range heard(list) {
		if list[n].Takes == 0 {
			return false
		}
	}
	return true
}

// keepTakes stores takes of sounds, then brings their playlists forward: a crash between has the same takes made again.
func (a *Assembly) keepTakes(ctx context.Context, id evidence.ID, known []evidence.Sound, takes []evidence.Take, provenance map[string]string) error {
	for _, take := range takes {
		t := sound(take.Sound)
		for _, f := range []struct {
			name, kind string
			body       []byte
		}{{t.folder + "init.mp4", "audio/mp4", take.Init}, {t.part(take.Number, "peaks"), "application/octet-stream", take.Peaks}, {t.part(take.Number, "mp4"), "audio/mp4", take.Media}} {
			if len(f.body) == 0 {
				continue
			}
			if err := a.keep(ctx, id, evidence.Rendition{Name: f.name, ContentType: f.kind, Provenance: provenance}, f.body); err != nil {
				return err
			}
		}
	}
	for n, s := range known {
		total := -1
		if s.Ended {
			total = s.Takes
		}
		touched := slices.ContainsFunc(takes, func(t evidence.Take) bool { return t.Sound == n })
		if touched || s.Ended && s.Takes > 0 {
			if _, err := a.advance(ctx, id, sound(n), total); err != nil {
				return err
			}
		}
	}
	return a.write(ctx, id, soundPage, known)
}
