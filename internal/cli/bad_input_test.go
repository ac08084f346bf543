package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// TestBadInputEndsInASentenceAndAnExitCode is the list of what a person can do
// wrong, or the world can do to them, with what they are told.
func TestBadInputEndsInASentenceAndAnExitCode(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2, "other": 1} })
	groups := "file:" + t.TempDir()
	addr := strings.TrimPrefix(server.URL(), "http://")
	noKinesis := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(noKinesis.Close)
	saysNothing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(saysNothing.Close)

	const nobody = "http://127.0.0.1:1" // tcpmux, which nobody runs
	local := func(args ...string) []string {
		return append([]string{"--local", "--endpoint-url", server.URL()}, args...)
	}
	at := func(url string, args ...string) []string {
		return append([]string{"--local", "--endpoint-url", url}, args...)
	}
	long := strings.Repeat("k", 257)
	const tooLarge = "340282366920938463463374607431768211456"
	help := func(command string) string { return "Run \"kinetrail " + command + " --help\" for how to use it.\n" }
	again := "\"kinetrail --local --endpoint-url " + server.URL() + " " // how a hint begins that can be pasted
	noStream := "kinetrail: there is no stream \"nosuch\"\n" + again + "list\" shows the streams there are; put makes one with --create.\n"
	const (
		noAnswer  = "kinetrail: no answer from " + nobody + ": connection refused\nIs it running? \"kinetrail serve --addr 127.0.0.1:1\" starts a local Kinesis there.\n"
		longKey   = "a partition key has at most 256 characters, this one has 257\n"
		groupIs   = "a group's name is 1 to 200 letters, digits and _.-, and begins with no dot\n"
		storeHint = "--store says where groups are kept, and so does KINETRAIL_STORE.\n"
		takesHash = "it takes a decimal number from 0 to 340282366920938463463374607431768211455\n"
	)

	tests := []struct {
		name  string
		args  []string
		stdin string
		code  int
		want  string // on stderr
	}{
		{"describe an unknown stream", local("describe", "nosuch"), "", 1, noStream},
		{"put into an unknown stream", local("put", "nosuch", "data"), "", 1, noStream},
		{"tail an unknown stream", local("tail", "nosuch"), "", 1, noStream},
		{"place a key on an unknown stream", local("hashkey", "--stream", "nosuch", "key"), "", 1, noStream},
		{"tail an unknown shard", local("tail", "orders", "--shard", "shardId-000000000009"), "", 1,
			"kinetrail: stream \"orders\" has no shard \"shardId-000000000009\"\n" + again + "describe orders\" shows its shards.\n"},
		{"put to a stream name that cannot be", local("put", "or ders", "data"), "", 2,
			"kinetrail: invalid stream: the name \"or ders\" holds ' ', allowed are letters, digits and _.-\n" + help("put")},
		{"create a stream by its ARN", local("put", "--create", "arn:aws:kinesis:us-east-1:000000000000:stream/new", "data"), "", 2,
			"kinetrail: --create needs the name of a stream, not its ARN\n" + help("put")},

		{"put with a key over 256 characters", local("put", "orders", "data", "-k", long), "", 2,
			"kinetrail: --key \"" + long[:40] + "\"…: " + longKey + help("put")},
		{"hash a key over 256 characters", []string{"hashkey", long}, "", 2,
			"kinetrail: \"" + long[:40] + "\"…: " + longKey + help("hashkey")},
		{"hash a key of 129 characters of two UTF-16 units each", []string{"hashkey", strings.Repeat("😀", 129)}, "", 2,
			"kinetrail: \"" + strings.Repeat("😀", 40) + "\"…: a partition key has at most 256 characters, this one has 258\n" + help("hashkey")},
		{"hash an empty key", []string{"hashkey", ""}, "", 2,
			"kinetrail: \"\": a partition key has at least 1 character\n" + help("hashkey")},
		{"hash a key that is no text", []string{"hashkey", "\xff"}, "", 2,
			"kinetrail: \"\\xff\": a partition key is UTF-8 text\n" + help("hashkey")},
		{"put with a hash key out of range", local("put", "orders", "data", "--explicit-hash-key", tooLarge), "", 2,
			"kinetrail: --explicit-hash-key \"" + tooLarge + "\": " + takesHash + help("put")},
		{"serve with --fsync but in memory", []string{"serve", "--fsync"}, "", 2,
			"kinetrail: --fsync needs --data-dir\n" + help("serve")},
		{"serve from a directory that holds something else", []string{"serve", "--data-dir", "testdata"}, "", 1,
			"kinetrail: testdata holds decode_container.json and is no data directory; take an empty one\n"},
		{"put with a hash key below zero", local("put", "orders", "data", "--explicit-hash-key=-1"), "", 2,
			"kinetrail: --explicit-hash-key \"-1\": " + takesHash + help("put")},
		{"put a record larger than the stream takes", local("put", "orders", "-k", "key"), strings.Repeat("x", 1<<20) + "\n", 1,
			"kinetrail: line 1 was not put: invalid record: it has 1048579 bytes with its key, the stream allows 1048576; 0 records were accepted and are in the stream\n"},

		{"decode a container with a wrong checksum", []string{"decode"}, "\xf3\x89\x9a\xc2" + strings.Repeat("0", 20), 1,
			"kinetrail: split container: wrong checksum: the message has the MD5 4a7d1ed414474e4033ac29ccb8653d9b, the container says 30303030303030303030303030303030\n"},
		{"decode a container that is cut short", []string{"decode"}, "\xf3\x89\x9a\xc2short", 1,
			"kinetrail: split container: it begins like one but ends after 9 bytes, before its checksum\n"},
		{"decode a carrier with a broken field", []string{"decode", testParent + "-k1;s99:x=user-1"}, "", 1,
			"kinetrail: malformed carrier: behind the traceparent stands no \"-k1\" with its fields, \"=\" and the original key; readers take all of it for a plain key\n"},
		{"decode a carrier with a short span id", []string{"decode", "00-" + testTraceID + "-00f067aa-01"}, "", 1,
			"kinetrail: malformed carrier: its span id \"00f067aa\" should be 16 lower-case hexadecimal digits; readers take all of it for a plain key\n"},
		{"decode a carrier in upper case", []string{"decode", strings.ToUpper(testParent)}, "", 1,
			"kinetrail: malformed carrier: its trace id \"" + strings.ToUpper(testTraceID) + "\" should be 32 lower-case hexadecimal digits; readers take all of it for a plain key\n"},
		{"decode a carrier of zeros", []string{"decode", "00-" + strings.Repeat("0", 32) + "-" + testSpanID + "-01"}, "", 1,
			"kinetrail: malformed carrier: a trace id or span id of zeros only; readers take all of it for a plain key\n"},
		{"decode a number that is no sequence number", []string{"decode", strings.Repeat("1", 56)}, "", 1,
			"kinetrail: invalid sequence number: \"" + strings.Repeat("1", 56) + "\" does not have the layout of a current sequence number\n"},
		{"decode a file that does not exist", []string{"decode", "--as", "record", "nosuch.bin"}, "", 1,
			"kinetrail: read record: open nosuch.bin: no such file or directory\n"},

		{"serve on a port in use", []string{"serve", "--addr", addr}, "", 1,
			"kinetrail: another program is listening on " + addr + " already\nTake another port with --addr; port 0 takes a free one.\n"},
		{"serve on no address", []string{"serve", "--addr", "4567"}, "", 2,
			"kinetrail: --addr \"4567\": it takes host:port, such as 127.0.0.1:4567\n" + help("serve")},
		{"serve a stream without shards", []string{"serve", "--stream", "orders"}, "", 2,
			"kinetrail: --stream \"orders\": it takes name:shards, such as orders:4\n" + help("serve")},
		{"serve a stream of no shards", []string{"serve", "--stream", "orders:0"}, "", 2,
			"kinetrail: --stream \"orders:0\": shards: it takes a number from 1 to 20000\n" + help("serve")},
		{"serve one stream twice", []string{"serve", "--stream", "orders:1", "--stream", "orders:2"}, "", 2,
			"kinetrail: --stream \"orders:2\": there are two streams \"orders\"\n" + help("serve")},
		{"serve with a fault that is none", []string{"serve", "--fault", "PutRecords nht=3"}, "", 2,
			"kinetrail: --fault \"PutRecords nht=3\": invalid fault rule: \"PutRecords nht=3\": \"nht\" is none of stream, shard, nth, times, p, seed, delay, clock, error, records, drop, stale, cut\n" + help("serve")},
		{"serve with a fault of an operation that is none", []string{"serve", "--fault", "Putrecords nth=1 error=X"}, "", 2,
			"kinetrail: --fault \"Putrecords nth=1 error=X\": invalid fault rule: Putrecords nth=1 error=X: Kinesis has no operation \"Putrecords\"; one is PutRecords, and * is all of them\n" + help("serve")},

		{"no credentials", []string{"--region", "eu-west-1", "list"}, "", 1,
			"kinetrail: no AWS credentials were found\nSet AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for the local server add --local.\n"},
		{"no region", []string{"list"}, "", 1,
			"kinetrail: no AWS region is set\nAdd --region or set AWS_REGION; for the local server add --local.\n"},
		{"a region that cannot be", local("--region", "eu west 1", "list"), "", 1,
			"kinetrail: \"eu west 1\" is no AWS region\nA region is a name such as eu-west-1, from --region, AWS_REGION or the profile.\n"},
		{"list at an endpoint where nobody is", at(nobody, "list"), "", 1, noAnswer},
		{"put to an endpoint where nobody is", at(nobody, "put", "orders", "data"), "", 1, noAnswer},
		{"tail an endpoint where nobody is", at(nobody, "tail", "orders"), "", 1, noAnswer},
		{"list at an endpoint that is no Kinesis", at(noKinesis.URL, "list"), "", 1,
			"kinetrail: the endpoint does not answer as Kinesis does: HTTP status 404\nIs the endpoint URL right, with its http:// or https://?\n"},
		{"list by HTTPS at an endpoint without it", at(strings.Replace(server.URL(), "http:", "https:", 1), "list"), "", 1,
			"kinetrail: " + strings.Replace(server.URL(), "http:", "https:", 1) + " does not speak HTTPS\nLet the URL begin with http://.\n"},
		{"describe at an endpoint that says nothing", at(saysNothing.URL, "describe", "orders"), "", 1,
			"kinetrail: describe stream orders: the answer is empty\n"},
		{"put to an endpoint that says nothing", at(saysNothing.URL, "put", "orders", "data"), "", 1,
			"kinetrail: describe stream orders: the response is empty\n"},
		{"place a key on a stream without shards", at(saysNothing.URL, "hashkey", "--stream", "orders", "key"), "", 1,
			"kinetrail: no open shard of the stream owns the hash key of \"key\"\n"},
		{"an endpoint that is no URL", []string{"--endpoint-url", "localhost:4567", "list"}, "", 2,
			"kinetrail: --endpoint-url \"localhost:4567\": it takes a URL such as http://127.0.0.1:4567\n" + help("list")},

		{"reshard without a number", local("reshard", "orders"), "", 2,
			"kinetrail: reshard needs --shards\n" + help("reshard")},
		{"reshard to none", local("reshard", "orders", "--shards", "0"), "", 2,
			"kinetrail: --shards \"0\": it takes a number from 1 to 20000\n" + help("reshard")},
		{"reshard an unknown stream", local("reshard", "nosuch", "--shards", "2"), "", 1, noStream},
		{"replay a stream into itself", local("replay", "orders", "arn:aws:kinesis:us-east-1:000000000000:stream/orders"), "", 2,
			"kinetrail: SRC and DST are one stream, arn:aws:kinesis:us-east-1:000000000000:stream/orders, so that a replay would never end\n" + help("replay")},
		{"replay an unknown stream", local("replay", "nosuch", "orders"), "", 1, noStream},
		{"replay into an unknown stream", local("replay", "orders", "nosuch"), "", 1,
			"kinetrail: there is no stream \"nosuch\"\nMake it first: the AWS CLI does with create-stream, serve with --stream, and put, with one shard, with --create.\n"},
		{"replay what is not there yet", local("replay", "orders", "other", "--from", "latest"), "", 2,
			"kinetrail: --from latest leaves nothing to copy\n" + help("replay")},
		{"replay until no time", local("replay", "orders", "other", "--to", "trim-horizon"), "", 2,
			"kinetrail: --to trim-horizon: it takes a time, or how long ago\n" + help("replay")},
		{"replay an unknown shard", local("replay", "orders", "other", "--shard", "shardId-000000000009"), "", 1,
			"kinetrail: stream \"orders\" has no shard \"shardId-000000000009\"\n" + again + "describe orders\" shows its shards.\n"},
		{"replay into an endpoint where nobody is", local("replay", "orders", "orders", "--dst-endpoint-url", nobody), "", 1, noAnswer},

		{"tail as a group without a name", local("tail", "orders", "--group", ""), "", 2,
			"kinetrail: --group \"\": " + groupIs + help("tail")},
		{"tail as a group with a path for a name", local("tail", "orders", "--group", "../audit"), "", 2,
			"kinetrail: --group \"../audit\": " + groupIs + help("tail")},
		{"tail with a store and no group", local("tail", "orders", "--store", "file:x"), "", 2,
			"kinetrail: --store needs --group\n" + help("tail")},
		{"tail as a group to an end", local("tail", "orders", "--group", "audit", "--no-follow"), "", 2,
			"kinetrail: --group reads on until Ctrl-C or -n; --no-follow is for a tail without a group\n" + help("tail")},
		{"keep a group in memory", local("tail", "orders", "--group", "audit", "--store", "memory:"), "", 2,
			"kinetrail: --store \"memory:\": what is in the memory of one process no other one can share; take file:DIR\n" + help("tail")},
		{"keep a group nowhere", local("tail", "orders", "--group", "audit", "--store", "x"), "", 2,
			"kinetrail: --store \"x\": " + storeForms + "\n" + help("tail")},
		{"keep a group in a Redis without an address", local("tail", "orders", "--group", "audit", "--store", "redis:x"), "", 2,
			"kinetrail: --store \"redis:x\": it takes a URL such as redis://127.0.0.1:6379/0\n" + help("tail")},
		{"keep a group in a Redis with an unknown option", []string{"group", "list", "--store", "redis://127.0.0.1?tls=1"}, "", 2,
			"kinetrail: --store \"redis://127.0.0.1?tls=1\": unexpected option: tls\n" + help("group list")},
		{"keep a group in a DynamoDB with an unknown option", []string{"group", "list", "--store", "dynamodb:?zone=1"}, "", 2,
			"kinetrail: --store \"dynamodb:?zone=1\": there is no \"zone\", only region and endpoint\n" + help("group list")},
		{"keep a group in a DynamoDB at no URL", []string{"group", "list", "--store", "dynamodb:?endpoint=x"}, "", 2,
			"kinetrail: --store \"dynamodb:?endpoint=x\": endpoint: it takes a URL such as http://127.0.0.1:4567\n" + help("group list")},
		{"keep a group at home without a home", []string{"group", "list"}, "", 1,
			"kinetrail: there is no place for groups: HOME is not set\nName one with --store file:DIR.\n"},
		{"tail an unknown stream as a group", local("tail", "nosuch", "--group", "audit", "--store", groups), "", 1, noStream},
		{"keep a group in a Redis where nobody is", local("tail", "orders", "--group", "audit", "--store", "redis://127.0.0.1:1"), "", 1,
			"kinetrail: redis://127.0.0.1:1: list the leases of group audit: dial tcp 127.0.0.1:1: connect: connection refused\n" + storeHint},
		{"keep a group in a DynamoDB where nobody is", []string{"--local", "group", "list", "--store", "dynamodb:?endpoint=" + nobody}, "", 1,
			"kinetrail: dynamodb:?endpoint=" + nobody + ": no answer from " + nobody + ": connection refused\n" + storeHint},
		{"keep a group in a DynamoDB without credentials", []string{"group", "list", "--store", "dynamodb:?region=eu-west-1"}, "", 1,
			"kinetrail: no AWS credentials were found\nSet AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for the local server add --local.\n"},
		{"group without its command", []string{"group", "lst"}, "", 2,
			"kinetrail: there is no command \"group lst\"\nDid you mean \"group list\"?\n"},
		{"describe an unknown group", []string{"group", "describe", "audit", "--store", groups}, "", 1,
			"kinetrail: there is no group \"audit\" in " + groups + "\n\"kinetrail group list --store " + groups + "\" shows those there are; --store names another place.\n"},
		{"describe a group that cannot be", []string{"group", "describe", "a b", "--store", groups}, "", 2,
			"kinetrail: group \"a b\": " + groupIs + help("group describe")},
		{"watch a group for less than no time", []string{"group", "describe", "audit", "--watch", "-1s"}, "", 2,
			"kinetrail: --watch -1s: it takes a time from 0\n" + help("group describe")},
		{"the lag of a group without its stream", []string{"group", "lag", "audit", "--store", groups}, "", 2,
			"kinetrail: group lag needs --stream: the leases of a group over one stream do not name it\n" + help("group lag")},
		{"watch the lag of no group", local("lag", "orders"), "", 2,
			"kinetrail: lag needs --group\n" + help("lag")},
		{"watch the lag without a pause", local("lag", "orders", "--group", "audit", "--interval", "0"), "", 2,
			"kinetrail: --interval 0s: it takes a time above 0\n" + help("lag")},
		{"reset a group to nowhere", []string{"group", "reset", "audit"}, "", 2,
			"kinetrail: group reset needs --to\n" + help("group reset")},
		{"reset a group to latest without its stream", []string{"group", "reset", "audit", "--to", "latest"}, "", 2,
			"kinetrail: --to latest needs --stream: only the stream knows which shards are open\n" + help("group reset")},
		{"move a shard to nobody", []string{"group", "move", "audit", "shardId-000000000000"}, "", 2,
			"kinetrail: move needs GROUP SHARD WORKER\n" + help("group move")},
		{"release nothing", []string{"group", "release", "audit"}, "", 2,
			"kinetrail: group release needs either SHARD or --worker\n" + help("group release")},
		{"copy an unknown group", []string{"group", "copy", "audit", "--store", groups}, "", 1,
			"kinetrail: there is no group \"audit\" in " + groups + "\n\"kinetrail group list --store " + groups + "\" shows those there are; --store names another place.\n"},
		{"import from nowhere", []string{"group", "import", "audit"}, "", 2,
			"kinetrail: group import needs --from, --name and --stream\n" + help("group import")},
		{"import from a file", local("group", "import", "audit", "--from", "file:x", "--name", "orders", "--stream", "orders"), "", 2,
			"kinetrail: --from file:x: async-kinesis keeps checkpoints in Redis or DynamoDB\n" + help("group import")},

		{"an unknown flag", []string{"list", "--colour"}, "", 2, "kinetrail: unknown flag: --colour\n" + help("list")},
		{"a flag without its value", []string{"list", "--region"}, "", 2, "kinetrail: --region needs a value\n" + help("list")},
		{"an unknown output", []string{"list", "-o", "xml"}, "", 2, "kinetrail: --output \"xml\": it takes table, json or tsv\n" + help("list")},
		{"an unknown command", []string{"putt"}, "", 2, "kinetrail: there is no command \"putt\"\nDid you mean \"put\"?\n"},
		{"a command nearly, and another less so", []string{"lst"}, "", 2, "kinetrail: there is no command \"lst\"\nDid you mean \"list\"?\n"},
		{"a command of group nearly", []string{"group", "rset"}, "", 2, "kinetrail: there is no command \"group rset\"\nDid you mean \"group reset\"?\n"},
		{"help of an unknown command", []string{"help", "putt"}, "", 2, "kinetrail: there is no command \"putt\"\nDid you mean \"put\"?\n"},
		{"help of an unknown command of group", []string{"help", "group", "nosuch"}, "", 2, "kinetrail: there is no command \"group nosuch\"\nRun \"kinetrail group --help\" for how to use it.\n"},
		{"an empty command", []string{""}, "", 2, "kinetrail: there is no command \"\"\nRun \"kinetrail --help\" for how to use it.\n"},
		{"a command without its argument", []string{"describe"}, "", 2, "kinetrail: describe needs STREAM\n" + help("describe")},
		{"an argument too many", []string{"list", "orders"}, "", 2, "kinetrail: list takes no arguments, so \"orders\" is too much\n" + help("list")},
		{"flags that exclude each other", []string{"hashkey", "--shards", "2", "--stream", "orders", "key"}, "", 2,
			"kinetrail: --shards and --stream exclude each other\n" + help("hashkey")},
		{"follow and not", local("tail", "orders", "--follow", "--no-follow"), "", 2,
			"kinetrail: --follow and --no-follow exclude each other\n" + help("tail")},
		{"a beginning that is none", local("tail", "orders", "--from", "yesterday"), "", 2,
			"kinetrail: --from \"yesterday\": it takes latest, trim-horizon, a time such as 2026-11-20T09:30:00Z, or how long ago, such as 15m\n" + help("tail")},
		{"a count below one", local("tail", "orders", "-n", "0"), "", 2, "kinetrail: --count \"0\": it takes a number from 1\n" + help("tail")},
		{"an unknown carrier", local("put", "orders", "data", "--carrier", "pigeon"), "", 2,
			"kinetrail: --carrier \"pigeon\": it takes off, lossless, traceparent, headers or partition-key\n" + help("put")},
		{"a header without a name", local("put", "orders", "data", "-H", "=x"), "", 2,
			"kinetrail: --header \"=x\": it takes name=value, in UTF-8\n" + help("put")},
		{"headers without a container", local("put", "orders", "data", "-H", "a=1", "--carrier", "lossless"), "", 2,
			"kinetrail: -H needs --carrier headers, not lossless: only a container holds headers\n" + help("put")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, tt.stdin, tt.args...)
			if want := (ran{code: tt.code, stderr: tt.want}); got != want {
				t.Errorf("kinetrail %s\nexit code %d, stderr\n%sstdout\n%s\nwant exit code %d, silence on stdout, and on stderr\n%s",
					strings.Join(tt.args, " "), got.code, got.stderr, got.stdout, tt.code, tt.want)
			}
		})
	}

	t.Run("Ctrl-C in the middle of put", func(t *testing.T) {
		t.Parallel()
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		// Stdin has three lines and then hangs, as a pipe does whose other end
		// is busy. The interrupt comes when put has printed the third.
		stdin, input := io.Pipe()
		defer input.Close()
		go func() { _, _ = io.WriteString(input, "one\ntwo\nthree\n") }()
		stdout := &onLines{counts: map[int]func(){3: interrupt}}
		var stderr bytes.Buffer
		code := Run(ctx, local("put", "orders", "-k", "user-1"), stdin, stdout, &stderr, noVariables)
		const want = "kinetrail: interrupted: 3 records were accepted and are in the stream\n"
		if code != exitInterrupted || stderr.String() != want {
			t.Errorf("kinetrail put: exit code %d, stderr %q; want %d, %q", code, stderr.String(), exitInterrupted, want)
		}
		if got := succeed(t, local("tail", "orders", "--no-follow", "-o", "raw")...); got != "one\ntwo\nthree\n" {
			t.Errorf("the stream holds %q; want the three lines", got)
		}
	})
}
