package ffmpeg

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// Make implements pipeline.Cutter: the pictures of one chunk, coded again for watching.
//
// The child is given a small film of just these pictures and counts its time from there; the times that go into the proxy are those of the recipe,
// tick for tick, once each picture that came out has been told by its time. So nothing that a tool rounds or guesses can move a picture.
func (t *Tools) Make(ctx context.Context, src evidence.Source, c evidence.Chunk, aside evidence.Opener) (evidence.Clip, error) {
	clip, err := t.make(ctx, src, c, aside)
	if err != nil {
		return evidence.Clip{}, fmt.Errorf("making chunk %d of %s: %w", c.Number, src.Original.Path, err)
	}
	return clip, nil
}

func (t *Tools) make(ctx context.Context, src evidence.Source, c evidence.Chunk, aside evidence.Opener) (evidence.Clip, error) {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return evidence.Clip{}, err
	}
	defer leave()
	r, err := unpack(c.Recipe)
	if err != nil {
		return evidence.Clip{}, err
	}
	if c.Aside != "" { // the extents are places in what was kept aside: all of it, from its beginning
		clip, _, err := t.from(ctx, src, r, c, true, aside)
		return clip, err
	}
	// Pictures that follow an open keyframe need what comes before it. Some keyframes are none: with periodic intra refresh a decoder recovers
	// only by and by. Then decoding begins a keyframe earlier, and what is not the chunk's is cut off.
	early := r.Open && len(r.Lead) > 0
	clip, missing, err := t.from(ctx, src, r, c, early, nil)
	if !early && len(r.Lead) > 0 && (missing > 0 || errors.Is(err, errEmpty)) {
		if again, fewer, err := t.from(ctx, src, r, c, true, nil); err == nil && fewer < max(missing, 1) {
			return again, nil
		}
	}
	return clip, err
}

// from makes a chunk, decoding from the keyframe before its own if early. It tells how many pictures are missing.
func (t *Tools) from(ctx context.Context, src evidence.Source, r recipe, c evidence.Chunk, early bool, aside evidence.Opener) (clip evidence.Clip, missing int, err error) {
	if early {
		r.Samples = slices.Concat(r.Lead, r.Samples)
	}
	m := &making{tools: t, profile: t.profile, recipe: r, chunk: c}
	film := film{src: src}
	film.head, film.extents = isobmff.Film(slack, isobmff.FilmTrack{Track: r.track(), Samples: r.Samples})
	clip, missing, err = m.of(ctx, film, aside)
	if errors.Is(err, errRoom) {
		m.profile = m.profile.held()
		clip, missing, err = m.of(ctx, film, aside)
	}
	return clip, missing, err
}

// of makes the chunk of a film, or of what was kept aside.
func (m *making) of(ctx context.Context, film film, aside evidence.Opener) (evidence.Clip, int, error) {
	if aside == nil {
		s, release := m.tools.loopback.register(ctx, film)
		defer release()
		return m.run(s.ctx, s, nil)
	}
	body, err := aside(ctx)
	if err != nil {
		return evidence.Clip{}, 0, err
	}
	defer body.Close()
	return m.run(ctx, nil, io.MultiReader(bytes.NewReader(film.head), body))
}

// slack is how much of what lies between pictures, mostly sound, is read along rather than asked for around.
const slack = 256 << 10

// making is one chunk being made.
type making struct {
	tools   *Tools
	profile profile
	recipe  recipe
	chunk   evidence.Chunk
	session *session // nil when the film comes by the standard input
}

const (
	maxClip  = 64 << 20 // of coded pictures: a minute at the cap has 15 MB
	maxStill = 8 << 20
	lead     = 10 // seconds that the encoder's times are moved by, so that none is negative
)

// errRoom is a chunk that takes more than its profile's cap.
var errRoom = errors.New("it takes more than the profile's cap")

