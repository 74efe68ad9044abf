package ffmpeg

import (
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"slices"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// saver is told how far a reading has come, and given the takes since it was told last.
type saver = func(context.Context, evidence.Reading, []evidence.Take) error

const (
	mostCopied = 4
	saveEvery  = 256 << 20 // bytes without a take
	saveEarly  = 32 << 20  // of a silent recording of more than this, that it is silent is told at once: its pictures can be shown
)

// Read implements pipeline.Listener: the original goes by once, is hashed, and its sound is picked up in passing. What is kept of a sound says where its
// next take begins. That may lie before the bytes that are hashed already: then reading begins there, and hashing goes on where it had ended. Takes
// depend on the recording alone: those that were made and not kept come again the same.
func (t *Tools) Read(ctx context.Context, src evidence.Source, from evidence.Reading, save saver) (evidence.Reading, error) {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return from, err
	}
	defer leave()
	if from.Offset == src.Original.Size && from.Offset > 0 && done(from.Sounds) {
		return from, nil // all but the last word of its stage was said
	}
	l := &listening{tools: t, src: src, save: save, sounds: []evidence.Sound{}}
	r, err := open(ctx, src)
	switch {
	case errors.Is(err, evidence.Unreadable):
	case err != nil:
		return from, err
	case !r.indexed():
		l.sounds = nil // they are made by the stage that goes through it: see aside.go
	default:
		l.listen(r)
	}
	if err := l.begin(ctx, r, from); err != nil {
		return from, err
	}
	defer l.tape.close()
	if err := l.run(ctx); err != nil {
		return from, err
	}
	return l.last, nil
}

func done(sounds []evidence.Sound) bool {
	return !slices.ContainsFunc(sounds, func(s evidence.Sound) bool { return !s.Ended })
}

// listening is one reading.
type listening struct {
	tools  *Tools
	src    evidence.Source
	save   saver
	sounds []evidence.Sound // those that nobody listens to: nil, or one that says how many are left out
	movie  *isobmff.Movie
	ears   []*ear
	tape   *tape
	feed   feed // nil where there is nothing to hear
	saved  int64
	last   evidence.Reading // as it was kept
}

// listen takes on a recording's sounds.
func (l *listening) listen(r *recording) {
	l.movie = r.movie
	tracks := r.tracks("soun")
	for n, track := range tracks[:min(len(tracks), mostCopied)] {
		l.ears = append(l.ears, newEar(l.tools, r.movie, track, n))
	}
	if n := len(tracks) - mostCopied; n > 0 {
		l.sounds = append(l.sounds, evidence.Sound{Name: soundName(mostCopied), Ended: true, Failed: fmt.Sprintf("this sound and %d more are not taken along", n-1)})
	}
	l.waveform()
}

// waveform lets the first sound that there is something of make it.
func (l *listening) waveform() {
	for _, e := range l.ears {
		if e.sound.Failed != "" || e.sound.Ended && e.sound.Takes == 0 {
			continue
		}
		if e.wave == nil && e.taker.takes == 0 && !e.sound.Ended {
			e.draws(&wave{})
		}
		return
	}
}

// begin goes to where the reading goes on. What was kept and cannot be understood, by an older version perhaps, is begun anew.
func (l *listening) begin(ctx context.Context, r *recording, from evidence.Reading) error {
	sum, ok := l.resume(from)
	if !ok && from.Offset > 0 {
		l.tools.log.WarnContext(ctx, "reading from the beginning: what was kept is not understood", "offset", from.Offset)
	}
	hashed := int64(0)
	if ok {
		hashed = from.Offset
	}
	return l.start(ctx, r, sum, hashed)
}

// resume restores what was kept; false, and all as at the beginning, when that cannot be.
func (l *listening) resume(from evidence.Reading) (hash.Hash, bool) {
	sum := sha256.New()
	fresh := func() (hash.Hash, bool) {
		for i, e := range l.ears {
			l.ears[i] = newEar(l.tools, l.movie, e.track, i)
		}
		l.waveform()
		return sha256.New(), false
	}
	if from.Offset == 0 {
		return sum, false
	}
	if from.Offset < 0 || from.Offset > l.src.Original.Size || len(from.Sounds) != len(l.ears)+len(l.sounds) ||
		sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(from.State) != nil { //nolint:forcetypeassert // documented of crypto/sha256
		return fresh()
	}
	for i, e := range l.ears {
		if e.draws(nil); e.resume(from.Sounds[i]) != nil {
			return fresh()
		}
	}
	l.waveform()
	return sum, true
}

