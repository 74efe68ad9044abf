package browser

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Tour is how seeks across borders went: those of the last round, and what was wrong with them.
type Tour struct {
	Seeks    []Seek
	Troubles []Trouble
	Rounds   int
}

// Trouble is what a viewer would have noticed of one seek.
type Trouble struct {
	To   float64
	What string
}

// Tour plays what lies at path and seeks to 0.2 s before each border, to it, and to 0.2 s behind it, the last border first: so the player has buffered
// what comes after, and must fetch where it goes. A busy machine stalls now and then, whatever it plays: after a round with trouble there is another
// in a new tab, and only what goes wrong at the same place each time is told.
func (b *Browser) Tour(ctx context.Context, site *Site, path string, borders []float64) (Tour, error) {
	const rounds = 3
	var tour Tour
	for tour.Rounds < rounds {
		seeks, troubles, err := b.round(ctx, site, path, borders)
		if err != nil {
			return tour, fmt.Errorf("tour of %d borders: %w", len(borders), err)
		}
		if tour.Rounds > 0 {
			troubles = slices.DeleteFunc(troubles, func(t Trouble) bool {
				return !slices.ContainsFunc(tour.Troubles, func(before Trouble) bool { return before.To == t.To })
			})
		}
		tour = Tour{seeks, troubles, tour.Rounds + 1}
		if len(troubles) == 0 {
			break
		}
	}
	return tour, nil
}

func (b *Browser) round(ctx context.Context, site *Site, path string, borders []float64) (seeks []Seek, troubles []Trouble, err error) {
	p, err := b.Play(ctx, site, path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	before, err := p.State(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, border := range slices.Backward(borders) {
		for _, to := range []float64{border - 0.2, border, border + 0.2} {
			seek, err := p.SeekTo(ctx, to)
			if err != nil {
				return nil, nil, err
			}
			after, err := p.State(ctx)
			if err != nil {
				return nil, nil, err
			}
			seeks = append(seeks, seek)
			for _, what := range append(seek.wrong(), after.Since(before).Troubles()...) {
				troubles = append(troubles, Trouble{to, what})
			}
			before = after
		}
	}
	return seeks, troubles, nil
}

// wrong says what a viewer would have noticed of the seek.
func (s Seek) wrong() []string {
	var list []string
	if math.Abs(s.Landed-s.To) > 0.05 {
		list = append(list, fmt.Sprintf("it landed at %.3f", s.Landed))
	}
	if s.Moved < advance && !s.Ended {
		list = append(list, fmt.Sprintf("it moved on by %.3f s", s.Moved))
	}
	if s.StalledMS > 500 {
		list = append(list, fmt.Sprintf("it stalled for %.0f ms", s.StalledMS))
	}
	return list
}