func (m *making) run(ctx context.Context, s *session, stdin io.Reader) (clip evidence.Clip, missing int, err error) {
	m.session = s
	args, said, err := m.args()
	if err != nil {
		return clip, 0, err
	}
	var media, strip, poster bytes.Buffer
	from, to := m.chunk.Seconds()
	j := job{path: m.tools.ffmpeg.path, args: args, stdin: stdin, stdout: sink{&media, m.profile.room(to - from)}, urgent: m.chunk.Number == 0}
	if m.stills() != nil {
		j.extra = append(j.extra, sink{&strip, maxStill})
	}
	if m.poster() {
		j.extra = append(j.extra, sink{&poster, maxStill})
	}
	out, err := m.tools.run(ctx, j)
	if err == nil && s != nil {
		err = s.failure() // the child ends well after a cut connection: it takes it for the end of the file
	}
	if errors.Is(err, errFlood) && m.profile.cap > 0 {
		return clip, 0, errRoom
	}
	if err != nil {
		return clip, 0, s.judge(err)
	}
	clip = evidence.Clip{Strip: strip.Bytes(), Poster: poster.Bytes(), Tool: m.tools.ffmpeg.version, Profile: said}
	if missing, err = m.mux(&clip, isobmff.NewStream(&media, maxClip)); err != nil {
		return clip, missing, err
	}
	clip.Note = m.note(out, missing)
	return clip, missing, nil
}

// note says what was wrong. A decoder's complaint about pictures that are none of this chunk's is no damage.
func (m *making) note(out output, missing int) string {
	var words []string
	if missing > 0 {
		words = append(words, fmt.Sprintf("%d of %d pictures could not be decoded", missing, len(m.recipe.Frames)))
	}
	if said := strings.TrimSpace(m.session.scrub(out.stderr)); said != "" && (missing > 0 || !m.recipe.Open) {
		first, _, _ := strings.Cut(said, "\n")
		words = append(words, fmt.Sprintf("damaged: %d complaints of the decoder, the first: %s", max(1, out.lines), clean(first, 120)))
	}
	return strings.Join(words, "; ")
}

// picture is one access unit that the encoder made.
type picture struct {
	pts  int64 // in the recording
	sync bool
	data []byte
}

// mux checks each picture that came out against the recipe and writes the chunk with the recipe's times. It tells how many are missing; a picture
// that is not in the recipe, or comes twice, is an error, since then nothing is certain.
func (m *making) mux(clip *evidence.Clip, in *isobmff.Stream) (missing int, err error) {
	tracks, err := in.Tracks()
	if err != nil {
		return 0, fmt.Errorf("reading what the encoder made: %w: %w", err, evidence.Unreadable)
	}
	if len(tracks) != 1 || tracks[0].Timescale != m.recipe.Timescale {
		return 0, fmt.Errorf("the encoder made %d tracks, or another timescale than %d", len(tracks), m.recipe.Timescale)
	}
	pictures, err := m.pictures(in)
	if err != nil {
		return 0, err
	}
	if len(pictures) == 0 {
		return 0, errEmpty
	}
	track := tracks[0]
	clip.Width, clip.Height, clip.Codecs = track.Width, track.Height, avc(track.Entries)
	clip.Init = isobmff.Init(isobmff.InitTrack{ID: 1, Handler: "vide", Timescale: m.recipe.Timescale, Width: track.Width, Height: track.Height, Entries: track.Entries})
	clip.Media = m.write(pictures)
	return len(m.recipe.Frames) - len(pictures), nil
}

// errEmpty is a run that went well and shows nothing.
var errEmpty = fmt.Errorf("no picture could be decoded: %w", evidence.Unreadable)

