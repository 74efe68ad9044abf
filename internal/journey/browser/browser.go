package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// ErrNotInstalled means that there is no Chromium; the message says how to get it.
var ErrNotInstalled = errors.New("chromium is not installed: apt-get install chromium")

const closeTimeout = 20 * time.Second // a busy machine needs seconds to end a browser's processes

// Browser is a running Chromium with an empty profile.
type Browser struct {
	ctx    context.Context // chromedp's, which carries the browser and its first, empty tab
	cancel context.CancelFunc
	once   sync.Once
	err    error
}

// Open starts Chromium without a window. The context bounds the start only: the browser lives until Close, or until this process ends.
func Open(ctx context.Context) (*Browser, error) {
	// Debian's Chromium plays H.264 and AAC. Where Google Chrome is installed as well, Chromium may be the bare build that plays neither.
	for _, name := range []string{"google-chrome", "chromium"} {
		if program, err := exec.LookPath(name); err == nil {
			return open(ctx, program)
		}
	}
	return nil, ErrNotInstalled
}

func open(ctx context.Context, program string) (*Browser, error) {
	// chromedp makes the profile's folder anew, and removes it when the browser has ended.
	allocator, release := chromedp.NewExecAllocator(context.WithoutCancel(ctx), append(flags(), chromedp.ExecPath(program))...)
	tab, end := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	b := &Browser{ctx: tab, cancel: func() { end(); release() }}
	stop := context.AfterFunc(ctx, b.cancel)
	err := chromedp.Do(tab, chromedp.Navigate("about:blank")) // the first action starts the browser
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		b.cancel()
		return nil, fmt.Errorf("starting chromium: %w", err)
	}
	return b, nil
}

// flags are those that a test needs: no window, no sandbox (tests run as root in containers), nothing fetched that the page did not ask for,
// timers that run at full speed, and playing without a click.
func flags() []chromedp.ExecAllocatorOption {
	list := []chromedp.ExecAllocatorOption{chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"), chromedp.WindowSize(1360, 900)}
	for _, name := range strings.Fields("disable-quic disable-background-networking disable-component-update disable-sync disable-default-apps disable-extensions " +
		"disable-breakpad disable-dev-shm-usage disable-background-timer-throttling disable-backgrounding-occluded-windows disable-renderer-backgrounding") {
		list = append(list, chromedp.Flag(name, true))
	}
	return list
}

// Close ends the browser with its tabs and removes its profile; a second call returns the first one's error.
func (b *Browser) Close() error {
	b.once.Do(func() {
		ctx, cancel := context.WithTimeout(b.ctx, closeTimeout)
		defer cancel()
		if err := chromedp.Cancel(ctx); err != nil {
			b.err = fmt.Errorf("closing chromium: %w", err)
		}
		b.cancel() // kills what did not end by itself, and waits
	})
	return b.err
}
