import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.reactivestreams.Subscriber;
import org.reactivestreams.Subscription;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.SdkField;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.core.async.SdkPublisher;
import software.amazon.awssdk.core.protocol.MarshallingType;
import software.amazon.awssdk.core.traits.ListTrait;
import software.amazon.awssdk.core.traits.MapTrait;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.SdkHttpClient;
import software.amazon.awssdk.http.SdkHttpConfigurationOption;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.http.async.SdkAsyncHttpClient;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEventStream;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardRequest;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponse;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;
import software.amazon.awssdk.utils.AttributeMap;
import software.amazon.awssdk.utils.builder.Buildable;

/**
 * Calls Kinesis with the AWS SDK for Java v2: a call on each line of standard input, an answer on each line of
 * standard output. The form of both is described in ../dialogue.go.
 *
 * <p>The argument is async, for the client on Netty, which speaks HTTP/2, or sync, for the one on Apache's HTTP client,
 * which speaks HTTP/1.1 and cannot subscribe. Both speak CBOR unless -Daws.cborEnabled=false.
 */
final class Sdk {
    private static final String MODEL = "software.amazon.awssdk.services.kinesis.model.";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final AttributeMap ANY_CERTIFICATE =
        AttributeMap.builder().put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, true).build();

    private final Map<String, Object> clients = new HashMap<>();
    private final boolean async;
    private final PrintStream out;

    private Sdk(boolean async, PrintStream out) {
        this.async = async;
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Sdk sdk = new Sdk(args[0].equals("async"), out);
        ObjectNode greeting = JSON.createObjectNode();
        greeting.put("version", "AWS SDK for Java " + VersionInfo.SDK_VERSION + ", Java " + System.getProperty("java.version"));
        greeting.set("operations", JSON.valueToTree(sdk.operations()));
        out.println(greeting);
        for (String line; (line = in.readLine()) != null; ) {
            out.println(sdk.answer(JSON.readTree(line)));
        }
        System.exit(0);
    }

    private List<String> operations() {
        Class<?> client = async ? KinesisAsyncClient.class : KinesisClient.class;
        return Stream.of(client.getMethods())
            .filter(m -> m.getParameterCount() > 0 && SdkPojo.class.isAssignableFrom(m.getParameterTypes()[0]))
            .map(m -> m.getName().substring(0, 1).toUpperCase() + m.getName().substring(1))
            .filter(name -> !name.endsWith("Paginator"))
            .distinct().sorted().toList();
    }

    private ObjectNode answer(JsonNode call) throws Exception {
        String operation = call.get("operation").asText();
        ObjectNode answer = JSON.createObjectNode();
        try {
            Object client = client(call.get("endpoint").asText());
            SdkPojo request = request(operation, call.get("input"));
            if (request instanceof SubscribeToShardRequest subscription) {
                answer.putObject("output").set("Events", subscribe((KinesisAsyncClient) client, subscription, call.path("records").asInt()));
            } else {
                answer.set("output", plain(send(client, operation, request)));
            }
        } catch (AwsServiceException e) {
            answer.putObject("error")
                .put("name", e.awsErrorDetails().errorCode())
                .put("message", e.awsErrorDetails().errorMessage())
                .put("status", e.statusCode());
        }
        return answer;
    }

    private Object client(String endpoint) {
        return clients.computeIfAbsent(endpoint, e -> async
            ? KinesisAsyncClient.builder().endpointOverride(URI.create(e)).httpClientBuilder(new Netty())
                .overrideConfiguration(c -> c.retryStrategy(s -> s.maxAttempts(1))).build()
            : KinesisClient.builder().endpointOverride(URI.create(e)).httpClientBuilder(new Apache())
                .overrideConfiguration(c -> c.retryStrategy(s -> s.maxAttempts(1))).build());
    }

    /** The service's own settings for its HTTP client, HTTP/2 among them, and any certificate. */
    private static final class Netty implements SdkAsyncHttpClient.Builder<Netty> {
        @Override public SdkAsyncHttpClient buildWithDefaults(AttributeMap settings) {
            return NettyNioAsyncHttpClient.builder().buildWithDefaults(ANY_CERTIFICATE.merge(settings));
        }
    }

    private static final class Apache implements SdkHttpClient.Builder<Apache> {
        @Override public SdkHttpClient buildWithDefaults(AttributeMap settings) {
            return Apache5HttpClient.builder().buildWithDefaults(ANY_CERTIFICATE.merge(settings));
        }
    }

    private static Object send(Object client, String operation, SdkPojo request) throws Exception {
        String name = operation.substring(0, 1).toLowerCase() + operation.substring(1);
        Method method = (client instanceof KinesisAsyncClient ? KinesisAsyncClient.class : KinesisClient.class).getMethod(name, request.getClass());
        try {
            Object result = method.invoke(client, request);
            return result instanceof CompletableFuture<?> future ? future.get() : result;
        } catch (InvocationTargetException | ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /** The events of a subscription until they held so many records, or to its end. */
    private JsonNode subscribe(KinesisAsyncClient client, SubscribeToShardRequest request, int records) throws Exception {
        Events events = new Events(records);
        CompletableFuture<Void> call = client.subscribeToShard(request, new SubscribeToShardResponseHandler() {
            @Override public void responseReceived(SubscribeToShardResponse response) {
                out.println("{\"subscribed\":true}");
            }
            @Override public void onEventStream(SdkPublisher<SubscribeToShardEventStream> stream) {
                stream.subscribe(events);
            }
            @Override public void exceptionOccurred(Throwable problem) {
                events.done.completeExceptionally(problem);
            }
            @Override public void complete() {
                events.done.complete(null);
            }
        });
        try {
            events.done.get(30, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        } finally {
            call.cancel(true);
        }
        return JSON.valueToTree(events.seen);
    }

    private static final class Events implements Subscriber<SubscribeToShardEventStream> {
        final CompletableFuture<Void> done = new CompletableFuture<>();
        final List<JsonNode> seen = new ArrayList<>();
        private int records;
        private Subscription subscription;

        Events(int records) {
            this.records = records;
        }

        @Override public void onSubscribe(Subscription s) {
            subscription = s;
            s.request(Long.MAX_VALUE);
        }

        @Override public void onNext(SubscribeToShardEventStream e) {
            if (!(e instanceof SubscribeToShardEvent event) || done.isDone()) return;
            seen.add(plain(event));
            records -= event.records().size();
            if (records == 0) {
                subscription.cancel();
                done.complete(null);
            }
        }

        @Override public void onError(Throwable problem) {
            done.completeExceptionally(problem);
        }

        @Override public void onComplete() {
            done.complete(null);
        }
    }

    private static SdkPojo request(String operation, JsonNode input) throws Exception {
        SdkPojo builder = (SdkPojo) Class.forName(MODEL + operation + "Request").getMethod("builder").invoke(null);
        return fill(builder, input);
    }

    private static SdkPojo fill(SdkPojo builder, JsonNode input) {
        for (SdkField<?> field : builder.sdkFields()) {
            JsonNode value = input.get(field.memberName());
            if (value != null) field.set(builder, typed(field, value));
        }
        return (SdkPojo) ((Buildable) builder).build();
    }

    private static Object typed(SdkField<?> field, JsonNode value) {
        MarshallingType<?> type = field.marshallingType();
        if (type == MarshallingType.STRING) return value.asText();
        if (type == MarshallingType.INTEGER) return value.asInt();
        if (type == MarshallingType.BOOLEAN) return value.asBoolean();
        if (type == MarshallingType.INSTANT) return Instant.parse(value.asText());
        if (type == MarshallingType.SDK_POJO) return fill(field.constructor().get(), value);
        if (type == MarshallingType.SDK_BYTES) return SdkBytes.fromByteArray(java.util.Base64.getDecoder().decode(value.asText()));
        if (type == MarshallingType.LIST) {
            List<Object> list = new ArrayList<>();
            value.forEach(v -> list.add(typed(field.getTrait(ListTrait.class).memberFieldInfo(), v)));
            return list;
        }
        if (type == MarshallingType.MAP) {
            Map<String, Object> map = new HashMap<>();
            value.fields().forEachRemaining(e -> map.put(e.getKey(), typed(field.getTrait(MapTrait.class).valueFieldInfo(), e.getValue())));
            return map;
        }
        throw new IllegalArgumentException(field.memberName() + " has the type " + type);
    }

    /** The output as JSON can write it. */
    private static JsonNode plain(Object value) {
        if (value instanceof SdkPojo pojo) {
            ObjectNode object = JSON.createObjectNode();
            for (SdkField<?> field : pojo.sdkFields()) {
                Object member = field.getValueOrDefault(pojo);
                if (member != null) object.set(field.memberName(), plain(member));
            }
            return object;
        }
        if (value instanceof List<?> list) return JSON.valueToTree(list.stream().map(Sdk::plain).toList());
        if (value instanceof Map<?, ?> map) {
            ObjectNode object = JSON.createObjectNode();
            map.forEach((name, v) -> object.set((String) name, plain(v)));
            return object;
        }
        if (value instanceof SdkBytes bytes) return JSON.valueToTree(bytes.asByteArray());
        if (value instanceof Instant time) return JSON.valueToTree(time.toString());
        return JSON.valueToTree(value);
    }
}
