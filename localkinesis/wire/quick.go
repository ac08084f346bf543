package wire

// Tests of single values for the readers of records. They may refuse what is
// valid but unusual, never the reverse: Validate has the last word on what they
// refuse.

// maxBlob is the service's limit on the data of a record.
const maxBlob = 10 << 20

// isPartitionKey counts bytes: never fewer than there are characters.
func isPartitionKey(s string) bool { return len(s) >= 1 && len(s) <= 256 }

func isShardIterator(s string) bool { return len(s) >= 1 && len(s) <= 512 }

func isHashKey(s string) bool { return isDecimal(s, 39) }

func isSequenceNumber(s string) bool { return isDecimal(s, 129) }

func isDecimal(s string, maxDigits int) bool {
	if len(s) == 0 || len(s) > maxDigits || s[0] == '0' && len(s) > 1 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func isStreamName(s string) bool {
	if len(s) < 1 || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

func isStreamARN(s string) bool {
	return len(s) <= 2048 && shapes["StreamARN"].whole.MatchString(s)
}
