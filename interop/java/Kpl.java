import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.util.concurrent.ListenableFuture;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordFailedException;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * Puts records with the Kinesis Producer Library, its daemon included: a stream and its records on each line of standard
 * input, what the library says of each record on a line of standard output.
 *
 * <p>The arguments are the port of a server on this machine, which speaks TLS, and a folder for the daemon.
 */
final class Kpl {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        out.println(JSON.createObjectNode().put("version", version() + " (Maven), Java " + System.getProperty("java.version")));
        KinesisProducer producer = new KinesisProducer(configuration(Long.parseLong(args[0]), args[1]));
        for (String line; (line = in.readLine()) != null; ) {
            out.println(put(producer, JSON.readTree(line)));
        }
        producer.destroy();
        System.exit(0);
    }

    /** Every endpoint is the server, although with no metrics and no StreamARN only that of Kinesis is called. */
    private static KinesisProducerConfiguration configuration(long port, String folder) {
        return new KinesisProducerConfiguration()
            .setKinesisEndpoint("127.0.0.1").setKinesisPort(port)
            .setCloudwatchEndpoint("127.0.0.1").setCloudwatchPort(port)
            .setStsEndpoint("127.0.0.1").setStsPort(port)
            .setVerifyCertificate(false)
            .setRegion("us-east-1")
            .setCredentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("interop", "interop")))
            .setMetricsLevel("none")
            .setLogLevel("warning")
            .setTempDirectory(folder)
            .setRecordMaxBufferedTime(500);
    }

    private static ObjectNode put(KinesisProducer producer, JsonNode call) throws Exception {
        List<ListenableFuture<UserRecordResult>> puts = new ArrayList<>();
        for (JsonNode record : call.get("records")) {
            puts.add(producer.addUserRecord(call.get("stream").asText(), record.get("partition_key").asText(),
                record.path("explicit_hash_key").asText(null), ByteBuffer.wrap(record.get("data").binaryValue())));
        }
        producer.flushSync();
        ObjectNode answer = JSON.createObjectNode();
        ArrayNode results = answer.putArray("results");
        for (ListenableFuture<UserRecordResult> put : puts) {
            ObjectNode result = results.addObject();
            try {
                UserRecordResult r = put.get();
                result.put("shard_id", r.getShardId()).put("sequence_number", r.getSequenceNumber()).put("attempts", r.getAttempts().size());
            } catch (ExecutionException e) {
                result.put("error", e.getCause() instanceof UserRecordFailedException failed
                    ? failed.getResult().getAttempts().toString() : e.getCause().toString());
            }
        }
        return answer;
    }

    private static String version() throws Exception {
        String artifact = "amazon-kinesis-producer";
        Properties properties = new Properties();
        try (InputStream file = Kpl.class.getResourceAsStream("/META-INF/maven/software.amazon.kinesis/" + artifact + "/pom.properties")) {
            properties.load(file);
        }
        return artifact + " " + properties.getProperty("version");
    }
}
