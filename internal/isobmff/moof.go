package isobmff

import (
	"fmt"
	"math"
)

// defaults are what a fragment's samples are where their own row doesn't say: of trex, then of tfhd.
type defaults struct{ entry, duration, size, flags int64 }

// traf is one track's part of a fragment (section 8.8).
type traf struct {
	track  int64
	entry  int
	decode int64 // of the first sample; -1 when not said
	runs   []run
}

// run is a trun: samples that lie one behind the other.
type run struct {
	defaults
	offset int64
	count  int64
	first  int64 // flags of the first sample, or -1
	has    int64 // which columns its rows have
	width  int64
	rows   []byte
}

const (
	runOffset, runFirst                     = 0x1, 0x4
	runDuration, runSize, runFlags, runTime = 0x100, 0x200, 0x400, 0x800

	maxMoof  = 32 << 20
	maxRuns  = 1 << 16 // of a fragment
	maxEmpty = 1 << 16 // samples of no bytes for which no row speaks, of one run
)

// parseMoof reads the content of a moof that begins at an offset of the file. Overlong counts are errors: nothing is made by what is claimed.
func parseMoof(p []byte, at int64, known map[int64]defaults) ([]traf, error) {
	var trafs []traf
	implied, runs := at, 0 // where data begins that nothing is said about
	err := inside(p, func(kind string, p []byte) error {
		if kind != "traf" {
			return nil
		}
		if len(trafs) == maxTracks {
			return fmt.Errorf("%w: a fragment of more than %d tracks", ErrDamaged, maxTracks)
		}
		t, end, err := parseTraf(p, at, implied, known, &runs)
		if err != nil {
			return err
		}
		implied = end
		trafs = append(trafs, t)
		return nil
	})
	return trafs, err
}

func parseTraf(p []byte, moof, implied int64, known map[int64]defaults, runs *int) (t traf, end int64, err error) {
	t.decode = -1
	var d defaults
	headed := false
	base, end := implied, implied
	err = inside(p, func(kind string, p []byte) error {
		switch kind {
		case "tfhd":
			t.track, d, base, err = parseTfhd(p, moof, implied, known)
			t.entry, headed, end = int(max(d.entry, 1)-1), true, base
			return err
		case "tfdt":
			t.decode, err = parseTfdt(p)
			return err
		case "trun":
			if *runs++; !headed || *runs > maxRuns {
				return fmt.Errorf("%w: a fragment of %d runs, headed %t", ErrDamaged, *runs, headed)
			}
			r, err := parseTrun(p, base, end, d)
			if err != nil {
				return err
			}
			total, err := r.bytes()
			if err != nil {
				return err
			}
			end = r.offset + total
			t.runs = append(t.runs, r)
		}
		return nil
	})
	if err == nil && !headed {
		err = fmt.Errorf("%w: a traf without tfhd", ErrDamaged)
	}
	return t, end, err
}

func parseTfhd(p []byte, moof, implied int64, known map[int64]defaults) (id int64, d defaults, base int64, err error) {
	if len(p) < 8 {
		return 0, d, 0, fmt.Errorf("%w: tfhd of %d bytes", ErrDamaged, len(p))
	}
	flags := u32(p) & 0xffffff
	id, base = u32(p[4:]), implied
	d = known[id]
	if flags&0x020000 != 0 {
		base = moof
	}
	p = p[8:]
	for _, field := range []struct {
		flag int64
		size int
		into *int64
	}{{0x1, 8, &base}, {0x2, 4, &d.entry}, {0x8, 4, &d.duration}, {0x10, 4, &d.size}, {0x20, 4, &d.flags}} {
		if flags&field.flag == 0 {
			continue
		}
		if len(p) < field.size {
			return id, d, base, fmt.Errorf("%w: tfhd ends too early", ErrDamaged)
		}
		if *field.into = u32(p); field.size == 8 {
			*field.into = u64(p)
		}
		p = p[field.size:]
	}
	if base < 0 || base > maxTime {
		err = fmt.Errorf("%w: a fragment's data at %d", ErrDamaged, base)
	}
	return id, d, base, err
}

