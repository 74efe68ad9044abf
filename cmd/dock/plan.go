package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// recording is one file to upload.
type recording struct {
	file     string
	blob     string
	size     int64
	modified time.Time
	problem  error // found while planning; it is reported and the file is not uploaded
}

// plan lists what the arguments name, folders in lexical order, each file once. A path that does not
// exist is a problem of its own and does not keep the others from being uploaded.
func plan(paths []string, at place) ([]recording, error) {
	var list []recording
	seen := map[string]bool{}    // absolute path
	taken := map[string]string{} // blob -> file
	add := func(file string) error {
		abs, err := filepath.Abs(file)
		if err != nil {
			return fmt.Errorf("finding %s: %w", file, err)
		}
		if seen[abs] {
			return nil
		}
		seen[abs] = true
		r := describe(file, at)
		if other, ok := taken[r.blob]; ok && r.problem == nil {
			r.problem = fmt.Errorf("gets the same name in the store as %s: give one of them another name or --start", other)
		} else if r.problem == nil {
			taken[r.blob] = file
		}
		list = append(list, r)
		return nil
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err == nil && info.IsDir() {
			err = walk(p, add, func(file string, problem error) {
				list = append(list, recording{file: file, problem: problem})
			})
		} else {
			err = add(p)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no recordings in %s", strings.Join(paths, ", "))
	}
	return list, nil
}

func describe(file string, at place) recording {
	r := recording{file: file}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		r.problem = err
	case !info.Mode().IsRegular():
		r.problem = fmt.Errorf("%s is not a regular file", file)
	default:
		r.size, r.modified = info.Size(), info.ModTime()
		r.blob = at.blobName(file, r.modified)
	}
	return r
}

// walk finds the recordings under root. What cannot be searched is reported, since a recording may
// lie in it, and the rest goes on. Symbolic links are not followed.
func walk(root string, add func(string) error, report func(string, error)) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			report(p, err)
			return nil
		}
		if p != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && isVideo(p) {
			return add(p)
		}
		return nil
	})
}

func isVideo(p string) bool {
	return slices.Contains([]string{".mp4", ".mov", ".m4v", ".mkv", ".avi", ".ts", ".mts", ".m2ts"}, strings.ToLower(filepath.Ext(p)))
}

// contentType is set on the blob; what the file really is, the pipeline finds out.
func contentType(file string) string {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".mp4", ".m4v":
		return "video/mp4"
	case ".mov":
		return "video/quicktime"
	case ".mkv":
		return "video/x-matroska"
	case ".avi":
		return "video/x-msvideo"
	case ".ts", ".mts", ".m2ts":
		return "video/mp2t"
	default:
		return "application/octet-stream"
	}
}
