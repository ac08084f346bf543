package localkinesis_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/state"
)

func TestAClientThatStopsSendingIsCutOff(t *testing.T) {
	t.Parallel()
	for what, sent := range map[string]string{
		"nothing":     "",
		"half a head": "POST / HTTP/1.1\r\nHost:",
		"half a body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
	} {
		synctest.Test(t, func(t *testing.T) {
			_, connections := overPipes(t, withStream("orders", 1), func(o *localkinesis.Options) { o.ClientTimeout = time.Second })
			conn, err := connections.DialContext(t.Context(), "", "")
			must(t, conn, err)
			defer conn.Close()
			_, err = io.WriteString(conn, sent)
			must(t, 0, err)
			began := time.Now()
			if _, err := io.ReadAll(conn); err != nil || time.Since(began) != time.Second { // returns at the end of the connection
				t.Errorf("%s: %v after %v; want the end of the connection after a second", what, err, time.Since(began))
			}
		})
	}
}

func TestAClientThatStopsReadingIsCutOff(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t, withStream("orders", 1), func(o *localkinesis.Options) { o.ClientTimeout = 50 * time.Millisecond })
	for range 10 {
		mustSend(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"`+strings.Repeat("AAAA", 349_000)+`"}`)
	}
	iterator := mustSend(t, s, "GetShardIterator", `{"StreamName":"orders","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`)
	conn := dialled(t, s).(*net.TCPConn)
	must(t, 0, conn.SetReadBuffer(4<<10))
	request := "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Kinesis_20131202.GetRecords\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Date: 20231114T093126Z\r\n" +
		"Authorization: " + signature + "\r\nContent-Length: " + fmt.Sprint(len(iterator)) + "\r\n\r\n" + iterator
	// The answer to the first is 14 MB. The server does not read on while nobody
	// takes it in, so writing gets stuck until the connection is cut.
	for {
		if _, err := io.WriteString(conn, request); err != nil {
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("writing ended with %v; want a cut connection", err)
			}
			return
		}
	}
}

func TestADelayIsNotTheClientsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, connections := overPipes(t, withStream("orders", 1), func(o *localkinesis.Options) { o.ClientTimeout = time.Second })
		transport := &http.Transport{DialContext: connections.DialContext}
		defer transport.CloseIdleConnections()
		strike(t, s, "PutRecord delay=1m")
		if err := putOne(s.Client(once, func(o *kinesis.Options) { o.HTTPClient = &http.Client{Transport: transport} }), "k"); err != nil {
			t.Errorf("a put that is held back for longer than ClientTimeout: %v", err)
		}
	})
}

func TestASubscriptionOutlivesTheTimeOfItsClient(t *testing.T) {
	t.Parallel()
	certificate, err := localkinesis.SelfSigned()
	must(t, certificate, err)
	for what, set := range map[string]struct {
		protocols   func(*http.Protocols)
		certificate *tls.Certificate
	}{
		"HTTP/1.1":        {func(p *http.Protocols) { p.SetHTTP1(true) }, nil},
		"HTTP/2":          {func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, nil},
		"HTTP/2 over TLS": {func(p *http.Protocols) { p.SetHTTP2(true) }, certificate},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, connections := overPipes(t, withStream("orders", 2), func(o *localkinesis.Options) {
				o.ClientTimeout, o.Certificate = time.Second, set.certificate
			})
			withConsumer(t, s)
			transport := &http.Transport{DialContext: connections.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols)}
			set.protocols(transport.Protocols)
			defer transport.CloseIdleConnections()
			client := s.Client(once, func(o *kinesis.Options) { o.HTTPClient = &http.Client{Transport: transport} })
			listed, err := s.Consumers("orders")
			arn := must(t, listed, err)[0].ARN
			out, err := client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
				ConsumerARN: &arn, ShardId: aws.String("shardId-000000000001"), StartingPosition: &fromTrimHorizon,
			})
			events := must(t, out, err).GetStream()
			defer events.Close()
			strike(t, s, "PutRecord delay=3s") // more than a client has
			for range 2 {
				must(t, 0, putOne(client, onShard1))
				for {
					e := next(events)
					if e == nil {
						t.Fatalf("%s: the subscription ended: %v", what, events.Err())
					}
					if len(e.Records) > 0 {
						break
					}
				}
			}
		})
	}
}

