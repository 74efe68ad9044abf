package servicebus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// peer is a client that sends frames of the test's making.
type peer struct {
	t  *testing.T
	nc net.Conn
	br *bufio.Reader
}

func (r *rig) peer(t *testing.T) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &peer{t, nc, bufio.NewReader(nc)}
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) header(id byte) {
	p.t.Helper()
	want := []byte{'A', 'M', 'Q', 'P', id, 1, 0, 0}
	p.write(want)
	got := make([]byte, 8)
	if _, err := io.ReadFull(p.br, got); err != nil || !bytes.Equal(got, want) {
		p.t.Fatalf("header %q, %v", got, err)
	}
}

func (p *peer) send(code uint64, payload []byte, fields ...any) {
	p.t.Helper()
	p.write(appendFrame(nil, frameAMQP, 0, composite{code, fields}, payload))
}

// next reads the next frame that is not a heartbeat.
func (p *peer) next() (uint64, *fields, []byte) {
	p.t.Helper()
	for {
		fr, err := readFrame(p.br, maxFrameSize)
		if err != nil {
			p.t.Fatalf("reading a frame: %v", err)
		}
		if len(fr.body) == 0 {
			continue
		}
		code, f, payload, err := parsePerformative(fr.body)
		if err != nil {
			p.t.Fatal(err)
		}
		return code, f, payload
	}
}

func (p *peer) expect(code uint64) *fields {
	p.t.Helper()
	got, f, _ := p.next()
	if got != code {
		p.t.Fatalf("performative %#x %v, want %#x", got, f.list, code)
	}
	return f
}

// wantError checks the error in field i of the next frame, which must be code.
func (p *peer) wantError(code uint64, i int, want symbol) {
	p.t.Helper()
	f := p.expect(code)
	_, list, _ := asComposite(f.any(i))
	if got := field(&fields{list: list}, 0, symbol("")); got != want {
		p.t.Fatalf("error %s in %v, want %s", got, f.list, want)
	}
}

// wantEOF checks that the server closes the connection.
func (p *peer) wantEOF() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.br); err != nil && !errors.Is(err, net.ErrClosed) {
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			p.t.Fatal("the server keeps the connection")
		}
	}
}

func (p *peer) open() {
	p.t.Helper()
	p.header(3)
	p.expect(saslMechanisms)
	p.write(appendFrame(nil, frameSASL, 0, composite{saslInit, []any{symbol("ANONYMOUS")}}, nil))
	p.expect(saslOutcome)
	p.header(0)
	p.send(perfOpen, nil, "c", "host", uint32(maxFrameSize), uint16(10), uint32(30_000))
	p.expect(perfOpen)
	p.send(perfBegin, nil, nil, uint32(0), uint32(100), uint32(100))
	p.expect(perfBegin)
}

// authorize puts a token for the whole namespace, on handles 0 and 1.
func (p *peer) authorize() {
	p.t.Helper()
	p.attach(0, roleSender, "$cbs")
	p.expect(perfAttach)
	p.expect(perfFlow)
	p.attach(1, roleReceiver, "$cbs")
	p.expect(perfAttach)
	p.send(perfFlow, nil, uint32(0), uint32(100), uint32(0), uint32(100), uint32(1), uint32(0), uint32(10))
	replyTo := "me"
	m := amqp.Message{
		Properties:            &amqp.MessageProperties{MessageID: "1", ReplyTo: &replyTo},
		ApplicationProperties: map[string]any{"operation": "put-token", "type": tokenTypeSAS, "name": "sb://host/"},
		Value:                 sign("sb://host/", testKey, KeyName, time.Now().Add(time.Hour)),
	}
	b, err := m.MarshalBinary()
	if err != nil {
		p.t.Fatal(err)
	}
	p.send(perfTransfer, b, uint32(0), uint32(0), []byte("t"), uint32(0))
	p.expect(perfDisposition)
	p.expect(perfTransfer)
}

func (p *peer) attach(handle uint32, role bool, address string) {
	p.t.Helper()
	source, target := composite{codeSource, []any{address}}, composite{codeTarget, []any{"me"}}
	if role == roleSender {
		source, target = composite{codeSource, []any{"me"}}, composite{codeTarget, []any{address}}
	}
	p.send(perfAttach, nil, "link", handle, role, nil, nil, source, target, nil, nil, uint32(0))
}

