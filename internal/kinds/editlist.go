package kinds

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
)

// edit is one entry of an edit list, in ticks.
type edit struct {
	length uint64 // by the film's clock; 0 for as long as there is something
	from   int64  // by the track's clock; -1 where nothing is shown
}

// editing is what an ISO base media file says about when its picture is shown.
type editing struct {
	edits     []edit
	perSecond uint32 // of the film's clock
}

// readEditing reads the edit list of the picture. The judge applies it itself, by the letter (ISO/IEC 14496-12, 8.6.6): ffmpeg moves a picture that is shown later than
// its track's beginning to the beginning, which takes up to a frame, and leaves the sound where it is.
func readEditing(path string) (editing, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return editing{}, fmt.Errorf("reading the edits of %s: %w", path, err)
	}
	all, _ := boxes(b) // a damaged file ends within a box; what is before that counts
	i := first(all, "moov")
	if i < 0 || all[i].in("mvhd") == nil || len(all[i].tracks("vide")) == 0 {
		return editing{}, nil
	}
	list := editing{perSecond: scale(all[i].in("mvhd"))}
	elst := all[i].tracks("vide")[0].in("edts", "elst")
	if elst == nil {
		return list, nil
	}
	wide, rest := elst.body[0] == 1, elst.body[8:]
	for range binary.BigEndian.Uint32(elst.body[4:]) {
		one, size := edit{}, 12
		if wide {
			size = 20
		}
		if len(rest) < size {
			return list, fmt.Errorf("reading the edits of %s: %w", path, errBox)
		}
		if wide {
			one = edit{binary.BigEndian.Uint64(rest), int64(binary.BigEndian.Uint64(rest[8:]))}
		} else {
			one = edit{uint64(binary.BigEndian.Uint32(rest)), int64(int32(binary.BigEndian.Uint32(rest[4:])))}
		}
		list.edits, rest = append(list.edits, one), rest[size:]
	}
	return list, nil
}

// edited lists the pictures of a film with edits: ffprobe tells the times of its media, and leaves the edits alone. A picture whose time lies before an edit's
// beginning is not shown in it, though it lasts into it: browsers cut it off as well.
func (e editing) edited(ctx context.Context, path string) ([]Frame, error) {
	media, err := decode(ctx, path, "V:0", "-ignore_editlist", "1")
	if err != nil {
		return nil, err
	}
	all, err := media.shown(Time{})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b Frame) int { return cmp.Compare(a.At.Ticks, b.At.Ticks) })
	var list []Frame
	begin := Time{0, int64(e.perSecond)}
	for _, one := range e.edits {
		length := Time{int64(one.length), int64(e.perSecond)}
		for _, f := range all {
			into := f.At.since(Time{one.from, f.At.Scale})
			if one.from < 0 || into.Ticks < 0 || one.length > 0 && !into.before(length) {
				continue
			}
			f.At = into.on(begin)
			list = append(list, f)
		}
		begin = begin.Plus(length)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("editing %s: %w", path, errNothing)
	}
	return list, nil
}
