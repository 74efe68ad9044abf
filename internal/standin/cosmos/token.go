package cosmos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

var errToken = errors.New("continuation token is not valid")

const tokenMAC = 16

// binding is what a continuation token belongs to: with another container,
// query text, partition key or order of reading it is refused. Parameters may
// change between pages, as they may in Azure.
type binding struct{ rid, text, key, plan string }

// seal makes the opaque token: the cursor and a MAC under a key derived from
// the account's, so that a token survives a restart and not an alteration.
func (s *Server) seal(b binding, c cursor) string {
	raw := []byte{1}
	raw = binary.AppendUvarint(raw, uint64(c.skip))
	raw = binary.AppendUvarint(raw, uint64(c.take+1))
	raw = append(raw, c.after...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.tokenMAC(b, raw)...))
}

func (s *Server) tokenMAC(b binding, raw []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, part := range []string{"continuation", b.rid, b.text, b.key, b.plan, string(raw)} {
		mac.Write(binary.AppendUvarint(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)[:tokenMAC]
}

// open reads a token back.
func (s *Server) open(b binding, token string) (cursor, error) {
	if strings.ContainsAny(token, "\r\n") { // which the decoder would pass over
		return cursor{}, errToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < tokenMAC+3 {
		return cursor{}, errToken
	}
	raw, sum := raw[:len(raw)-tokenMAC], raw[len(raw)-tokenMAC:]
	if !hmac.Equal(sum, s.tokenMAC(b, raw)) || raw[0] != 1 {
		return cursor{}, errToken
	}
	skip, n := binary.Uvarint(raw[1:])
	if n <= 0 || skip > 1<<31 {
		return cursor{}, errToken
	}
	raw = raw[1+n:]
	take, n := binary.Uvarint(raw)
	if n <= 0 || take > 1<<31 {
		return cursor{}, errToken
	}
	return cursor{after: append([]byte{}, raw[n:]...), skip: int(skip), take: int(take) - 1}, nil
}
