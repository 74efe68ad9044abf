// Package gpmf reads GoPro's telemetry format: key, type, size and repeat, then values, nested.
//
// Source: the GPMF specification in GoPro's repository gpmf-parser (README, "GPMF Structure" and the table of types).
//
// Read: DEVC and STRM nesting; GPS5 with GPSU, GPSF and GPSP; GPS9; GPRI, in which the Karma drone reports its own receiver; SCAL, TYPE;
// DVNM of the camera itself (DVID 1), MINF, CASN, FMWR.
// Refused: nesting deeper than 8, a value that runs past its container, structures of more than 64 fields, TYPE with repeat counts.
// Ignored: every other key; GLPI, which mixes satellites with inertial sensors, and BPOS, which is where the drone's operator stands.
package gpmf