// start opens the original where the earliest lies that is needed.
func (l *listening) start(ctx context.Context, r *recording, sum hash.Hash, hashed int64) error {
	first := hashed
	var tracks []*isobmff.Track
	var from []place
	for _, e := range l.ears {
		if tracks = append(tracks, e.track); e.sound.Ended {
			from = append(from, place{Box: nowhere})
			continue
		}
		from = append(from, e.mark.Place)
		first = min(first, e.mark.Offset)
		if e.mark.Place.Box > 0 {
			first = min(first, e.mark.Place.Box)
		}
	}
	var w *window
	if r != nil {
		w = r.window
	}
	l.tape = newTape(ctx, l.src, w, sum, hashed, first)
	l.saved = hashed
	if len(tracks) == 0 {
		return nil
	}
	f, err := newFragments(w, l.movie, tracks, from, func(p []byte, offset int64) error { return l.read(ctx, p, offset, -1) })
	if err != nil {
		return err
	}
	if l.feed = f; f == nil {
		l.feed = newTables(l.movie, tracks, from)
	}
	return nil
}

// read reads from the tape, and keeps how far it has come when that is long ago.
func (l *listening) read(ctx context.Context, p []byte, offset int64, who int) error {
	return l.tape.read(p, offset, who, func() error { return l.pass(ctx) })
}

func (l *listening) pass(ctx context.Context) error {
	if l.tape.hashed-l.saved < saveEvery {
		return nil
	}
	return l.keep(ctx)
}

func (l *listening) run(ctx context.Context) error {
	if len(l.ears) == 0 && l.sounds != nil && l.tape.hashed == 0 && l.src.Original.Size > saveEarly {
		if err := l.keep(ctx); err != nil {
			return err
		}
	}
	for l.feed != nil {
		more, err := l.piece(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	for _, e := range l.ears {
		if err := e.end(ctx); err != nil {
			return err
		}
	}
	for l.tape.at < l.src.Original.Size {
		if err := l.tape.forward(); err != nil {
			return err
		}
		if err := l.pass(ctx); err != nil {
			return err
		}
	}
	return l.keep(ctx)
}

// piece picks up the next piece of any sound; false when there are no more.
func (l *listening) piece(ctx context.Context) (more bool, err error) {
	p, err := l.feed.peek()
	if err != nil {
		return false, l.lost(err)
	}
	if p != nil {
		e := l.ears[p.sound]
		data := make([]byte, p.Size)
		if !e.sound.Ended {
			err = l.read(ctx, data, p.Offset, p.sound)
		}
		if l.feed.pop(); isobmff.Damaged(err) {
			e.note(incomplete)
			err = e.end(ctx)
		} else if err == nil {
			err = e.hear(ctx, p, data, l.keep)
		}
		if err != nil {
			return false, err
		}
	}
	made := false
	for i, e := range l.ears {
		if l.feed.broken(i) {
			e.note(incomplete)
		}
		if l.feed.ended(i) {
			if err := e.end(ctx); err != nil {
				return false, err
			}
		}
		made = made || len(e.takes) > 0 || e.sound.Ended != e.told
	}
	l.waveform()
	if made && !l.nearEnd() {
		err = l.keep(ctx)
	}
	return p != nil, err
}

// nearEnd tells whether the last save comes soon and will do.
func (l *listening) nearEnd() bool {
	for _, e := range l.ears {
		if !e.sound.Ended {
			return false
		}
	}
	return l.src.Original.Size-l.tape.at < saveEarly
}

// lost takes damage to the recording for the end of its sounds: the digest never fails for it.
func (l *listening) lost(err error) error {
	if !isobmff.Damaged(err) {
		return err
	}
	for _, e := range l.ears {
		e.note(incomplete)
	}
	l.feed = nil
	return nil
}

// keep saves how far the reading has come. What was kept of a sound before stays true: it says how the takes come that have not been handed out.
func (l *listening) keep(ctx context.Context) error {
	state, err := l.tape.state()
	if err != nil {
		return err
	}
	now := evidence.Reading{Offset: l.tape.hashed, State: state}
	var takes []evidence.Take
	if l.sounds != nil {
		now.Sounds = []evidence.Sound{}
	}
	for i, e := range l.ears {
		if e.idle() && l.feed != nil {
			e.mark.Place = l.feed.here(i)
			e.mark.Offset = l.tape.hashed
		}
		s, err := e.kept()
		if err != nil {
			return err
		}
		now.Sounds = append(now.Sounds, s)
		takes = append(takes, e.takes...)
	}
	now.Sounds = append(now.Sounds, l.sounds...)
	if err := l.save(ctx, now, takes); err != nil {
		return err
	}
	for _, e := range l.ears {
		e.takes, e.told = nil, e.sound.Ended
	}
	l.saved, l.last = now.Offset, now
	return nil
}
