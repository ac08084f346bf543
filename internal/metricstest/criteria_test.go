package metricstest

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// criterion is one row.
type criterion struct {
	id      string
	expects string // of async-kinesis's metrics
	differs string // what ours does instead, if anything
	because string
	alone   bool // it uses what belongs to the whole process
	check   func(t *testing.T)
}

const (
	fixedLabels = "the labels of an instrument are part of the catalogue"
	startAtZero = "a counter whose labels are known exists at 0, so that increase() sees its first event"
	nothingLost = "a record that was fetched is never dropped"
	kept        = "a gauge keeps its value in the sink, so that nothing has to be sent again"
)

var criteria = []criterion{
	{id: "A1", expects: "the no-op collector takes all four operations", check: noopTakesEverything},
	{id: "A2", expects: "5 and 3 of one label set are 8, other labels apart", check: countersAddUp},
	{id: "A3", expects: "a gauge overwrites", check: gaugesOverwrite},
	{id: "A4", expects: "a histogram keeps its values in order", check: histogramsKeepValues},
	{id: "A5", expects: "a timer records one value, at least the time slept", check: timersMeasure},
	{id: "A6", expects: "the order of labels does not matter; the key is consumer_errors_total{error_type=timeout,stream_name=test}",
		differs: "the key has shard_id, too, and values come in the order of the catalogue", because: fixedLabels, check: keysAreSorted},
	{id: "A7", expects: "all metrics in one map, by bare name without labels, histograms as lists", check: snapshotsAreFlat},
	{id: "A8", expects: "a timer hands on metric, seconds and labels", check: timersHandOnLabels},
	{id: "A9", expects: "the global collector is a no-op, can be set and reset", alone: true, check: theDefaultCanBeSet},
	{id: "A10", expects: "the Prometheus collector needs no arguments", alone: true,
		differs: "it registers its metrics, where theirs registers none", because: "an endpoint without metrics helps nobody", check: prometheusNeedsNoArguments},
	{id: "A11", expects: "names are lower case with underscores", check: namesAreWords},
	{id: "A12", expects: "a consumer keeps the collector it is given, and takes the global one without", alone: true, check: consumersTakeTheDefault},
	{id: "A13", expects: "two rows of 9 and 10 bytes are 2 records and 19 bytes, and there is a queue gauge", check: twoRowsAreCounted},
	{id: "A14", expects: "MillisBehindLatest 54321 is the gauge", check: theAgeIsTheServices},
	{id: "A15", expects: "without the field there is no gauge", check: noFieldNoAge},
	{id: "A16", expects: "a failed fetch sends the last age again", differs: "it sends nothing, and the gauge stays", because: kept, check: aFailedFetchKeepsTheAge},
	{id: "A17", expects: "after an answer without the field a failed fetch sends nothing", check: noAgeAfterAnAnswerWithout},
	{id: "A18", expects: "when the first fetch fails there is no age", check: noAgeBeforeTheFirstAnswer},
	{id: "A19", expects: "of 3 rows one is counted when the queue is full for too long",
		differs: "all 3 are, however long the handler takes", because: nothingLost, check: aSlowHandlerLosesNothing},
	{id: "A20", expects: "three connection errors are error_type=connection, and the client is kept", check: connectionErrors},
	{id: "A21", expects: "two kinds of timeouts are error_type=timeout", check: timeoutErrors},
	{id: "A22", expects: "a throttled fetch is counted under its raw code", check: fetchErrorIs("ProvisionedThroughputExceededException")},
	{id: "A23", expects: "InternalFailure is counted under its raw code", check: fetchErrorIs("InternalFailure")},
	{id: "A24", expects: "any other error is error_type=unknown", check: unknownErrors},
	{id: "A25", expects: "without a client a fetch returns nothing and counts nothing",
		differs: "without a client there is no consumer", because: "a half-built client would wait for ever in silence", check: noClientNoConsumer},
	{id: "A26", expects: "a checkpoint in memory is one success, and the failure counter is absent",
		differs: "it is 0", because: startAtZero, check: aCheckpointSucceeds},
	{id: "A27", expects: "a write that fails is one failure, and its error is returned", check: aCheckpointFails},
	{id: "A28", expects: "two shards written on the interval are one success each", check: oneSuccessForEachShard},
	{id: "A29", expects: "in manual mode nothing is counted before the flush", check: manualModeWaits},
	{id: "A30", expects: "a flush that fails for all returns every error, counts one failure for each, and keeps both",
		differs: "the errors are joined; a lost lease besides ends the shard", because: "what a lost lease has to say the new owner knows better", check: aFlushThatFails},
	{id: "A31", expects: "when the second of two shards fails, only that one is kept", check: aFlushFailsFor("shardId-000000000001")},
	{id: "A32", expects: "when the first of two shards fails, the second is still written", check: aFlushFailsFor("shardId-000000000000")},
	{id: "A33", expects: "the error says how many shards failed and names them, and has the first cause",
		differs: "it names each and wraps each cause, without a number", because: "errors.Join has them all", check: aFlushErrorNamesShards},
	{id: "A34", expects: "a conflict names the owner", check: aConflictNamesTheOwner},
	{id: "A35", expects: "a flush that works returns nothing and leaves nothing", check: aFlushWorks},
	{id: "A36", expects: "the next flush tries what is left", check: theNextFlushTriesAgain},
	{id: "A37", expects: "what is done during a write is written by the next one", check: doneDuringAWrite},
	{id: "A38", expects: "a checkpointer on its own has the stream <standalone>", check: standaloneStores},
	{id: "A39", expects: "a heartbeat counts no checkpoint", check: renewalsAreNotCounted},
	{id: "A40", expects: "binding twice to the same is nothing, to another stream or collector an error; the stream may not be missing",
		differs: "the collector is fixed when the store is wrapped, and the stream is an argument", because: "neither can then be wrong", check: bindingTwice},
	{id: "A41", expects: "a checkpoint is a sample in Prometheus, bound and on its own", check: checkpointsInPrometheus},
	{id: "A42", expects: "3 listed shards, 1 of them closed, are 2 active and 1 closed", check: shardsAreCounted},
	{id: "A43", expects: "a child of a known parent is a resharding event", check: aSplitIsAnEvent},
	{id: "A44", expects: "3 puts are 3 records and their bytes; queue and age are there", check: threePutsAreRead},

	{id: "T1", expects: "10 puts of which one is throttled once: throttles 1, its error 1, batches of 10 and 1",
		differs: "records sent 10, bytes 80, queue 0, where theirs has 1, 8 and 10", because: "successes of a request that failed in part are successes", check: tenPutsOneThrottled},
	{id: "T2", expects: "2 puts, one answered KMSThrottlingException: nothing counted, the record gone",
		differs: "the error is counted, the record put again, both sent", because: nothingLost, check: anUnknownCodeIsRetried},
	{id: "T3", expects: "one throttle and one InternalFailure in a batch: throttles 2 and that error 2",
		differs: "throttles 1, and each error 1", because: "each record has its own code", check: mixedErrors},
	{id: "T4", expects: "PutRecords denied: nothing counted, tried without end",
		differs: "the error is counted for each record, and Put returns it", because: "somebody has to learn of it", check: deniedRequests},
	{id: "T5", expects: "5 puts and a flush leave a queue of 5", differs: "0", because: "the gauge says what waits now", check: aFlushEmptiesTheQueue},
	{id: "T6", expects: "100 items in one Kinesis record: records sent 1, batch size 1",
		differs: "100 user records besides", because: "both numbers are asked for", check: oneContainer},
	{id: "T7", expects: "two rows of 7 bytes of which the second does not fit: records 1, queue 2",
		differs: "both are received, and the queue counts user records alone", because: nothingLost, check: aFullQueueWaits},
	{id: "T8", expects: "ages of four fetches, 12345, failed, without the field, failed: sent 12345, 12345, none, none",
		differs: "sent once", because: kept, check: agesOfFourFetches},
	{id: "T9", expects: "a shard written twice and an unknown one once: 2 successes, 1 failure, the error returned", check: anUnknownShard},
	{id: "T10", expects: "5 checkpoints in manual mode and a flush are 1 success", check: fiveAcksOneFlush},
	{id: "T11", expects: "50 batches within the interval and a close are 1 success for each shard", check: fiftyRecordsOneSuccess},
	{id: "T12", expects: "a parent that was closed before the start: active 3 until it is read, then 2, closed 1, no event",
		differs: "2 and 1 from the first list on", because: "the shard list knows", check: aParentClosedBefore},
	{id: "T13", expects: "two splits between two looks are 1 event", differs: "2", because: "one per split or merge can be summed", check: twoSplitsAreTwoEvents},
	{id: "T14", expects: "a later bind changes later counts alone", check: aLaterBind},
	{id: "T15", expects: "the text of T1 for Prometheus", check: theTextForPrometheus},
	{id: "T16", expects: "two collectors of one namespace are an error", differs: "they share their series", because: "two parts of a program may both count", check: twoSinksOfOneNamespace},
	{id: "T17", expects: "a collector that panics or blocks stops the producer", differs: "delivery goes on", because: "metrics never stop a record", check: badSinksDoNotStopDelivery},
}

func TestTheCriteriaOfAsyncKinesis(t *testing.T) {
	for _, c := range criteria {
		t.Run(c.id, func(t *testing.T) {
			if !c.alone {
				t.Parallel()
			}
			c.check(t)
			if t.Failed() {
				t.Logf("%s expects: %s; ours differs: %s", c.id, c.expects, c.differs)
			}
		})
	}
}

func TestNoCriterionIsMissing(t *testing.T) {
	t.Parallel()
	var want []string
	for i := range 44 {
		want = append(want, fmt.Sprint("A", i+1))
	}
	for i := range 17 {
		want = append(want, fmt.Sprint("T", i+1))
	}
	if len(criteria) != len(want) {
		t.Errorf("there are %d criteria; want %d", len(criteria), len(want))
	}
	for i, c := range criteria {
		if i < len(want) && c.id != want[i] {
			t.Errorf("row %d is %s; want %s", i, c.id, want[i])
		}
		if c.expects == "" || c.check == nil || (c.differs == "") != (c.because == "") {
			t.Errorf("%s lacks its expectation, its check, or the reason of its deviation: %+v", c.id, c)
		}
	}
}