// chunked makes a request say nothing of its length.
func chunked(r *http.Request) { r.ContentLength = -1 }

func TestBodiesAboveTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t, withStream("orders", 1))
	mustSend(t, s, "UpdateMaxRecordSize", `{"StreamARN":"`+arnOfOrders+`","MaxRecordSizeInKiB":10240}`)
	record := func(size int) string {
		return `{"StreamName":"orders","PartitionKey":"k","Data":"` + base64.StdEncoding.EncodeToString(make([]byte, size)) + `"}`
	}
	const largest = 10<<20 - 1 // with its key of one byte
	if r := send(t, s, "PutRecord", record(largest)); r.status != 200 {
		t.Errorf("a record of 10 MiB: %d %.100s", r.status, r.body)
	}
	if r := send(t, s, "PutRecord", record(largest+1)); r.status != 400 || r.members(t)["__type"] != "ValidationException" {
		t.Errorf("a record of 10 MiB and a byte: %d %.100s; want ValidationException", r.status, r.body)
	}
	for what, edit := range map[string]func(*http.Request){"by its length": func(*http.Request) {}, "by its bytes": chunked} {
		if r := send(t, s, "PutRecord", record(13<<20), edit); r.status != http.StatusRequestEntityTooLarge || len(r.body) != 0 {
			t.Errorf("a body above 16 MiB, told %s: %d %.100s; want 413", what, r.status, r.body)
		}
	}
}

// inBothCodecs calls test with every operation's valid body in both forms, and
// with what makes a request name the form.
func inBothCodecs(t *testing.T, test func(operation, body string, codec func(*http.Request))) {
	t.Helper()
	for _, c := range checks {
		valid := c.valid
		if valid == "" {
			valid = `{"ShardIterator":"AAAAAAAAAAE=","Limit":7}`
		}
		test(c.operation, valid, func(*http.Request) {})
		test(c.operation, toCBOR(t, valid), asCBOR)
	}
}

func TestTruncatedBodiesAreRefusedWhereverTheyEnd(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	inBothCodecs(t, func(operation, body string, codec func(*http.Request)) {
		for i := range len(body) {
			if r := send(t, s, operation, body[:i], codec); r.status != 400 || !bytes.Contains(r.body, []byte("SerializationException")) {
				t.Fatalf("%s %q: %d %q; want SerializationException", operation, body[:i], r.status, r.body)
			}
		}
	})
}

func TestRandomBodiesGetAClearAnswer(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(3, 0))
	s := tabled(t)
	inBothCodecs(t, func(operation, body string, codec func(*http.Request)) {
		for range 60 {
			changed := scrambled(chance, body)
			if r := send(t, s, operation, changed, codec); r.status != 200 && (r.status != 400 || len(r.body) == 0) {
				t.Fatalf("%s %q: %d %q; want an answer or a refusal", operation, changed, r.status, r.body)
			}
		}
	})
}

func FuzzEveryBodyGetsAClearAnswer(f *testing.F) {
	names := slices.Sorted(maps.Keys(localkinesis.Operations()))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "SubscribeToShard" }) // which can last
	for _, c := range checks {
		f.Add(slices.Index(names, c.operation), []byte(c.valid), false)
		f.Add(slices.Index(names, c.operation), []byte(c.invalid), false)
	}
	f.Add(0, []byte("\xa1\x6aStreamName\x66orders"), true)
	f.Add(3, []byte("\xbf\x67Records\x9f\xa2\x64Data\x41x\x6cPartitionKey\x61k\xff\x6aStreamName\x66orders\xff"), true)
	f.Fuzz(func(t *testing.T, operation int, body []byte, inCBOR bool) {
		s := tabled(t)
		codec := func(*http.Request) {}
		if inCBOR {
			codec = asCBOR
		}
		name := names[uint(operation)%uint(len(names))]
		if r := send(t, s, name, string(body), codec); r.status != 200 && (r.status != 400 || len(r.body) == 0) {
			t.Errorf("%s %q: %d %q; want an answer or a refusal", name, body, r.status, r.body)
		}
	})
}

