package localkinesis

var stopStreamEncryption = define("StopStreamEncryption", func(c *call, in *encryptionInput) (any, error) {
	stream, err := c.encryptedStream(in)
	if err != nil {
		return nil, err
	}
	return nil, stream.SetEncryption("")
})
