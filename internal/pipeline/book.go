package pipeline

import (
	"context"
	"fmt"
	"io"
	"time"

	"bwv/internal/evidence"
)

// book writes a proxy's plan while its recording is being cut: pages of chunks, each with the messages that have them made. It is an
// evidence.Cutting.
type book struct {
	assembly *Assembly
	parts    evidence.Parts
	id       evidence.ID
	etag     string
	cause    evidence.Cause
	aside    bool   // the recording is gone through, and so its sound made here
	sounded  bool   // it was told what sounds there are
	heard    bool   // each of them has begun
	first    func() // called once, when the first chunk can be made

	watchable chan struct{} // closed when the first chunk was made, or could not be; nil before first was called

	page []evidence.Chunk // not stored yet
	plan plan
	end  int64 // of the last chunk so far
}

// perPage is how many chunks a page has. The first page has one alone, so that it can be made before the rest is even planned.
const perPage = 32

// pageOf is the page that holds a chunk.
func pageOf(chunk int) int { return (chunk + perPage - 1) / perPage }

const planFolder = videoPrefix + "/plan/"

func pageName(n int) string { return fmt.Sprintf("%s%04d.json", planFolder, n) }

// chunk finds a chunk in the plan; NotFound when it is not planned yet, or being planned anew.
func (a *Assembly) chunk(ctx context.Context, id evidence.ID, n int) (evidence.Chunk, error) {
	if n < 0 {
		return evidence.Chunk{}, fmt.Errorf("chunk %d of %s: %w", n, id, evidence.Invalid)
	}
	var page []evidence.Chunk
	if err := a.read(ctx, id, pageName(pageOf(n)), &page); err != nil {
		return evidence.Chunk{}, err
	}
	for _, c := range page {
		if c.Number == n {
			return c, nil
		}
	}
	return evidence.Chunk{}, fmt.Errorf("chunk %d of %s: %w", n, id, evidence.NotFound)
}

// Chunk implements evidence.Cutting.
func (b *book) Chunk(ctx context.Context, c evidence.Chunk) error {
	if c.Number != len(b.plan.Borders) {
		return fmt.Errorf("chunk %d came where %d was due", c.Number, len(b.plan.Borders))
	}
	b.plan.Timescale = c.Timescale
	b.plan.Borders = append(b.plan.Borders, c.Start)
	b.plan.Frames += int64(c.Frames)
	b.end = c.End
	b.page = append(b.page, c)
	if pageOf(c.Number+1) == pageOf(c.Number) {
		return nil
	}
	return b.turn(ctx)
}

// turn stores the page and sends its messages.
func (b *book) turn(ctx context.Context) error {
	if len(b.page) == 0 {
		return nil
	}
	if err := b.assembly.write(ctx, b.id, pageName(pageOf(b.page[0].Number)), b.page); err != nil {
		return err
	}
	var parts []evidence.Part
	for _, c := range b.page {
		if c.Number == 0 {
			b.first()
			continue
		}
		parts = append(parts, evidence.Part{Evidence: b.id, Chunk: c.Number})
	}
	b.page = nil
	if len(parts) == 0 {
		return nil
	}
	if err := b.wait(ctx); err != nil {
		return err
	}
	return b.parts.Dispatch(ctx, parts)
}

// HeadStart is how long the others wait for the first chunk.
const HeadStart = 30 * time.Second

// giveWay waits while a recording's first chunk is being made, wherever that is; true once there is nothing to wait for any more. A proxy of which nobody
// has begun the plan is not waited for: on a busy day that takes long.
func (a *Assembly) giveWay(ctx context.Context, id evidence.ID, longest time.Duration) (bool, error) {
	if planned, err := a.there(ctx, id, pageName(pageOf(0))); err != nil || !planned {
		return false, err
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for {
		if made, err := a.has(ctx, id, pictures(), 0); err != nil || made {
			return made, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-timer.C:
			return true, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// wait lets the first chunk go before the others, and before the rest of the plan: on a small machine they would take the processor from what
// somebody may be waiting for.
func (b *book) wait(ctx context.Context) error {
	if b.watchable == nil {
		return nil
	}
	timer := time.NewTimer(HeadStart)
	defer timer.Stop()
	select {
	case <-b.watchable:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Aside implements evidence.Cutting.
func (b *book) Aside(ctx context.Context, name string, body io.Reader) error {
	b.aside = true
	r := evidence.Rendition{Name: name, ContentType: "video/mp4", Provenance: map[string]string{"originaletag": b.etag}}
	return b.assembly.Renditions.Put(ctx, b.id, r, body)
}

// Sound implements evidence.Cutting.
func (b *book) Sound(ctx context.Context, known []evidence.Sound, takes []evidence.Take) error {
	b.sounded = true
	if err := b.assembly.keepTakes(ctx, b.id, known, takes, map[string]string{"originaletag": b.etag}); err != nil || b.heard || !begun(known) {
		return err
	}
	b.heard = true // the recording's beginning may be complete
	return b.assembly.settle(ctx, b.id, b.cause)
}

// close stores what is left, and at last the plan.
func (b *book) close(ctx context.Context, o evidence.Outline) error {
	if err := b.turn(ctx); err != nil {
		return err
	}
	if b.aside && !b.sounded { // a recording without sound: nobody else will say so
		if err := b.assembly.keepTakes(ctx, b.id, nil, nil, nil); err != nil {
			return err
		}
	}
	if len(b.plan.Borders) == 0 {
		return fmt.Errorf("there are no pictures: %w", evidence.Unreadable)
	}
	b.plan.Borders = append(b.plan.Borders, b.end)
	b.plan.Warnings = o.Warnings
	return b.assembly.write(ctx, b.id, planPage, b.plan)
}
