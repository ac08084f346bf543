import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RetrievalConfig;
import software.amazon.kinesis.retrieval.kpl.Messages;

/**
 * Reads KPL containers with the deaggregator of the KCL.
 *
 * <p>It takes a document of containers on standard input, such as those of aggregate/testdata, and writes what it read
 * in the same form. A container that names the range of its shard is read as the KCL does on that shard: it throws all
 * of it away when one record is out of range. The headers come from the KCL's own schema of a container: its
 * deaggregator does not show them.
 */
final class ReadContainers {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        ObjectNode document = JSON.createObjectNode();
        document.put("made_by", "amazon-kinesis-client " + RetrievalConfig.KINESIS_CLIENT_LIB_USER_AGENT_VERSION
            + " (Maven), Java " + System.getProperty("java.version"));
        ArrayNode containers = document.putArray("containers");
        for (JsonNode container : JSON.readTree(System.in).get("containers")) {
            containers.addObject().put("name", container.get("name").asText()).set("records", read(container));
        }
        new PrintStream(System.out, true, StandardCharsets.UTF_8).println(document);
    }

    private static ArrayNode read(JsonNode container) throws Exception {
        byte[] data = HexFormat.of().parseHex(container.get("bytes").asText());
        KinesisClientRecord stored = KinesisClientRecord.builder()
            .partitionKey(container.path("partition_key").asText("a"))
            .sequenceNumber(container.path("sequence_number").asText("1"))
            .data(ByteBuffer.wrap(data))
            .build();
        List<KinesisClientRecord> records = container.has("starting_hash_key")
            ? new AggregatorUtil().deaggregate(List.of(stored), container.get("starting_hash_key").asText(), container.get("ending_hash_key").asText())
            : new AggregatorUtil().deaggregate(List.of(stored));
        Messages.AggregatedRecord message = Messages.AggregatedRecord.parseFrom(ByteString.copyFrom(data, 4, data.length - 20));
        ArrayNode all = JSON.createArrayNode();
        for (KinesisClientRecord r : records) {
            ObjectNode record = all.addObject()
                .put("partition_key", r.partitionKey())
                .put("explicit_hash_key", r.explicitHashKey() == null ? "" : r.explicitHashKey())
                .put("data", bytes(r.data()))
                .put("sequence_number", r.sequenceNumber())
                .put("sub_sequence_number", r.subSequenceNumber());
            ArrayNode headers = record.putArray("headers");
            if (r.aggregated()) {
                message.getRecords((int) r.subSequenceNumber()).getTagsList()
                    .forEach(tag -> headers.addObject().put("name", tag.getKey()).put("value", tag.getValue()));
            }
        }
        return all;
    }

    private static byte[] bytes(ByteBuffer data) {
        byte[] copy = new byte[data.remaining()];
        data.duplicate().get(copy);
        return copy;
    }
}
