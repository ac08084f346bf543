package cli

import (
	"context"
	"log/slog"
	"strings"
)

// logger shows what producer and consumer warn of as sentences on stderr.
func (a *app) logger() *slog.Logger {
	return slog.New(&sentences{app: a})
}

// sentences is a slog.Handler for people.
type sentences struct {
	app   *app
	attrs []slog.Attr
}

func (s *sentences) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (s *sentences) Handle(_ context.Context, r slog.Record) error {
	var details []string
	add := func(attr slog.Attr) bool {
		value := attr.Value.String()
		if err, ok := attr.Value.Any().(error); ok {
			value, _ = explain(err)
		}
		details = append(details, attr.Key+" "+value)
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
	s.app.complain(sentence)
	return nil
}

func (s *sentences) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sentences{app: s.app, attrs: append(s.attrs[:len(s.attrs):len(s.attrs)], attrs...)}
}

// WithGroup keeps the names short: groups are for machines.
func (s *sentences) WithGroup(string) slog.Handler { return s }
