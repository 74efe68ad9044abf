package evidence

import "time"

// MediaState says how far the metadata stage got; the zero value is "not looked at yet".
type MediaState string

// The ends of the metadata stage.
const (
	MediaReady      MediaState = "ready"
	MediaUnreadable MediaState = "unreadable" // not a recording, or one that says nothing about itself; its pictures may be found all the same
)

// Media is what the recording itself says. Times are seconds, sizes pixels after rotation is undone where noted.
type Media struct {
	State     MediaState `json:"state,omitempty"`
	Container string     `json:"container,omitempty"` // mp4, mov, mpegts, matroska, avi
	Seconds   float64    `json:"seconds,omitempty"`
	Video     []Video    `json:"video,omitempty"`
	Audio     []Audio    `json:"audio,omitempty"`
	Recorded  Recorded   `json:"recorded,omitzero"`
	Camera    Camera     `json:"camera,omitzero"`
	Location  *Location  `json:"location,omitempty"`
	Tool      string     `json:"tool,omitempty"` // "ffprobe 5.1.9"
}

// Video is one video stream.
type Video struct {
	Codec    string  `json:"codec"`
	Profile  string  `json:"profile,omitempty"`
	Width    int     `json:"width"`                     // as coded
	Height   int     `json:"height"`                    // as coded
	Rotation int     `json:"rotation,omitempty"`        // degrees clockwise that a player turns the picture: 0, 90, 180, 270
	Rate     float64 `json:"framesPerSecond,omitempty"` // the mean
	Variable bool    `json:"variableRate,omitempty"`
	Frames   int64   `json:"frames,omitempty"` // 0 when the container does not say
	Start    float64 `json:"start,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	BitRate  int64   `json:"bitRate,omitempty"`
}

// Audio is one audio stream.
type Audio struct {
	Codec    string  `json:"codec"`
	Rate     int     `json:"sampleRate"`
	Channels int     `json:"channels"`
	Start    float64 `json:"start,omitempty"` // later than the video where the pre-event buffer is silent
	Seconds  float64 `json:"seconds,omitempty"`
	BitRate  int64   `json:"bitRate,omitempty"`
}

// Recorded is when the recording was made, and why that is believed or not.
type Recorded struct {
	At       time.Time `json:"at,omitzero"`
	Source   string    `json:"source,omitempty"` // gps, claim, container, name
	Believed bool      `json:"believed"`
	Reason   string    `json:"reason,omitempty"`
}

// Camera is the device as the file names it.
type Camera struct {
	Make     string `json:"make,omitempty"`
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Firmware string `json:"firmware,omitempty"`
}

// Fix is one position: WGS 84 degrees, metres, and seconds from the start of the recording.
type Fix struct {
	Latitude  float64   `json:"lat"`
	Longitude float64   `json:"lon"`
	Altitude  float64   `json:"alt,omitempty"`
	Offset    float64   `json:"offset"`
	At        time.Time `json:"at,omitzero"` // by the satellite's clock, where the file has it
}

// Location sums a track up; the track itself is the rendition Track.
type Location struct {
	Source string `json:"source"` // gpmf-gps5, gpmf-gps9, gpmf-gpri, iso6709
	Count  int    `json:"count"`
	First  Fix    `json:"first"`
	Last   Fix    `json:"last"`
}

// Findings is what the metadata stage's tool reads from a recording.
type Findings struct {
	Media     Media     // without Recorded
	Container time.Time // creation_time of the container, zero when there is none
	Satellite time.Time // first valid GPS time, zero when there is none
	Fixes     []Fix     // at most one a second, in order
	Warnings  []string  // oddities worth an attention entry: short, for people
}

// Digest compares what was claimed at upload with what was computed from the stored bytes; SHA-256, hex.
type Digest struct {
	Claimed  string    `json:"claimed,omitempty"`
	Computed string    `json:"computed,omitempty"`
	Matches  *bool     `json:"matches,omitempty"` // nil until both are known
	At       time.Time `json:"at,omitzero"`
}
