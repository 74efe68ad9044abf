package isobmff

import "fmt"

// Movie is what a file's moov says. It doesn't hold the sample tables, and reading from it doesn't change it.
type Movie struct {
	Found      bool  // there is a moov
	Fragmented bool  // mvex in moov, or a moof at top level
	Cut        bool  // the file ends before its boxes do; where fragments follow, only Samples come to know
	Damaged    bool  // something in the moov made no sense: what is here is what made sense
	Timescale  int64 // of mvhd; 0 when not said
	Duration   int64 // of mvhd or mehd, in Timescale; 0 when not said
	Tracks     []*Track
	UserData   []byte // moov/udta and moov/meta, whole boxes; left out when they are more than 1 MB together
	Settings   []byte // the atom GPMF of the user data: what a GoPro says about itself

	src    *source
	header []byte // mvhd, the whole box
	brands []byte // ftyp, the whole box
	extend map[int64]defaults
	moofs  int64 // where the walk for fragments begins
	budget int64 // how much more of the moov may be kept
}

const (
	maxMoov     = 512 << 20 // walked through, never held
	maxTracks   = 64
	maxUserData = 1 << 20
	maxKept     = 16 << 20 // of all tracks' sample descriptions and headers together
	maxHeader   = 64 << 10
)

// Read finds the moov and reads what is beside its tables. A file without one has Found = false. The error is only ever the File's: what
// is wrong with the file itself is in the Movie, since those who play it forgive more.
func Read(f File) (*Movie, error) {
	m := &Movie{src: newSource(f), extend: map[int64]defaults{}, moofs: -1, budget: maxKept}
	if m.src.size > 0 {
		ahead := min(headSize, max(leastHead, m.src.size/headShare))
		if _, err := m.src.hold(0, int(min(8, m.src.size)), ahead, m.src.size); err != nil {
			return nil, err
		}
	}
	if err := m.top(); Damaged(err) {
		m.Damaged = true
	} else if err != nil {
		return nil, err
	}
	if m.brands == nil { // QuickTime's files had none for long
		w := &writer{}
		w.box("ftyp", func() { w.text("qt  \x00\x00\x02\x00qt  ") })
		m.brands = w.b
	}
	for _, t := range m.Tracks {
		t.brands = m.brands
	}
	if m.moofs >= 0 {
		m.Fragmented = true
	}
	return m, nil
}

