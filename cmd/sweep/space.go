package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// space is the table of everything that is measured; it explains itself.
//
//go:embed space.txt
var space string

// entry is one row of the table.
type entry struct {
	Set     string
	Name    string
	CRF     []float64
	Input   []string
	Keep    string // which pictures, where not all
	Filter  string
	Encoder []string
}

// entries reads the table.
func entries(text string) (list []entry, err error) {
	known := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the table: %w", i+1, err)
		}
		if known[e.Set+e.Name] {
			return nil, fmt.Errorf("line %d of the table: %s %s is there twice", i+1, e.Set, e.Name)
		}
		known[e.Set+e.Name] = true
		list = append(list, e)
	}
	return list, nil
}

func parse(line string) (e entry, err error) {
	cells := strings.Split(line, "|")
	if len(cells) != 7 {
		return e, fmt.Errorf("%d cells instead of 7", len(cells))
	}
	for i, cell := range cells {
		if cells[i] = strings.TrimSpace(cell); cells[i] == "-" {
			cells[i] = ""
		}
	}
	e = entry{Set: cells[0], Name: cells[1], Input: strings.Fields(cells[3]), Keep: cells[4], Filter: cells[5], Encoder: strings.Fields(cells[6])}
	if !slices.Contains([]string{"decode", "scale", "search", "option", "final", "peer"}, e.Set) {
		return e, fmt.Errorf("no set is called %q", e.Set)
	}
	for _, text := range strings.Fields(cells[2]) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return e, fmt.Errorf("crf %q: %w", text, err)
		}
		e.CRF = append(e.CRF, v)
	}
	return e, nil
}

// matching is the rows whose set and name fit a regular expression.
func matching(list []entry, pattern string) (some []entry, err error) {
	fits, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if fits.MatchString(e.Set + " " + e.Name) {
			some = append(some, e)
		}
	}
	return some, nil
}

// floor is the row that everything is a multiple of: the decoder alone.
const floor = "decode only"

// settings is the row's quality settings; one that has none, or brings its own, is measured once.
func (e entry) settings() []float64 {
	if len(e.CRF) == 0 {
		return []float64{0}
	}
	return e.CRF
}
