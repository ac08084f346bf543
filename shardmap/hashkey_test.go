package shardmap_test

import (
	"crypto/fips140"
	"crypto/md5"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/shardmap"
)

// twoTo128 is the size of the hash key space.
var twoTo128 = new(big.Int).Lsh(big.NewInt(1), 128)

// bigOf is k as math/big has it.
func bigOf(k shardmap.HashKey) *big.Int {
	n := new(big.Int).SetUint64(k.Hi)
	n.Lsh(n, 64)
	return n.Or(n, new(big.Int).SetUint64(k.Lo))
}

// keyOf is n as a hash key. It panics when n is none: a test that asks for it
// is wrong.
func keyOf(n *big.Int) shardmap.HashKey {
	if n.Sign() < 0 || n.Cmp(twoTo128) >= 0 {
		panic(fmt.Sprintf("%v is no hash key", n))
	}
	return shardmap.HashKey{
		Hi: new(big.Int).Rsh(n, 64).Uint64(),
		Lo: new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1)).Uint64(),
	}
}

func mustParse(t testing.TB, text string) shardmap.HashKey {
	t.Helper()
	key, err := shardmap.ParseHashKey(text)
	if err != nil {
		t.Fatalf("ParseHashKey(%q): %v", text, err)
	}
	return key
}

// partitionKeys makes n keys of every kind a producer may meet, the same ones
// each time.
func partitionKeys(n int) []string {
	random := rand.New(rand.NewPCG(5076, 128))
	kinds := []func(i int) string{
		func(i int) string { return "k" + strconv.Itoa(i) },
		func(i int) string { return "group-" + strconv.Itoa(random.IntN(100)) },
		func(int) string { return randomText(random, 1+random.IntN(256)) },
		func(int) string { return randomText(random, 1+random.IntN(8)) + "\u0301" }, // a combining accent
		func(int) string { return randomBytes(random, 1+random.IntN(300)) },         // seldom valid UTF-8
		func(i int) string { return strings.Repeat("ö", i%1000) },                   // longer than the service takes
	}
	keys := []string{"", "\x00", "\xff", "\xc3", "\xed\xa0\x80", "\u00e9", "e\u0301", "k5076", strings.Repeat("x", 1<<20)}
	for i := 0; len(keys) < n; i++ {
		keys = append(keys, kinds[i%len(kinds)](i))
	}
	return keys
}

func randomText(random *rand.Rand, runes int) string {
	var text strings.Builder
	for range runes {
		text.WriteRune(rune(random.IntN(0x110000))) // a surrogate becomes U+FFFD
	}
	return text.String()
}

func randomBytes(random *rand.Rand, n int) string {
	bytes := make([]byte, n)
	for i := range bytes {
		bytes[i] = byte(random.Uint32())
	}
	return string(bytes)
}

func TestHashKeysAgreeWithMD5AndMathBig(t *testing.T) {
	t.Parallel()
	leadingZeroBytes := 0
	for _, partitionKey := range partitionKeys(10_000) {
		digest := md5.Sum([]byte(partitionKey))
		want := new(big.Int).SetBytes(digest[:])
		if digest[0] == 0 && digest[1] == 0 {
			leadingZeroBytes++
		}

		key := shardmap.HashKeyOf(partitionKey)
		if bigOf(key).Cmp(want) != 0 {
			t.Errorf("HashKeyOf(%.80q) = %v, want %v", partitionKey, bigOf(key), want)
		}
		if got := key.String(); got != want.String() {
			t.Errorf("HashKeyOf(%.80q).String() = %q, want %q", partitionKey, got, want)
		}
		if got, err := shardmap.ParseHashKey(want.String()); err != nil || got != key {
			t.Errorf("ParseHashKey(%q) = %v, %v; want %v", want, got, err, key)
		}
	}
	if leadingZeroBytes == 0 {
		t.Error("no key of the test has a digest with two leading zero bytes")
	}
}

// vector is one line of testdata/hashkey_vectors.csv.
type vector struct {
	partitionKey string
	digest       string // hex
	decimal      string
	shardOfFive  int
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	file, err := os.Open("testdata/hashkey_vectors.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	for _, row := range rows[1:] { // the first line names the columns
		index, err := strconv.Atoi(row[3])
		if err != nil {
			t.Fatalf("shard index of %q: %v", row[0], err)
		}
		vectors = append(vectors, vector{row[0], row[1], row[2], index})
	}
	if len(vectors) != 20 {
		t.Fatalf("read %d vectors, want 20", len(vectors))
	}
	return vectors
}

func checkVectors(t *testing.T) {
	t.Helper()
	five := uniformMap(t, 5)
	for _, v := range readVectors(t) {
		key := shardmap.HashKeyOf(v.partitionKey)
		if got := fmt.Sprintf("%016x%016x", key.Hi, key.Lo); got != v.digest {
			t.Errorf("HashKeyOf(%q) = %s, want %s", v.partitionKey, got, v.digest)
		}
		if got := key.String(); got != v.decimal {
			t.Errorf("HashKeyOf(%q).String() = %s, want %s", v.partitionKey, got, v.decimal)
		}
		owner, ok := five.ShardFor(mustParse(t, v.decimal))
		if want := shardID(v.shardOfFive); !ok || owner.ID != want {
			t.Errorf("%q lies on shard %q of five, %t; want %q", v.partitionKey, owner.ID, ok, want)
		}
	}
}

