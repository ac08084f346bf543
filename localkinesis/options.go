package localkinesis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// Clock is the time of a server. It runs until it is set, advanced or frozen.
type Clock = state.Clock

// Options tunes a Server. New fills in every default before it calls the
// caller's functions, so a zero written there means zero.
type Options struct {
	// Account is the account of every request, twelve digits. The default is
	// 000000000000.
	Account string

	// Region is the region of requests whose credentials name none, and of the
	// server's own client. Every other request goes to the region its
	// credentials are scoped to. The default is us-east-1.
	Region string

	// Secrets are secret access keys by their access key IDs. When there are
	// any, a request must be signed with one of them, within five minutes of
	// the machine's time. Nil, the default, only asks for the form of a
	// signature.
	Secrets map[string]string

	// Certificate makes the server speak HTTPS where it listens, with HTTP/2 for
	// clients that offer it or just begin with it. SelfSigned makes one. Nil, the
	// default, is plain HTTP, with HTTP/2 for clients that begin with it.
	Certificate *tls.Certificate

	// Streams are the streams every region begins with, and their number of
	// shards. One that the Store has already stays as it is. The default is
	// none.
	Streams map[string]int

	// ShardLimit is how many open shards a region may have. The default is
	// 20,000, the service's largest quota without a request.
	ShardLimit int

	// Strict enforces the service's limits by the server's clock: what a shard
	// takes in and hands out in a second, requests of an operation in a second,
	// and how far and how often UpdateShardCount may go. The default is false:
	// tests are not slowed down.
	Strict bool

	// Control lets clients on the same machine see and change the rules of
	// faults over HTTP, at ControlPath: GET lists them, one a line, PUT replaces
	// them with those of its body, POST adds those of its body, DELETE removes
	// them. The default is false.
	Control bool

	// MaxBodyBytes is the size of a request body above which the answer is 413.
	// The default is 16 MiB: a PutRecords request of 10 MiB in base64, and room
	// for its keys.
	MaxBodyBytes int64

	// ClientTimeout is how long a client may take to send a request, and to take
	// in an answer or an event, before its connection is cut. Zero waits for
	// ever. The default is a minute.
	ClientTimeout time.Duration

	// KeepCalls is how many of the latest calls Calls remembers. Zero keeps
	// none. The default is 1,000.
	KeepCalls int

	// CreateDelay, DeleteDelay and UpdateDelay are how long a stream is
	// CREATING, DELETING or UPDATING, by the server's clock. Zero, the default,
	// makes the change at once.
	CreateDelay, DeleteDelay, UpdateDelay time.Duration

	// Store keeps everything beyond the process: diskstore.Open opens one in a
	// directory. The server closes it, also when New fails. Nil, the default,
	// keeps everything in memory.
	Store state.Store

	// Logger takes what goes wrong in the server itself: a call that panicked,
	// which is answered with InternalFailure, and at the level Debug what
	// connections break of. Nil, the default, is slog.Default().
	Logger *slog.Logger
}

func defaults() Options {
	return Options{
		Account:      "000000000000",
		Region:       "us-east-1",
		ShardLimit:   20_000,
		MaxBodyBytes: 16 << 20,
		KeepCalls:    1000,

		ClientTimeout: time.Minute,
	}
}

var twelveDigits = regexp.MustCompile(`^\d{12}$`)

// check returns everything that is wrong with the options.
func (o *Options) check() error {
	var problems []error
	refuse := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("localkinesis: "+format, args...))
	}
	if !twelveDigits.MatchString(o.Account) {
		refuse("Account is %q, not twelve digits", o.Account)
	}
	if !state.IsRegionName(o.Region) {
		refuse("Region is %q, not a name such as us-east-1", o.Region)
	}
	for name, shards := range o.Streams {
		if shards < 1 {
			refuse("Streams has %d shards for %q, not at least one", shards, name)
		}
	}
	if o.MaxBodyBytes <= 0 {
		refuse("MaxBodyBytes is %d, not above zero", o.MaxBodyBytes)
	}
	if o.KeepCalls < 0 {
		refuse("KeepCalls is %d, below zero", o.KeepCalls)
	}
	if o.Certificate != nil && len(o.Certificate.Certificate) == 0 {
		refuse("Certificate is empty")
	}
	for name, d := range map[string]time.Duration{"ClientTimeout": o.ClientTimeout, "CreateDelay": o.CreateDelay, "DeleteDelay": o.DeleteDelay, "UpdateDelay": o.UpdateDelay} {
		if d < 0 {
			refuse("%s is %v, below zero", name, d)
		}
	}
	return errors.Join(problems...)
}
