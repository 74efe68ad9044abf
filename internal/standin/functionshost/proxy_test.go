package functionshost

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// web is a root with one HTTP function for each authLevel and method that the tests need.
func web(t testing.TB) *Root {
	return NewRoot(t, Files{
		"Web/function.json":    httpFunction("{*rest}", "anonymous"),
		"Locked/function.json": httpFunction("locked/{id:int}", "function", "get"),
		"Owner/function.json":  httpFunction("owner", "admin", "get"),
		"Off/function.json":    httpFunction("off/only", "anonymous"),
	})
}

// seen is what the handler's echo saw.
type seen struct {
	Method, URI, Host string
	Header            http.Header
}

func send(t testing.TB, method, target string, body io.Reader, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		request.Header[k] = v
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response, string(text)
}

func echo(t testing.TB, method, target string, header http.Header) seen {
	t.Helper()
	response, text := send(t, method, target, nil, header)
	var s seen
	if response.StatusCode != http.StatusOK || json.Unmarshal([]byte(text), &s) != nil {
		t.Fatalf("%s %s: %d %s", method, target, response.StatusCode, text)
	}
	return s
}

func TestProxyKeepsTheRequest(t *testing.T) {
	h := web(t).Start(t)
	s := front(t, h)
	got := echo(t, "PATCH", s.URL+"/api/a%2Fb/c%20d?x=1&x=2&y=a;b&code=secret", http.Header{
		"X-Custom": {"one", "two"}, "X-Azure-Functions-Invocationid": {"forged"}, "X-Ms-Invocation-Id": {"forged"}, "X-Azure-Functions-Hostversion": {"forged"},
		"X-Forwarded-For": {"9.9.9.9"}, "X-Forwarded-Host": {"public.example"}, "User-Agent": {"camera/1"}, "Authorization": {"Bearer x"},
		"X-Ms-Client-Principal": {"forged"}, "X-Ms-Client-Principal-Id": {"forged"}, "X-MS-TOKEN-AAD-ID-TOKEN": {"forged"}, "X_ms_client_principal_name": {"forged"},
		"X-Ms-Blob-Type": {"BlockBlob"},
	})
	if got.Method != "PATCH" || got.URI != "/api/a%2Fb/c%20d?x=1&x=2&y=a;b&code=secret" || got.Host != strings.TrimPrefix(s.URL, "http://") {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{"X-Custom": "one,two", "X-Forwarded-Host": "public.example", "X-Forwarded-Proto": "http", "User-Agent": "camera/1",
		"Authorization": "Bearer x", "X-Ms-Blob-Type": "BlockBlob"} {
		if v := strings.Join(got.Header[name], ","); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	if v := got.Header.Get("X-Forwarded-For"); !strings.HasPrefix(v, "9.9.9.9, 127.0.0.1:") {
		t.Errorf("X-Forwarded-For is %q", v)
	}
	id := got.Header.Get("X-Azure-Functions-Invocationid")
	if id == "" || id == "forged" || got.Header.Get("X-Ms-Invocation-Id") != id || !strings.HasPrefix(got.Header.Get("X-Azure-Functions-Hostversion"), "4.") {
		t.Errorf("the host's own headers: %v", got.Header)
	}
	for name, v := range got.Header {
		if strings.Contains(strings.ToLower(name), "principal") || strings.Contains(strings.ToLower(name), "token") {
			t.Errorf("%s: %v reached the handler", name, v)
		}
	}
	Until(t, "no call is counted", func() bool { return h.outstanding.Load() == 0 })
}

func TestProxyKeepsTheAnswer(t *testing.T) {
	r := web(t)
	s := front(t, r.Start(t))
	response, _ := send(t, "GET", s.URL+"/api/teapot", nil, nil)
	if response.StatusCode != http.StatusTeapot || len(response.Header["Set-Cookie"]) != 2 {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if response, _ = send(t, "GET", s.URL+"/api/away", nil, nil); response.StatusCode != http.StatusFound || response.Header.Get("Location") != "/api/echo" {
		t.Errorf("a redirect became %d", response.StatusCode)
	}
	Until(t, "a handler's 4xx is a success", func() bool { return r.Logs.Has("Executed 'Functions.Web' (Succeeded)") })
	if r.Logs.Has("(Failed)") {
		t.Error("something failed")
	}
	request, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/break", nil)
	response, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(request)
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("an answer that breaks off looks whole")
	}
	Until(t, "the broken answer is a failure", func() bool { return r.Logs.Has("Executed 'Functions.Web' (Failed)") })
}

func TestProxyStreamsBothWays(t *testing.T) {
	s := front(t, web(t).Start(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "POST /api/stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	answers := bufio.NewReader(conn)
	until := func(text string) {
		for {
			line, err := answers.ReadString('\n')
			if err != nil {
				t.Fatalf("%q never came: %v", text, err)
			}
			if strings.Contains(line, text) {
				return
			}
		}
	}
	for _, word := range []string{"one", "two"} { // each answer comes before the next line is sent
		fmt.Fprintf(conn, "%x\r\n%s\n\r\n", len(word)+1, word)
		until("got " + word)
	}
	fmt.Fprintf(conn, "0\r\n\r\n")
}

// A client that asks first is told once to go on.
func TestProxyContinuesOnce(t *testing.T) {
	s := front(t, web(t).Start(t))
	for range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(conn, "PUT /api/quick HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		answers := bufio.NewReader(conn)
		for _, want := range []int{http.StatusContinue, http.StatusOK} {
			response, err := http.ReadResponse(answers, nil)
			if err != nil || response.StatusCode != want {
				t.Fatalf("%v %v, want %d", response, err, want)
			}
			if want == http.StatusContinue {
				fmt.Fprint(conn, "hello")
			}
		}
		_ = conn.Close() // everything is read
	}
}

func TestProxyLargeBodiesAndTheLimit(t *testing.T) {
	r := web(t)
	r.Settings["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"] = "1000000"
	s := front(t, r.Start(t))
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	want := fmt.Sprintf("%d %x", len(body), sha256.Sum256(body))
	for name, reader := range map[string]io.Reader{"length": bytes.NewReader(body), "chunked": struct{ io.Reader }{bytes.NewReader(body)}} {
		if response, text := send(t, "PUT", s.URL+"/api/upload", reader, nil); response.StatusCode != 200 || text != want {
			t.Errorf("%s: %d %s", name, response.StatusCode, text)
		}
	}
	body = append(body, '!')
	for name, reader := range map[string]io.Reader{"length": bytes.NewReader(body), "chunked": struct{ io.Reader }{bytes.NewReader(body)}} {
		if response, _ := send(t, "PUT", s.URL+"/api/upload", reader, nil); response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d, want 413", name, response.StatusCode)
		}
	}
}

func TestRoutesAndKeys(t *testing.T) {
	r := web(t)
	r.Settings["AzureWebJobs.Off.Disabled"] = "true"
	h := r.Start(t)
	s := front(t, h)
	key := func(v string) http.Header { return http.Header{"X-Functions-Key": {v}} }
	for _, c := range []struct {
		method, path string
		header       http.Header
		want         int
	}{
		{"GET", "/", nil, 200}, {"GET", "/Web", nil, 404}, {"GET", "/api/../Web", nil, 404}, {"POST", "/api/%2e%2e/Web", nil, 404}, {"GET", "/runtime/webhooks/EventGrid", nil, 404},
		{"GET", "/api/anything", nil, 200}, {"GET", "/API/anything", nil, 404}, // the handler's own mux knows no /API
		{"GET", "/api/locked/7", nil, 401}, {"GET", "/api/locked/7", key("wrong"), 401}, {"GET", "/api/locked/7?code=" + h.keys.Functions["Locked"], nil, 200},
		{"GET", "/api/locked/7?code=wrong", key(h.keys.Host), 200}, {"GET", "/api/locked/7", key("master"), 200}, {"GET", "/api/locked/7?code=master", key("wrong"), 401},
		{"GET", "/api/locked/x", nil, 200}, {"POST", "/api/locked/7", nil, 200}, // both fall to the catch-all
		{"GET", "/api/owner", key(h.keys.Host), 401}, {"GET", "/api/owner", key(h.keys.Functions["Owner"]), 401}, {"GET", "/api/owner", key("master"), 200},
		{"GET", "/api/off/only", nil, 200}, // a disabled route is not there, so the catch-all has it
	} {
		if response, text := send(t, c.method, s.URL+c.path, nil, c.header); response.StatusCode != c.want {
			t.Errorf("%s %s %v: %d %s, want %d", c.method, c.path, c.header, response.StatusCode, text, c.want)
		}
	}
	if strings.Contains(r.Logs.String(), "code=") || strings.Contains(r.Logs.String(), h.keys.Host) {
		t.Error("a key is in the log")
	}
}

func TestWrongMethodIs404(t *testing.T) {
	s := front(t, NewRoot(t, Files{"Get/function.json": httpFunction("only", "anonymous", "get")}).Start(t))
	for method, want := range map[string]int{"GET": 200, "POST": 404, "HEAD": 404} {
		if response, _ := send(t, method, s.URL+"/api/only", nil, nil); response.StatusCode != want {
			t.Errorf("%s: %d, want %d", method, response.StatusCode, want)
		}
	}
}

func TestProxySilence(t *testing.T) {
	r := web(t)
	h := r.Start(t, func(h *Host) { h.tuning.activity = 300 * time.Millisecond })
	pid := h.HandlerPID()
	s := front(t, h)
	if response, _ := send(t, "GET", s.URL+"/api/hang", nil, nil); response.StatusCode != 500 {
		t.Errorf("%d, want 500", response.StatusCode)
	}
	if h.HandlerPID() != pid {
		t.Error("silence killed the handler; only functionTimeout does")
	}
	mustContain(t, r.Logs.String(), errSilent.Error())
}

func TestProxyTimeoutKills(t *testing.T) {
	t.Parallel()
	r := web(t)
	r.Write(t, "host.json", strings.Replace(plainHost, "00:00:30", "00:00:01", 1))
	h := r.Start(t)
	pid := h.HandlerPID()
	s := front(t, h)
	if response, _ := send(t, "GET", s.URL+"/api/hang", nil, nil); response.StatusCode != 500 {
		t.Errorf("%d, want 500", response.StatusCode)
	}
	if echo(t, "GET", s.URL+"/api/x", nil); h.HandlerPID() == pid {
		t.Error("the handler lives")
	}
}

func TestProxyWhileTheHandlerRestarts(t *testing.T) {
	r := web(t)
	h := r.Start(t)
	s := front(t, h)
	if response, _ := send(t, "GET", s.URL+"/api/dead", nil, nil); response.StatusCode != 500 {
		t.Errorf("the request that lost its handler: %d, want 500", response.StatusCode)
	}
	var calls sync.WaitGroup // connection attempts bridge the gap
	for range 8 {
		calls.Go(func() { echo(t, "GET", s.URL+"/api/x", nil) })
	}
	calls.Wait()
}

func TestProxyAfterExit0(t *testing.T) {
	t.Parallel()
	r := NewRoot(t, Files{"Web/function.json": httpFunction("{*rest}", "anonymous"), "Exit0/function.json": anyQueue})
	r.Settings["AzureWebJobs.Exit0.Disabled"] = "1"
	h := r.Start(t)
	s := front(t, h)
	_ = run(h, "Exit0", "x")
	Until(t, "the process is gone", func() bool { return h.HandlerPID() == 0 })
	started := time.Now()
	response, _ := send(t, "PUT", s.URL+"/api/upload", strings.NewReader("x"), nil)
	if response.StatusCode != 500 || time.Since(started) < 9*connectDelay {
		t.Errorf("%d after %v: connection attempts were to be made", response.StatusCode, time.Since(started))
	}
}

func TestStoppedHostIsUnavailable(t *testing.T) {
	r := web(t)
	h, err := New(r.Options())
	if err != nil {
		t.Fatal(err)
	}
	s := front(t, h)
	if response, _ := send(t, "GET", s.URL+"/api/x", nil, nil); response.StatusCode != 503 {
		t.Errorf("before Start: %d", response.StatusCode)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		request := httptest.NewRequest("GET", "/api/hang", nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if w.Code != 500 {
			t.Errorf("a request in flight: %d", w.Code)
		}
	})
	Until(t, "the request", func() bool { return len(r.Calls(t, "hang")) == 1 })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	if response, _ := send(t, "GET", s.URL+"/api/x", nil, nil); response.StatusCode != 503 {
		t.Errorf("after Close: %d", response.StatusCode)
	}
}
