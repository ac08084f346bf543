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

	// speaks is the version of HTTP and the content type.
	speaks string
}

const (
	http1JSON = "HTTP/1.1, application/x-amz-json-1.1"
	http1CBOR = "HTTP/1.1, application/x-amz-cbor-1.1"
	http2JSON = "HTTP/2.0, application/x-amz-json-1.1"
	http2CBOR = "HTTP/2.0, application/x-amz-cbor-1.1"
)

const awsCLIName = "AWS CLI"

var libraries = []library{
	{"boto3", "python", openBoto3, http1JSON},
	{"SDK for JavaScript, HTTP/2", "node", openNode(), http2JSON},
	{"SDK for JavaScript, HTTP/1", "node", openNode("http1"), http1JSON},
	{"SDK for Java, async", "java", openJava("async"), http2CBOR},
	{"SDK for Java, sync", "java", openJava("sync"), http1CBOR},
	{"SDK for Java, without CBOR", "java", openJava("async", "-Daws.cborEnabled=false"), http2JSON},
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

// checkAWSCLI is checkSDKs for the AWS CLI, which takes its time.
func checkAWSCLI(s *session) {
	library{awsCLIName, "python", openAWSCLI, http1JSON}.checkUnlessSkipped(s)
}

// checkSDKs lets every library play every subject on a server of its own, which
// is kinetrail serve, and looks at how it speaks.
func checkSDKs(s *session) {
	for _, l := range libraries {
		l.checkUnlessSkipped(s)
	}
}

func (l library) checkUnlessSkipped(s *session) {
	if s.skipped(l.language) {
		s.report.skip(l.name, l.language)
		return
	}
	if err := l.check(s); err != nil {
		s.check(l.name, "begins and ends", func() (string, error) { return "", err })
	}
}

func (l library) check(s *session) error {
	client, err := l.open(s)
	if err != nil {
		return err
	}
	s.report.version(l.name, client.version())
	operations := make(map[string]bool)
	for _, c := range l.checks(s, client, operations) {
		s.check(l.name, c.what, c.make)
		if p, ok := client.(*process); ok && p.gone != nil {
			return nil // the check has told
		}
	}
	s.report.add(l.name, len(operations), "operations")
	if lacking := without(client, goOperations()); len(lacking) > 0 {
		s.report.version(l.name, client.version()+"; it has no "+strings.Join(lacking, ", "))
	}
	return client.close()
}

// checks are what there is to check of a library: every subject that it can play,
// one of them over TLS, and how it speaks.
func (l library) checks(s *session, client sdk, operations map[string]bool) []sdkCheck {
	var checks []sdkCheck
	for _, subject := range subjects {
		if !slices.ContainsFunc(subject.needs, func(op string) bool { return !client.has(op) }) {
			checks = append(checks, sdkCheck{subject.name, func() (string, error) { return l.play(s, client, subject, operations) }})
		}
	}
	overTLS := subjectNamed("subscribe")
	if !client.has("SubscribeToShard") {
		overTLS = subjectNamed("tags")
	}
	return append(checks,
		sdkCheck{overTLS.name + " over TLS", func() (string, error) {
			return l.play(s, client, overTLS, operations, "--tls-cert", s.secure.file, "--tls-key", s.secure.key)
		}},
		sdkCheck{"speaks", func() (string, error) { return speaks(s, client, l.speaks) }},
	)
}

type sdkCheck struct {
	what string
	make func() (seen string, err error)
}

// play plays a subject on a new server.
func (l library) play(s *session, client sdk, subject subject, operations map[string]bool, args ...string) (string, error) {
	for _, rule := range subject.faults {
		args = append(args, "--fault", rule)
	}
	server, err := s.serve(args...)
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
func speaks(s *session, client sdk, want string) (string, error) {
	server, err := watch()
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
	if seen := server.spoken(); !slices.Equal(seen, []string{want}) {
		return "", fmt.Errorf("it speaks %s\n    want %s", strings.Join(seen, " and "), want)
	}
	return want, nil
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
