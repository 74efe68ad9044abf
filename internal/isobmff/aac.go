package isobmff

import "fmt"

// rates are the sampling rates that an AudioSpecificConfig has a number for (ISO/IEC 14496-3, table 1.18).
func rates() []int {
	return []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
}

const objectLC = 2

// AAC makes an stsd for AAC-LC: mp4a with esds (ISO/IEC 14496-14, section 5.6) around an AudioSpecificConfig (14496-3, section 1.6.2.1), for
// 1 or 2 channels.
func AAC(rate, channels int) []byte {
	var config bitWriter
	config.put(objectLC, 5)
	index := 15
	for i, r := range rates() {
		if r == rate {
			index = i
		}
	}
	if config.put(index, 4); index == 15 {
		config.put(rate, 24)
	}
	config.put(channels, 4)
	config.put(0, 3) // frames of 1024 samples; depends on nothing; no extension
	descriptor := func(tag byte, parts ...[]byte) []byte {
		p := []byte{tag, 0}
		for _, part := range parts {
			p = append(p, part...)
		}
		p[1] = byte(len(p) - 2)
		return p
	}
	specific := descriptor(5, config.b)
	decoder := descriptor(4, []byte{0x40, 0x15}, make([]byte, 11), specific) // MPEG-4 audio, a stream of sound; buffer and rates not said
	stream := descriptor(3, []byte{0, 0, 0}, decoder, descriptor(6, []byte{2}))
	w := &writer{}
	w.full("stsd", 0, 0, func() {
		w.u32(1)
		w.box("mp4a", func() {
			w.zero(6)
			w.u16(1)
			w.zero(8)
			w.u16(int64(channels))
			w.u16(16)
			w.zero(4)
			if rate >= 1<<16 { // the field cannot say it
				w.u32(0)
			} else {
				w.u32(int64(rate) << 16)
			}
			w.full("esds", 0, 0, func() { w.bytes(stream) })
		})
	})
	return w.b
}

// ParseAAC reads the AudioSpecificConfig out of an stsd: mp4a with esds, or with QuickTime's wave around it. rate and channels are those of the
// core: with object types 5 and 29 (SBR, PS) a player makes more of it. ok is false when it is no AAC, or cannot be read.
func ParseAAC(entries []byte) (objectType, rate, channels int, ok bool) {
	p := firstEntry(entries)
	if len(p) < 36 || string(p[4:8]) != "mp4a" {
		return 0, 0, 0, false
	}
	skip := 36
	switch u16(p[16:]) {
	case 1:
		skip = 52
	case 2:
		skip = 72
	}
	if len(p) < skip {
		return 0, 0, 0, false
	}
	config, err := decoderConfig(p[skip:], 0)
	if err != nil {
		return 0, 0, 0, false
	}
	r := &bitReader{b: config}
	if objectType = r.take(5); objectType == 31 {
		objectType = 32 + r.take(6)
	}
	if index := r.take(4); index == 15 {
		rate = r.take(24)
	} else if index < len(rates()) {
		rate = rates()[index]
	}
	channels = r.take(4)
	if r.short || rate <= 0 || objectType == 0 {
		return 0, 0, 0, false
	}
	return objectType, rate, channels, true
}

// decoderConfig looks for esds among boxes and reads what is specific to the decoder.
func decoderConfig(p []byte, depth int) (config []byte, err error) {
	missing := fmt.Errorf("%w: no decoder configuration", ErrDamaged)
	err = inside(p, func(kind string, p []byte) (err error) {
		switch {
		case kind == "wave" && depth == 0:
			if config, err = decoderConfig(p, 1); err == nil {
				return errStop
			}
		case kind == "esds" && len(p) > 4:
			if config = specific(p[4:]); config == nil {
				return missing
			}
			return errStop
		}
		return nil
	})
	if err = past(err); err == nil && config == nil {
		err = missing
	}
	return config, err
}

// specific goes down ES_Descriptor, DecoderConfigDescriptor and DecoderSpecificInfo (ISO/IEC 14496-1, section 7.2.6); nil when it is not AAC.
func specific(p []byte) []byte {
	tag, p, _ := descriptor(p)
	if tag != 3 || len(p) < 3 {
		return nil
	}
	flags := p[2]
	p = p[3:]
	skip := 0
	if flags&0x80 != 0 {
		skip += 2
	}
	if flags&0x40 != 0 && len(p) > skip {
		skip += 1 + int(p[skip])
	}
	if flags&0x20 != 0 {
		skip += 2
	}
	if len(p) < skip {
		return nil
	}
	tag, p, _ = descriptor(p[skip:])
	if tag != 4 || len(p) < 13 {
		return nil
	}
	switch p[0] { // MPEG-4 audio; MPEG-2 AAC of three profiles
	case 0x40, 0x66, 0x67, 0x68:
	default:
		return nil
	}
	for p = p[13:]; len(p) > 0; {
		var content []byte
		if tag, content, p = descriptor(p); tag == 5 {
			return content
		}
	}
	return nil
}

// descriptor splits off the first descriptor: its tag, what is in it (as far as it is there), and what follows.
func descriptor(p []byte) (tag byte, content, rest []byte) {
	if len(p) < 2 {
		return 0, nil, nil
	}
	tag, p = p[0], p[1:]
	size := 0
	for i := 0; ; i++ {
		if i == 4 || len(p) == 0 {
			return 0, nil, nil
		}
		b := p[0]
		p = p[1:]
		size = size<<7 | int(b&0x7f)
		if b&0x80 == 0 {
			break
		}
	}
	size = min(size, len(p))
	return tag, p[:size], p[size:]
}

type bitWriter struct {
	b    []byte
	free int // bits of the last byte
}

func (w *bitWriter) put(v, bits int) {
	for i := bits - 1; i >= 0; i-- {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>i&1) << w.free
	}
}

type bitReader struct {
	b     []byte
	at    int // in bits
	short bool
}

func (r *bitReader) take(bits int) (v int) {
	for range bits {
		if r.at >= 8*len(r.b) {
			r.short = true
			return 0
		}
		v = v<<1 | int(r.b[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}
