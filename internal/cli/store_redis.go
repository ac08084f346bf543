package cli

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/redislease"
	"github.com/redis/go-redis/v9"
)

// redisStore is a Redis or Valkey, standalone or a cluster.
type redisStore struct {
	name   string
	client redis.UniversalClient
}

// parseRedisStore reads a URL. One with cluster=true, or with further
// addresses as addr=HOST:PORT, is that of a cluster.
func parseRedisStore(text string) (reachStore, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return nil, errors.New("it takes a URL such as redis://127.0.0.1:6379/0")
	}
	query := parsed.Query()
	cluster := query.Get("cluster") == "true" || query.Has("addr")
	query.Del("cluster")
	bare := *parsed
	bare.RawQuery = query.Encode()
	if cluster {
		options, err := redis.ParseClusterURL(bare.String())
		if err != nil {
			return nil, plainRedisError(err)
		}
		options.DialTimeout = dialTimeout
		return reachRedis(parsed, func() redis.UniversalClient { return redis.NewClusterClient(options) }), nil
	}
	options, err := redis.ParseURL(bare.String())
	if err != nil {
		return nil, plainRedisError(err)
	}
	options.DialTimeout = dialTimeout
	return reachRedis(parsed, func() redis.UniversalClient { return redis.NewClient(options) }), nil
}

func plainRedisError(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "redis: "))
}

// silentRedis keeps what the client would log to itself: it comes back as an
// error.
var silentRedis = sync.OnceFunc(func() { redis.SetLogger(noRedisLog{}) })

type noRedisLog struct{}

func (noRedisLog) Printf(context.Context, string, ...any) {}

func reachRedis(place *url.URL, connect func() redis.UniversalClient) reachStore {
	return func(context.Context, *app) (groupStore, error) {
		silentRedis()
		return &redisStore{name: place.Redacted(), client: connect()}, nil
	}
}

func (s *redisStore) String() string { return s.name }

func (s *redisStore) groups(ctx context.Context) ([]string, error) {
	return redislease.Groups(ctx, s.client)
}

// exists looks for leases: Redis keeps no empty group.
func (s *redisStore) exists(ctx context.Context, group string) (bool, error) {
	leases, err := redislease.New(s.client, group).List(ctx)
	return len(leases) > 0, err
}

func (s *redisStore) open(_ context.Context, group string) (lease.Store, error) {
	return redislease.New(s.client, group), nil
}

func (s *redisStore) close() error { return s.client.Close() }
