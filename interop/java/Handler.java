import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.events.KinesisEvent;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.instrumentation.awslambdacore.v1_0.TracingRequestHandler;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A Lambda function that takes its trace from the partition key, as "How to propagate OpenTelemetry trace headers over
 * AWS Kinesis" has it in part 2, on OpenTelemetry's own wrapper for Lambda.
 *
 * <p>It takes a document of keys on standard input, handles an event with one record for each, and writes the trace and
 * the parent of the span that was active in the handler. The argument is whole, to use the key as the article does, or
 * cut, to use its first 55 characters.
 */
final class Handler extends TracingRequestHandler<KinesisEvent, SpanContext[]> {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TRACE_PARENT = "traceparent";
    private static final String TRACE_PARENT_PREFIX = "00-";

    private final boolean cut;

    private Handler(OpenTelemetrySdk telemetry, boolean cut) {
        super(telemetry);
        this.cut = cut;
    }

    @Override protected SpanContext[] doHandleRequest(KinesisEvent event, Context context) {
        Span span = Span.current();
        return new SpanContext[] {span.getSpanContext(), ((ReadableSpan) span).getParentSpanContext()};
    }

    @Override protected Map<String, String> extractHttpHeaders(KinesisEvent event) {
        List<KinesisEvent.KinesisEventRecord> records = event.getRecords();
        if (!records.isEmpty()) {
            Map<String, String> headers = new HashMap<>();
            String partitionKey = records.get(0).getKinesis().getPartitionKey();
            if (partitionKey != null && partitionKey.startsWith(TRACE_PARENT_PREFIX)) {
                headers.put(TRACE_PARENT, cut ? partitionKey.substring(0, 55) : partitionKey);
            }
            if (!headers.isEmpty()) return headers;
        }
        return super.extractHttpHeaders(event);
    }

    public static void main(String[] args) throws Exception {
        OpenTelemetrySdk telemetry = OpenTelemetrySdk.builder()
            .setTracerProvider(SdkTracerProvider.builder().build())
            .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
            .build();
        Handler handler = new Handler(telemetry, args[0].equals("cut"));
        ObjectNode document = JSON.createObjectNode();
        document.put("made_by", "opentelemetry-aws-lambda-core "
            + TracingRequestHandler.class.getProtectionDomain().getCodeSource().getLocation().getPath().replaceAll(".*-1\\.0-|\\.jar$", "")
            + " (Maven), Java " + System.getProperty("java.version"));
        ArrayNode spans = document.putArray("spans");
        for (JsonNode key : JSON.readTree(System.in).get("keys")) {
            SpanContext[] seen = handler.handleRequest(eventOf(key.asText()), new NoContext());
            spans.addObject().put("trace", seen[0].getTraceId()).put("parent", seen[1].isValid() ? seen[1].getSpanId() : "");
        }
        telemetry.close();
        System.out.println(document);
    }

    private static KinesisEvent eventOf(String partitionKey) {
        KinesisEvent.Record kinesis = new KinesisEvent.Record();
        kinesis.setPartitionKey(partitionKey);
        KinesisEvent.KinesisEventRecord record = new KinesisEvent.KinesisEventRecord();
        record.setKinesis(kinesis);
        KinesisEvent event = new KinesisEvent();
        event.setRecords(List.of(record));
        return event;
    }

    private static final class NoContext implements Context {
        @Override public String getAwsRequestId() { return "1"; }
        @Override public String getLogGroupName() { return ""; }
        @Override public String getLogStreamName() { return ""; }
        @Override public String getFunctionName() { return "event-consumer"; }
        @Override public String getFunctionVersion() { return "1"; }
        @Override public String getInvokedFunctionArn() { return "arn:aws:lambda:us-east-1:000000000000:function:event-consumer"; }
        @Override public CognitoIdentity getIdentity() { return null; }
        @Override public ClientContext getClientContext() { return null; }
        @Override public int getRemainingTimeInMillis() { return 1000; }
        @Override public int getMemoryLimitInMB() { return 128; }
        @Override public LambdaLogger getLogger() { return null; }
    }
}
