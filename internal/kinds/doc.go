// Package kinds makes every kind of recording that people upload, out of the real clips in testdata, and judges by ffprobe alone what became of one.
package kinds