func TestBrokenHandshakes(t *testing.T) {
	r := newRig(t)
	sasl := []byte{'A', 'M', 'Q', 'P', 3, 1, 0, 0}
	init := func(mechanism symbol) []byte {
		return appendFrame(nil, frameSASL, 0, composite{saslInit, []any{mechanism}}, nil)
	}
	amqpHeader := []byte{'A', 'M', 'Q', 'P', 0, 1, 0, 0}
	for name, in := range map[string][]byte{
		"http":               []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"no sasl":            amqpHeader,
		"old version":        {'A', 'M', 'Q', 'P', 3, 0, 9, 1},
		"huge frame":         append(bytes.Clone(sasl), 0xff, 0xff, 0xff, 0xff, 2, 1, 0, 0),
		"tiny frame":         append(bytes.Clone(sasl), 0, 0, 0, 4, 2, 1, 0, 0),
		"bad offset":         append(bytes.Clone(sasl), 0, 0, 0, 8, 1, 1, 0, 0),
		"plain":              append(bytes.Clone(sasl), init("PLAIN")...),
		"garbage for open":   append(append(append(bytes.Clone(sasl), init("ANONYMOUS")...), amqpHeader...), 0, 0, 0, 12, 2, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef),
		"begin without open": append(append(append(bytes.Clone(sasl), init("ANONYMOUS")...), amqpHeader...), appendFrame(nil, frameAMQP, 0, composite{perfBegin, nil}, nil)...),
	} {
		t.Run(name, func(t *testing.T) {
			p := r.peer(t)
			p.write(in)
			p.wantEOF()
		})
	}
	send(t, newSender(t, r.client(), "ingest"), "still serving")
}

func TestProtocolViolations(t *testing.T) {
	r := newRig(t)
	nested := bytes.Repeat([]byte{0xc0, 0xff, 1}, 100)
	for name, tc := range map[string]struct {
		do   func(*peer)
		code uint64
		want symbol
	}{
		"unknown performative": {func(p *peer) { p.send(0x99, nil) }, perfClose, condDecode},
		"deep nesting": {func(p *peer) {
			p.write(append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(nested))), 2, 0, 0, 0), nested...))
		}, perfClose, condDecode},
		"second begin":           {func(p *peer) { p.send(perfBegin, nil, nil, uint32(0), uint32(1), uint32(1)) }, perfClose, condFraming},
		"wrong type":             {func(p *peer) { p.send(perfFlow, nil, "x", "y", "z", "w") }, perfClose, condDecode},
		"missing field":          {func(p *peer) { p.send(perfDisposition, nil) }, perfClose, condDecode},
		"sasl after open":        {func(p *peer) { p.write(appendFrame(nil, frameSASL, 0, composite{saslInit, nil}, nil)) }, perfClose, condFraming},
		"no session":             {func(p *peer) { p.write(appendFrame(nil, frameAMQP, 7, composite{perfEnd, nil}, nil)) }, perfClose, condFraming},
		"transfer on no handle":  {func(p *peer) { p.send(perfTransfer, nil, uint32(9)) }, perfEnd, condUnattached},
		"flow on no handle":      {func(p *peer) { p.send(perfFlow, nil, nil, uint32(1), uint32(0), uint32(1), uint32(9)) }, perfEnd, condUnattached},
		"detach of no handle":    {func(p *peer) { p.send(perfDetach, nil, uint32(9)) }, perfEnd, condUnattached},
		"handle too high":        {func(p *peer) { p.attach(maxLinks, roleSender, "$cbs") }, perfEnd, condHandleInUse},
		"a billion dispositions": {func(p *peer) { p.send(perfDisposition, nil, roleReceiver, uint32(0), uint32(1<<30)) }, perfEnd, condNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.peer(t)
			p.open()
			tc.do(p)
			i := 0
			if tc.code == perfDetach {
				i = 2
			}
			p.wantError(tc.code, i, tc.want)
		})
	}
	send(t, newSender(t, r.client(), "ingest"), "still serving")
}