// scrambled is a body with some of its bytes changed, doubled or left out, or
// nothing but random bytes.
func scrambled(chance *rand.Rand, body string) string {
	changed := []byte(body)
	if chance.IntN(4) == 0 || len(changed) == 0 {
		changed = make([]byte, chance.IntN(200))
	}
	for range 1 + chance.IntN(5) {
		if len(changed) == 0 {
			break
		}
		i := chance.IntN(len(changed))
		switch chance.IntN(3) {
		case 0:
			changed[i] = byte(chance.IntN(256))
		case 1:
			changed = append(changed[:i], changed[min(len(changed), i+1+chance.IntN(8)):]...)
		case 2:
			changed = append(changed[:i], append(bytes.Clone(changed[i:min(len(changed), i+chance.IntN(20))]), changed[i:]...)...)
		}
	}
	return string(changed)
}

func TestSmallBodiesCannotTakeUpMuchMemory(t *testing.T) {
	s := inProcess(t, withStream("orders", 1))
	// A million empty lists, and a map of half a million members, in JSON and CBOR.
	numbers := make([]string, 500_000)
	for i := range numbers {
		numbers[i] = fmt.Sprintf(`"%d":0`, i)
	}
	for what, body := range map[string]string{
		"lists in JSON":   `{"a":[` + strings.TrimSuffix(strings.Repeat("[],", 1_000_000), ",") + `]}`,
		"members in JSON": `{` + strings.Join(numbers, ",") + `}`,
		"lists in CBOR":   "\xa1\x61a\x9a\x00\x0f\x42\x40" + strings.Repeat("\x80", 1_000_000),
	} {
		codec := func(*http.Request) {}
		if strings.HasSuffix(what, "CBOR") {
			codec = asCBOR
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := send(t, s, "ListStreams", body, codec)
		runtime.ReadMemStats(&after)
		if r.status != 400 {
			t.Errorf("%s: %d %.100q; want a refusal", what, r.status, r.body)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
			t.Errorf("%s: a body of %d bytes took up %d bytes", what, len(body), taken)
		}
	}
}

func TestRegionsThatNobodyHasAreRefused(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	in := func(region string) reply {
		return send(t, s, "ListStreams", `{}`, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(signature, "us-east-1", region, 1))
		})
	}
	for _, region := range []string{"US EAST", strings.Repeat("a", 33), "a_b"} {
		if r := in(region); r.status != 400 || r.members(t)["__type"] != "InvalidSignatureException" {
			t.Errorf("region %q: %d %s; want InvalidSignatureException", region, r.status, r.body)
		}
	}
	refused := 0
	for i := range 600 {
		if in(fmt.Sprint("r-", i)).status != 200 {
			refused++
		}
	}
	if refused != 101 { // us-east-1 is one of 500
		t.Errorf("%d of 600 invented regions were refused; want 101", refused)
	}
}

// brittle is a store in which one document cannot be put.
type brittle struct{ state.Store }

func (brittle) Documents() iter.Seq2[string, []byte] { return func(func(string, []byte) bool) {} }
func (brittle) Streams() ([]string, error)           { return nil, nil }
func (brittle) Close() error                         { return nil }
func (brittle) Put(key string, _ []byte) error {
	if strings.HasPrefix(key, "region/") {
		panic("no room for " + key)
	}
	return nil
}

// lockedBuffer is a buffer that several goroutines write to.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestACallThatPanicsIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	log := new(lockedBuffer)
	s := inProcess(t, func(o *localkinesis.Options) {
		o.Store = brittle{}
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	for range 2 { // no lock is held after the first
		code, message := refusal(t, s, "UpdateAccountSettings", `{"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}}`)
		if code != "InternalFailure" || message != "" {
			t.Errorf("a call that panics: %s %q; want InternalFailure", code, message)
		}
	}
	for _, want := range []string{"a call panicked", "operation=UpdateAccountSettings", `panic="no room for region/us-east-1"`, "bad_input_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	mustSend(t, s, "ListStreams", `{}`)
}
