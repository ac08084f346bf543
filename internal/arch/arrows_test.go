package arch

import "slices"

// row is what one package may reach. Patterns are those of the go command:
// "a/b" is that package alone, "a/b/..." it and everything below.
type row struct {
	// imports are the packages of this module its code may import. Its tests
	// may import every package but the programs.
	imports []string

	// suppliers are the foreign packages its code may import. Its tests may
	// import testSuppliers besides.
	suppliers []string

	// links are the foreign modules a program gets by importing the package,
	// over all that stands below. Programs and internal packages are not
	// anybody's import and list none.
	links []string

	// planned says that the package may not exist yet.
	planned bool
}

// arrows is the table: one row a package, named by its folder, "." the root.
var arrows = map[string]row{
	// Vocabulary: imports no package of ours.
	".": {},

	// Bytes and arithmetic.
	"shardmap":  {},
	"aggregate": {imports: []string{".", "shardmap", "internal/md5lanes"}},
	"codec":     {imports: []string{"aggregate"}},
	"codec/msgpack": {
		imports:   []string{"codec"},
		suppliers: []string{"github.com/ugorji/go/codec"},
		links:     []string{"github.com/ugorji/go/codec"},
	},
	"kinesisprotocol": {
		imports:   []string{"."},
		suppliers: awsSDK,
		links:     awsModules,
	},
	"tracecarrier": {
		imports: []string{".", "shardmap"},
	},
	"tracecarrier/otelcarrier": {
		imports:   []string{".", "tracecarrier"},
		suppliers: otelAPI,
		links:     otelModules,
		planned:   true,
	},

	// Contracts.
	"metrics": {planned: true},
	"metrics/otelsink": {
		imports:   []string{"metrics", "internal/tracing"},
		suppliers: append([]string{"go.opentelemetry.io/otel/metric/..."}, otelAPI...),
		links:     otelModules,
	},
	"metrics/promsink": {
		imports:   []string{"metrics"},
		suppliers: append([]string{"go.opentelemetry.io/otel/trace"}, prometheus...), // the trace of an exemplar
		links:     prometheusModules,
	},
	"lease":                  {imports: []string{".", "metrics"}},
	"lease/memlease":         {imports: []string{".", "lease"}},
	"lease/internal/rowjson": {imports: []string{".", "lease"}},
	"lease/filelease": {
		imports:   []string{".", "lease", "lease/internal/rowjson"},
		suppliers: fileLocks,
		links:     []string{"golang.org/x/sys"}, // on Windows
	},
	"lease/leasetest": {imports: []string{".", "lease"}},
	"lease/dynamolease": {
		imports:   []string{".", "lease"},
		suppliers: dynamoDB,
		links:     dynamoDBModules,
	},
	"lease/redislease": {
		imports:   []string{".", "lease", "lease/internal/rowjson"},
		suppliers: []string{"github.com/redis/go-redis/v9"},
		links: []string{"github.com/redis/go-redis/v9", "github.com/cespare/xxhash/v2", "go.uber.org/atomic",
			"golang.org/x/sys"},
	},

	// Small tools.
	"internal/arch":        {},
	"internal/chaintest":   {},                      // tests alone
	"internal/oracle":      {},                      // tests alone
	"internal/metricstest": {suppliers: prometheus}, // tests alone
	"internal/docs":        {},                      // tests alone
	"internal/benchtable":  {},                      // a program
	"internal/md5lanes":    {},
	"internal/endpoints":   {suppliers: awsSDK},
	"internal/serverload": { // a program
		imports:   []string{"localkinesis/sequence"},
		suppliers: slices.Concat(awsSDK, awsConfig),
	},
	"internal/tracing": {imports: []string{"."}, suppliers: otelAPI, planned: true},

	// Clients. They do not import each other, and never a concrete lease store.
	"producer":          client(awsSDK, awsModules, "codec", "internal/endpoints", "internal/md5lanes", "kinesisprotocol"),
	"consumer":          client(awsSDK, awsModules, "internal/endpoints", "lease", "kinesisprotocol"),
	"kinesismiddleware": client(awsSDK, awsModules),
	"kinesislambda":     client(lambdaSDK, lambdaModules),

	// The local server, beside the clients.
	"localkinesis": {
		imports: []string{".", "shardmap", "aggregate", "localkinesis/fault", "localkinesis/sequence",
			"localkinesis/state", "localkinesis/wire"},
		suppliers: append([]string{"github.com/aws/aws-sdk-go-v2/credentials"}, awsSDK...), // for its ready-made client
		links:     localModules,
		planned:   true,
	},
	"localkinesis/sequence": {},
	"localkinesis/state":    {imports: []string{".", "shardmap", "localkinesis/sequence"}},
	"localkinesis/fault":    {imports: []string{"."}, planned: true},
	"localkinesis/wire":     {imports: []string{"localkinesis/sequence"}},
	"localkinesis/diskstore": { // passed in, so that tests do not link it
		imports:   []string{"localkinesis/state"},
		suppliers: fileLocks,
		links:     []string{"golang.org/x/sys"},
	},
	"localkinesis/lambdatrigger": { // for any Kinesis endpoint: it does not need the server
		imports:   []string{".", "shardmap"},
		suppliers: slices.Concat(awsSDK, lambdaSDK),
		links:     slices.Concat(awsModules, lambdaModules),
	},

	// Programs.
	"monitoring": {imports: []string{"metrics/promsink"}},
	"monitoring/drill": {
		imports: []string{".", "lease", "lease/memlease", "producer", "consumer", "localkinesis", "localkinesis/fault",
			"metrics/promsink"},
		suppliers: slices.Concat(awsSDK, prometheus),
	},
	"cmd/kinetrail": {imports: []string{"internal/cli"}},
	"internal/demo": {
		imports: []string{".", "shardmap", "tracecarrier", "metrics", "lease/memlease", "producer", "consumer", "kinesislambda",
			"localkinesis", "localkinesis/lambdatrigger"},
		suppliers: slices.Concat(awsSDK, otelAPI, otelSDK),
	},
	"internal/cli": {
		imports: []string{"..."},
		suppliers: slices.Concat(awsSDK, awsConfig, lambdaSDK, otelAPI, otelSDK, commandLine, prometheus, dynamoDB,
			[]string{"github.com/redis/go-redis/v9"}), // the stores of its groups
	},
}

