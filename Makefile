# "make help" lists what there is. Each target is one line of it.

.DEFAULT_GOAL := help
.PHONY: help test race lint fmt fuzz chaos chaos-server chaos-programs chaos-processes chaos-mutations bench bench-micro bench-metrics load shards interop leases monitoring vuln ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run the tests that need only Go
	go test ./...

race: ## run the same tests under the race detector
	@.ci/run race

lint: ## vet, staticcheck, formatting, shell scripts
	@.ci/run vet staticcheck format shell

fmt: ## format every Go file
	gofmt -w .

fuzz: ## run every fuzz test for FUZZTIME each (default 20s)
	@.ci/fuzz

chaos: ## kill the local server and workers, thousands of times, and break the code: every chaos-* below
	@$(MAKE) --no-print-directory chaos-server chaos-programs chaos-processes chaos-mutations

chaos-server: ## kill the local server KILLS times while writers write (default 2000)
	KINETRAIL_KILLS=$(or $(KILLS),2000) KINETRAIL_SEED=$(SEED) go test -run '^TestNothingAcknowledgedIsLostByAKill$$' -count=1 -v -timeout 2h ./localkinesis/diskstore

chaos-programs: ## run PROGRAMS random programs of faults and crashes in virtual time (default 2000)
	go test -run '^TestPrograms$$' -count=1 -v -timeout 2h ./internal/oracle -seed $(or $(SEED),0) -programs $(or $(PROGRAMS),2000)

chaos-processes: ## run PROGRAMS random programs whose workers are killed with SIGKILL (default 1000)
	go test -run '^TestKilledProcesses$$' -count=1 -v -timeout 2h ./internal/oracle -seed $(or $(SEED),0) -process-programs $(or $(PROGRAMS),1000)

chaos-mutations: ## break the code in every known way, and see that the programs notice
	go test -run '^(TestPrograms|TestMutationsAreCaught)$$' -count=1 -v -timeout 2h ./internal/oracle -all-mutations

bench: ## measure the clients next to their peers, and write it down; PKG=./shardmap runs a package's benchmarks
	$(if $(PKG),go test -run '^$$' -bench . -benchmem $(PKG),cd bench && go run . run)

bench-micro: ## measure the tables of docs/benchmarks.md and the README, and write them down
	go run ./internal/benchtable -w

bench-metrics: ## measure what metrics cost the clients, and write it into docs/metrics.md
	cd bench && go run ./metricscost -w

load: ## measure the local server next to one that does nothing, and write docs/benchmarks-server.md
	go run ./internal/serverload -disk -w

shards: ## measure one consumer on 1,000 shards: its memory, and what it costs while they are idle
	cd bench && go run . shards

interop: ## check against the AWS CLI, boto3, the JS and Java SDKs, KPL, KCL and async-kinesis
	interop/run

leases: ## run the tests of the lease stores on Redis, a Redis cluster and DynamoDB Local
	@.ci/leases

monitoring: ## check metrics, rules and dashboard with Prometheus, and fire every alert
	@monitoring/check

vuln: ## look up known vulnerabilities (needs the network)
	go run golang.org/x/vuln/cmd/govulncheck@v1.8.0 ./...

ci: ## run everything a change has to pass
	@.ci/run
