package software.amazon.kinesis.leases.dynamodb;

import java.math.BigInteger;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.kinesis.common.HashKeyRangeForLease;
import software.amazon.kinesis.leases.Lease;
import software.amazon.kinesis.leases.MultiStreamLease;
import software.amazon.kinesis.leases.UpdateField;
import software.amazon.kinesis.retrieval.kpl.ExtendedSequenceNumber;

/**
 * Lets the lease refresher of the KCL create, take, checkpoint, finish and evict leases in DynamoDB Local, and prints
 * the row after each step as one line: its name, a tab, the row in the JSON of the DynamoDB API.
 *
 *   java -cp "classes:kcl/*" software.amazon.kinesis.leases.dynamodb.KCLRows http://127.0.0.1:8000 table
 */
public class KCLRows {
    static DynamoDbAsyncClient client;
    static String table;

    public static void main(String[] args) throws Exception {
        client = DynamoDbAsyncClient.builder()
                .endpointOverride(URI.create(args[0]))
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("local", "local")))
                .build();
        table = args[1];
        DynamoDBLeaseRefresher leases = refresher(new DynamoDBLeaseSerializer());
        leases.createLeaseTableIfNotExists();
        leases.waitUntilLeaseTableExists(1, 30);

        Lease child = new Lease("shardId-000000000002", null, 0L, null, null, ExtendedSequenceNumber.TRIM_HORIZON, null, 0L,
                Collections.emptySet());
        child.parentShardIds(Arrays.asList("shardId-000000000000", "shardId-000000000001"));
        child.hashKeyRange(new HashKeyRangeForLease(BigInteger.ZERO, BigInteger.ONE.shiftLeft(127).subtract(BigInteger.ONE)));
        leases.createLeaseIfNotExists(child);
        print("created", child);
        leases.takeLease(child, "worker-a");
        print("taken", child);
        child.checkpoint(new ExtendedSequenceNumber("49630000000000000000000000000000000000000000000000000001", 3L));
        child.ownerSwitchesSinceCheckpoint(0L);
        leases.updateLease(child);
        print("checkpointed", child);
        leases.takeLease(child, "worker-b");
        print("stolen", child);
        child.pendingCheckpoint(new ExtendedSequenceNumber("49630000000000000000000000000000000000000000000000000002", 0L));
        child.pendingCheckpointState("state".getBytes(StandardCharsets.UTF_8));
        leases.updateLease(child);
        print("prepared", child);
        leases.renewLease(child);
        print("renewed", child);
        child.childShardIds(Arrays.asList("shardId-000000000003", "shardId-000000000004"));
        leases.updateLeaseWithMetaInfo(child, UpdateField.CHILD_SHARDS);
        child.pendingCheckpoint(null);
        child.pendingCheckpointState(null);
        child.checkpoint(ExtendedSequenceNumber.SHARD_END);
        leases.updateLease(child);
        print("finished", child);
        leases.evictLease(child);
        print("evicted", child);

        for (ExtendedSequenceNumber from : Arrays.asList(ExtendedSequenceNumber.LATEST, ExtendedSequenceNumber.AT_TIMESTAMP)) {
            Lease lease = new Lease("shardId-" + from.sequenceNumber(), null, 0L, null, null, from, null, 0L, Collections.emptySet());
            leases.createLeaseIfNotExists(lease);
            print(from.sequenceNumber(), lease);
        }

        MultiStreamLease multi = new MultiStreamLease();
        multi.leaseKey("123456789012:orders:1700000000:shardId-000000000000");
        multi.streamIdentifier("123456789012:orders:1700000000");
        multi.shardId("shardId-000000000000");
        multi.checkpoint(ExtendedSequenceNumber.TRIM_HORIZON);
        multi.leaseCounter(0L);
        multi.ownerSwitchesSinceCheckpoint(0L);
        refresher(new DynamoDBMultiStreamLeaseSerializer()).createLeaseIfNotExists(multi);
        print("multi-stream", multi);
        client.close();
        System.exit(0);
    }

    /** The constructor differs between the versions; what is not given here has no part in the rows. */
    static DynamoDBLeaseRefresher refresher(DynamoDBLeaseSerializer serializer) throws Exception {
        for (java.lang.reflect.Constructor<?> c : DynamoDBLeaseRefresher.class.getConstructors()) {
            Object[] given = new Object[c.getParameterCount()];
            for (int i = 0; i < given.length; i++) {
                Class<?> type = c.getParameterTypes()[i];
                if (type == String.class) given[i] = table;
                else if (type == DynamoDbAsyncClient.class) given[i] = client;
                else if (type.isInstance(serializer)) given[i] = serializer;
                else if (type == boolean.class) given[i] = false;
                else if (type == TableCreatorCallback.class) given[i] = TableCreatorCallback.NOOP_TABLE_CREATOR_CALLBACK;
                else if (type == java.time.Duration.class) given[i] = java.time.Duration.ofSeconds(30);
                else if (type == java.util.Collection.class) given[i] = Collections.emptyList();
                else if (type.isEnum()) given[i] = software.amazon.awssdk.services.dynamodb.model.BillingMode.PAY_PER_REQUEST;
                else given[i] = type.getConstructors().length > 0 ? tableConfig(type) : null;
            }
            if (given.length >= 9) return (DynamoDBLeaseRefresher) c.newInstance(given);
        }
        throw new IllegalStateException("no constructor");
    }

    static Object tableConfig(Class<?> type) throws Exception {
        Object config = type.getConstructors()[0].newInstance(new Object[type.getConstructors()[0].getParameterCount()]);
        type.getMethod("billingMode", software.amazon.awssdk.services.dynamodb.model.BillingMode.class)
                .invoke(config, software.amazon.awssdk.services.dynamodb.model.BillingMode.PAY_PER_REQUEST);
        return config;
    }

    static void print(String name, Lease lease) throws Exception {
        Map<String, AttributeValue> key = new HashMap<>();
        key.put("leaseKey", AttributeValue.builder().s(lease.leaseKey()).build());
        Map<String, AttributeValue> row =
                client.getItem(r -> r.tableName(table).key(key).consistentRead(true)).get().item();
        System.out.println(name + "\t" + new TreeMap<>(row).entrySet().stream()
                .map(e -> quote(e.getKey()) + ":" + json(e.getValue()))
                .collect(Collectors.joining(",", "{", "}")));
    }

    static String json(AttributeValue v) {
        if (v.s() != null) return "{\"S\":" + quote(v.s()) + "}";
        if (v.n() != null) return "{\"N\":" + quote(v.n()) + "}";
        if (v.hasSs()) return "{\"SS\":" + v.ss().stream().sorted().map(KCLRows::quote).collect(Collectors.joining(",", "[", "]")) + "}";
        if (v.b() != null) return "{\"B\":" + quote(Base64.getEncoder().encodeToString(v.b().asByteArray())) + "}";
        throw new IllegalStateException("unexpected attribute " + v);
    }

    static String quote(String s) {
        return "\"" + s.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
