package isobmff

import "fmt"

// Reference is one fragment of a Directory. Bytes is below 2 GB and Duration below 2^32.
type Reference struct{ Bytes, Duration int64 }

// DirectoryInfo is what a sidx says.
type DirectoryInfo struct {
	Track, Timescale, Start int64
	First                   int64 // where the first fragment begins in the file
	Refs                    []Reference
}

const (
	maxReferences     = 1<<16 - 1
	maxReferenceBytes = 1<<31 - 1
)

// Directory is a sidx over fragments that follow it at once, each beginning with a sync sample. One sidx holds 65,535 references: where there
// are more, neighbours are joined, two and two, until they fit.
func Directory(track, timescale, start int64, refs []Reference) []byte {
	for len(refs) > maxReferences {
		joined := make([]Reference, 0, len(refs)/2+1)
		for i := 0; i < len(refs); i += 2 {
			r := refs[i]
			if i+1 < len(refs) {
				r.Bytes, r.Duration = r.Bytes+refs[i+1].Bytes, r.Duration+refs[i+1].Duration
			}
			joined = append(joined, r)
		}
		refs = joined
	}
	w := &writer{}
	w.full("sidx", 1, 0, func() {
		w.u32(track, timescale)
		w.u64(start)
		w.u64(0)
		w.u16(0)
		w.u16(int64(len(refs)))
		for _, r := range refs {
			w.u32(clamp(r.Bytes, 0, maxReferenceBytes), clamp(r.Duration, 0, maxU32), 0x9000_0000) // begins with a sync sample, of type 1
		}
	})
	return w.b
}

// ParseDirectory finds the sidx at the beginning of a file, in front of its fragments. ErrShort means that more of the file is needed.
func ParseDirectory(head []byte) (d DirectoryInfo, err error) {
	for at := int64(0); ; {
		if int64(len(head))-at < 8 {
			return d, fmt.Errorf("%w: no sidx in the first %d bytes", ErrShort, len(head))
		}
		if u32(head[at:]) == 1 && int64(len(head))-at < 16 {
			return d, fmt.Errorf("%w: a header is cut off at %d", ErrShort, at)
		}
		b, err := header(head[at:], at, int64(len(head)))
		switch {
		case err != nil:
			return d, err
		case b.kind == "moof" || b.kind == "mdat":
			return d, fmt.Errorf("%w: no sidx in front of the first fragment", ErrDamaged)
		case b.cut:
			return d, fmt.Errorf("%w: box %q runs past the first %d bytes", ErrShort, b.kind, len(head))
		case b.kind == "sidx":
			return parseSidx(head[b.from:b.to], b.to)
		}
		at = b.to
	}
}

func parseSidx(p []byte, end int64) (d DirectoryInfo, err error) {
	damaged := fmt.Errorf("%w: sidx of %d bytes", ErrDamaged, len(p))
	if len(p) < 24 || p[0] > 1 || p[0] == 1 && len(p) < 32 {
		return d, damaged
	}
	d.Track, d.Timescale = u32(p[4:]), u32(p[8:])
	if p[0] == 0 {
		d.Start, d.First, p = u32(p[12:]), u32(p[16:]), p[20:]
	} else {
		d.Start, d.First, p = u64(p[12:]), u64(p[20:]), p[28:]
	}
	if d.Start < 0 || d.First < 0 || d.First > maxTime || d.Timescale == 0 || int64(len(p)-4) < u16(p[2:])*12 {
		return DirectoryInfo{}, damaged
	}
	d.First += end
	d.Refs = make([]Reference, u16(p[2:]))
	for i := range d.Refs {
		row := p[4+12*i:]
		if row[0]&0x80 != 0 {
			return DirectoryInfo{}, fmt.Errorf("%w: a sidx of other sidx", ErrDamaged)
		}
		d.Refs[i] = Reference{Bytes: u32(row), Duration: u32(row[4:])}
	}
	return d, nil
}
