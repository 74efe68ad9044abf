package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

var (
	errConflict = errors.New("the store holds other content under this name; nothing was overwritten")
	errChanged  = errors.New("the file changed while it was read; nothing was committed")
	errReceipt  = errors.New("the store does not confirm size and digest")
)

// The words of a result's status.
const (
	statusUploaded = "uploaded"
	statusAlready  = "already safe"
	statusConflict = "conflict"
	statusFailed   = "failed"
	statusStopped  = "stopped"
)

// result is what is said about one file, and one line of --json.
type result struct {
	File    string  `json:"file"`
	Blob    string  `json:"blob"`
	Bytes   int64   `json:"bytes"`
	SHA256  string  `json:"sha256"`
	Status  string  `json:"status"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

type uploader struct {
	container *container.Client
	claims    claims
	blockSize int64
	report    *report
}

// all uploads up to jobs recordings at a time; one that fails does not stop the others.
func (u *uploader) all(ctx context.Context, list []recording, jobs int) {
	work := make(chan recording)
	var running sync.WaitGroup
	for range min(jobs, len(list)) {
		running.Go(func() {
			for r := range work {
				u.report.result(u.one(ctx, r))
			}
		})
	}
	for _, r := range list {
		work <- r // after Ctrl-C each is answered "stopped" at once
	}
	close(work)
	running.Wait()
}

func (u *uploader) one(ctx context.Context, r recording) result {
	began := time.Now()
	res := result{File: r.file, Blob: r.blob, Bytes: r.size}
	err := r.problem
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		bar := u.report.begin(r)
		res.Status, res.SHA256, err = u.upload(ctx, r, bar)
		bar.end()
	}
	res.Seconds = time.Since(began).Seconds()
	if err == nil {
		return res
	}
	res.Error = message(err)
	switch {
	case ctx.Err() != nil:
		res.Status, res.Error = statusStopped, "run the same command again to go on"
	case errors.Is(err, errConflict):
		res.Status = statusConflict
	default:
		res.Status = statusFailed
	}
	return res
}

// upload makes one recording safe. The order: look whether it is there; stage the blocks that are
// not staged yet, with the digest growing beside; see that the file has not changed; commit; read
// back. A crash anywhere before the commit leaves staged blocks, which the next run finds; a crash
// after it leaves a whole blob, which the next run confirms.
func (u *uploader) upload(ctx context.Context, r recording, bar *bar) (status, digest string, err error) {
	dst := u.container.NewBlockBlobClient(r.blob)
	f, err := os.Open(r.file)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	there, err := look(ctx, dst)
	if err != nil {
		return "", "", err
	}
	if there.exists {
		digest, err = confirm(ctx, f, r, there, bar)
		return statusAlready, digest, err
	}
	var ids []string
	if r.size > 0 {
		s := newStager(dst, r, u.blockSize, bar)
		if ids, digest, err = s.stage(ctx, f); err != nil {
			return "", digest, err
		}
	} else {
		digest = emptyDigest
	}
	if err := unchanged(f, r); err != nil {
		return "", digest, err
	}
	refused := u.commit(ctx, dst, r, ids, digest)
	// Taken, or the blocks are gone: by somebody else's commit, or by our own when its answer was lost
	// and the SDK sent it again. The receipt tells the two apart.
	if refused != nil && !bloberror.HasCode(refused, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet,
		bloberror.InvalidBlockList, bloberror.BlobImmutableDueToPolicy) {
		return "", digest, fmt.Errorf("committing %s: %w", r.blob, explain(refused))
	}
	if err := u.receipt(ctx, dst, r, digest); err != nil {
		return "", digest, errors.Join(err, refused)
	}
	return statusUploaded, digest, nil
}

// commit makes the blob in one step, and only if the name is free.
func (u *uploader) commit(ctx context.Context, dst *blockblob.Client, r recording, ids []string, digest string) error {
	metadata := map[string]*string{"sha256": &digest}
	for k, v := range map[string]string{"recordedat": u.claims.recordedAt, "incident": u.claims.incident, "category": u.claims.category} {
		if v != "" {
			metadata[k] = &v
		}
	}
	free := azcore.ETagAny
	only := &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &free}}
	kind := contentType(r.file)
	headers := &blob.HTTPHeaders{BlobContentType: &kind}
	if len(ids) == 0 {
		_, err := dst.Upload(ctx, empty(), &blockblob.UploadOptions{Metadata: metadata, HTTPHeaders: headers, AccessConditions: only})
		return err
	}
	_, err := dst.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{Metadata: metadata, HTTPHeaders: headers, AccessConditions: only})
	return err
}

// receipt asks the store what it has. Nothing is called safe without it.
func (u *uploader) receipt(ctx context.Context, dst *blockblob.Client, r recording, digest string) error {
	there, err := look(ctx, dst)
	if err != nil {
		return fmt.Errorf("reading back %s: %w", r.blob, err)
	}
	if !there.exists {
		return fmt.Errorf("reading back %s: %w: it is not there", r.blob, errReceipt)
	}
	if there.size != r.size || there.digest != digest {
		return fmt.Errorf("%s: %w", r.blob, errConflict)
	}
	return nil
}

// stored is what the store says about a blob.
type stored struct {
	exists bool
	size   int64
	digest string // as claimed at its upload; empty when none was
}

func look(ctx context.Context, dst *blockblob.Client) (stored, error) {
	p, err := dst.GetProperties(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, explain(err)
	}
	s := stored{exists: true}
	if p.ContentLength != nil {
		s.size = *p.ContentLength
	}
	for k, v := range p.Metadata {
		if strings.EqualFold(k, "sha256") && v != nil {
			s.digest = strings.ToLower(*v)
		}
	}
	return s, nil
}

// explain adds what to do about the errors a person can do something about.
func explain(err error) error {
	switch {
	case bloberror.HasCode(err, bloberror.ContainerNotFound):
		return fmt.Errorf("the store has no such container: %w", err)
	case bloberror.HasCode(err, bloberror.AuthenticationFailed, bloberror.AuthorizationFailure, bloberror.AuthorizationPermissionMismatch, bloberror.InsufficientAccountPermissions):
		return fmt.Errorf("the store does not let us in (wrong key, or a SAS that has expired or lacks create, write and read): %w", err)
	default:
		return err
	}
}
