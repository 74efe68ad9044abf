package browser

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

//go:embed page hls/hls.min.js
var files embed.FS

// pages is where the page lies on a site; everything else belongs to the upstream.
const pages = "/player/"

// policy is the portal's. The store's host is any port of this machine, since tests pick free ones.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; media-src 'self' blob:; " +
	"connect-src 'self' http://127.0.0.1:*; img-src 'self' data:"

// Site is an origin that has both the player's page and what the functions host serves, as the portal's has in Azure.
type Site struct {
	URL    string // http://127.0.0.1:<port>, without a slash at the end
	server *http.Server
}

// Serve starts a site in front of an upstream. The header goes with every request that is passed on: it says who acts.
func Serve(upstream string, header http.Header) (*Site, error) {
	target, err := url.Parse(upstream)
	if err != nil || target.Host == "" {
		return nil, fmt.Errorf("serving the player: %q is no address of an upstream", upstream)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving the player: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pages+"{name}", page)
	silent := log.New(io.Discard, "", 0) // a player that turns away is no news, and an upstream that does is a 502
	mux.Handle("/", &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: silent, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		for name, values := range header {
			r.Out.Header[http.CanonicalHeaderKey(name)] = values
		}
	}})
	s := &Site{URL: "http://" + listener.Addr().String(), server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent}}
	go s.server.Serve(listener) // ends with Close, whose error tells
	return s, nil
}

// Close ends the site and its connections.
func (s *Site) Close() error { return s.server.Close() }

// page answers with one of the page's files.
func page(w http.ResponseWriter, r *http.Request) {
	name, kind := r.PathValue("name"), "text/javascript; charset=utf-8"
	folder := "page/"
	switch {
	case strings.HasPrefix(name, "hls."):
		folder = "hls/"
	case strings.HasSuffix(name, ".html"):
		kind = "text/html; charset=utf-8"
		w.Header().Set("Content-Security-Policy", policy)
	}
	body, err := fs.ReadFile(files, folder+name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body) // the browser may be gone, which changes nothing
}
