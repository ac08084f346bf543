package aggregate

// SplitUsual and SplitAny are the two ways of Split, for messages without magic and
// checksum.
func SplitUsual(message []byte) ([]UserRecord, bool) { return splitUsual(message, nil) }

func SplitAny(message []byte) ([]UserRecord, error) { return splitAny(message, nil) }
