package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"
)

const (
	// maxBlocks is Azure's limit for one blob.
	// Source: https://learn.microsoft.com/rest/api/storageservices/put-block-list
	maxBlocks = 50_000
	// inFlight blocks of one file, so that memory is bounded by jobs x (inFlight+1) x block size.
	inFlight    = 4
	emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// stager reads a file once, from front to end: each block is hashed, sent if the store has not got
// it, and forgotten.
type stager struct {
	dst       *blockblob.Client
	r         recording
	blockSize int64
	bar       *bar
	free      chan []byte // buffers; taking one is what bounds the blocks in flight
}

func newStager(dst *blockblob.Client, r recording, blockSize int64, b *bar) *stager {
	const mib = 1 << 20
	if least := (r.size + maxBlocks - 1) / maxBlocks; blockSize < least {
		blockSize = (least + mib - 1) / mib * mib // depends on the file's size only: resuming finds the same blocks
	}
	s := &stager{dst: dst, r: r, blockSize: blockSize, bar: b, free: make(chan []byte, inFlight+1)}
	for range cap(s.free) {
		s.free <- nil // made when first needed
	}
	return s
}

// stage returns the ids of all blocks in order and the digest of the file, when every block is in
// the store.
func (s *stager) stage(ctx context.Context, f *os.File) ([]string, string, error) {
	have, err := s.staged(ctx)
	if err != nil {
		return nil, "", err
	}
	var ids []string
	whole := sha256.New()
	group, ctx := errgroup.WithContext(ctx)
	for left := s.r.size; left > 0; left -= s.blockSize {
		buf, err := s.read(ctx, f, min(left, s.blockSize), whole)
		if err != nil {
			group.Go(func() error { return err })
			break
		}
		id := blockID(len(ids), buf)
		ids = append(ids, id)
		if have[id] {
			s.bar.skip(len(buf))
			s.free <- buf
			continue
		}
		group.Go(func() error {
			defer func() { s.free <- buf }()
			return s.put(ctx, id, buf)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, "", err
	}
	return ids, hex.EncodeToString(whole.Sum(nil)), nil
}

// blockID names a block by its place and its content: the block list says nothing about the content
// of a staged block, so the id has to. Azure wants ids of one length, at most 64 bytes.
func blockID(index int, content []byte) string {
	sum := sha256.Sum256(content)
	return base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, uint32(index)), sum[:28]...))
}

// staged lists what an earlier, interrupted run has left in the store.
func (s *stager) staged(ctx context.Context) (map[string]bool, error) {
	list, err := s.dst.GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the blocks of %s: %w", s.r.blob, explain(err))
	}
	have := map[string]bool{}
	for _, b := range list.UncommittedBlocks {
		if b.Name != nil {
			have[*b.Name] = true
		}
	}
	return have, nil
}

// read fills a buffer with the next n bytes, waiting for one to be free.
func (s *stager) read(ctx context.Context, f *os.File, n int64, whole hash.Hash) ([]byte, error) {
	var buf []byte
	select {
	case buf = <-s.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(f, buf); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, fmt.Errorf("reading %s: %w", s.r.file, errChanged)
		}
		return nil, fmt.Errorf("reading %s: %w", s.r.file, err)
	}
	whole.Write(buf)
	return buf, nil
}

// put stages one block. The store checks the MD5, so that a staged block is what its id says.
func (s *stager) put(ctx context.Context, id string, content []byte) error {
	sum := md5.Sum(content)
	_, err := s.dst.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(content)), &blockblob.StageBlockOptions{
		TransactionalValidation: blob.TransferValidationTypeMD5(sum[:]),
	})
	if err != nil {
		return fmt.Errorf("sending a block of %s: %w", s.r.file, explain(err))
	}
	s.bar.sent(len(content))
	return nil
}

func empty() io.ReadSeekCloser { return streaming.NopCloser(bytes.NewReader(nil)) }

// confirm compares the file with a blob that is there already, and returns the file's digest.
func confirm(ctx context.Context, f *os.File, r recording, there stored, b *bar) (string, error) {
	if there.size != r.size {
		return "", fmt.Errorf("%s: %w (%d bytes there, %d here)", r.blob, errConflict, there.size, r.size)
	}
	if there.digest == "" {
		return "", fmt.Errorf("%s: %w (it bears no digest to compare with)", r.blob, errConflict)
	}
	whole := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		n, err := f.Read(buf)
		whole.Write(buf[:n])
		b.skip(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", r.file, err)
		}
	}
	digest := hex.EncodeToString(whole.Sum(nil))
	if digest != there.digest {
		return digest, fmt.Errorf("%s: %w (digest %s there, %s here)", r.blob, errConflict, there.digest, digest)
	}
	return digest, nil
}

// unchanged refuses a file that was still being written: its digest would be of something that never
// was the recording.
func unchanged(f *os.File, r recording) error {
	for _, stat := range []func() (os.FileInfo, error){f.Stat, func() (os.FileInfo, error) { return os.Stat(r.file) }} {
		now, err := stat()
		if err != nil {
			return fmt.Errorf("checking %s: %w", r.file, err)
		}
		if now.Size() != r.size || !now.ModTime().Equal(r.modified) {
			return fmt.Errorf("%s: %w", r.file, errChanged)
		}
	}
	return nil
}
