package main

import (
	"encoding/binary"
	"hash/crc32"
)

// The parts of a .xz stream that tell where it ends. See "The .xz File Format".
var xzMagic = []byte{0xfd, '7', 'z', 'X', 'Z', 0}

const (
	xzHeaderSize = 12 // as of the footer
	xzFooterEnds = "YZ"
)

// xzEnd returns where the first stream of data ends, and the length of data when no
// end can be found. The decoder reads ahead, and does not tell how far it came.
//
// An end is a footer whose index adds up to just what stands before it: a stream
// within the stream, stored as it is, has an end as well, but another beginning.
func xzEnd(data []byte) int {
	for end := 2 * xzHeaderSize; end <= len(data); end += 4 {
		if string(data[end-2:end]) == xzFooterEnds && xzLength(data[:end]) == uint64(end) {
			return end
		}
	}
	return len(data)
}

// xzLength returns how long a stream is by the index in front of the footer at the
// end of data; 0 when these are none.
func xzLength(data []byte) uint64 {
	footer := data[len(data)-xzHeaderSize:]
	if binary.LittleEndian.Uint32(footer) != crc32.ChecksumIEEE(footer[4:10]) {
		return 0
	}
	size := (uint64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	if size < 8 || size > uint64(len(data)-2*xzHeaderSize) {
		return 0
	}
	index := data[len(data)-xzHeaderSize-int(size) : len(data)-xzHeaderSize]
	body := index[:len(index)-4]
	if body[0] != 0 || binary.LittleEndian.Uint32(index[len(body):]) != crc32.ChecksumIEEE(body) {
		return 0
	}
	blocks, ok := xzBlocks(body[1:])
	if !ok {
		return 0
	}
	return blocks + size + 2*xzHeaderSize
}

// xzBlocks adds up the sizes of the blocks that an index lists.
func xzBlocks(list []byte) (total uint64, ok bool) {
	count, n := binary.Uvarint(list)
	if n <= 0 {
		return 0, false
	}
	list = list[n:]
	for ; count > 0; count-- {
		unpadded, n := binary.Uvarint(list)
		if n <= 0 || unpadded > 1<<62 {
			return 0, false
		}
		list = list[n:]
		if _, n = binary.Uvarint(list); n <= 0 { // the size of the content
			return 0, false
		}
		list = list[n:]
		total += (unpadded + 3) &^ 3
	}
	return total, true
}
