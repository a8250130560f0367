package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

// A record is, in little-endian order,
//
//	uint64  length of data
//	uint32  masked checksum of the length
//	byte    data[length]
//	uint32  masked checksum of data
const headerSize, footerSize = 12, 4

// frame fills in the first headerSize bytes of b, which data follow, and appends the
// checksum.
func frame(b []byte) []byte {
	data := b[headerSize:]
	binary.LittleEndian.PutUint64(b, uint64(len(data)))
	binary.LittleEndian.PutUint32(b[8:], checksum(b[:8]))
	return binary.LittleEndian.AppendUint32(b, checksum(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is CRC-32C, rotated and shifted by a constant so that the checksum of data
// that contain checksums stays a good one.
func checksum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
