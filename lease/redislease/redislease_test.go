package redislease_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/redislease"
)

// runID keeps runs on one server apart.
var runID = rand.Text()[:8]

func inMemory(t *testing.T) (*miniredis.Miniredis, *redis.Client) {
	t.Helper()
	server := miniredis.RunT(t)
	return server, dial(t, server)
}

// dial makes a client that is patient with a server on a busy machine.
func dial(t *testing.T, server *miniredis.Miniredis) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), DialTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// clients are those of an in-process server and of the servers that
// KINETRAIL_REDIS_URL and KINETRAIL_REDIS_CLUSTER_URL name.
func clients(t *testing.T) map[string]redis.UniversalClient {
	t.Helper()
	_, client := inMemory(t)
	all := map[string]redis.UniversalClient{"in memory": client}
	if url := os.Getenv("KINETRAIL_REDIS_URL"); url != "" {
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		all["standalone"] = redis.NewClient(options)
	}
	if url := os.Getenv("KINETRAIL_REDIS_CLUSTER_URL"); url != "" {
		options, err := redis.ParseClusterURL(url)
		if err != nil {
			t.Fatal(err)
		}
		all["cluster"] = redis.NewClusterClient(options)
	}
	for _, c := range all {
		t.Cleanup(func() { _ = c.Close() })
	}
	return all
}

func TestStoreKeepsEveryPromiseOfALeaseStore(t *testing.T) {
	t.Parallel()
	for name, client := range clients(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leasetest.Run(t, leasetest.Harness{Open: func(_ *testing.T, group string) lease.Store {
				return redislease.New(client, runID+group)
			}})
		})
	}
}

func TestNoClockOfTheServerEndsALease(t *testing.T) {
	t.Parallel()
	server, client := inMemory(t)
	leasetest.Run(t, leasetest.Harness{
		Open:      func(_ *testing.T, group string) lease.Store { return redislease.New(client, group) },
		JumpClock: func(d time.Duration) { server.FastForward(max(d, 0)); server.SetTime(time.Now().Add(d)) },
	})
}

func TestARowOfAnotherSpellingIsReplacedAsItStands(t *testing.T) {
	t.Parallel()
	server, client := inMemory(t)
	server.HSet("kinetrail:{orders-app}:leases", "shardId-000000000000",
		`{ "counter": 4, "shard_id": "shardId-000000000000", "owner": "a", "checkpoint": "4963/2" }`)
	store := redislease.New(client, "orders-app")
	leases, err := store.List(t.Context())
	want := lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Owner: "a", Counter: 4, Checkpoint: kinetrail.At("4963", 2)}
	if err != nil || len(leases) != 1 || !reflect.DeepEqual(leases[0], want) {
		t.Fatalf("List = %+v, %v; want %+v", leases, err, want)
	}
	renewed, err := store.Renew(t.Context(), leases[0])
	want.Counter++
	if err != nil || !reflect.DeepEqual(renewed, want) {
		t.Errorf("Renew = %+v, %v; want %+v", renewed, err, want)
	}
	if got := server.HGet("kinetrail:{orders-app}:leases", "shardId-000000000000"); got != `{"shard_id":"shardId-000000000000","owner":"a","counter":5,"checkpoint":"4963/2"}` {
		t.Errorf("the row is %s afterwards", got)
	}
}

func TestACallerThatIsOutOfDateIsShownTheRowAsItIs(t *testing.T) {
	t.Parallel()
	_, client := inMemory(t)
	store := redislease.New(client, "orders-app")
	free := lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()}
	if err := store.Create(t.Context(), free); err != nil {
		t.Fatal(err)
	}
	old, err := store.Take(t.Context(), free, "a")
	if err != nil {
		t.Fatal(err)
	}
	old.Checkpoint = kinetrail.At("9", 0)
	now, err := store.Renew(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	var conflict *lease.ConflictError
	if _, err := store.Request(t.Context(), free, "b"); !errors.As(err, &conflict) || !reflect.DeepEqual(conflict.Current, now) {
		t.Errorf("Request of a lease that was free: %v; want a conflict with %+v", err, now)
	}
	if _, err := store.Checkpoint(t.Context(), old, kinetrail.At("8", 0)); !errors.As(err, &conflict) || !reflect.DeepEqual(conflict.Current, now) {
		t.Errorf("Checkpoint, by an outdated owner, behind what it thinks the checkpoint is: %v; want a conflict with %+v", err, now)
	}
}

func TestABrokenRowIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"counter":"four"}`, `{"checkpoint":"LAST"}`} {
		server, client := inMemory(t)
		server.HSet("kinetrail:{orders-app}:leases", "shardId-000000000000", text)
		store := redislease.New(client, "orders-app")
		if _, err := store.List(t.Context()); err == nil || !strings.Contains(err.Error(), "shardId-000000000000") {
			t.Errorf("List with the row %q: %v; want an error that names it", text, err)
		}
	}
}

func TestAServerThatForgotTheScriptsIsGivenThemAgain(t *testing.T) {
	t.Parallel()
	_, client := inMemory(t)
	store := redislease.New(client, "orders-app")
	l := lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()}
	if err := store.Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Take(t.Context(), l, "a"); err != nil {
		t.Errorf("Take after SCRIPT FLUSH: %v; want no error", err)
	}
}

// retrying is a client whose first attempt of every script takes effect while its
// reply is lost; the second is what the caller sees.
type retrying struct{ *redis.Client }

func (r retrying) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	r.Client.EvalSha(ctx, sha, keys, args...)
	return r.Client.EvalSha(ctx, sha, keys, args...)
}

func TestRepliesThatWereLostInsideTheClientAreNoLostLease(t *testing.T) {
	t.Parallel()
	_, client := inMemory(t)
	store := redislease.New(retrying{client}, "orders-app")
	l := lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()}
	if err := redislease.New(client, "orders-app").Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	held, err := lease.Take(t.Context(), store, l, "a", time.Hour)
	if err != nil {
		t.Fatalf("Take: %v; want the lease held", err)
	}
	done := kinetrail.At("4963", 1)
	if err := held.Checkpoint(t.Context(), done); err != nil || held.Lease().Checkpoint != done {
		t.Errorf("Checkpoint: %v, the row is %+v; want no error and %v", err, held.Lease(), done)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Errorf("Release: %v; want no error", err)
	}
	if leases, err := store.List(t.Context()); err != nil || leases[0].Owner != "" || leases[0].Checkpoint != done {
		t.Errorf("List = %+v, %v; want a free lease at %v", leases, err, done)
	}
}

func TestAServerThatIsGoneIsAnErrorOfTheStore(t *testing.T) {
	t.Parallel()
	server, client := inMemory(t)
	store := redislease.New(client, "orders-app")
	server.SetError("LOADING Redis is loading the dataset in memory")
	_, err := store.Renew(t.Context(), lease.Lease{Key: "shardId-000000000000", Owner: "a"})
	if err == nil || errors.Is(err, lease.ErrConflict) || !strings.Contains(err.Error(), "LOADING") {
		t.Errorf("Renew on a server that is loading: %v; want its error and no conflict", err)
	}
}

func TestAURLWithTLSReachesTheServer(t *testing.T) {
	t.Parallel()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	t.Cleanup(certificate.Close)
	server := miniredis.NewMiniRedis()
	if err := server.StartTLS(&tls.Config{Certificates: certificate.TLS.Certificates}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	options, err := redis.ParseURL("rediss://" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	options.TLSConfig.RootCAs = x509.NewCertPool()
	options.TLSConfig.RootCAs.AddCert(certificate.Certificate())
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	if leases, err := redislease.New(client, "orders-app").List(t.Context()); err != nil || len(leases) != 0 {
		t.Errorf("List over TLS = %v, %v; want no leases and no error", leases, err)
	}
}

func TestCheckpointsOfAsyncKinesisAreRead(t *testing.T) {
	t.Parallel()
	server, client := inMemory(t)
	data, err := os.ReadFile(filepath.Join("testdata", "async-kinesis", "keys.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if err := server.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	shards := []string{"shardId-000000000000", "shardId-000000000001", "shardId-000000000002", "shardId-000000000003"}
	got, err := redislease.ReadAsyncKinesis(t.Context(), client, "orders", shards)
	sequence := func(n int) kinetrail.Position { return kinetrail.At(fmt.Sprintf("4963%051d%d", 0, n), math.MaxInt32) }
	want := []lease.Lease{
		{Key: shards[0], ShardID: shards[0], Owner: "orders/worker-1", Checkpoint: sequence(1)},
		{Key: shards[1], ShardID: shards[1], Checkpoint: sequence(2)},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ReadAsyncKinesis = %+v, %v\nwant %+v", got, err, want)
	}
}

func TestAKeyThatAsyncKinesisDidNotWriteIsAnError(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "12", `{"sequence": "LATEST"}`, `{"sequence": "12/0"}`, `{"sequence": "x"}`, `{"sequence": 12}`} {
		server, client := inMemory(t)
		if err := server.Set("pyredis-orders-shardId-000000000000", value); err != nil {
			t.Fatal(err)
		}
		got, err := redislease.ReadAsyncKinesis(t.Context(), client, "orders", []string{"shardId-000000000000"})
		if err == nil || !strings.Contains(err.Error(), "shardId-000000000000") {
			t.Errorf("value %q: ReadAsyncKinesis = %+v, %v; want an error that names the shard", value, got, err)
		}
	}
}
