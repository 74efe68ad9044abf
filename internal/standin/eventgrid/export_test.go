package eventgrid

import "context"

// Message is what a subscription's queue gets.
type Message = message

type sendFunc func(ctx context.Context, queue string, m Message) error

func (f sendFunc) send(ctx context.Context, queue string, m message) error { return f(ctx, queue, m) }

// OpenTo opens a server that delivers by calling send.
func OpenTo(o Options, send func(ctx context.Context, queue string, m Message) error) (*Server, error) {
	return open(o, sendFunc(send))
}

// Glance makes every worker look at the clock at once, instead of within a quarter of a second.
func (s *Server) Glance() {
	for _, w := range s.workers {
		w.wake()
	}
}
