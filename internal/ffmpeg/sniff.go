package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// container is what the first bytes say. A child is told its demuxer and never left to guess: a playlist that pretends to be a recording
// makes a guessing ffmpeg fetch whatever the playlist names.
type container struct {
	demuxer string // -f; also the only entry of the format allow-list
	name    string // as evidence.Media has it
}

const sniffSize = 4 << 10

// sniff tells the container by the file's beginning; words say why it is none.
func sniff(head []byte, size int64) (c container, words string) {
	head = head[:min(len(head), sniffSize)]
	switch {
	case size == 0:
		return c, "the file is empty"
	case isMP4(head):
		if len(head) >= 12 && string(head[4:12]) == "ftypqt  " {
			return container{"mov", "mov"}, ""
		}
		return container{"mov", "mp4"}, ""
	case isTransport(head, 188, 0), isTransport(head, 192, 4), isTransport(head, 204, 0):
		return container{"mpegts", "mpegts"}, ""
	case bytes.HasPrefix(head, []byte{0x1a, 0x45, 0xdf, 0xa3}):
		return container{"matroska", "matroska"}, ""
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "AVI ":
		return container{"avi", "avi"}, ""
	}
	return c, unknown(head)
}

// unknown finds words for what is no recording.
func unknown(head []byte) string {
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	switch {
	case bytes.HasPrefix(text, []byte("#EXTM3U")):
		return "this is a playlist that points elsewhere, not a recording; it was not followed"
	case bytes.HasPrefix(text, []byte("ffconcat")):
		return "this is a list of other files, not a recording; it was not followed"
	case len(bytes.Trim(head, "\x00")) == 0:
		return "the file holds only zero bytes"
	case isText(head):
		return "this is text, not a recording"
	}
	return "no container that we read: MP4, MOV, MPEG-TS, Matroska or AVI"
}

// isMP4 looks for a first box of a kind that files begin with, of a possible size (ISO/IEC 14496-12, section 4.2; QuickTime's wide and skip).
func isMP4(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	if size := binary.BigEndian.Uint32(head); size > 1 && size < 8 {
		return false
	}
	switch string(head[4:8]) {
	case "ftyp", "styp", "moov", "moof", "mdat", "wide", "free", "skip", "pnot", "sidx":
		return true
	}
	return false
}

// isTransport looks for the sync byte at the start of each packet (ISO/IEC 13818-1, section 2.4.3.2).
func isTransport(head []byte, packet, at int) bool {
	n := 0
	for i := at; i < len(head); i += packet {
		if head[i] != 0x47 {
			return false
		}
		n++
	}
	return n >= 5
}

func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if (r == utf8.RuneError && n == 1 && len(head) > utf8.UTFMax) || (r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f') {
			return false
		}
		head = head[n:]
	}
	return true
}

// short tells whether the file is shorter than its own header says: its end is missing. A transport stream has no such header, and an index has its own.
func (c container) short(head []byte, size int64) bool {
	switch c.demuxer {
	case "avi": // RIFF, and how many bytes follow
		return len(head) >= 8 && size < int64(binary.LittleEndian.Uint32(head[4:]))+8
	case "matroska":
		_, rest, length := element(head) // the EBML header
		if length < 0 || length > int64(len(rest)) {
			return false
		}
		id, rest, length := element(rest[length:])
		return id == 0x18538067 && length >= 0 && size < int64(len(head)-len(rest))+length
	}
	return false
}

// element reads the head of an EBML element (RFC 8794, section 5 and 6): its length is -1 where it is unknown, or cannot be read.
func element(b []byte) (id uint64, rest []byte, length int64) {
	number := func(longest int, marked bool) (v uint64, ok bool) {
		if len(b) == 0 {
			return 0, false
		}
		n := bits.LeadingZeros8(b[0]) + 1
		if n > longest || n > len(b) {
			return 0, false
		}
		for i, c := range b[:n] {
			if i == 0 && !marked {
				c &= 0xff >> n
			}
			v = v<<8 | uint64(c)
		}
		unknown := !marked && v == 1<<(7*n)-1
		b = b[n:]
		return v, !unknown
	}
	id, ok := number(4, true)
	size, also := number(8, false)
	if !ok || !also || size > math.MaxInt64/2 {
		return id, b, -1
	}
	return id, b, int64(size) //nolint:gosec // bounded above
}
