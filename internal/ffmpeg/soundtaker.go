package ffmpeg

import (
	"fmt"
	"math"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

const (
	aacFrame     = 1024 // samples
	firstTake    = 6    // seconds: somebody may be waiting
	longTake     = 60
	shortSegment = 2 // seconds, in the first minute: while a proxy grows, its sound is shown as far as its pictures are, in whole segments
	longSegment  = 6
	leastSegment = 2 // a shorter one joins the one before
	takeBytes    = 16 << 20
	takeFrames   = 20_000
	takeSpan     = 256 << 20 // of the original: what a killed invocation has to read again
	longestSound = 48 * 3600 // seconds
	mostTakes    = 10_000
)

// frame is one frame of AAC and when it is due, in ticks from the recording's beginning.
type frame struct {
	at     int64
	data   []byte
	place  place
	offset int64 // in the original
	silent bool  // one of ours
}

// stretch is a take without its waveform.
type stretch struct {
	evidence.Take
	from, to int64
	frames   []frame // with the one before, where there is one, for a decoder to warm up
	pcm      []byte  // what is to be heard, if that is known already: see wave
}

// taker gathers frames of AAC-LC to takes. Where there is nothing to hear it puts frames of silence, counted back from the next frame that there
// is: a player finds sound everywhere, and what was recorded keeps its place to the tick. A frame lasts until the next one, so a take ends when the
// frame behind it is known.
type taker struct {
	sound     int
	timescale int64
	rate      int64 // samples a second
	channels  int
	silence   []byte
	header    []byte

	takes  int     // that were closed
	start  int64   // where the open take begins
	warm   int     // frames[:warm] come before it: none or one
	frames []frame // of the open take
	border int64   // where its last segment begins
	edge   int64   // where the next frame is due
	bytes  int
	closed []stretch
}

func newTaker(sound int, timescale, rate int64, channels int) *taker {
	k := &taker{sound: sound, timescale: timescale, rate: rate}
	k.sounds(channels)
	return k
}

// sounds says how many channels there are; not behind the first take, since all share a header.
func (k *taker) sounds(channels int) {
	k.channels = channels
	k.silence = []byte{0x00, 0xc8, 0x00, 0x80, 0x23, 0x80}
	if channels == 2 {
		k.silence = []byte{0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80}
	}
	k.header = isobmff.Init(isobmff.InitTrack{ID: 1, Handler: "soun", Timescale: k.timescale, Entries: isobmff.AAC(int(k.rate), channels)})
}

// resume goes on with the take that begins at start. Frames from before it only warm up a decoder.
func (k *taker) resume(takes int, start int64) {
	k.takes, k.start, k.border, k.edge = takes, start, start, start
}

// ticks is how long n frames last.
func (k *taker) ticks(n int64) int64 { return (n*aacFrame*k.timescale + k.rate/2) / k.rate }

// add takes the next frame; one that comes before the recording's beginning, or not behind the one before it, is left out. With more it has filled no
// further than to the end of a take, and wants to be called again with the same frame: a hole may last for hours.
func (k *taker) add(f frame) (more bool) {
	n := len(k.frames)
	switch {
	case f.at < 0, n > 0 && f.at <= k.frames[n-1].at:
		return false
	case f.at < k.start:
		k.frames, k.warm = []frame{f}, 1
		return false
	}
	closed := len(k.closed)
	for n := k.missing(f.at); n > 0; n-- {
		if k.put(frame{at: f.at - k.ticks(n), data: k.silence, silent: true}); len(k.closed) > closed {
			return true
		}
	}
	k.put(f)
	return false
}

// missing is how many frames there are between where one is due and where the next one is: to the nearest whole, but none from before the beginning.
func (k *taker) missing(at int64) int64 {
	each := aacFrame * k.timescale
	gap := (at - k.edge) * k.rate
	if k.edge > 0 {
		gap += each / 2
	}
	return max(0, gap/each)
}

func (k *taker) put(f frame) {
	if len(k.frames) == k.warm {
		k.border = f.at
	}
	switch length := f.at - k.border; {
	case len(k.frames) >= takeFrames || k.bytes >= takeBytes:
		k.close(f.at)
	case length < k.timescale*longSegment && (length < k.timescale*shortSegment || k.border >= k.timescale*longTake):
	case f.at-k.start >= k.target():
		k.close(f.at)
	default:
		k.border = f.at
	}
	k.frames = append(k.frames, f)
	k.bytes += len(f.data)
	k.edge = f.at + k.ticks(1)
}

func (k *taker) target() int64 {
	if k.takes == 0 {
		return k.timescale * firstTake
	}
	return k.timescale * longTake
}

// close ends the open take with what was put, at to.
func (k *taker) close(to int64) {
	if len(k.frames) == k.warm {
		return
	}
	last := k.frames[len(k.frames)-1]
	s := stretch{from: k.start, to: to, frames: k.frames}
	s.Take = evidence.Take{Sound: k.sound, Number: k.takes, Init: k.header, Media: k.media(to)}
	k.closed = append(k.closed, s)
	k.takes++
	k.start, k.border = to, to
	k.frames, k.warm, k.bytes = nil, 0, 0
	if !last.silent { // as resume has it: one of ours comes only with what is behind it
		k.frames, k.warm = []frame{last}, 1
	}
}

// split ends the open take before the last frame.
func (k *taker) split() {
	if n := len(k.frames); n-k.warm > 1 {
		f := k.frames[n-1]
		k.frames = k.frames[:n-1]
		k.close(f.at)
		k.put(f)
	}
}

// end ends the last take.
func (k *taker) end() { k.close(k.edge) }

// idle tells whether nothing has come yet.
func (k *taker) idle() bool { return k.takes == 0 && len(k.frames) == 0 }

// first is the first frame that is there and not one of ours: where reading goes on after the takes so far.
func (k *taker) first(from int) (frame, bool) {
	for _, f := range k.frames[min(from, len(k.frames)):] {
		if !f.silent {
			return f, true
		}
	}
	return frame{}, false
}

// media is a directory and the fragments that it lists.
func (k *taker) media(to int64) []byte {
	open := k.frames[k.warm:]
	var body []byte
	var refs []isobmff.Reference
	for from, number := 0, uint32(1); from < len(open); number++ {
		next := k.segment(open, from, to)
		end := to
		if next < len(open) {
			end = open[next].at
		}
		before := len(body)
		body = k.fragment(body, open[from:next], end, number)
		refs = append(refs, isobmff.Reference{Bytes: int64(len(body) - before), Duration: end - open[from].at})
		from = next
	}
	return append(isobmff.Directory(1, k.timescale, open[0].at, refs), body...)
}

// segment is where the segment ends that begins with frame from.
func (k *taker) segment(open []frame, from int, to int64) int {
	length := int64(longSegment)
	if open[from].at < k.timescale*longTake {
		length = shortSegment
	}
	for i := from + 1; i < len(open); i++ {
		if open[i].at-open[from].at >= k.timescale*length && to-open[i].at >= k.timescale*leastSegment {
			return i
		}
	}
	return len(open)
}

func (k *taker) fragment(body []byte, frames []frame, end int64, number uint32) []byte {
	pieces := make([]isobmff.Piece, len(frames))
	for i, f := range frames {
		next := end
		if i+1 < len(frames) {
			next = frames[i+1].at
		}
		pieces[i] = isobmff.Piece{Size: int64(len(f.data)), Duration: next - f.at, Sync: true}
	}
	body = append(body, isobmff.Fragment(uint32(k.takes)<<12+number, 1, frames[0].at, pieces)...) //nolint:gosec // of this recording: only has to grow
	for _, f := range frames {
		body = append(body, f.data...)
	}
	return body
}

// check is the last look at a take before it is handed out: a time below 0 would be written as one near the largest, and a player waits for it forever.
func (s *stretch) check() error {
	last := int64(-1)
	for _, f := range s.frames {
		if f.at <= last || f.at > math.MaxInt64/2 {
			return fmt.Errorf("take %d of sound %d: a frame due at %d comes behind one due at %d", s.Number, s.Sound, f.at, last)
		}
		last = f.at
	}
	if s.to <= last || s.from < 0 || s.from > s.to {
		return fmt.Errorf("take %d of sound %d: from %d to %d, and its last frame is due at %d", s.Number, s.Sound, s.from, s.to, last)
	}
	return nil
}
