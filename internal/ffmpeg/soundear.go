package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// ear makes the takes of one sound track while its samples go by.
type ear struct {
	tools *Tools
	sound evidence.Sound
	track *isobmff.Track
	shift int64  // presentation = media - shift
	until int64  // nothing is heard from here on
	same  []bool // which sample entries are as the first one
	taker *taker
	coder *coder          // nil where the sound is copied
	wave  *wave           // nil where there is none to be made
	mark  mark            // after the last take
	takes []evidence.Take // made, and not handed out
	told  bool            // that it ended
	here  *piece          // at hand
}

// mark is how another invocation goes on behind a sound's last take. Takes depend on the track alone, and not on when they are handed out: the same
// ones come again.
type mark struct {
	Place  place `json:"place"`
	Offset int64 `json:"offset"` // of what is at that place, or of what comes before it
	Start  int64 `json:"start"`  // of the take, in the taker's ticks
	Wave   *wave `json:"wave,omitempty"`
}

const (
	mostSoundRate, leastSoundRate = 96000, 7350
	heldTakes                     = 8
	overlong                      = 60 // seconds
)

// latest is when the last of a sound can be heard, in seconds: by the word of the index, or else by what we take for possible. A time that
// is damaged would have silence made for days.
func latest(m *isobmff.Movie) (seconds int64) {
	for _, t := range m.Tracks {
		seconds = max(seconds, t.Duration/t.Timescale+overlong)
	}
	if m.Timescale > 0 {
		seconds = max(seconds, m.Duration/m.Timescale+overlong)
	}
	if m.Fragmented || seconds <= overlong {
		return longestSound
	}
	return min(seconds, longestSound)
}

// newEar listens to the n-th sound of a recording.
func newEar(t *Tools, m *isobmff.Movie, track *isobmff.Track, n int) *ear {
	e := &ear{tools: t, track: track, sound: evidence.Sound{Name: soundName(n), Language: language(track.MediaHeader), Codecs: codecLC, Channels: 2}}
	var ok bool
	if e.shift, e.until, ok = m.Shift(track); !ok {
		e.fail("its edit list has several parts")
		return e
	}
	if track.Timescale > maxTimescale {
		e.fail(fmt.Sprintf("its clock has %d ticks a second", track.Timescale))
		return e
	}
	e.until = min(e.until, latest(m)*track.Timescale)
	object, rate, channels, ok := isobmff.ParseAAC(track.Entries)
	if ok && object == 2 && channels >= 1 && channels <= 2 && rate >= leastSoundRate && rate <= mostSoundRate {
		e.sound.Copied, e.sound.Channels = true, channels
		e.taker = newTaker(n, track.Timescale, int64(rate), channels)
		e.same = entries(track.Entries, func(one []byte) bool {
			o, r, c, ok := isobmff.ParseAAC(one)
			return ok && o == object && r == rate && c == channels
		})
		return e
	}
	if track.Channels == 1 && !ok || ok && channels == 1 && object != 29 {
		e.sound.Channels = 1
	}
	first := single(track.Entries, 0)
	if first == nil {
		e.fail("there is no word of what kind it is")
		return e
	}
	e.taker = newTaker(n, codedRate, codedRate, e.sound.Channels)
	e.coder = &coder{tools: t, taker: e.taker, entries: first, timescale: track.Timescale, claimed: e.sound.Channels, format: track.Format}
	e.same = entries(track.Entries, func(one []byte) bool { return bytes.Equal(one, first) })
	return e
}

// draws has the ear make the recording's waveform as well.
func (e *ear) draws(w *wave) {
	e.wave = w
	if e.coder != nil {
		e.coder.wave = w
	}
}

// resume goes on behind what was kept.
func (e *ear) resume(kept evidence.Sound) error {
	if kept.Copied != e.sound.Copied || kept.Name != e.sound.Name || kept.Copied && kept.Channels != e.sound.Channels {
		return fmt.Errorf("%q is another sound than %q: %w", kept.Name, e.sound.Name, evidence.Invalid)
	}
	failed := e.sound.Failed != ""
	if e.sound, e.told = kept, kept.Ended; kept.Ended {
		return nil
	}
	if failed {
		return fmt.Errorf("%q cannot be heard any more: %w", kept.Name, evidence.Invalid)
	}
	if err := json.Unmarshal(kept.Next, &e.mark); err != nil {
		return fmt.Errorf("reading where %q goes on: %w: %w", kept.Name, err, evidence.Invalid)
	}
	if w := e.mark.Wave; w != nil {
		own := *w
		e.draws(&own)
	}
	if e.coder != nil {
		e.coder.resume(kept.Takes, kept.Channels, e.mark.Start)
	} else {
		e.taker.resume(kept.Takes, e.mark.Start)
	}
	return nil
}

// kept is what is known of the sound after the takes that were made.
func (e *ear) kept() (evidence.Sound, error) {
	s := e.sound
	s.Next = nil
	if s.Ended {
		return s, nil
	}
	var err error
	s.Next, err = json.Marshal(e.mark)
	return s, err
}

func (e *ear) fail(words string) { e.sound.Failed, e.sound.Ended = words, true }

const incomplete = "the recording is damaged, and some of this sound could not be found"

// note says what is not to be had of a sound that has not ended; what was said first stands.
func (e *ear) note(words string) {
	if !e.sound.Ended && e.sound.Note == "" {
		e.sound.Note = words
	}
}

