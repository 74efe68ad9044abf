package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long the page waits for something when the context has no deadline, and grace what it leaves of one: the page's own error,
// which comes before the context ends, says where playing stood.
const (
	patience = time.Minute
	grace    = 500 * time.Millisecond
)

// advance is how far the position must move after a seek: seconds.
const advance = 0.3

// Player is a tab that plays one playlist, without sound to the outside.
type Player struct {
	ctx     context.Context
	cancel  context.CancelFunc
	console sync.WaitGroup

	mu       sync.Mutex
	messages []string
}

// Play opens a tab on the site and plays the playlist at path from its beginning. It returns when the picture moves. An error of the player that
// cannot be recovered from is a Fault.
func (b *Browser) Play(ctx context.Context, site *Site, path string) (*Player, error) {
	p := &Player{}
	p.ctx, p.cancel = chromedp.NewContext(b.ctx)
	messages := chromedp.Console(p.ctx) // from before the page loads: a violated policy shows up here
	p.console.Go(func() {
		for m, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			p.mu.Lock()
			p.messages = append(p.messages, bare(m.String()))
			p.mu.Unlock()
		}
	})
	if err := p.start(ctx, site, path); err != nil {
		return nil, errors.Join(fmt.Errorf("playing: %w", err), p.fatal(ctx), p.Close())
	}
	return p, nil
}

func (p *Player) start(ctx context.Context, site *Site, path string) error {
	if _, err := run(ctx, p, chromedp.Navigate(site.URL+pages+"player.html")); err != nil {
		return err
	}
	_, err := call[chromedp.Void](ctx, p, "open", path)
	return err
}

// fatal is the error that ended playing, if one did, with what the console shows of it. The caller's context may have ended.
func (p *Player) fatal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	state, err := p.State(ctx)
	if err != nil {
		return err
	}
	for _, f := range state.Errors {
		if f.Fatal {
			return fmt.Errorf("%w; console: %q", f, state.Console)
		}
	}
	return nil
}

// Close closes the tab.
func (p *Player) Close() error {
	err := chromedp.Cancel(p.ctx)
	p.cancel()
	p.console.Wait()
	if err != nil {
		return fmt.Errorf("closing the player: %w", err)
	}
	return nil
}

// State is what a viewer, and a curious one, would see now.
func (p *Player) State(ctx context.Context) (State, error) {
	s, err := run(ctx, p, chromedp.Evaluate[State]("player.state()"))
	if err != nil {
		return s, fmt.Errorf("reading the player's state: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Console = append([]string(nil), p.messages...)
	return s, nil
}

// SeekTo moves the position, waits for the picture there and then until the position has advanced by 0.3 s, or the recording has ended.
func (p *Player) SeekTo(ctx context.Context, seconds float64) (Seek, error) {
	return call[Seek](ctx, p, "seek", seconds, advance)
}

// PlayTo plays on until a position, up to 8 times as fast as it was recorded, and goes on at the ordinary rate from there.
func (p *Player) PlayTo(ctx context.Context, seconds, rate float64) error {
	_, err := call[chromedp.Void](ctx, p, "reach", seconds, rate)
	return err
}

// Pause stops playing; what waits for a position next plays on.
func (p *Player) Pause(ctx context.Context) error {
	_, err := run(ctx, p, chromedp.Evaluate[chromedp.Void]("player.pause()"))
	return err
}

// Frames plays on for so much of the recording, at a rate, and lists the frames that were presented, in their order. A machine that is busy presents
// fewer than there are, and Missed says how many were passed over: at a quarter of the ordinary rate hardly any, and Stills misses none.
func (p *Player) Frames(ctx context.Context, d time.Duration, rate float64) (Frames, error) {
	return call[Frames](ctx, p, "frames", d.Seconds(), rate)
}

// Stills pauses and lists the frame that is shown at each of the times. Half a frame after its time each frame is shown for certain.
func (p *Player) Stills(ctx context.Context, times []float64) (Frames, error) {
	return call[Frames](ctx, p, "stills", times)
}

// Claps plays so much of the recording from a position and lists when its sound, after a tenth of a second of quiet, gets loud. The times are those
// at which the sound is played, in seconds of media: exact to a sample at 48 kHz, to 2 ms where Chromium must resample.
func (p *Player) Claps(ctx context.Context, from float64, d time.Duration) ([]float64, error) {
	return call[[]float64](ctx, p, "claps", from, d.Seconds())
}

// call calls one of the page's functions, with the time it has as the last argument.
func call[T any](ctx context.Context, p *Player, name string, arguments ...any) (T, error) {
	limit := patience
	if deadline, ok := ctx.Deadline(); ok {
		limit = max(0, time.Until(deadline)-grace)
	}
	var list []string
	for _, a := range append(arguments, limit.Milliseconds()) {
		text, err := json.Marshal(a)
		if err != nil {
			var none T
			return none, fmt.Errorf("player %s: %w", name, err)
		}
		list = append(list, string(text))
	}
	v, err := run(ctx, p, chromedp.Evaluate[T](fmt.Sprintf("player.%s(%s)", name, strings.Join(list, ",")), chromedp.EvalAwaitPromise))
	if err != nil {
		return v, fmt.Errorf("player %s: %w", name, err)
	}
	return v, nil
}

// run runs an action in the tab until the caller's context ends, which leaves the tab as it is.
func run[T any](ctx context.Context, p *Player, action chromedp.Action[T]) (T, error) {
	tab, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	v, err := chromedp.Run(tab, action)
	var thrown *chromedp.ExceptionError
	switch {
	case err != nil && ctx.Err() != nil:
		err = errors.Join(context.Cause(ctx), err)
	case errors.As(err, &thrown) && thrown.Exception != nil: // what the page threw says all, where it did so nothing
		text, _, _ := strings.Cut(thrown.Exception.Description, "\n")
		err = errors.New(bare(strings.TrimPrefix(text, "Error: ")))
	}
	return v, err
}

// bare drops the query of every link in text: it is a key.
func bare(text string) string {
	return regexp.MustCompile(`\?[^\s'"]*`).ReplaceAllString(text, "")
}
