package cli

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logger shows what producer and consumer warn of as sentences on stderr.
func (a *app) logger() *slog.Logger {
	return slog.New(&sentences{complain: a.complain, said: &said{at: make(map[string]time.Time)}})
}

// sentences is a slog.Handler for people. A trouble that many shards have at
// once, or one shard again and again, is told once in a while.
type sentences struct {
	complain func(string)
	attrs    []slog.Attr
	said     *said
}

// said is which messages were shown, and when.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

// repeatAfter is how long one message stays silent after it was shown.
const repeatAfter = 10 * time.Second

// again reports whether the message was shown a short while ago, and notes now
// otherwise.
func (s *said) again(message string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.at[message]; ok && now.Sub(last) < repeatAfter {
		return true
	}
	s.at[message] = now
	return false
}

func (s *sentences) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (s *sentences) Handle(_ context.Context, r slog.Record) error {
	if s.said.again(r.Message, r.Time) {
		return nil
	}
	var details []string
	add := func(attr slog.Attr) bool {
		value := attr.Value.String()
		if err, ok := attr.Value.Any().(error); ok {
			value, _ = explain(err)
		}
		details = append(details, attr.Key+": "+value)
		return true
	}
	for _, attr := range s.attrs {
		add(attr)
	}
	r.Attrs(add)
	sentence := strings.TrimPrefix(r.Message, "kinetrail: ")
	if len(details) > 0 {
		sentence += " (" + strings.Join(details, ", ") + ")"
	}
	s.complain(sentence)
	return nil
}

func (s *sentences) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *s
	with.attrs = append(s.attrs[:len(s.attrs):len(s.attrs)], attrs...)
	return &with
}

// WithGroup keeps the names short: groups are for machines.
func (s *sentences) WithGroup(string) slog.Handler { return s }