func TestVectorsGiveTheirHashKeyDecimalAndShard(t *testing.T) {
	t.Parallel()
	checkVectors(t)
}

func TestHashKeyOfTellsUnicodeFormsAndLeadingZerosApart(t *testing.T) {
	t.Parallel()
	tests := []struct{ partitionKey, want string }{
		{"a", "16955237001963240173058271559858726497"},
		{"\u00e9", "136732923097551493579404309126273812335"},
		{"e\u0301", "113184407279212601134923159648152365063"}, // the same letter in two runes
		{"k5076", "721068575128694003929114724746765"},         // two leading zero bytes in the digest
		{"", "281949768489412648962353822266799178366"},
	}
	for _, tt := range tests {
		if got := shardmap.HashKeyOf(tt.partitionKey).String(); got != tt.want {
			t.Errorf("HashKeyOf(%+q) = %s, want %s", tt.partitionKey, got, tt.want)
		}
	}
}

// fipsChild tells this test's child process that it is one.
const fipsChild = "KINETRAIL_FIPS_CHILD"

func TestHashKeyOfWorksWhereOnlyFIPSAlgorithmsAreAllowed(t *testing.T) {
	if os.Getenv(fipsChild) != "" {
		if !fips140.Enforced() || !md5Refused() {
			t.Fatal("GODEBUG=fips140=only is not in force")
		}
		checkVectors(t)
		if allocations := testing.AllocsPerRun(100, func() { sinkKey = shardmap.HashKeyOf("group-1") }); allocations != 0 {
			t.Errorf("HashKeyOf allocates %v times, want 0", allocations)
		}
		return
	}
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), fipsChild+"=1", "GODEBUG=fips140=only")
	output, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Errorf("the test under fips140=only: %v\n%s", err, output)
	}
}

// md5Refused reports whether Go refuses to run MD5 as it stands.
func md5Refused() (refused bool) {
	defer func() { refused = recover() != nil }()
	md5.Sum(nil)
	return false
}

func TestParseHashKeyTakesWhatTheServiceTakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want shardmap.HashKey
	}{
		{"0", shardmap.HashKey{}},
		{"1", shardmap.HashKey{Lo: 1}},
		{"10", shardmap.HashKey{Lo: 10}},
		{"9999999999999999999", shardmap.HashKey{Lo: 1e19 - 1}},
		{"10000000000000000000", shardmap.HashKey{Lo: 1e19}},
		{"18446744073709551615", shardmap.HashKey{Lo: 1<<64 - 1}},
		{"18446744073709551616", shardmap.HashKey{Hi: 1}},
		{"99999999999999999999999999999999999999", keyOf(power10(38, -1))},
		{"100000000000000000000000000000000000000", keyOf(power10(38, 0))},
		{"170141183460469231731687303715884105728", shardmap.HashKey{Hi: 1 << 63}},
		{"340282366920938463463374607431768211455", shardmap.MaxHashKey},
	}
	for _, tt := range tests {
		if got, err := shardmap.ParseHashKey(tt.text); err != nil || got != tt.want {
			t.Errorf("ParseHashKey(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
		if got := tt.want.String(); got != tt.text {
			t.Errorf("%#v.String() = %q, want %q", tt.want, got, tt.text)
		}
	}
}

func TestParseHashKeyRefusesWhatTheServiceRefuses(t *testing.T) {
	t.Parallel()
	tests := []string{
		"", "00", "01", "-1", "+1", " 1", "1 ", "1\n", "1.0", "1e3", "1_000", "0x1", "a", "１", "1\x00", ":", "/",
		"340282366920938463463374607431768211456",  // 2^128
		"340282366920938463463374607431768211460",  // the last digit carries through both words
		"350000000000000000000000000000000000000",  // the last multiplication overflows
		"999999999999999999999999999999999999999",  // 39 digits
		"1000000000000000000000000000000000000000", // 40 digits
		"0340282366920938463463374607431768211455",
	}
	for _, text := range tests {
		key, err := shardmap.ParseHashKey(text)
		if !errors.Is(err, shardmap.ErrInvalidHashKey) {
			t.Errorf("ParseHashKey(%q) = %v, %v; want ErrInvalidHashKey", text, key, err)
		} else if !strings.Contains(err.Error(), strconv.Quote(text)) {
			t.Errorf("ParseHashKey(%q) says %q, which does not show the text", text, err)
		}
	}
}

// power10 is 10^n + delta.
func power10(n, delta int64) *big.Int {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil)
	return p.Add(p, big.NewInt(delta))
}

