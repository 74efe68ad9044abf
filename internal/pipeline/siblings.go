package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bwv/internal/evidence"
)

const (
	mostSiblings = 3
	mostLookedAt = 50 // records of a shard
)

// siblings are recordings of the same camera, by which the pictures of one without an index may be found: those that were read before those that
// nobody has looked at yet, and the newest first.
//
// A proxy that was begun with one of them goes on with that one, so that its chunks come out the same. Where it was erased meanwhile, or nobody knows
// any more which it was, what was begun is taken away first: chunks that two recordings helped to find might not fit together.
func (s *Proxy) siblings(ctx context.Context, r evidence.Record, now time.Time) ([]evidence.Original, error) {
	a := s.Segment.Assembly
	first, err := a.chunk(ctx, r.ID, 0)
	if err != nil && !errors.Is(err, evidence.NotFound) {
		return nil, err
	}
	if first.Reference != nil {
		o, there, err := s.still(ctx, *first.Reference)
		if there || err != nil {
			return []evidence.Original{o}, err
		}
	}
	wish, err := a.wish(ctx, r.ID, proxyWish)
	if err != nil {
		return nil, err
	}
	if err := s.remove(ctx, r.ID, wish); err != nil {
		return nil, err
	}
	found, err := s.sameCamera(ctx, r, now)
	if err != nil {
		return nil, err
	}
	var list []evidence.Original
	for _, n := range found {
		o, there, err := s.still(ctx, n.Original)
		if err != nil {
			return nil, err
		}
		if there {
			list = append(list, o)
		}
		if len(list) == mostSiblings {
			break
		}
	}
	return list, nil
}

// sameCamera lists the camera's records of the month of the upload and the one before, and of this month and the one before: what is made anew years
// later finds no others.
func (s *Proxy) sameCamera(ctx context.Context, r evidence.Record, now time.Time) (list []evidence.Record, err error) {
	if r.Camera == "" {
		return nil, nil
	}
	var shards []string
	for _, at := range []time.Time{r.Original.Created.UTC(), now.UTC()} {
		for _, at := range []time.Time{at, at.AddDate(0, 0, -at.Day())} {
			if shard := evidence.ShardOf(r.Unit, at); !slices.Contains(shards, shard) {
				shards = append(shards, shard)
			}
		}
	}
	for _, shard := range shards {
		found, err := s.Catalogue.Find(ctx, shard, evidence.Query{Camera: r.Camera, Limit: mostLookedAt})
		if err != nil {
			return nil, fmt.Errorf("looking for other recordings of camera %s: %w", r.Camera, err)
		}
		list = append(list, found...)
	}
	list = slices.DeleteFunc(list, func(n evidence.Record) bool {
		return n.ID == r.ID || n.Gone() || n.Media.State == evidence.MediaUnreadable
	})
	rank := func(n evidence.Record) int {
		if n.Media.State == evidence.MediaReady {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b evidence.Record) int { return rank(a) - rank(b) })
	return list, nil
}

// still is an original as it is now; false when it is not there any more.
func (s *Proxy) still(ctx context.Context, was evidence.Original) (evidence.Original, bool, error) {
	o, err := s.Segment.Originals.Stat(ctx, was.Path)
	if errors.Is(err, evidence.NotFound) {
		return o, false, nil
	}
	return o, err == nil && o.SameUpload(was), err
}
