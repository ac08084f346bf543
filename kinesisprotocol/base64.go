package kinesisprotocol

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
)

// pairs are the two characters that stand for 12 bits.
var pairs = func() (pairs [1 << 12]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for bits := range pairs {
		pairs[bits] = uint16(alphabet[bits>>6]) | uint16(alphabet[bits&63])<<8
	}
	return pairs
}()

// appendBase64 appends data as base64. It is most of what a request costs
// besides its signature, and goes twice as fast as the standard encoder by
// looking up two characters at a time, which that one has no room to do.
func appendBase64(body, data []byte) []byte {
	length := base64.StdEncoding.EncodedLen(len(data))
	body = slices.Grow(body, length)
	text := body[len(body) : len(body)+length]
	for len(data) >= 8 && len(text) >= 8 {
		bits := binary.BigEndian.Uint64(data)
		binary.LittleEndian.PutUint64(text, uint64(pairs[bits>>52])|
			uint64(pairs[bits>>40&0xfff])<<16|
			uint64(pairs[bits>>28&0xfff])<<32|
			uint64(pairs[bits>>16&0xfff])<<48)
		data, text = data[6:], text[8:]
	}
	base64.StdEncoding.Encode(text, data)
	return body[:len(body)+length]
}

// decodeInPlace is the data that text stands for, in the same memory, with no
// room behind it. A text that is nil stays nil.
//
// It may overwrite what it reads because three bytes come of four, so what is
// written never overtakes what is read. Newlines are an error as they are in a
// JSON string: the standard decoder skips them, which shows in the length.
func decodeInPlace(text []byte) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	length := len(text)/4*3 - (len(text) - len(bytes.TrimRight(text, "=")))
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return nil, err
	}
	if len(text)%4 != 0 || n != length {
		return nil, fmt.Errorf("line break in base64 text of %d characters", len(text))
	}
	return text[:n:n], nil
}
