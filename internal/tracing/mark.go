package tracing

import "context"

type markKey struct{}

// Mark returns a ctx for calls that kinetrail's own clients make: the middleware
// lets them pass untouched, because they carry their contexts already.
func Mark(ctx context.Context) context.Context {
	return context.WithValue(ctx, markKey{}, true)
}

// Marked reports whether ctx came from Mark.
func Marked(ctx context.Context) bool {
	return ctx.Value(markKey{}) != nil
}
