package main

// row is one line of a table: a benchmark, and what it means to a reader.
type row struct {
	what      string
	folder    string // of the package
	benchmark string // as go test prints it, without Benchmark and the number of CPUs
	baseline  string // the benchmark of the same package that the ratio is to; empty for MD5
	aim       *aim   // nil when there is none
	readme    bool   // the row stands in the README, too
}

// aim is what the best run of a row should not exceed on a quiet machine.
type aim struct {
	nanoseconds float64
	allocations float64
}

// table is one table of docs/benchmarks.md, filled in between its marks.
type table struct {
	name string
	unit string // the heading of the time
	of   string // what the ratio is to
	rows []row
}

// The benchmark that the ratios of keys are to: crypto/md5 over a partition key
// of 16 bytes, which is what placing a record takes at least.
const (
	md5Folder    = "shardmap"
	md5Benchmark = "MD5"
)

var tables = []table{
	{"keys", "ns", "MD5", []row{
		{what: "`crypto/md5` of a partition key of 16 bytes", folder: md5Folder, benchmark: md5Benchmark},
		{what: "its hash key", folder: "shardmap", benchmark: "HashKeyOf"},
		{what: "hash key of a partition key, as decimal text", folder: "shardmap", benchmark: "HashKey", aim: &aim{180, 0}, readme: true},
		{what: "carry a context in a key (`lossless`)", folder: "tracecarrier", benchmark: "WriteLossless/group-1", aim: &aim{400, 1}, readme: true},
		{what: "the same, key of 36 characters", folder: "tracecarrier", benchmark: "WriteLossless/uuid", aim: &aim{400, 1}},
		{what: "the same with tracestate and baggage", folder: "tracecarrier", benchmark: "WriteLossless/tracestate+baggage", aim: &aim{400, 1}},
		{what: "the same from the span of a `context.Context`", folder: "tracecarrier/otelcarrier", benchmark: "WriteFromSpan"},
		{what: "a key without a context", folder: "tracecarrier", benchmark: "WriteNoContext", aim: &aim{150, 0}, readme: true},
		{what: "the same, asking a `context.Context` without a span", folder: "tracecarrier/otelcarrier", benchmark: "WriteWithoutSpan"},
		{what: "take context and key out of a stored key", folder: "tracecarrier", benchmark: "ReadExtended", readme: true},
		{what: "a stored key without a context", folder: "tracecarrier", benchmark: "ReadPlain"},
		{what: "put the context into a `context.Context`", folder: "tracecarrier/otelcarrier", benchmark: "ContextWith"},
	}},
	{"containers", "ns per record", "MD5 of the container", []row{
		{what: "build, one key", folder: "aggregate", benchmark: "Build100B/keys=same", baseline: "MD5Of100B/keys=same", aim: &aim{350, 0}},
		{what: "build, a key each", folder: "aggregate", benchmark: "Build100B/keys=distinct", baseline: "MD5Of100B/keys=distinct", aim: &aim{350, 0}},
		{what: "put a record with a context into a container", folder: "aggregate", benchmark: "Build100B/keys=distinct,traced", baseline: "MD5Of100B/keys=distinct,traced", aim: &aim{350, 0}, readme: true},
		{what: "split, one key", folder: "aggregate", benchmark: "Split100B/keys=same", baseline: "MD5Of100B/keys=same", aim: &aim{350, 0}},
		{what: "split, a key each", folder: "aggregate", benchmark: "Split100B/keys=distinct", baseline: "MD5Of100B/keys=distinct", aim: &aim{350, 0}},
		{what: "take a record with a context out of a container", folder: "aggregate", benchmark: "Split100B/keys=distinct,traced", baseline: "MD5Of100B/keys=distinct,traced", aim: &aim{350, 0}, readme: true},
	}},
	{"middleware", "ns per record", "MD5", []row{
		{what: "the middleware in a `PutRecords` under a span", folder: "kinesismiddleware", benchmark: "Added/span", readme: true},
		{what: "the middleware in a `PutRecords` without a span", folder: "kinesismiddleware", benchmark: "Added/no_span"},
		{what: "the whole call of the SDK, without the middleware", folder: "kinesismiddleware", benchmark: "PutRecords/without"},
		{what: "the whole call of the SDK, with it", folder: "kinesismiddleware", benchmark: "PutRecords/with"},
	}},
	{"metrics", "ns", "MD5", []row{
		{what: "nothing: the loop of the benchmark", folder: "metrics", benchmark: "Nothing"},
		{what: "off: add to a counter", folder: "metrics", benchmark: "Off/add"},
		{what: "off: set a gauge", folder: "metrics", benchmark: "Off/set"},
		{what: "off: observe a value", folder: "metrics", benchmark: "Off/observe"},
		{what: "off: time something", folder: "metrics", benchmark: "Off/time"},
		{what: "in memory: add to a counter", folder: "metrics", benchmark: "Memory/add"},
		{what: "in memory: set a gauge", folder: "metrics", benchmark: "Memory/set"},
		{what: "in memory: observe a value", folder: "metrics", benchmark: "Memory/observe"},
		{what: "in memory: time something", folder: "metrics", benchmark: "Memory/time"},
		{what: "a foreign sink, fed: add to a counter", folder: "metrics", benchmark: "Fed/add"},
		{what: "a foreign sink, fed: observe a value", folder: "metrics", benchmark: "Fed/observe"},
	}},
	{"producer", "ns per record", "MD5", []row{
		{what: "plain records, `PerKey`", folder: "producer", benchmark: "Put/Off_PerKey"},
		{what: "plain records, `BestEffort`", folder: "producer", benchmark: "Put/Off_BestEffort"},
		{what: "plain records, `BestEffort`, no limiter", folder: "producer", benchmark: "Put/Off_BestEffort_unlimited"},
		{what: "`SameKey`, `PerKey`", folder: "producer", benchmark: "Put/SameKey_PerKey"},
		{what: "`ByShard`, `PerKey`", folder: "producer", benchmark: "Put/ByShard_PerKey"},
		{what: "`ByShard`, `PerKey`, with contexts", folder: "producer", benchmark: "Put/ByShard_PerKey_traced"},
		{what: "`ByShard`, `PerKey`, metrics in memory", folder: "producer", benchmark: "Put/ByShard_PerKey_metered"},
	}},
	{"consumer", "ns per record", "MD5", []row{
		{what: "plain records", folder: "consumer", benchmark: "Run/plain"},
		{what: "plain records, four keys at once", folder: "consumer", benchmark: "Run/plain_per_key"},
		{what: "plain records with a context in the key", folder: "consumer", benchmark: "Run/plain_with_a_context_in_the_key"},
		{what: "containers", folder: "consumer", benchmark: "Run/aggregated"},
		{what: "containers with contexts in headers", folder: "consumer", benchmark: "Run/aggregated_with_a_context_in_headers"},
	}},
}
