package functionshost

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runHandler is the custom handler of the tests: this binary, started by the host. What it does to a call hangs
// on the function's name.
func runHandler() int {
	if err := startUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	dir, _ := os.Getwd()
	record(Call{Start: true, Env: os.Environ(), Args: os.Args[1:], Dir: dir})
	if text := os.Getenv("START_EXIT"); text != "" {
		code, _ := strconv.Atoi(text)
		return code
	}
	if text := os.Getenv("START_DELAY"); text != "" {
		d, _ := time.ParseDuration(text)
		time.Sleep(d)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 4
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{name}", serveCall)
	mux.HandleFunc("/api/", serveAPI)
	mux.HandleFunc("/", http.NotFound)
	fmt.Println("listening")
	fmt.Fprintln(os.Stderr, "this is a warning")
	fmt.Fprintln(os.Stderr, "this is bad")
	_ = http.Serve(l, mux)
	return 5
}

// startUp crashes the first START_CRASHES runs.
func startUp() error {
	want, _ := strconv.Atoi(os.Getenv("START_CRASHES"))
	if want == 0 {
		return nil
	}
	path := os.Getenv("RECORD") + ".crashes"
	data, _ := os.ReadFile(path)
	if len(data) >= want {
		return nil
	}
	if err := os.WriteFile(path, append(data, '.'), 0o644); err != nil {
		return err
	}
	return fmt.Errorf("crash %d", len(data)+1)
}

var recording sync.Mutex

func record(c Call) {
	recording.Lock()
	defer recording.Unlock()
	c.PID = os.Getpid()
	f, err := os.OpenFile(os.Getenv("RECORD"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	line, _ := json.Marshal(c)
	_, _ = f.Write(append(line, '\n'))
}

func serveCall(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	c := Call{Function: name, Header: r.Header, Encoding: r.TransferEncoding}
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.Function = name
	if name != "Quick" { // which is measured
		record(c)
	}
	answer := func(contentType, text string) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	}
	mode, _, _ := strings.Cut(name, "_")
	var body []byte
	if json.Unmarshal(c.Data["msg"], &body) == nil && strings.HasPrefix(string(body), "poison") {
		mode = "Fail"
	}
	if text := os.Getenv("MODE_" + name); text != "" {
		mode = text
	}
	switch mode {
	case "Empty":
		w.WriteHeader(http.StatusOK)
	case "Null":
		answer("application/json", " null ")
	case "Text":
		answer("text/plain", "{}")
	case "NoType":
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "{}")
	case "Fail":
		w.WriteHeader(http.StatusInternalServerError)
	case "Moved":
		w.Header().Set("Location", "/Ok")
		w.WriteHeader(http.StatusFound)
	case "Array":
		answer("application/json", "[]")
	case "Bad":
		answer("application/json", "{nope")
	case "Huge":
		answer("application/json", `{"Logs":["`+strings.Repeat("x", maxAnswer)+`"]}`)
	case "Trailing":
		answer("application/json", "{} {}")
	case "Logs":
		answer("text/json; charset=utf-8", `{"logs":["first line",2],"outputs":{"x":"test"},"returnvalue":"abcd1234","More":1}`)
	case "BadLogs":
		answer("application/json", `{"Logs":"text"}`)
	case "Created":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "{}")
	case "Exit0", "Exit200", "Exit3":
		fmt.Fprintln(os.Stderr, "last words of "+name)
		code, _ := strconv.Atoi(name[len("Exit"):])
		os.Exit(code)
	case "Kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "Orphan": // dies and leaves a child that holds its output
		child := exec.Command("sleep", "5")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		_ = child.Start()
		os.Exit(3)
	case "Hang":
		select {}
	case "Child": // leaves a child behind and hangs
		child := exec.Command("sleep", "600")
		if err := child.Start(); err == nil {
			record(Call{Function: "child", Args: []string{strconv.Itoa(child.Process.Pid)}})
		}
		select {}
	case "Work": // what a kill is to hit, in the middle and around the answer
		time.Sleep(time.Duration(10+os.Getpid()%20) * time.Millisecond)
		record(Call{Function: "success", Data: c.Data})
		answer("application/json", "{}")
	case "Long":
		time.Sleep(4500 * time.Millisecond)
		answer("application/json", "{}")
	case "Slow":
		time.Sleep(1500 * time.Millisecond)
		answer("application/json", "{}")
	default:
		answer("application/json; charset=utf-8", "{}")
	}
}

// serveAPI is the HTTP part.
func serveAPI(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, "/api/") {
	case "stream": // sends back each line as it comes
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = io.WriteString(w, "got "+lines.Text()+"\n")
			_ = http.NewResponseController(w).Flush()
		}
	case "quick":
		_, _ = io.Copy(io.Discard, r.Body)
	case "upload":
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%d %x", n, sum.Sum(nil))
	case "hang":
		record(Call{Function: "hang"})
		select {}
	case "dead":
		os.Exit(3)
	case "break": // promises more than it sends
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "short")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "teapot":
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(http.StatusTeapot)
	case "away":
		http.Redirect(w, r, "/api/echo", http.StatusFound)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "uri": r.RequestURI, "host": r.Host, "header": r.Header})
	}
}

const hostSwitch = "FUNCTIONSHOST_TEST_HOST"

// Child is what a host in a process of its own is told.
type Child struct {
	Dir, State string
	Settings   map[string]string
}

// runHost prints its handler's id and runs until it is killed, or until the host gives up: then the platform
// would start it again.
func runHost() int {
	var c Child
	err := json.Unmarshal([]byte(os.Getenv(hostSwitch)), &c)
	var h *Host
	if err == nil {
		h, err = New(Options{Root: c.Dir, StateDir: c.State, Settings: c.Settings})
	}
	if err == nil {
		err = h.Start(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(h.HandlerPID())
	<-h.Done()
	return 2
}