// idle tells whether nothing has come of this sound yet.
func (e *ear) idle() bool {
	return !e.sound.Ended && e.taker.idle() && e.taker.start == 0 && (e.coder == nil || len(e.coder.samples) == 0)
}

// hear takes the next piece. A hole before it may have many takes: save is called when they become too many to be held.
func (e *ear) hear(ctx context.Context, p *piece, data []byte, save func(context.Context) error) error {
	at := p.PTS() - e.shift
	switch {
	case e.sound.Ended || p.Entry < 0 || p.Entry >= len(e.same) || !e.same[p.Entry] || at < -longestSound*e.track.Timescale:
		return nil
	case at >= e.until || e.taker.takes >= mostTakes:
		return e.end(ctx)
	}
	if e.here = p; e.idle() {
		e.mark.Place, e.mark.Offset = p.place, p.Offset
	}
	more, err := e.add(ctx, at, data)
	for {
		if err := e.drain(ctx, err); err != nil || !more {
			return err
		}
		if len(e.takes) >= heldTakes {
			if err := save(ctx); err != nil {
				return err
			}
		}
		more, err = e.further(ctx, at, data)
	}
}

// add gives the piece at hand to what makes takes; with more there is more to be made before the next one.
func (e *ear) add(ctx context.Context, at int64, data []byte) (more bool, err error) {
	if e.coder != nil {
		return e.coder.add(ctx, sample{at: at, end: min(at+max(e.here.Duration, 0), e.until), data: data, place: e.here.place, offset: e.here.Offset})
	}
	if open, ok := e.taker.first(e.taker.warm); ok && e.here.Offset-open.offset >= takeSpan {
		e.taker.split()
	}
	return e.further(ctx, at, data)
}

func (e *ear) further(ctx context.Context, at int64, data []byte) (more bool, err error) {
	if e.coder != nil {
		return e.coder.more(ctx)
	}
	return e.taker.add(frame{at: at, data: data, place: e.here.place, offset: e.here.Offset}), nil
}

// end makes the last take.
func (e *ear) end(ctx context.Context) (err error) {
	if e.sound.Ended {
		return nil
	}
	e.sound.Ended = true
	if e.coder != nil {
		err = e.coder.finish(ctx)
	} else {
		e.taker.end()
	}
	return e.drain(ctx, err)
}

// drain turns what was closed into takes, and marks where it goes on. An error that is the recording's fault ends the sound, never the reading.
func (e *ear) drain(ctx context.Context, err error) error {
	if err != nil && !errors.Is(err, evidence.Unreadable) {
		return err
	}
	if e.coder != nil && e.sound.Note == "" {
		e.sound.Note = e.coder.note
	}
	if err != nil {
		if e.note("it ends too early: " + e.coder.cannot(err)); e.taker.takes == 0 {
			e.fail(e.coder.cannot(err))
		}
		e.sound.Ended = true
	}
	if len(e.taker.closed) == 0 {
		return nil
	}
	takes, err := e.tools.finish(ctx, e.taker, e.wave, e.sound.Ended)
	if err != nil {
		return err
	}
	e.takes = append(e.takes, takes...)
	e.sound.Takes, e.sound.Channels = e.taker.takes, e.taker.channels
	e.remember()
	return nil
}

// remember marks the earliest that the takes to come are made of.
func (e *ear) remember() {
	e.mark.Start = e.taker.start
	if e.wave != nil {
		w := *e.wave
		e.mark.Wave = &w
	}
	if e.coder != nil {
		if s, ok := e.coder.first(); ok {
			e.mark.Place, e.mark.Offset = s.place, s.offset
		}
		return
	}
	f, ok := e.taker.first(0)
	if !ok { // in a hole: the frame behind it fills the rest
		f = frame{place: e.here.place, offset: e.here.Offset}
	}
	e.mark.Place, e.mark.Offset = f.place, f.offset
}

// language reads ISO 639-2 out of an mdhd: three letters of five bits each (section 8.4.2).
func language(mdhd []byte) string {
	at := 8 + 20
	if len(mdhd) > 8 && mdhd[8] == 1 {
		at = 8 + 32
	}
	if len(mdhd) < at+2 {
		return ""
	}
	packed := binary.BigEndian.Uint16(mdhd[at:])
	var letters [3]byte
	for i := range letters {
		letters[i] = byte(packed>>(10-5*i))&0x1f + 0x60
		if letters[i] < 'a' || letters[i] > 'z' { // QuickTime has numbers of its own there
			return ""
		}
	}
	if string(letters[:]) == "und" || packed&0x8000 != 0 {
		return ""
	}
	return string(letters[:])
}

// single is a sample description with the n-th entry of another one only; nil where there is none.
func single(stsd []byte, n int) []byte {
	at := 16
	for ; at+8 <= len(stsd); n-- {
		size := int64(binary.BigEndian.Uint32(stsd[at:]))
		if size < 8 || size > int64(len(stsd)-at) {
			size = int64(len(stsd) - at)
		}
		if n == 0 {
			one := slices.Concat(stsd[:16], stsd[at:at+int(size)])
			binary.BigEndian.PutUint32(one, uint32(len(one))) //nolint:gosec // at most 1 MB
			binary.BigEndian.PutUint32(one[12:], 1)
			return one
		}
		at += int(size)
	}
	return nil
}

const mostEntries = 64

// entries tells of each sample entry whether it will do.
func entries(stsd []byte, do func(one []byte) bool) (same []bool) {
	for n := range mostEntries {
		one := single(stsd, n)
		if one == nil {
			break
		}
		same = append(same, do(one))
	}
	return same
}
