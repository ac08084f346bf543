package main

import (
	"fmt"
	"maps"
	"os/exec"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// library is an SDK in one of the ways it can be used.
type library struct {
	name     string
	language string
	open     func(s *session) (sdk, error)

	// http and content are how it speaks, without TLS and with it.
	http, secureHTTP string
	content          string
}

const (
	jsonContent = "application/x-amz-json-1.1"
	cborContent = "application/x-amz-cbor-1.1"
)

var libraries = []library{
	{"AWS CLI", "python", openAWSCLI, "HTTP/1.1", "HTTP/1.1", jsonContent},
	{"boto3", "python", openBoto3, "HTTP/1.1", "HTTP/1.1", jsonContent},
	{"SDK for JavaScript, HTTP/2", "node", openNode(), "HTTP/2.0", "HTTP/2.0", jsonContent},
	{"SDK for JavaScript, HTTP/1", "node", openNode("http1"), "HTTP/1.1", "HTTP/1.1", jsonContent},
	{"SDK for Java, async", "java", openJava("async"), "HTTP/2.0", "HTTP/2.0", cborContent},
	{"SDK for Java, sync", "java", openJava("sync"), "HTTP/1.1", "HTTP/1.1", cborContent},
	{"SDK for Java, without CBOR", "java", openJava("async", "-Daws.cborEnabled=false"), "HTTP/2.0", "HTTP/2.0", jsonContent},
}

func openBoto3(s *session) (sdk, error) {
	return s.start("python/sdk.py", exec.CommandContext(s.ctx, s.path("python-aws", "bin", "python"), "python/sdk.py"))
}

func openNode(args ...string) func(s *session) (sdk, error) {
	return func(s *session) (sdk, error) {
		return s.start("node/sdk.js", exec.CommandContext(s.ctx, "node", append([]string{"node/sdk.js"}, args...)...))
	}
}

func openJava(client string, properties ...string) func(s *session) (sdk, error) {
	return func(s *session) (sdk, error) {
		command, err := s.java("sdk", "Sdk", properties, client)
		if err != nil {
			return nil, err
		}
		return s.start("java/Sdk.java", command)
	}
}

// checkSDKs lets every library play every subject on a server of its own, which
// is kinetrail serve, and looks at how it speaks.
func checkSDKs(s *session) {
	for _, l := range libraries {
		if s.skipped(l.language) {
			s.report.skip(l.name, l.language)
			continue
		}
		if err := l.check(s); err != nil {
			s.check(l.name, "begins", func() (string, error) { return "", err })
		}
	}
}

func (l library) check(s *session) error {
	client, err := l.open(s)
	if err != nil {
		return err
	}
	s.report.version(l.name, client.version())
	operations := make(map[string]bool)
	for _, subject := range subjects {
		if !slices.ContainsFunc(subject.needs, func(op string) bool { return !client.has(op) }) {
			s.check(l.name, subject.name, func() (string, error) { return l.play(s, client, subject, operations) })
		}
	}
	for _, secure := range []bool{false, true} {
		what, want := "speaks", l.http
		if secure {
			what, want = "speaks over TLS", l.secureHTTP
		}
		s.check(l.name, what, func() (string, error) { return speaks(s, client, secure, want, l.content) })
	}
	s.report.add(l.name, len(operations), "operations")
	if lacking := without(client, goOperations()); len(lacking) > 0 {
		s.report.version(l.name, client.version()+"; it has no "+strings.Join(lacking, ", "))
	}
	return client.close()
}

// play plays a subject on a new server.
func (l library) play(s *session, client sdk, subject subject, operations map[string]bool) (string, error) {
	server, err := s.serve(subject.faults...)
	if err != nil {
		return "", err
	}
	t := &talk{ctx: s.ctx, sdk: client, endpoint: server.url, operations: operations}
	subject.play(t)
	s.report.add(l.name, t.calls, "calls")
	if err := t.result(); err != nil {
		_ = server.close()
		return "", err
	}
	return things(t.calls, "calls"), server.close()
}

// speaks looks at the version of HTTP and the content type of a put and a get.
func speaks(s *session, client sdk, secure bool, wantHTTP, wantContent string) (string, error) {
	server, err := s.listen(secure)
	if err != nil {
		return "", err
	}
	defer server.close()
	t := &talk{ctx: s.ctx, sdk: client, endpoint: server.url, operations: make(map[string]bool)}
	orders := create(t, "orders", 1)
	ask[kinesis.PutRecordOutput](t, kinesis.PutRecordInput{StreamName: orders, PartitionKey: aws.String("k"), Data: []byte("x")})
	got, _ := page(t, iterator(t, orders, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon}), 0)
	t.expect("the number of records", len(got), 1)
	if err := t.result(); err != nil {
		return "", err
	}
	spoken := wantHTTP + ", " + wantContent
	if seen := server.spoken(); !slices.Equal(seen, []string{spoken}) {
		return "", fmt.Errorf("it speaks %s\n    want %s", strings.Join(seen, " and "), spoken)
	}
	return spoken, nil
}

// goOperations are the operations that the Go SDK knows, and so the local server.
func goOperations() []string {
	client := reflect.TypeFor[*kinesis.Client]()
	found := make(map[string]bool)
	for method := range client.Methods() {
		if t := method.Type; t.NumIn() > 2 && strings.HasSuffix(t.In(2).String(), "."+method.Name+"Input") {
			found[method.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func without(client sdk, operations []string) []string {
	return slices.DeleteFunc(slices.Clone(operations), client.has)
}
