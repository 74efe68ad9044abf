package isobmff

// Extent is a piece of the original.
type Extent struct{ Offset, Size int64 }

// FilmTrack is a track of a small film, with the samples that are to be in it, in decode order.
type FilmTrack struct {
	*Track
	Samples []Sample
}

// Film makes a small plain film of samples that stay where they are: head is everything up to the first sample, and what extents say of the
// original follows, in order. Samples that lie one behind the other share an extent, and a gap of up to slack bytes between them is taken along;
// where a track goes back, or samples overlap, bytes come twice. The film has no edit list. A track's first decode time is 0, and the others
// keep their distance from it, holes included; its compositions are raised so that none is negative: see Raised. A Track that was not read from a
// file needs ID, Handler, Timescale and Entries, and of pictures Width, Height and Matrix; its entries are read by the rules of MP4.
func Film(slack int64, tracks ...FilmTrack) (head []byte, extents []Extent) {
	return film(nil, slack, tracks)
}

// Film is the same with this movie's own header, its user data, and what its tracks say of each other: for those who ask what a recording says
// about itself.
func (m *Movie) Film(slack int64, tracks ...FilmTrack) (head []byte, extents []Extent) {
	return film(m, slack, tracks)
}

// Raised is what a Film adds to the compositions of a track's samples: in the film a sample is due at PTS - DTS of the first + Raised.
func Raised(samples []Sample) (by int64) {
	for _, s := range samples {
		by = max(by, -s.Composition)
	}
	return by
}

func film(m *Movie, slack int64, tracks []FilmTrack) ([]byte, []Extent) {
	l := &layout{slack: slack, chunks: make([][]chunk, len(tracks))}
	l.lay(tracks)
	f := &filmWriter{scale: 1000, next: 1}
	tables := l.total
	var brands, user []byte
	for _, t := range tracks {
		if f.next = max(f.next, t.ID+1); brands == nil {
			brands = t.brands
		}
		tables += int64(len(t.Samples))*64 + int64(len(t.Entries)) + 4*maxHeader
	}
	f.wide = tables > maxU32-maxUserData
	if brands == nil {
		f.box("ftyp", func() { f.text("isom\x00\x00\x02\x00isomiso2mp41") })
	}
	f.bytes(brands)
	if m != nil && m.Timescale > 0 {
		f.scale, user = m.Timescale, m.UserData
	}
	f.box("moov", func() {
		f.movie(m, tracks)
		for i, t := range tracks {
			f.box("trak", func() {
				if f.track(t, l.chunks[i]); m != nil {
					f.bytes(t.relation)
				}
			})
		}
		f.bytes(user)
	})
	f.data(l.total)
	f.place()
	return f.b, l.extents
}

// layout is where in the film's data the samples come to lie.
type layout struct {
	slack   int64
	extents []Extent
	total   int64
	chunks  [][]chunk // of each track
}

// chunk is a run of samples of one track, one behind the other.
type chunk struct {
	at, end int64 // in the film's data
	samples int64
	entry   int
}

// lay puts all tracks' samples one after the other: each track in its own order, and among the tracks that first which lies first in the
// original, so that it is read forward.
func (l *layout) lay(tracks []FilmTrack) {
	at := make([]int, len(tracks))
	for {
		pick := -1
		for i, t := range tracks {
			if at[i] < len(t.Samples) && (pick < 0 || t.Samples[at[i]].Offset < tracks[pick].Samples[at[pick]].Offset) {
				pick = i
			}
		}
		if pick < 0 {
			return
		}
		l.sample(pick, tracks[pick].Samples[at[pick]])
		at[pick]++
	}
}

func (l *layout) sample(track int, s Sample) {
	if n := len(l.extents); n > 0 {
		last := &l.extents[n-1]
		if gap := s.Offset - last.Offset - last.Size; gap >= 0 && gap <= l.slack || s.Size == 0 {
			if s.Size > 0 {
				last.Size += gap + s.Size
				l.total += gap
			}
			l.append(track, s)
			return
		}
	}
	if s.Size > 0 {
		l.extents = append(l.extents, Extent{s.Offset, s.Size})
	}
	l.append(track, s)
}

func (l *layout) append(track int, s Sample) {
	chunks := l.chunks[track]
	if n := len(chunks); n > 0 && chunks[n-1].end == l.total && chunks[n-1].entry == s.Entry && chunks[n-1].samples+int64(s.Count) <= maxU32 {
		chunks[n-1].samples += int64(s.Count)
		chunks[n-1].end += s.Size
	} else {
		l.chunks[track] = append(chunks, chunk{l.total, l.total + s.Size, int64(s.Count), s.Entry})
	}
	l.total += s.Size
}
