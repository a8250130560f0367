package torch_test

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
)

// Pickles are assembled from their opcodes, so that tests can say what no library
// would write.

func global(module, name string) string { return "c" + module + "\n" + name + "\n" }

func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(v int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

func tuple(items ...string) string { return "(" + strings.Join(items, "") + "t" }

func ints(v ...int64) string {
	items := make([]string, len(v))
	for i := range v {
		items[i] = num(v[i])
	}
	return tuple(items...)
}

// storageID is the tuple that stands for a storage of the class, such as
// FloatStorage, with count elements.
func storageID(class, key string, count int64) string {
	return tuple(str("storage"), global("torch", class), str(key), str("cpu"), num(count)) + "Q"
}

func tensor(storage string, offset int64, size, stride string) string {
	return global("torch._utils", "_rebuild_tensor_v2") + tuple(storage, num(offset), size, stride, "\x89", "}") + "R"
}

// zipEntry is one entry of a zip archive, with the ways to get it wrong.
type zipEntry struct {
	name   string
	data   []byte
	method uint16
	flags  uint16

	local      string // the name in the local header, if it differs
	localFlags uint16 // xored into the flags of the local header
	crcError   uint32 // xored into the CRC of both headers
	localSize  int    // added to the size in the local header
	size       int    // added to the size in both headers
	packed     int    // if set, the packed size in both headers
	offset     int    // added to the offset in the directory
	omit       bool   // listed, but without a local header and data
}

// zipArchive writes entries and returns the archive and where its directory begins.
func zipArchive(entries ...zipEntry) (b []byte, directory int) {
	le := binary.LittleEndian
	var central []byte
	for _, e := range entries {
		at := len(b) + e.offset
		if e.local == "" {
			e.local = e.name
		}
		crc := crc32.ChecksumIEEE(e.data) ^ e.crcError
		size := len(e.data) + e.size
		packed := size
		if e.packed != 0 {
			packed = e.packed
		}
		header := func(h []byte, flags uint16, size, packed int, name string) []byte {
			h = le.AppendUint16(h, 20)
			h = le.AppendUint16(h, flags)
			h = le.AppendUint16(h, e.method)
			h = append(h, 0, 0, 0x21, 0)
			h = le.AppendUint32(h, crc)
			h = le.AppendUint32(h, uint32(packed))
			h = le.AppendUint32(h, uint32(size))
			h = le.AppendUint16(h, uint16(len(name)))
			return append(h, 0, 0)
		}
		if !e.omit {
			b = append(b, "PK\x03\x04"...)
			b = header(b, e.flags^e.localFlags, size+e.localSize, packed+e.localSize, e.local)
			b = append(b, e.local...)
			b = append(b, e.data...)
		}
		central = append(central, "PK\x01\x02\x14\x00"...)
		central = header(central, e.flags, size, packed, e.name)
		central = append(central, make([]byte, 10)...)
		central = le.AppendUint32(central, uint32(at))
		central = append(central, e.name...)
	}
	directory = len(b)
	b = append(b, central...)
	return append(b, endRecord(len(entries), len(central), directory)...), directory
}

func endRecord(count, size, offset int) []byte {
	le := binary.LittleEndian
	b := []byte("PK\x05\x06\x00\x00\x00\x00")
	b = le.AppendUint16(b, uint16(count))
	b = le.AppendUint16(b, uint16(count))
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, uint32(offset))
	return append(b, 0, 0)
}

func entries(pickle string, storages ...[]byte) []zipEntry {
	list := []zipEntry{{name: "archive/data.pkl", data: []byte(pickle)}}
	for i, s := range storages {
		list = append(list, zipEntry{name: "archive/data/" + strconv.Itoa(i), data: s})
	}
	return append(list, zipEntry{name: "archive/version", data: []byte("3\n")})
}

// checkpoint is a file around a pickle and storages called 0, 1, …
func checkpoint(pickle string, storages ...[]byte) []byte {
	b, _ := zipArchive(entries(pickle, storages...)...)
	return b
}
