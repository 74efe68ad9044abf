package main

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const startLayout = "20060102T150405Z"

// place says whose recordings these are; it becomes the folders of the blob's name.
type place struct {
	unit    string
	officer string
	camera  string
	start   time.Time // zero: each file's modification time
}

// check brings unit, officer and camera into the one spelling that the name has, so that the same
// recording gets the same name whoever types it.
func (p *place) check() error {
	p.unit = strings.ToLower(strings.TrimSpace(p.unit))
	p.officer = strings.ToUpper(strings.TrimSpace(p.officer))
	p.camera = strings.ToUpper(strings.TrimSpace(p.camera))
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`).MatchString(p.unit) {
		return fmt.Errorf("--unit %q: want a word of a-z, 0-9 and -, up to 40 characters", p.unit)
	}
	word := regexp.MustCompile(`^[A-Z0-9_-]{1,40}$`)
	if !word.MatchString(p.officer) {
		return fmt.Errorf("--officer %q: want letters, digits, - and _, up to 40 characters", p.officer)
	}
	if !word.MatchString(p.camera) {
		return fmt.Errorf("--camera %q: want letters, digits, - and _, up to 40 characters", p.camera)
	}
	return nil
}

// blobName depends on nothing but the arguments and the file's own modification time: a second run
// must arrive at the same name to find out that the recording is safe.
func (p place) blobName(file string, modified time.Time) string {
	start := p.start
	if start.IsZero() {
		start = modified
	}
	start = start.UTC()
	base := filepath.Base(file)
	ext := filepath.Ext(base)
	name := plain(strings.TrimSuffix(base, ext))
	if name == "" {
		name = "recording"
	}
	if ext = strings.ToLower(plain(strings.TrimPrefix(ext, "."))); ext == "" {
		ext = "bin"
	}
	return path.Join(p.unit, p.officer, p.camera, start.Format("2006/01/02"), start.Format(startLayout)+"-"+name+"."+ext)
}

// plain keeps what needs no escaping anywhere, and at most 100 characters of it.
func plain(s string) string {
	s = regexp.MustCompile(`[^A-Za-z0-9_]+`).ReplaceAllString(s, "-")
	s = strings.Trim(s, "-")
	return strings.TrimRight(s[:min(len(s), 100)], "-")
}