// Track is the track of that number, or nil.
func (m *Movie) Track(id int64) *Track {
	for _, t := range m.Tracks {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// top walks the top level up to where everything is known: behind the moov it looks only whether the mdat is whole.
func (m *Movie) top() error {
	w := &walker{src: m.src, ahead: tailSize, end: m.src.size, limit: maxTop}
	return past(w.each(0, m.src.size, 0, func(b box) error {
		m.Cut = m.Cut || b.cut
		if w.seen > 8 { // this is not the file of a camera: no more generous requests
			w.ahead = 16
		}
		switch {
		case b.kind == "ftyp" && m.brands == nil && b.content() <= maxHeader && !b.cut:
			var err error
			m.brands, err = w.whole(b, maxHeader)
			return err
		case b.kind == "moof":
			if m.moofs < 0 {
				m.moofs = b.start
			}
			if m.Found {
				return errStop // what follows is long
			}
		case b.kind == "mdat" && m.Found:
			return errStop // seen now whether it is whole
		case b.kind == "moov" && !m.Found:
			return m.found(b)
		}
		if m.Found {
			w.ahead, w.limit = 16, min(w.limit, w.seen+64)
		}
		return nil
	}))
}

func (m *Movie) found(moov box) error {
	m.Found = true
	if moov.content() > maxMoov {
		return fmt.Errorf("%w: a moov of %d bytes", ErrDamaged, moov.content())
	}
	w := &walker{src: m.src, ahead: blockSize, end: moov.to, limit: maxBoxes}
	if moov.content() <= tailSize { // one request, if it isn't there already
		if _, err := m.src.hold(moov.from, int(moov.content()), 0, moov.to); err != nil {
			return err
		}
	}
	if err := m.read(w, moov); err != nil {
		return err
	}
	if m.Fragmented { // the first moof is looked for when its samples are wanted
		if m.moofs < 0 {
			m.moofs = moov.to
		}
		return errStop
	}
	return nil
}

// read goes through the moov. A track that makes no sense is left out, and those behind it are still read.
func (m *Movie) read(w *walker, moov box) error {
	var data []byte
	fits := true
	err := w.each(moov.from, moov.to, 1, func(b box) error {
		m.Damaged = m.Damaged || b.cut
		switch b.kind {
		case "mvhd":
			return m.movieHeader(w, b)
		case "mvex":
			m.Fragmented = true
			return m.extends(w, b)
		case "trak":
			return m.track(w, b)
		case "udta", "meta":
			if fits = fits && !b.cut && int64(len(data))+8+b.content() <= maxUserData; fits {
				p, err := w.whole(b, maxUserData)
				if err != nil {
					return err
				}
				data = append(data, p...)
			}
			if b.kind == "udta" {
				return m.settings(w, b)
			}
		}
		return nil
	})
	if fits {
		m.UserData = data
	}
	return err
}

func (m *Movie) track(w *walker, trak box) error {
	if len(m.Tracks) == maxTracks {
		return fmt.Errorf("%w: more than %d tracks", ErrDamaged, maxTracks)
	}
	t := &Track{tables: map[string]box{}, budget: &m.budget}
	err := t.read(w, trak, 2)
	if err == nil && t.Timescale <= 0 {
		err = fmt.Errorf("%w: a timescale of %d", ErrDamaged, t.Timescale)
	}
	if err == nil {
		err = t.summarize(w.src)
	}
	if Damaged(err) && w.seen <= w.limit {
		m.Damaged = true
		return nil
	}
	if err != nil {
		return err
	}
	m.Damaged = m.Damaged || t.odd
	m.Tracks = append(m.Tracks, t)
	return nil
}

func (m *Movie) movieHeader(w *walker, b box) error {
	p, err := w.whole(b, maxHeader)
	if err != nil {
		return err
	}
	scale, duration, ok := timing(p)
	if !ok {
		return fmt.Errorf("%w: box mvhd of %d bytes", ErrDamaged, len(p))
	}
	m.header, m.Timescale = p, scale
	if m.Duration == 0 {
		m.Duration = duration
	}
	return nil
}

// extends reads what fragments leave unsaid (section 8.8).
func (m *Movie) extends(w *walker, mvex box) error {
	return w.each(mvex.from, mvex.to, 2, func(b box) error {
		if b.kind != "mehd" && b.kind != "trex" {
			return nil
		}
		p, err := w.small(b, maxHeader)
		if err != nil {
			return err
		}
		switch {
		case b.kind == "mehd" && len(p) >= 12 && p[0] == 1:
			m.Duration = max(u64(p[4:]), m.Duration)
		case b.kind == "mehd" && len(p) >= 8 && p[0] == 0:
			m.Duration = max(u32(p[4:]), m.Duration)
		case b.kind == "trex" && len(p) >= 24 && len(m.extend) < maxTracks:
			m.extend[u32(p[4:])] = defaults{entry: u32(p[8:]), duration: u32(p[12:]), size: u32(p[16:]), flags: u32(p[20:])}
		}
		return nil
	})
}

func (m *Movie) settings(w *walker, udta box) error {
	err := w.each(udta.from, udta.to, 2, func(b box) error {
		if b.kind != "GPMF" || m.Settings != nil || b.cut || b.content() > maxUserData {
			return nil
		}
		p, err := w.small(b, maxUserData)
		m.Settings = append([]byte{}, p...)
		return err
	})
	if Damaged(err) && w.seen <= w.limit { // user data is anybody's: what is in it says nothing about the film
		return nil
	}
	return err
}

// timing reads timescale and duration of a whole mvhd or mdhd: the two times before them are 32 bits wide in version 0, 64 in version 1.
func timing(b []byte) (scale, duration int64, ok bool) {
	p := b[min(8, len(b)):]
	switch {
	case len(p) >= 32 && p[0] == 1:
		return u32(p[20:]), max(u64(p[24:]), 0), true // all ones: not known
	case len(p) >= 20 && p[0] == 0:
		if duration = u32(p[16:]); duration == 1<<32-1 {
			duration = 0
		}
		return u32(p[12:]), duration, true
	}
	return 0, 0, false
}