// parseTfdt refuses a time below 0: it is written as an unsigned number near the largest, and players then wait for it forever.
func parseTfdt(p []byte) (int64, error) {
	decode := int64(-1)
	switch {
	case len(p) >= 12 && p[0] == 1:
		decode = u64(p[4:])
	case len(p) >= 8 && p[0] == 0:
		decode = u32(p[4:])
	}
	if decode < 0 || decode > maxTime {
		return 0, fmt.Errorf("%w: tfdt of %d bytes with a decode time of %d", ErrDamaged, len(p), decode)
	}
	return decode, nil
}

func parseTrun(p []byte, base, end int64, d defaults) (r run, err error) {
	if len(p) < 8 {
		return r, fmt.Errorf("%w: trun of %d bytes", ErrDamaged, len(p))
	}
	r = run{defaults: d, offset: end, count: u32(p[4:]), first: -1, has: u32(p) & 0xffffff}
	p = p[8:]
	if r.has&runOffset != 0 && len(p) >= 4 {
		r.offset = base + i32(p)
		p = p[4:]
	}
	if r.has&runFirst != 0 && len(p) >= 4 {
		r.first = u32(p)
		p = p[4:]
	}
	for _, flag := range []int64{runDuration, runSize, runFlags, runTime} {
		if r.has&flag != 0 {
			r.width += 4
		}
	}
	if r.offset < 0 || r.offset > maxTime || int64(len(p)) < r.count*r.width || r.width == 0 && r.size == 0 && r.count > maxEmpty {
		return r, fmt.Errorf("%w: trun of %d samples at %d, with %d bytes of rows", ErrDamaged, r.count, r.offset, len(p))
	}
	r.rows = p
	return r, nil
}

// bytes is how many bytes the samples take.
func (r *run) bytes() (total int64, err error) {
	if r.has&runSize == 0 {
		if r.size > 0 && r.count > maxTime/r.size {
			return 0, fmt.Errorf("%w: %d samples of %d bytes", ErrDamaged, r.count, r.size)
		}
		return r.count * r.size, nil
	}
	at := int64(0)
	if r.has&runDuration != 0 {
		at = 4
	}
	for i := range r.count {
		total += u32(r.rows[i*r.width+at:])
	}
	return total, nil // at most 2^32 times 2^32/4
}

const (
	flagNonSync = 1 << 16
	flagDepends = 1 << 24
)

// sample is the i-th of a run, without place and decode time. Sound needs no flags to start anywhere.
func (r *run) sample(i int64, sound bool) Sample {
	s := Sample{Size: r.size, Duration: r.duration, Count: 1}
	flags := r.flags
	row := r.rows[min(i*r.width, int64(len(r.rows))):]
	for _, column := range []struct{ flag int64 }{{runDuration}, {runSize}, {runFlags}, {runTime}} {
		if r.has&column.flag == 0 {
			continue
		}
		switch v := u32(row); column.flag {
		case runDuration:
			s.Duration = v
		case runSize:
			s.Size = v
		case runFlags:
			flags = v
		case runTime:
			s.Composition = i32(row)
		}
		row = row[4:]
	}
	if i == 0 && r.first >= 0 {
		flags = r.first
	}
	s.Sync = sound || flags&(flagNonSync|flagDepends) == 0
	return s
}

// trafs' samples one by one, for a file and for a stream.
type fragment struct {
	traf  traf
	sound bool
	run   int
	index int64
	at    int64 // of the next sample of the run
}

// next is the next sample, due at decode; false at the end. Samples of sound that are all alike and a tick long come as one.
func (f *fragment) next(decode int64) (Sample, bool, error) {
	for f.run < len(f.traf.runs) {
		r := &f.traf.runs[f.run]
		if f.index == r.count {
			f.run, f.index = f.run+1, 0
			continue
		}
		if f.index == 0 {
			f.at = r.offset
		}
		s := r.sample(f.index, f.sound)
		if f.sound && r.width == 0 && r.duration == 1 && r.size > 0 {
			s.Size, s.Duration, s.Count = r.count*r.size, r.count, int(r.count)
		}
		s.Offset, s.DTS, s.Entry = f.at, decode, f.traf.entry
		f.index += int64(s.Count)
		f.at += s.Size
		if decode > maxTime-s.Duration || s.Offset > math.MaxInt64-s.Size {
			return s, false, fmt.Errorf("%w: a decode time of %d", ErrDamaged, decode)
		}
		return s, true, nil
	}
	return Sample{}, false, nil
}
