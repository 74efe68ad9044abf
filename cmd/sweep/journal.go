package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// point is one row of the table on one clip at one quality setting.
type point struct {
	Set, Name, Clip string
	CRF             float64   `json:",omitempty"`
	CPU             []float64 // seconds, one a round
	Frames          int
	Seconds         float64 // of footage
	Bytes           int64   `json:",omitempty"`
	quality
}

// typical is the median of the rounds. The cheapest would favour what was run most often.
func (p *point) typical() float64 {
	s := slices.Sorted(slices.Values(p.CPU))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func (p *point) key() string { return fmt.Sprintf("%s|%s|%s|%g", p.Set, p.Name, p.Clip, p.CRF) }

// journal keeps what was measured, and in a file if there is one: a search of hours goes on where it was interrupted.
type journal struct {
	points []*point
	index  map[string]*point
	file   *os.File
}

// openJournal reads what path already holds; an empty path keeps nothing.
func openJournal(path string) (*journal, error) {
	j := &journal{index: map[string]*point{}}
	if path == "" {
		return j, nil
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var p point
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		j.add(&p)
	}
	j.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return j, err
}

// add joins a round to the rounds before it; the quality is the first round's, since the bytes are the same in all.
func (j *journal) add(p *point) {
	if known := j.index[p.key()]; known != nil {
		known.CPU = append(known.CPU, p.CPU...)
		return
	}
	j.points = append(j.points, p)
	j.index[p.key()] = p
}

// rounds says how often a point has been measured.
func (j *journal) rounds(p point) int {
	if known := j.index[p.key()]; known != nil {
		return len(known.CPU)
	}
	return 0
}

// record adds a round and writes it down.
func (j *journal) record(p *point) error {
	j.add(p)
	if j.file == nil {
		return nil
	}
	line, err := json.Marshal(point{p.Set, p.Name, p.Clip, p.CRF, p.CPU[len(p.CPU)-1:], p.Frames, p.Seconds, p.Bytes, p.quality})
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// find is the points of a row on a clip.
func (j *journal) find(set, name, clip string) (list []*point) {
	for _, p := range j.points {
		if p.Set == set && p.Name == name && p.Clip == clip {
			list = append(list, p)
		}
	}
	return list
}

// clips names the clips of a set, in order of appearance.
func (j *journal) clips(set string) (list []string) {
	for _, p := range j.points {
		if p.Set == set && !slices.Contains(list, p.Clip) {
			list = append(list, p.Clip)
		}
	}
	return list
}

// complete names the clips on which every row of a set was measured: a mean over others would compare rows on different recordings.
func (j *journal) complete(set string) (list []string) {
	names := j.names(set)
	for _, clip := range j.clips(set) {
		if !slices.ContainsFunc(names, func(name string) bool { return len(j.find(set, name, clip)) == 0 }) {
			list = append(list, clip)
		}
	}
	return list
}

// names lists the rows of a set, in order of appearance.
func (j *journal) names(set string) (list []string) {
	for _, p := range j.points {
		if p.Set == set && !slices.Contains(list, p.Name) {
			list = append(list, p.Name)
		}
	}
	return list
}

// curve is a row's samples on a clip.
func (j *journal) curve(set, name, clip string) (list []sample) {
	for _, p := range j.find(set, name, clip) {
		list = append(list, sample{ssim: p.SSIM, cpu: p.typical(), bytes: float64(p.Bytes)})
	}
	return list
}
