package torch

import (
	"bytes"
	"strconv"
)

// tarBlock is the unit of tar archives: a header, or 512 bytes of contents.
const tarBlock = 512

// IsTar reports whether a file begins as a tar archive does, which PyTorch before
// 0.1.10 wrote.
func IsTar(b []byte) bool {
	return len(b) >= tarBlock && (string(b[257:262]) == "ustar" || tarName(b) != "" && tarChecksum(b))
}

// tarError refuses a tar archive, PyTorch's own by its name: its three members are
// pickles of a form that later readers were tricked through (CVE-2025-32434).
func tarError(b []byte) error {
	switch name := tarName(b); name {
	case "sys_info", "pickle", "tensors", "storages":
		return unsupportedf("it is of the tar format that PyTorch wrote before 0.1.10 (its first member is %q), which is not read: load it with a PyTorch that old and torch.save it anew", name)
	default:
		return unsupportedf("it is a tar archive, its first member %q: unpack it first", name)
	}
}

// tarName returns the name in a header block, or "" if that is none.
func tarName(b []byte) string {
	name, _, _ := bytes.Cut(b[:min(len(b), 100)], []byte{0})
	for _, c := range name {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return string(name)
}

// tarChecksum tells old tar headers, which have no magic word, by their checksum.
func tarChecksum(b []byte) bool {
	field, _, _ := bytes.Cut(bytes.TrimLeft(b[148:156], " "), []byte{0})
	want, err := strconv.ParseInt(string(bytes.TrimRight(field, " ")), 8, 32)
	sum := int64(8 * ' ')
	for i, c := range b[:tarBlock] {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return err == nil && want > 0 && sum == want
}