// client is the row of a package that talks to the service with this SDK.
func client(sdk, sdkModules []string, further ...string) row {
	return row{
		imports: append([]string{".", "shardmap", "aggregate", "tracecarrier", "tracecarrier/otelcarrier", "metrics",
			"internal/tracing"}, further...),
		suppliers: slices.Concat(sdk, otelAPI),
		links:     slices.Concat(sdkModules, otelModules),
		planned:   true,
	}
}

// programs are packages nothing imports, tests included.
var programs = []string{"cmd/...", "internal/cli"}

// pure packages start no goroutine, read no clock and call no network.
var pure = []string{".", "shardmap", "aggregate", "codec", "codec/msgpack", "kinesisprotocol", "tracecarrier"}

// Foreign packages by what they are for.
var (
	awsSDK = []string{
		"github.com/aws/aws-sdk-go-v2/aws/...",
		"github.com/aws/aws-sdk-go-v2/service/kinesis/...",
		"github.com/aws/smithy-go/...",
	}
	dynamoDB = []string{
		"github.com/aws/aws-sdk-go-v2/aws",
		"github.com/aws/aws-sdk-go-v2/service/dynamodb/...",
	}
	awsConfig = []string{
		"github.com/aws/aws-sdk-go-v2/config",
		"github.com/aws/aws-sdk-go-v2/credentials/...",
	}
	lambdaSDK = []string{"github.com/aws/aws-lambda-go/..."}
	otelAPI   = []string{
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/attribute",
		"go.opentelemetry.io/otel/baggage",
		"go.opentelemetry.io/otel/codes",
		"go.opentelemetry.io/otel/propagation",
		"go.opentelemetry.io/otel/semconv/...",
		"go.opentelemetry.io/otel/trace/...",
	}
	otelSDK = []string{
		"go.opentelemetry.io/contrib/...",
		"go.opentelemetry.io/otel/exporters/...",
		"go.opentelemetry.io/otel/sdk/...",
		"go.opentelemetry.io/proto/otlp/...",
	}
	prometheus  = []string{"github.com/prometheus/client_golang/prometheus/..."}
	fileLocks   = []string{"golang.org/x/sys/unix", "golang.org/x/sys/windows"}
	commandLine = []string{
		"github.com/spf13/cobra/...",
		"github.com/spf13/pflag",
		"golang.org/x/term",
		"golang.org/x/text/width",
	}

	// testSuppliers are what the test of any package may use.
	testSuppliers = slices.Concat(awsSDK, awsConfig, lambdaSDK, otelAPI, otelSDK, []string{
		"github.com/alicebob/miniredis/v2",
		"github.com/fxamacker/cbor/v2",
		"go.uber.org/goleak",
		"google.golang.org/protobuf/...",
		"pgregory.net/rapid",
	})
)

// Foreign modules that come along with them.
var (
	awsModules = []string{
		"github.com/aws/aws-sdk-go-v2",
		"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream",
		"github.com/aws/aws-sdk-go-v2/internal/configsources",
		"github.com/aws/aws-sdk-go-v2/internal/endpoints/v2",
		"github.com/aws/aws-sdk-go-v2/service/kinesis",
		"github.com/aws/smithy-go",
	}
	dynamoDBModules = []string{
		"github.com/aws/aws-sdk-go-v2",
		"github.com/aws/aws-sdk-go-v2/internal/configsources",
		"github.com/aws/aws-sdk-go-v2/internal/endpoints/v2",
		"github.com/aws/aws-sdk-go-v2/service/dynamodb",
		"github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding",
		"github.com/aws/aws-sdk-go-v2/service/internal/endpoint-discovery",
		"github.com/aws/smithy-go",
	}
	lambdaModules = []string{"github.com/aws/aws-lambda-go"}
	otelModules   = []string{
		"github.com/cespare/xxhash/v2",
		"github.com/go-logr/logr",
		"github.com/go-logr/stdr",
		"go.opentelemetry.io/auto/sdk",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/log",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/trace",
	}
	prometheusModules = []string{
		"github.com/beorn7/perks",
		"github.com/cespare/xxhash/v2",
		"github.com/munnerz/goautoneg",
		"github.com/prometheus/client_golang",
		"github.com/prometheus/client_model",
		"github.com/prometheus/common",
		"github.com/prometheus/procfs",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/trace",
		"golang.org/x/sys",
		"google.golang.org/protobuf",
	}
	localModules = slices.Concat(awsModules, []string{"github.com/aws/aws-sdk-go-v2/credentials"})
)
