package torch

import (
	"bytes"
	"encoding/binary"
)

// The format of torch.save before PyTorch 1.6: five pickles one after the other (a
// magic number, a version, facts about the machine, the object, the keys of its
// storages), then each storage as a count of elements and its bytes.

// legacyMagic is the first of them, the number 0x1950a86a20f9469cfc6c.
const legacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

const legacyVersion = int64(1001)

func readLegacy(b []byte) (*File, error) {
	m := newMachine(b, "the file", len(b))
	m.pos = len(legacyMagic)
	if v := m.run(); m.err == nil && v != legacyVersion {
		return nil, unsupportedf("version %v of the format before PyTorch 1.6, want %d", printable(v), legacyVersion)
	}
	bigCounts := false
	if info, ok := m.run().(*Dict); m.err == nil {
		if !ok {
			return nil, FormatError("the facts about the machine are no dictionary")
		}
		little, ok := info.Get("little_endian")
		bigCounts = ok && little != true
	}
	root := m.run()
	known := len(m.storages)
	keys, ok := m.run().(*List)
	switch {
	case m.err != nil:
		return nil, m.err
	case !ok || len(m.storages) != known:
		return nil, FormatError("the keys of the storages are no list of strings")
	}
	if err := checkTree(root, m.file); err != nil {
		return nil, err
	}
	if err := m.attachLegacy(keys.Items, bigCounts); err != nil {
		return nil, err
	}
	m.attach(false)
	if m.err != nil {
		return nil, m.err
	}
	return &File{Root: root, Container: "legacy"}, nil
}

// attachLegacy gives storages the bytes that follow the pickles, in the order of the
// keys. PyTorch has always written the elements little-endian here, whatever the
// machine; the counts before them were in the machine's own order up to 1.1, so that
// a file from a big-endian machine may have them either way.
func (m *machine) attachLegacy(keys []any, bigCounts bool) error {
	rest := m.b[m.pos:]
	for _, k := range keys {
		key, _ := k.(string)
		s, ok := m.storages[key]
		if !ok {
			return formatf("the list of storages names %v, which no tensor uses", quote(k))
		}
		if s.data != nil {
			return formatf("the list of storages names %q twice", key)
		}
		if len(rest) < 8 {
			return formatf("truncated before storage %q", key)
		}
		count := binary.LittleEndian.Uint64(rest)
		if big := binary.BigEndian.Uint64(rest); bigCounts && big == uint64(s.bytes/s.DType.Size()) {
			count = big
		}
		if count != uint64(s.bytes/s.DType.Size()) {
			return formatf("storage %q is %d elements, the pickle declares %d", key, count, s.bytes/s.DType.Size())
		}
		rest = rest[8:]
		if s.bytes > len(rest) {
			return formatf("truncated: storage %q of %d bytes, %d left", key, s.bytes, len(rest))
		}
		s.data = rest[:s.bytes:s.bytes]
		rest = rest[s.bytes:]
	}
	if len(rest) > 0 {
		return formatf("%d bytes follow the last storage", len(rest))
	}
	for _, key := range sortedKeys(m.storages) {
		if m.storages[key].data == nil {
			return formatf("storage %q is missing", key)
		}
	}
	return nil
}

func isLegacy(b []byte) bool { return bytes.HasPrefix(b, []byte(legacyMagic)) }
