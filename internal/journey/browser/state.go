package browser

import (
	"fmt"
	"slices"
)

// State is what a player is doing, and what has happened to it since it began. Times are seconds of media.
type State struct {
	Time     float64
	Duration float64
	Rate     float64
	Ready    int // HTMLMediaElement.readyState: 4 when it can play through
	Paused   bool
	Ended    bool
	Width    int
	Height   int
	Buffered []Range // where both picture and sound are there
	Decoded  int     // frames, by getVideoPlaybackQuality
	Dropped  int     // of these, not shown
	Growing  bool    // one of the playlists has no end yet
	Edge     float64 // the end of what both playlists promise so far
	Loads    Loads
	Errors   []Fault
	Stalls   []Stall
	Jumps    []Jump
	Console  []string // everything the browser would have written to its console
}

// Troubles says what a viewer would have noticed that should not be, and what the console would show. Waiting at the edge of a playlist that grows is
// no trouble, nor is hls.js's nudge of a tenth of a second when it goes on from there.
func (s State) Troubles() []string {
	var list []string
	for _, f := range s.Errors {
		switch f.Details {
		case "bufferStalledError": // it tells of any stop however short: Stalls has those that count
		case "bufferSeekOverHole", "bufferNudgeOnStall", "aborted": // where nobody sought, it is a jump as well
		default:
			list = append(list, "error of the player: "+f.Error())
		}
	}
	for _, stall := range s.Stalls {
		if stall.Bad() {
			list = append(list, fmt.Sprintf("a stall: %+v", stall))
		}
	}
	for _, jump := range s.Jumps {
		nudged := func(stall Stall) bool { return stall.Edge && jump.From-stall.At < 0.1 && jump.From >= stall.At-0.1 }
		if small := jump.To > jump.From && jump.To < jump.From+0.35; !small || !slices.ContainsFunc(s.Stalls, nudged) {
			list = append(list, fmt.Sprintf("a jump: %+v", jump))
		}
	}
	for _, message := range s.Console {
		list = append(list, "console: "+message)
	}
	return list
}

// Since is what came after an earlier state of the same player.
func (s State) Since(before State) State {
	s.Errors = s.Errors[len(before.Errors):]
	s.Stalls = s.Stalls[min(len(before.Stalls), len(s.Stalls)):] // one that was open may have been too short to count
	s.Jumps = s.Jumps[len(before.Jumps):]
	s.Console = s.Console[len(before.Console):]
	return s
}

// Range is a part of the recording.
type Range struct{ From, To float64 }

// Loads count how often each media playlist was read.
type Loads struct{ Video, Audio int }

// Fault is an error that hls.js told of, most of them recovered from.
type Fault struct {
	Type    string
	Details string
	Fatal   bool
	Status  int    // of the answer, where there was one
	URL     string // without its query
	Reason  string
}

func (f Fault) Error() string {
	return fmt.Sprintf("%s %s (status %d, %s): %s", f.Type, f.Details, f.Status, f.URL, f.Reason)
}

// Stall is a stop of more than 250 ms that nobody asked for. One that begins at the edge of a playlist that grows is the viewer's having caught up.
type Stall struct {
	At    float64
	MS    float64
	Ahead float64 // how much was buffered from there on when it began
	Edge  bool
	Open  bool // it has not ended
}

// Bad tells whether the stall was the recording's or its delivery's fault: a machine that is busy stops for a moment with all that it needs at hand.
func (s Stall) Bad() bool {
	return !s.Edge && (s.Ahead < 0.3 || s.MS > 2000)
}

// Jump is a move of the position that playing does not explain and no test asked for: hls.js goes over holes this way.
type Jump struct{ From, To float64 }

// Seek is how a seek went.
type Seek struct {
	To        float64
	Landed    float64 // the position when the picture was there
	Tries     int     // how often it took: hls.js may land late, and must then be sent again
	SeekMS    float64 // until the picture was there
	StalledMS float64 // what the advance after it took, beyond the time that playing takes
	Moved     float64 // how far the position advanced
	Ended     bool
}

// Frames are frames as they were presented.
type Frames struct {
	Frames []Frame
	Missed int
}

// Frame is one presented frame.
type Frame struct {
	Time  float64 // its presentation time in the media
	Light float64 // mean brightness, 0 to 1
}

// Times are the frames' times.
func (f Frames) Times() []float64 {
	list := make([]float64, len(f.Frames))
	for i, one := range f.Frames {
		list[i] = one.Time
	}
	return list
}

// Flashes are the times of the frames that are bright after one that was dark.
func (f Frames) Flashes() []float64 {
	var list []float64
	dark := false
	for _, one := range f.Frames {
		if dark && one.Light > 0.5 {
			list = append(list, one.Time)
		}
		dark = one.Light < 0.2
	}
	return list
}
