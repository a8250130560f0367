package torch

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// The zip format, strictly: one archive from the first byte to the last, stored
// entries that do not overlap, a central directory that agrees with the entries.
// Where readers could differ in what they see, the file is refused.

const (
	localSig     = 0x04034b50
	centralSig   = 0x02014b50
	endSig       = 0x06054b50
	end64Sig     = 0x06064b50
	end64LocSig  = 0x07064b50
	localLen     = 30
	centralLen   = 46
	endLen       = 22
	end64Len     = 56
	end64LocLen  = 20
	zip64Extra   = 1
	flagEncrypt  = 1 << 0
	flagPatched  = 1 << 5
	flagStrong   = 1 << 6
	flagMasked   = 1 << 13
	flagTrailing = 1 << 3 // sizes and CRC follow the data
)

// entry is one file of the archive.
type entry struct {
	name   string
	data   []byte
	crc    uint32
	header int // offset of its local header
	end    int // offset behind its data

	method    uint16 // 0 for stored
	unchecked bool   // the archive was written without checksums
}

// open returns the contents after checking their CRC. Compressed ones are refused:
// torch.save never compresses, and what they expand to would have to be bounded.
func (e *entry) open() ([]byte, error) {
	if e.method != 0 {
		return nil, unsupportedf("entry %q is compressed (method %d), torch.save only stores: unpack the archive and zip it with -0", e.name, e.method)
	}
	if e.unchecked {
		return e.data, nil
	}
	if sum := crc32.ChecksumIEEE(e.data); sum != e.crc {
		return nil, formatf("entry %q is damaged: its checksum is %08x, want %08x", e.name, sum, e.crc)
	}
	return e.data, nil
}

// directory says where the central directory is.
type directory struct{ offset, size, count uint64 }

// readDirectory returns the entries in the order of the central directory.
func readDirectory(b []byte) ([]*entry, error) {
	d, err := findDirectory(b)
	if err != nil {
		return nil, err
	}
	if d.count > d.size/centralLen {
		return nil, formatf("%d entries in a directory of %d bytes", d.count, d.size)
	}
	rest := b[d.offset : d.offset+d.size]
	entries := make([]*entry, 0, d.count)
	for range d.count {
		e, n, err := readEntry(b[:d.offset], rest)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return nil, formatf("%d bytes follow the last of %d entries in the zip directory", len(rest), d.count)
	}
	markUnchecked(entries)
	return entries, checkOverlap(entries)
}

// markUnchecked recognises what torch.save writes after set_crc32_options(False):
// zeros instead of every checksum.
func markUnchecked(entries []*entry) {
	if slices.ContainsFunc(entries, func(e *entry) bool { return e.crc != 0 }) {
		return
	}
	for _, e := range entries {
		e.unchecked = true
	}
}

// findDirectory reads the end record, which the comment that it declares must
// separate from the end of the file, and its 64-bit companion if there is one.
func findDirectory(b []byte) (directory, error) {
	le := binary.LittleEndian
	end := len(b) - endLen
	for lowest := max(0, end-0xffff); ; end-- {
		if end < lowest {
			return directory{}, FormatError("the zip archive has no end: the file is cut short, or something was appended")
		}
		if le.Uint32(b[end:]) == endSig && int(le.Uint16(b[end+20:])) == len(b)-end-endLen {
			break
		}
	}
	r := b[end:]
	d := directory{
		count:  uint64(le.Uint16(r[10:])),
		size:   uint64(le.Uint32(r[12:])),
		offset: uint64(le.Uint32(r[16:])),
	}
	if le.Uint16(r[4:]) != 0 && le.Uint16(r[4:]) != 0xffff {
		return directory{}, UnsupportedError("a zip archive in several parts")
	}
	stop := uint64(end)
	if at := end - end64LocLen; at >= 0 && le.Uint32(b[at:]) == end64LocSig {
		var err error
		if d, stop, err = findDirectory64(b[:at], le.Uint64(b[at+8:]), d); err != nil {
			return directory{}, err
		}
	}
	if d.size > stop || d.offset != stop-d.size {
		return directory{}, formatf("the zip directory of %d bytes at %d does not end where its end record begins, at %d", d.size, d.offset, stop)
	}
	return d, nil
}

// findDirectory64 reads the 64-bit end record at the offset and holds it against the
// 32-bit one.
func findDirectory64(b []byte, at uint64, small directory) (directory, uint64, error) {
	le := binary.LittleEndian
	if at > uint64(len(b)) || uint64(len(b))-at < end64Len || le.Uint32(b[at:]) != end64Sig {
		return directory{}, 0, formatf("no 64-bit zip end record at byte %d", at)
	}
	r := b[at:]
	if le.Uint64(r[4:]) != uint64(len(r)-12) {
		return directory{}, 0, FormatError("the 64-bit zip end record has a wrong length")
	}
	d := directory{count: le.Uint64(r[32:]), size: le.Uint64(r[40:]), offset: le.Uint64(r[48:])}
	differ := func(short, long, full uint64) bool { return short != full && short != long }
	if differ(small.count, d.count, 0xffff) || differ(small.size, d.size, 0xffffffff) || differ(small.offset, d.offset, 0xffffffff) {
		return directory{}, 0, FormatError("the two zip end records disagree")
	}
	return d, at, nil
}

