// Package reclaim finds the pictures of an MP4 whose index was never written, by what another recording of the same camera knows.
//
// The media of an MP4 is samples one behind the other, and nothing between them. A sample of H.264 is units with their length in front, so that a
// picture can be told from what it is not by whether it could be one: lengths that lead from one unit to the next, bytes that a unit may have,
// slice headers that the parameter sets allow, and frame numbers that go on. The parameter sets, the frame rate and what sound and telemetry look
// like come from the other recording, the reference. Whether it is the right one, only a decoder can say: see internal/ffmpeg.
//
// Source: ISO/IEC 14496-10 (7.3: syntax; 7.4.1.2.4: where a picture begins; 8.2.1: the order of pictures), 14496-15 (5.3.3: avcC).
// Bounded: one reading from front to back; a window of 32 MB at most; the pictures from one IDR to the next, 100,000 at most; time that grows
// with the bytes, whatever they are.
// Not found: HEVC and other codecs, sound, telemetry, pictures behind a hole up to the next IDR, pictures that are split into partitions.
package reclaim