func TestDecimalsAgreeWithMathBigAroundEveryPowerOfTenAndTwo(t *testing.T) {
	t.Parallel()
	check := func(n *big.Int) {
		t.Helper()
		if n.Sign() < 0 || n.Cmp(twoTo128) >= 0 {
			return
		}
		key := keyOf(n)
		if got := key.String(); got != n.String() {
			t.Errorf("%#v.String() = %q, want %q", key, got, n)
		}
		if got, err := shardmap.ParseHashKey(n.String()); err != nil || got != key {
			t.Errorf("ParseHashKey(%q) = %v, %v; want %v", n, got, err, key)
		}
	}
	for delta := int64(-2); delta <= 2; delta++ {
		for exponent := range int64(39) {
			for factor := range int64(10) {
				n := power10(exponent, 0)
				check(n.Add(n.Mul(n, big.NewInt(factor)), big.NewInt(delta)))
			}
		}
		for bit := range uint(129) {
			n := new(big.Int).Lsh(big.NewInt(1), bit)
			check(n.Add(n, big.NewInt(delta)))
		}
	}
}

func TestAppendDecimalKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	got := string(shardmap.HashKey{Lo: 42}.AppendDecimal([]byte("hash key ")))
	if want := "hash key 42"; got != want {
		t.Errorf("AppendDecimal = %q, want %q", got, want)
	}
}

func TestNextPrevAndCompareAgreeWithMathBig(t *testing.T) {
	t.Parallel()
	keys := []shardmap.HashKey{
		{}, {Lo: 1}, {Lo: 1<<64 - 1}, {Hi: 1}, {Hi: 1, Lo: 1}, {Hi: 1<<64 - 1}, {Hi: 1<<64 - 1, Lo: 1<<64 - 2},
		{Hi: 1 << 63}, {Hi: 1<<63 - 1, Lo: 1<<64 - 1}, shardmap.MaxHashKey,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		keys = append(keys, shardmap.HashKey{Hi: random.Uint64(), Lo: random.Uint64()})
	}
	one := big.NewInt(1)
	for _, a := range keys {
		next := new(big.Int).Add(bigOf(a), one)
		if want := keyOf(next.Mod(next, twoTo128)); a.Next() != want {
			t.Errorf("%v.Next() = %v, want %v", a, a.Next(), want)
		}
		prev := new(big.Int).Sub(bigOf(a), one)
		if want := keyOf(prev.Mod(prev, twoTo128)); a.Prev() != want {
			t.Errorf("%v.Prev() = %v, want %v", a, a.Prev(), want)
		}
		for _, b := range keys {
			if got, want := a.Compare(b), bigOf(a).Cmp(bigOf(b)); got != want {
				t.Errorf("%v.Compare(%v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func FuzzParseHashKeyAgreesWithMathBig(f *testing.F) {
	for _, seed := range []string{
		"", "0", "00", "-1", "18446744073709551616", "340282366920938463463374607431768211455",
		"340282366920938463463374607431768211456", "999999999999999999999999999999999999999", "1_0", "１",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := shardmap.ParseHashKey(text)
		want, ok := new(big.Int).SetString(text, 10)
		// math/big also reads signs and leading zeros: what it would write is
		// the only form the service takes.
		ok = ok && want.String() == text && want.Sign() >= 0 && want.Cmp(twoTo128) < 0
		switch {
		case ok && (err != nil || bigOf(got).Cmp(want) != 0):
			t.Errorf("ParseHashKey(%q) = %v, %v; want %v", text, got, err, want)
		case !ok && !errors.Is(err, shardmap.ErrInvalidHashKey):
			t.Errorf("ParseHashKey(%q) = %v, %v; want ErrInvalidHashKey", text, got, err)
		}
	})
}

func FuzzDecimalAgreesWithMathBig(f *testing.F) {
	f.Add(uint64(0), uint64(0))
	f.Add(uint64(0), uint64(1e19))
	f.Add(uint64(1), uint64(0))
	f.Add(uint64(5421010862427522170), uint64(687399551400673280)) // 10^38
	f.Add(uint64(1<<64-1), uint64(1<<64-1))
	f.Fuzz(func(t *testing.T, hi, lo uint64) {
		key := shardmap.HashKey{Hi: hi, Lo: lo}
		if got, want := key.String(), bigOf(key).String(); got != want {
			t.Errorf("%#v.String() = %q, want %q", key, got, want)
		}
		if got, err := shardmap.ParseHashKey(key.String()); err != nil || got != key {
			t.Errorf("ParseHashKey(%q) = %v, %v; want %#v", key, got, err, key)
		}
	})
}

func FuzzHashKeyOfAgreesWithMD5(f *testing.F) {
	f.Add([]byte("group-1"))
	f.Add([]byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, partitionKey []byte) {
		digest := md5.Sum(partitionKey)
		key := shardmap.HashKeyOf(string(partitionKey))
		if got := fmt.Sprintf("%016x%016x", key.Hi, key.Lo); got != hex.EncodeToString(digest[:]) {
			t.Errorf("HashKeyOf(%q) = %s, want %x", partitionKey, got, digest)
		}
	})
}