// readEntry reads the entry at the start of the directory's rest, and the local
// header it points to in body. n is the length of the directory's record.
func readEntry(body, rest []byte) (e *entry, n int, err error) {
	le := binary.LittleEndian
	if len(rest) < centralLen || le.Uint32(rest) != centralSig {
		return nil, 0, FormatError("the zip directory is damaged")
	}
	flags := le.Uint16(rest[8:])
	packed, size := uint64(le.Uint32(rest[20:])), uint64(le.Uint32(rest[24:]))
	nameLen, extraLen, commentLen := int(le.Uint16(rest[28:])), int(le.Uint16(rest[30:])), int(le.Uint16(rest[32:]))
	offset := uint64(le.Uint32(rest[42:]))
	n = centralLen + nameLen + extraLen + commentLen
	if len(rest) < n {
		return nil, 0, FormatError("the zip directory is cut short")
	}
	e = &entry{name: string(rest[centralLen : centralLen+nameLen]), method: le.Uint16(rest[10:]), crc: le.Uint32(rest[16:])}
	if flags&(flagEncrypt|flagStrong|flagMasked|flagPatched) != 0 {
		return nil, 0, unsupportedf("entry %q is encrypted or a patch (flags %#x)", e.name, flags)
	}
	if err := zip64(rest[centralLen+nameLen:][:extraLen], &size, &packed, &offset); err != nil {
		return nil, 0, formatf("entry %q: %v", e.name, err)
	}
	if e.method == 0 && size != packed {
		return nil, 0, formatf("entry %q is stored in %d bytes, want its size %d", e.name, packed, size)
	}
	return e, n, e.locate(body, offset, size, packed, flags)
}

// locate checks the local header against the directory and finds the data, packed
// bytes that stand for size.
func (e *entry) locate(body []byte, offset, size, packed uint64, flags uint16) error {
	le := binary.LittleEndian
	if offset > uint64(len(body)) || uint64(len(body))-offset < localLen || le.Uint32(body[offset:]) != localSig {
		return formatf("entry %q has no local header at byte %d", e.name, offset)
	}
	h := body[offset:]
	nameLen, extraLen := uint64(le.Uint16(h[26:])), uint64(le.Uint16(h[28:]))
	start := localLen + nameLen + extraLen
	if start > uint64(len(h)) || packed > uint64(len(h))-start {
		return formatf("entry %q of %d bytes reaches beyond the archive", e.name, packed)
	}
	if name := h[localLen : localLen+nameLen]; string(name) != e.name {
		return formatf("entry %q is called %q in its local header", e.name, name)
	}
	if f, method := le.Uint16(h[6:]), le.Uint16(h[8:]); f != flags || method != e.method {
		return formatf("entry %q has flags %#x and method %d in its local header, want %#x and %d", e.name, f, method, flags, e.method)
	}
	if flags&flagTrailing == 0 {
		p, s := uint64(le.Uint32(h[18:])), uint64(le.Uint32(h[22:]))
		var none uint64
		if err := zip64(h[localLen+nameLen:start], &s, &p, &none); err != nil {
			return formatf("entry %q: %v", e.name, err)
		}
		if p != packed || s != size || le.Uint32(h[14:]) != e.crc {
			return formatf("entry %q differs in size or checksum from its local header", e.name)
		}
	}
	e.data = h[start : start+packed : start+packed]
	e.header, e.end = int(offset), int(offset+start+packed)
	return nil
}

// zip64 replaces fields that are all ones by their values in the extra field 1, in
// which only those are present.
func zip64(extra []byte, size, packed, offset *uint64) error {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if n > len(extra)-4 {
			break // padding of some writers is no well-formed field
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != zip64Extra {
			continue
		}
		for _, v := range []*uint64{size, packed, offset} {
			if *v != 0xffffffff {
				continue
			}
			if len(field) < 8 {
				return FormatError("its 64-bit sizes are cut short")
			}
			*v = le.Uint64(field)
			field = field[8:]
		}
		return nil
	}
	return nil
}

// checkOverlap refuses entries that share bytes, the trick of zip bombs and of files
// that mean different things to different readers.
func checkOverlap(entries []*entry) error {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b *entry) int { return cmp.Compare(a.header, b.header) })
	for i, e := range sorted {
		if i == 0 {
			if e.header != 0 {
				return formatf("%d bytes lie before the first entry of the zip archive", e.header)
			}
			continue
		}
		before := sorted[i-1]
		if e.header < before.end {
			return formatf("entries %q and %q overlap", before.name, e.name)
		}
	}
	return nil
}
