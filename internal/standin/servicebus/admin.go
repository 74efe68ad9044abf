package servicebus

import (
	"encoding/json"
	"net/http"
	"time"
)

// maxAdvance keeps the clock inside what an AMQP timestamp and time.Duration can express.
const maxAdvance = 100 * 365 * 24 * time.Hour

type clockReply struct {
	Now time.Time `json:"now"`
}

// Admin serves the clock and the counts, in JSON:
//
//	GET  /clock          {"now":"2026-11-22T10:15:00Z"}
//	POST /clock/advance  {"by":"744h"}, a Go duration; answers as GET /clock
//	GET  /entities       [{"name","active","scheduled","locked","deferred","deadLettered"}]
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, _ *http.Request) { s.replyClock(w) })
	mux.HandleFunc("POST /clock/advance", s.advanceClock)
	mux.HandleFunc("GET /entities", func(w http.ResponseWriter, _ *http.Request) {
		list, err := s.broker.entities()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		s.reply(w, list)
	})
	return mux
}

func (s *Server) advanceClock(w http.ResponseWriter, r *http.Request) {
	var req struct {
		By string `json:"by"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<12))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		http.Error(w, "want {\"by\":\"744h\"}: "+err.Error(), http.StatusBadRequest)
		return
	}
	by, err := time.ParseDuration(req.By)
	if err != nil || by <= 0 || by > maxAdvance {
		http.Error(w, "by must be a positive Go duration such as 744h", http.StatusBadRequest)
		return
	}
	if err := s.broker.advance(by); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.replyClock(w)
}

func (s *Server) replyClock(w http.ResponseWriter) {
	s.reply(w, clockReply{s.broker.now().UTC()})
}

func (s *Server) reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Warn("an admin answer could not be written", "error", err)
	}
}
