package ffmpeg

import "fmt"

// sample is where one sample lies, and when it is due.
type sample struct {
	offset, size  int64
	from, seconds float64 // from the start of the track
}

const maxSamples = 100_000

// sampleTable resolves the tables of a track (ISO/IEC 14496-12, sections 8.6 to 8.7), at most maxSamples.
func (w *walker) sampleTable(t track) ([]sample, error) {
	if t.timescale <= 0 {
		return nil, fmt.Errorf("%w: a timescale of 0", errIndex)
	}
	samples, err := w.sizes(t)
	if err != nil {
		return nil, err
	}
	if err := w.times(t, samples); err != nil {
		return nil, err
	}
	placed, err := w.places(t, samples)
	return samples[:placed], err
}

func (w *walker) sizes(t track) ([]sample, error) {
	stsz, ok := t.tables["stsz"]
	if !ok {
		return nil, nil
	}
	var fixed [12]byte
	if stsz.to-stsz.from < int64(len(fixed)) {
		return nil, fmt.Errorf("%w: box stsz of %d bytes", errIndex, stsz.to-stsz.from)
	}
	if _, err := w.file.ReadAt(fixed[:], stsz.from); err != nil {
		return nil, err
	}
	var samples []sample
	if size := u32(fixed[4:8]); size > 0 {
		samples = make([]sample, min(u32(fixed[8:12]), t.samples, maxSamples))
		for i := range samples {
			samples[i].size = size
		}
		return samples, nil
	}
	err := w.table(stsz, 8, 4, func(i int64, p []byte) error {
		if i >= maxSamples {
			return errStop
		}
		samples = append(samples, sample{size: u32(p)})
		return nil
	})
	return samples, past(err)
}

func (w *walker) times(t track, samples []sample) error {
	i, now := 0, int64(0)
	err := w.table(t.tables["stts"], 4, 8, func(_ int64, p []byte) error {
		for range min(u32(p), int64(len(samples)-i)) {
			samples[i].from = float64(now) / float64(t.timescale)
			samples[i].seconds = float64(u32(p[4:])) / float64(t.timescale)
			now += u32(p[4:])
			i++
		}
		if i == len(samples) {
			return errStop
		}
		return nil
	})
	return past(err)
}

// places gives each sample its offset and tells how many have one.
func (w *walker) places(t track, samples []sample) (int, error) {
	type run struct{ first, each int64 } // from this chunk on, so many samples in each
	var runs []run
	err := w.table(t.tables["stsc"], 4, 12, func(i int64, p []byte) error {
		if i >= maxSamples {
			return errStop
		}
		runs = append(runs, run{u32(p), u32(p[4:])})
		return nil
	})
	if past(err) != nil || len(runs) == 0 {
		return 0, past(err)
	}
	chunks, width := t.tables["stco"], int64(4)
	if wide, ok := t.tables["co64"]; ok {
		chunks, width = wide, 8
	}
	placed := 0
	err = w.table(chunks, 4, width, func(i int64, p []byte) error {
		for len(runs) > 1 && i+1 >= runs[1].first {
			runs = runs[1:]
		}
		offset := u32(p)
		if width == 8 {
			offset = u64(p)
		}
		for range min(runs[0].each, int64(len(samples)-placed)) {
			samples[placed].offset = offset
			offset += samples[placed].size
			placed++
		}
		if placed == len(samples) || i > maxSamples {
			return errStop
		}
		return nil
	})
	return placed, past(err)
}

// past takes the end of a walk for what it is.
func past(err error) error {
	if err == errStop { //nolint:errorlint // never wrapped
		return nil
	}
	return err
}