func TestLinkViolations(t *testing.T) {
	r := newRig(t)
	p := r.peer(t)
	p.open()
	p.authorize()
	refused := func(handle uint32, want symbol) {
		t.Helper()
		f := p.expect(perfAttach)
		if f.any(5) != nil || f.any(6) != nil {
			t.Errorf("a refused attach has a terminus: %v", f.list)
		}
		p.wantError(perfDetach, 2, want)
		p.send(perfDetach, nil, handle, true)
	}
	p.attach(2, roleSender, "nowhere")
	refused(2, condNotFound)
	p.send(perfAttach, nil, "tx", uint32(2), roleSender, nil, nil, composite{codeSource, nil}, composite{codeCoordinator, nil})
	refused(2, condNotImplemented)

	// A message of more than the limit, in frames.
	p.attach(2, roleSender, "ingest")
	if f := p.expect(perfAttach); field(f, 10, uint64(0)) != MaxMessageSize {
		t.Errorf("max-message-size %v", f.any(10))
	}
	p.expect(perfFlow)
	chunk := bytes.Repeat([]byte("x"), 60_000)
	for i := 0; i < MaxMessageSize/len(chunk)+1; i++ {
		p.send(perfTransfer, chunk, uint32(2), uint32(1), []byte("t"), uint32(0), nil, true)
	}
	p.wantError(perfDetach, 2, condTooLarge)
	p.send(perfTransfer, chunk, uint32(2)) // sent before the detach was seen
	p.send(perfDetach, nil, uint32(2), true)

	// A transfer without a delivery-id.
	p.attach(2, roleSender, "ingest")
	p.expect(perfAttach)
	p.expect(perfFlow)
	p.send(perfTransfer, []byte("x"), uint32(2))
	p.wantError(perfDetach, 2, condTransferLimit)
	p.send(perfDetach, nil, uint32(2), true)

	// Aborted and then broken messages; the link goes on.
	p.attach(2, roleSender, "ingest")
	p.expect(perfAttach)
	p.expect(perfFlow)
	p.send(perfTransfer, []byte("x"), uint32(2), uint32(2), []byte("t"), uint32(0), nil, true)
	p.send(perfTransfer, nil, uint32(2), nil, nil, nil, nil, true, nil, nil, nil, true)
	p.send(perfTransfer, []byte("x"), uint32(2), uint32(3), []byte("t"), uint32(0))
	f := p.expect(perfDisposition)
	if code, _, _ := asComposite(f.any(4)); code != codeRejected || field(f, 1, uint32(0)) != 3 {
		t.Errorf("disposition %v", f.list)
	}
	// A request whose answer nobody can take.
	p.attach(3, roleSender, "ingest/$management")
	p.expect(perfAttach)
	p.expect(perfFlow)
	b, err := (&amqp.Message{Value: "x"}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	p.send(perfTransfer, b, uint32(3), uint32(4), []byte("t"), uint32(0))
	f = p.expect(perfDisposition)
	if code, _, _ := asComposite(f.any(4)); code != codeRejected {
		t.Errorf("disposition %v", f.list)
	}
	p.send(perfClose, nil)
	p.expect(perfClose)
	p.wantEOF()
}

func TestEcho(t *testing.T) {
	r := newRig(t)
	p := r.peer(t)
	p.open()
	p.authorize()
	p.send(perfFlow, nil, uint32(1), uint32(100), uint32(1), uint32(100), nil, nil, nil, nil, false, true)
	if f := p.expect(perfFlow); f.any(4) != nil || field(f, 0, uint32(0)) != 1 {
		t.Errorf("session flow %v", f.list)
	}
	p.attach(2, roleReceiver, "ingest")
	p.expect(perfAttach)
	p.send(perfFlow, nil, uint32(1), uint32(100), uint32(1), uint32(100), uint32(2), uint32(0), uint32(7), nil, false, true)
	if f := p.expect(perfFlow); field(f, 4, uint32(0)) != 2 || field(f, 6, uint32(0)) != 7 {
		t.Errorf("link flow %v", f.list)
	}
	// The window of one frame is respected: of two messages only one comes until it opens again.
	p.send(perfFlow, nil, uint32(1), uint32(1), uint32(1), uint32(100), uint32(2), uint32(0), uint32(7))
	p.attach(3, roleSender, "ingest")
	p.expect(perfAttach)
	p.expect(perfFlow)
	for id := range uint32(2) {
		b, err := amqp.NewMessage([]byte("x")).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		p.send(perfTransfer, b, uint32(3), id+1, []byte("t"), uint32(0), true)
	}
	p.expect(perfTransfer)
	p.send(perfFlow, nil, uint32(2), uint32(0), uint32(3), uint32(100), nil, nil, nil, nil, false, true)
	p.expect(perfFlow) // and no transfer before it
	p.send(perfFlow, nil, uint32(2), uint32(1), uint32(3), uint32(100))
	p.expect(perfTransfer)
}

func TestASilentClientIsDropped(t *testing.T) {
	r := startRig(t, t.TempDir(), Options{idle: 100 * time.Millisecond})
	p := r.peer(t)
	p.open()
	p.wantEOF()
	send(t, newSender(t, r.client(), "ingest"), "one that sends heartbeats is not")
	busy := r.client()
	rc := newReceiver(t, busy, "ingest", nil)
	m := receive(t, rc, 1)[0]
	start := time.Now()
	eventually(t, "several idle times pass", func() bool { return time.Since(start) > 500*time.Millisecond })
	finish(t, rc, m)
}

func TestLinksEndWithTheirTokens(t *testing.T) {
	r := newRig(t)
	nc, other := net.Pipe()
	defer nc.Close()
	defer other.Close()
	s := newSession(newConn(r.srv, nc), 0, 0, 0)
	s.c.claims["ingest"] = time.Unix(1000, 0)
	s.c.sessions[0] = s
	for handle, path := range []string{"ingest", "ingest/$management", cbsPath} {
		s.links[uint32(handle)] = &inLink{s: s, node: node{path: path}}
	}
	s.c.dropUnauthorized(time.Unix(999, 0))
	if n := strings.Count(string(s.c.out.buf), string(condUnauthorized)); n != 0 {
		t.Errorf("%d links ended before their token", n)
	}
	s.c.dropUnauthorized(time.Unix(1000, 0))
	s.c.dropUnauthorized(time.Unix(1001, 0)) // once only
	if n := strings.Count(string(s.c.out.buf), string(condUnauthorized)); n != 2 {
		t.Errorf("%d links ended with their token, want 2", n)
	}
}
