package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"bwv/internal/isobmff"
)

var errFilm = errors.New("not a fragmented film as ffmpeg writes it")

// stretch writes a fragmented film n times behind each other: whole at first, then with holes where the media would be. To whoever reads its index it
// is the long film, to the disk it is small.
func stretch(from, to string, n int) (err error) {
	film, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	step, err := lasts(film)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var end int64
	for round := range int64(n) {
		err := boxes(film, func(kind string, whole []byte) error {
			media := kind == "moof" || kind == "mdat"
			if kind == "mfra" || round > 0 && !media { // an index of places that are others now; a head
				return nil
			}
			keep := whole
			switch {
			case round > 0 && kind == "mdat":
				keep = whole[:8]
			case kind == "moof":
				if keep, err = later(whole, step, round); err != nil {
					return err
				}
			}
			at := end
			end += int64(len(whole))
			_, err := out.WriteAt(keep, at)
			return err
		})
		if err != nil {
			return err
		}
	}
	return out.Truncate(end)
}

// lasts is how many ticks each track of a film is moved by for each time it is repeated: its length, in whole seconds.
func lasts(film []byte) (map[uint32]uint64, error) {
	m, err := isobmff.Read(file{bytes.NewReader(film)})
	if err != nil || !m.Fragmented {
		return nil, errors.Join(err, errFilm)
	}
	longest := 0.0
	for _, t := range m.Tracks {
		for samples := m.Samples(t); ; {
			s, err := samples.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			longest = max(longest, float64(s.DTS+s.Duration)/float64(t.Timescale))
		}
	}
	step := map[uint32]uint64{}
	for _, t := range m.Tracks {
		step[uint32(t.ID)] = uint64(math.Ceil(longest)) * uint64(t.Timescale)
	}
	return step, nil
}

// file is a film in memory as isobmff reads it.
type file struct{ *bytes.Reader }

// later is a moof whose tracks decode later by so many steps.
func later(moof []byte, step map[uint32]uint64, rounds int64) ([]byte, error) {
	moof = bytes.Clone(moof)
	return moof, boxes(moof[8:], func(kind string, traf []byte) error {
		if kind != "traf" {
			return nil
		}
		track := uint32(0)
		return boxes(traf[8:], func(kind string, b []byte) error {
			switch {
			case kind == "tfhd" && len(b) >= 16:
				track = binary.BigEndian.Uint32(b[12:])
			case kind == "tfdt" && len(b) == 20 && b[8] == 1:
				binary.BigEndian.PutUint64(b[12:], binary.BigEndian.Uint64(b[12:])+step[track]*uint64(rounds))
			case kind == "tfdt":
				return errFilm
			}
			return nil
		})
	})
}

// boxes calls visit with each box, header included.
func boxes(p []byte, visit func(kind string, whole []byte) error) error {
	for len(p) > 0 {
		if len(p) < 8 {
			return errFilm
		}
		size := int64(binary.BigEndian.Uint32(p))
		if size < 8 || size > int64(len(p)) {
			return fmt.Errorf("a box of %d bytes: %w", size, errFilm)
		}
		if err := visit(string(p[4:8]), p[:size]); err != nil {
			return err
		}
		p = p[size:]
	}
	return nil
}
