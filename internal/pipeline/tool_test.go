package pipeline_test

import (
	"context"
	"crypto/sha256"
	"encoding"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing/synctest"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// script is what a recording of these tests says, as text: "video abc|sl" has an index, three chunks and two sounds, "tape abc" has no index.
// Of the chunks, X can never be made, N has something wrong with it, and at ! the index cannot be read on. Of the sounds, s is one, l begins
// late and f fails. "lost abc" is a recording whose index was never written: its chunks are found by the first sibling that has one. The picture of chunk H is of another shape than the others'. One that does not say has one chunk and one sound.
type script struct {
	text   string
	tape   bool
	lost   bool
	chunks string
	sounds string
}

func parse(text string) (script, error) {
	rest, video := strings.CutPrefix(text, "video")
	rest, tape := strings.CutPrefix(rest, "tape")
	rest, lost := strings.CutPrefix(rest, "lost")
	if !video && !tape && !lost {
		return script{text: text}, fmt.Errorf("no recording: %w", evidence.Unreadable)
	}
	chunks, sounds, said := strings.Cut(strings.ReplaceAll(rest, " ", ""), "|")
	if chunks == "" {
		chunks = "v"
	}
	if !said {
		sounds = "s"
	}
	if lost {
		sounds = ""
	}
	return script{text, tape, lost, chunks, sounds}, nil
}

// ticks is where chunk n begins, in milliseconds.
func (s script) ticks(n int) (at int64) {
	for i := range n {
		at += 2000 + 1500*int64(i%5)
	}
	return at
}

func (s script) chunk(n int) evidence.Chunk {
	c := evidence.Chunk{Number: n, Timescale: 1000, Start: s.ticks(n), End: s.ticks(n + 1), Frames: 10 + n, Recipe: []byte(s.chunks[n : n+1])}
	if s.tape {
		c.Aside = fmt.Sprintf("video/aside/%05d.bin", n)
	}
	return c
}

// piece is a segment of a part, of at most 6 s.
type piece struct {
	body         string
	milliseconds int64
}

func pieces(c evidence.Chunk, version int) (list []piece) {
	for at := c.Start; at < c.End; at += 6000 {
		list = append(list, piece{fmt.Sprintf("%s %d+%d v%d;", c.Recipe, c.Number, at, version), min(6000, c.End-at)})
	}
	return list
}

// header is what a player needs to know before it can show a chunk.
func header(letter string) string {
	if letter == "H" {
		return "header of another shape"
	}
	return "header"
}

// media is a part as a file: its directory, then its pieces.
func media(start int64, list []piece) []byte {
	var refs []isobmff.Reference
	var body strings.Builder
	for _, p := range list {
		refs = append(refs, isobmff.Reference{Bytes: int64(len(p.body)), Duration: p.milliseconds})
		body.WriteString(p.body)
	}
	return append(isobmff.Directory(1, 1000, start, refs), body.String()...)
}

const stretch = 4 // bytes that the sound is taken out of at a time

// heard is sound n after so many bytes were gone through, and what is its take of the last stretch; none where it has none there.
func (s script) heard(n, from, to, version int, was evidence.Sound) (evidence.Sound, []piece) {
	now := was
	now.Name, now.Codecs, now.Channels = fmt.Sprintf("Sound %d", n+1), "mp4a.40.2", 2
	now.Ended = to == len(s.text)
	var list []piece
	switch {
	case s.sounds[n] == 'f':
		now.Failed = "nobody can decode it"
	case s.sounds[n] == 'l' && from < 2*stretch:
	default:
		list = []piece{{fmt.Sprintf("%d:%s v%d;", n, s.text[from:to], version), 700 * int64(to-from)}}
		now.Takes++
		now.Next = []byte{byte(to)}
	}
	return now, list
}

// tool stands for ffprobe and ffmpeg, which have their own suite.
type tool struct {
	mu       sync.Mutex
	findings evidence.Findings
	version  int
	during   func()          // what happens elsewhere while it works
	making   func(chunk int) // what happens while a chunk is made
	fail     error           // once
	brief    bool            // a reading is cut off after each stretch
	orderly  bool            // in a bubble: the first chunk is made before the second is handed out
	made     []int           // chunks, in order
	read     []int64         // where readings began
	cut      []string        // originals that were cut
	offered  []string        // siblings, each time somebody asked for them
}

func (p *tool) look(ctx context.Context, s evidence.Source) (script, error) {
	p.mu.Lock()
	during, err := p.during, p.fail
	p.fail = nil
	p.mu.Unlock()
	if during != nil {
		during()
	}
	if err != nil {
		return script{}, err
	}
	text, err := p.part(ctx, s, 0, s.Original.Size)
	if err != nil {
		return script{}, err
	}
	return parse(text)
}

func (p *tool) part(ctx context.Context, s evidence.Source, offset, length int64) (string, error) {
	body, err := s.OpenAt(ctx, offset, length)
	if err != nil {
		return "", err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	return string(b), err
}

func (p *tool) Probe(ctx context.Context, s evidence.Source) (evidence.Findings, error) {
	script, err := p.look(ctx, s)
	if script.lost {
		err = errLost
	}
	return p.findings, err
}

var errLost = fmt.Errorf("there is no index: %w", evidence.Unreadable)

// reference is the first sibling that has an index; errLost where there is none.
func (p *tool) reference(ctx context.Context, s evidence.Source) (*evidence.Original, error) {
	siblings, err := s.Siblings(ctx)
	if err != nil {
		return nil, err
	}
	var offered []string
	for _, o := range siblings {
		offered = append(offered, o.Path)
	}
	p.mu.Lock()
	p.offered = append(p.offered, strings.Join(offered, " "))
	p.mu.Unlock()
	for _, o := range siblings {
		text, err := p.part(ctx, evidence.Source{Original: o, Store: s.Store}, 0, o.Size)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(text, "video") {
			return &o, nil
		}
	}
	return nil, errLost
}

func (p *tool) Cut(ctx context.Context, s evidence.Source, out evidence.Cutting) (o evidence.Outline, err error) {
	script, err := p.look(ctx, s)
	if err != nil {
		return o, err
	}
	p.mu.Lock()
	p.cut = append(p.cut, s.Original.Path)
	p.mu.Unlock()
	var reference *evidence.Original
	if script.lost {
		if reference, err = p.reference(ctx, s); err != nil {
			return o, err
		}
		o.Warnings = []string{"found with the help of " + reference.Path}
	}
	for n, letter := range script.chunks {
		if letter == '!' {
			return o, fmt.Errorf("nothing can be found from chunk %d on: %w", n, evidence.Unreadable)
		}
		c := script.chunk(n)
		c.Reference = reference
		if script.tape {
			if err := out.Aside(ctx, c.Aside, strings.NewReader(string(letter))); err != nil {
				return o, err
			}
		}
		if err := out.Chunk(ctx, c); err != nil {
			return o, err
		}
		o.Chunks, o.Frames = o.Chunks+1, o.Frames+int64(c.Frames)
		if n == 0 && p.orderly {
			synctest.Wait()
		}
	}
	if script.tape && script.sounds != "" {
		end := evidence.Reading{Sounds: make([]evidence.Sound, len(script.sounds))}
		for int(end.Offset) < len(script.text) {
			if err := p.stretch(ctx, script, &end, out.Sound); err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

// stretch goes on by a stretch and hands out what was heard there.
func (p *tool) stretch(ctx context.Context, s script, r *evidence.Reading, hand func(context.Context, []evidence.Sound, []evidence.Take) error) error {
	from, to := int(r.Offset), min(int(r.Offset)+stretch, len(s.text))
	p.mu.Lock()
	version := p.version
	p.mu.Unlock()
	known := make([]evidence.Sound, len(s.sounds))
	var takes []evidence.Take
	for n := range known {
		now, list := s.heard(n, from, to, version, r.Sounds[n])
		if known[n] = now; list == nil {
			continue
		}
		t := evidence.Take{Sound: n, Number: now.Takes - 1, Init: []byte("sound"), Media: media(700*int64(from), list)}
		if n == 0 {
			t.Peaks = []byte(strings.Repeat("-+", to-from))
		}
		takes = append(takes, t)
	}
	r.Offset, r.Sounds = int64(to), known
	return hand(ctx, known, takes)
}

func (p *tool) Make(ctx context.Context, s evidence.Source, c evidence.Chunk, aside evidence.Opener) (evidence.Clip, error) {
	script, err := p.look(ctx, s)
	if err != nil {
		return evidence.Clip{}, err
	}
	var kept []byte
	if aside != nil {
		body, err := aside(ctx)
		if err != nil {
			return evidence.Clip{}, err
		}
		defer body.Close()
		if kept, err = io.ReadAll(body); err != nil {
			return evidence.Clip{}, err
		}
	}
	if (string(kept) == string(c.Recipe)) != script.tape {
		return evidence.Clip{}, fmt.Errorf("chunk %d, with %q aside", c.Number, kept)
	}
	p.mu.Lock()
	making, version := p.making, p.version
	p.made = append(p.made, c.Number)
	p.mu.Unlock()
	if making != nil {
		making(c.Number)
	}
	if string(c.Recipe) == "X" {
		return evidence.Clip{}, fmt.Errorf("no picture could be decoded: %w", evidence.Unreadable)
	}
	clip := evidence.Clip{Init: []byte(header(string(c.Recipe))), Media: media(c.Start, pieces(c, version)), Width: 854, Height: 480,
		Codecs: "avc1.42C01E", Tool: "ffmpeg 5.1.9", Profile: "-crf 26"}
	if string(c.Recipe) == "N" {
		clip.Note = "1 of 10 pictures could not be decoded"
	}
	if len(evidence.Stills(c.Seconds())) > 0 {
		clip.Strip = fmt.Appendf(nil, "strip %d", c.Number)
	}
	if c.Number == 0 {
		clip.Poster = []byte("poster")
	}
	return clip, ctx.Err()
}

// Read takes the sound out of what has an index; of what is no recording it computes the digest all the same.
func (p *tool) Read(ctx context.Context, s evidence.Source, from evidence.Reading, save func(context.Context, evidence.Reading, []evidence.Take) error) (evidence.Reading, error) {
	script, err := p.look(ctx, s)
	if err != nil && script.text == "" {
		return from, err
	}
	p.mu.Lock()
	p.read = append(p.read, from.Offset)
	p.mu.Unlock()
	hash := sha256.New()
	if from.State == nil {
		if from.Sounds = make([]evidence.Sound, len(script.sounds)); script.tape {
			from.Sounds = nil
		}
	} else if err := hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(from.State); err != nil { //nolint:forcetypeassert // documented of crypto/sha256
		return from, err
	}
	for ends := from.State != nil && int(from.Offset) == len(script.text); !ends; {
		offset := from.Offset
		hand := func(ctx context.Context, _ []evidence.Sound, takes []evidence.Take) error {
			hash.Write([]byte(script.text[offset:from.Offset]))
			if from.State, err = hash.(encoding.BinaryMarshaler).MarshalBinary(); err != nil { //nolint:forcetypeassert // documented of crypto/sha256
				return err
			}
			return save(ctx, from, takes)
		}
		if from.Sounds != nil {
			err = p.stretch(ctx, script, &from, hand)
		} else {
			from.Offset = min(offset+stretch, int64(len(script.text)))
			err = hand(ctx, nil, nil)
		}
		if err != nil {
			return from, err
		}
		if ends = int(from.Offset) == len(script.text); p.brief && !ends {
			return from, fmt.Errorf("reading on: %w", evidence.Unavailable)
		}
	}
	return from, nil
}
