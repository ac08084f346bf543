import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The same as go/main.go, for ReadKey. */
class Main {
    public static void main(String[] args) throws IOException {
        BufferedReader keys = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line; (line = keys.readLine()) != null; ) {
            ReadKey read = ReadKey.of(new String(Base64.getDecoder().decode(line), UTF_8));
            Map<String, String> found = new TreeMap<>(read.headers());
            if (read.key() != null) found.put("key", read.key());
            System.out.println(found.entrySet().stream()
                .map(e -> e.getKey() + ":" + Base64.getEncoder().encodeToString(e.getValue().getBytes(UTF_8)))
                .collect(Collectors.joining(" ")));
        }
    }
}