// pictures reads the encoder's pictures and gives each the time that it has in the recording.
func (m *making) pictures(in *isobmff.Stream) ([]picture, error) {
	var list []picture
	seen := map[int64]bool{}
	offset := m.offset()
	for {
		part, err := in.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what the encoder made: %w", err)
		}
		for i, s := range part.Samples {
			pts := s.PTS() - offset
			if _, there := slices.BinarySearch(m.recipe.Frames, pts); !there || seen[pts] {
				return nil, fmt.Errorf("the encoder made a picture for tick %d, which the recording does not have, or twice: %w", pts, evidence.Unreadable)
			}
			seen[pts] = true
			list = append(list, picture{pts, s.Sync, part.Data[i]})
		}
	}
}

// offset is what the encoder's times are ahead of the recording's.
func (m *making) offset() int64 {
	first := m.recipe.Samples[0]
	return lead*m.recipe.Timescale + isobmff.Raised(m.recipe.Samples) - (first.DTS - m.recipe.Shift)
}

// segmentSeconds is how long a segment is, up to the next keyframe.
const segmentSeconds = 6

// write makes a fragment of each segment, and the directory before them. Decode times are the presentation times in order, later by as many
// pictures as the encoder reorders; so that none lies behind its picture's presentation, and the chunks' run on from one to the next.
func (m *making) write(pictures []picture) []byte {
	decode := decodeTimes(pictures, m.chunk.Start, m.chunk.End)
	var refs []isobmff.Reference
	var body bytes.Buffer
	for from := 0; from < len(pictures); {
		to := from + 1
		for to < len(pictures) && !(pictures[to].sync && float64(pictures[to].pts-pictures[from].pts) >= (segmentSeconds-0.5)*float64(m.recipe.Timescale)) {
			to++
		}
		start, end := pictures[from].pts, m.chunk.End
		if from == 0 {
			start = m.chunk.Start
		}
		if to < len(pictures) {
			end = pictures[to].pts
		}
		before := body.Len()
		m.fragment(&body, pictures[from:to], decode[from:to+1], from)
		refs = append(refs, isobmff.Reference{Bytes: int64(body.Len() - before), Duration: end - start})
		from = to
	}
	return append(isobmff.Directory(1, m.recipe.Timescale, m.chunk.Start, refs), body.Bytes()...)
}

func (m *making) fragment(body *bytes.Buffer, pictures []picture, decode []int64, number int) {
	pieces := make([]isobmff.Piece, len(pictures))
	for i, p := range pictures {
		pieces[i] = isobmff.Piece{Size: int64(len(p.data)), Duration: decode[i+1] - decode[i], Composition: p.pts - decode[i], Sync: p.sync}
	}
	sequence := uint32(m.chunk.Number)<<12 + uint32(number) + 1 //nolint:gosec // of this recording: only has to grow
	body.Write(isobmff.Fragment(sequence, 1, decode[0], pieces))
	for _, p := range pictures {
		body.Write(p.data)
	}
}

// decodeTimes gives each picture, in decode order, a time at or before its presentation, growing by a tick at least; the last value is where the
// next chunk's begin.
func decodeTimes(pictures []picture, start, end int64) []int64 {
	order := make([]int64, len(pictures))
	for i, p := range pictures {
		order[i] = p.pts
	}
	slices.Sort(order)
	delay := 0 // by how many pictures the encoder reorders
	for i, p := range pictures {
		place, _ := slices.BinarySearch(order, p.pts)
		delay = max(delay, i-place)
	}
	decode := make([]int64, 0, len(pictures)+1)
	for i := range pictures {
		d := start - int64(delay-i)
		if i >= delay {
			d = order[i-delay]
		}
		if i == 0 {
			d = max(d, 0)
		} else {
			d = max(d, decode[i-1]+1)
		}
		decode = append(decode, d)
	}
	return append(decode, max(decode[len(decode)-1]+1, end-int64(delay)))
}

// avc is the RFC 6381 name of H.264 as the sample entry describes it: profile, constraints, level.
func avc(entries []byte) string {
	i := bytes.Index(entries, []byte("avcC"))
	if i < 0 || i+8 > len(entries) {
		return "avc1"
	}
	return "avc1." + strings.ToUpper(hex.EncodeToString(entries[i+5:i+8]))
}
