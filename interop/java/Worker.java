import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.LeaseCleanupConfig;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RetrievalConfig;
import software.amazon.kinesis.retrieval.kpl.ExtendedSequenceNumber;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A worker of the Kinesis Client Library that tells what it does, as events on lines of standard output. It stops at the
 * end of its standard input, with a checkpoint of what it has handled.
 *
 * <p>The argument is what worker.go calls a workerConfig.
 */
final class Worker {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final CountDownLatch STOPPING = new CountDownLatch(1);

    public static void main(String[] args) throws Exception {
        JsonNode config = JSON.readTree(args[0]);
        OUT.println(JSON.createObjectNode().put("version", "amazon-kinesis-client "
            + RetrievalConfig.KINESIS_CLIENT_LIB_USER_AGENT_VERSION + " (Maven), Java " + System.getProperty("java.version")));
        Scheduler scheduler = scheduler(config);
        Thread running = new Thread(scheduler, "scheduler");
        running.setDaemon(true);
        running.start();
        while (System.in.read() >= 0) {
            // nothing is said on it
        }
        STOPPING.countDown();
        scheduler.startGracefulShutdown().get(30, TimeUnit.SECONDS);
        say(event("stopped", ""));
        System.exit(0);
    }

    private static Scheduler scheduler(JsonNode config) throws Exception {
        StaticCredentialsProvider credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("interop", "interop"));
        KinesisAsyncClient kinesis = KinesisAsyncClient.builder()
            .endpointOverride(URI.create(config.get("kinesis").asText())).region(Region.US_EAST_1).credentialsProvider(credentials)
            .httpClientBuilder(NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP1_1)).build();
        DynamoDbAsyncClient tables = DynamoDbAsyncClient.builder()
            .endpointOverride(URI.create(config.get("dynamodb").asText())).region(Region.US_EAST_1).credentialsProvider(credentials).build();
        CloudWatchAsyncClient unused = CloudWatchAsyncClient.builder()
            .endpointOverride(URI.create("http://127.0.0.1:9")).region(Region.US_EAST_1).credentialsProvider(credentials).build();
        String stream = config.get("stream").asText();
        ConfigsBuilder all = new ConfigsBuilder(
            new SingleStreamTracker(stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
            config.get("application").asText(), kinesis, tables, unused, config.get("worker").asText(), () -> new Processor(config));
        CoordinatorConfig coordinator = all.coordinatorConfig()
            .parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(100);
        choose(coordinator, config.path("client_version").asText(""));
        LeaseManagementConfig leases = all.leaseManagementConfig()
            .failoverTimeMillis(config.get("failover_millis").asLong()).leasesRecoveryAuditorExecutionFrequencyMillis(5000);
        hasten(leases);
        return new Scheduler(all.checkpointConfig(), coordinator, leases,
            all.lifecycleConfig().taskBackoffTimeMillis(200), all.metricsConfig().metricsFactory(new NullMetricsFactory()), all.processorConfig(),
            all.retrievalConfig().retrievalSpecificConfig(new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200)));
    }

    /** Lets the library look after finished leases every few seconds instead of minutes, which it has no setting for. */
    private static void hasten(LeaseManagementConfig leases) throws Exception {
        Field cleanup = LeaseManagementConfig.class.getDeclaredField("leaseCleanupConfig");
        cleanup.setAccessible(true);
        cleanup.set(leases, LeaseCleanupConfig.builder()
            .leaseCleanupIntervalMillis(2000).completedLeaseCleanupIntervalMillis(4000).garbageLeaseCleanupIntervalMillis(60000).build());
    }

    /** Says how KCL 3 is to take part in the fleet. KCL 2 knows one way only. */
    private static void choose(CoordinatorConfig coordinator, String version) throws Exception {
        if (version.isEmpty()) {
            return;
        }
        for (Class<?> type : CoordinatorConfig.class.getDeclaredClasses()) {
            if (type.getSimpleName().equals("ClientVersionConfig")) {
                Object value = type.getMethod("valueOf", String.class).invoke(null, version);
                CoordinatorConfig.class.getMethod("clientVersionConfig", type).invoke(coordinator, value);
                return;
            }
        }
        throw new IllegalArgumentException("this version does not know " + version);
    }

    private static ObjectNode event(String name, String shard) {
        return JSON.createObjectNode().put("event", name).put("shard", shard).put("at", ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()));
    }

    private static ObjectNode event(String name, String shard, ExtendedSequenceNumber at) {
        return event(name, shard).put("sequence", at.sequenceNumber()).put("sub", at.subSequenceNumber());
    }

    private static void say(ObjectNode event) {
        OUT.println(event);
    }

    /** Handles the records of one shard. */
    private static final class Processor implements ShardRecordProcessor {
        private final long checkpointEvery;
        private final long holdAfter;
        private String shard;
        private long handled;
        private boolean lost; // and the library has not said so yet
        private ExtendedSequenceNumber last;
        private ExtendedSequenceNumber written;
        private long writtenAt = System.nanoTime();

        Processor(JsonNode config) {
            checkpointEvery = TimeUnit.MILLISECONDS.toNanos(config.get("checkpoint_millis").asLong());
            holdAfter = config.path("hold_after").asLong(0);
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            say(event("begin", shard, input.extendedSequenceNumber()));
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            if (lost) {
                return;
            }
            for (KinesisClientRecord record : input.records()) {
                if (holdAfter > 0 && handled == holdAfter) {
                    hold(input.checkpointer());
                    return;
                }
                last = new ExtendedSequenceNumber(record.sequenceNumber(), record.subSequenceNumber());
                handled++;
                say(event("record", shard, last).put("key", record.partitionKey()).put("data", text(record.data())));
                if (System.nanoTime() - writtenAt >= checkpointEvery && !checkpoint(input.checkpointer())) {
                    return;
                }
            }
        }

        /** Writes what was handled and waits to be stopped or killed. */
        private void hold(RecordProcessorCheckpointer checkpointer) {
            checkpoint(checkpointer);
            say(event("holding", shard, last));
            try {
                STOPPING.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        /** Writes what was handled, and tells whether the lease is still this worker's. */
        private boolean checkpoint(RecordProcessorCheckpointer checkpointer) {
            if (last == null || last.equals(written)) {
                return true;
            }
            try {
                checkpointer.checkpoint(last.sequenceNumber(), last.subSequenceNumber());
            } catch (ShutdownException e) {
                lost = true;
                return false;
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
            written = last;
            writtenAt = System.nanoTime();
            say(event("checkpoint", shard, written));
            return true;
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            say(event("lost", shard));
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            say(event("ended", shard));
            try {
                input.checkpointer().checkpoint();
            } catch (ShutdownException e) {
                say(event("lost", shard));
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            if (checkpoint(input.checkpointer())) {
                say(event("released", shard));
            }
        }

        private static String text(ByteBuffer data) {
            return StandardCharsets.UTF_8.decode(data.duplicate()).toString();
        }
    }
}
