// Package isobmff reads and writes ISO base media files as far as proxies need: where samples lie and when they are due, fragments, small films.
//
// Source: ISO/IEC 14496-12 (boxes, sample tables, edit lists, fragments, segment index), 14496-14 and 14496-3 (AAC), Apple's QuickTime File
// Format (sound descriptions, partial sync samples). Where files break the rules, what ffmpeg makes of them counts.
//
// Read: moov before or behind the data, without or with fragments; stts, ctts, stsc, stsz, stz2, stco, co64, stss, stps, the sample group
// "rap "; elst; mvex; moof with every kind of base and default; sidx in front of the fragments.
// Bounded: a moov to 512 MB, of which 8 MB are held at most; 64 tracks; 20,000 boxes, 10 levels deep; sample descriptions to 1 MB each and 16 MB
// together; a moof to 32 MB. A cursor holds a block of each table, whatever they claim.
// Refused: samples outside of the file, times below 0 and above 2^62, samples of one size that would take more than twice the file.
// Ignored: compressed moov (cmov), external data references, tracks' own user data, mfra, encryption.
package isobmff
