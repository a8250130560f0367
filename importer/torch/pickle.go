package torch

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"unsafe"

	"onnxclr/importer/weights"
)

// pickler writes a tree of values in pickle protocol 2, with no other opcodes than
// torch.load's restricted unpickler takes.
type pickler struct {
	out      []byte
	memo     map[any]int // containers, tensors, strings and names already written
	open     map[any]bool
	storages [][]byte
	keys     map[storageID]int
	err      error
}

// storageID tells storages apart: by where their bytes are and what they mean.
type storageID struct {
	data  *byte
	size  int
	dtype weights.DType
}

// storageNames is the inverse of storageTypes for what can be written.
var storageNames = map[weights.DType]string{
	weights.Float32:  "FloatStorage",
	weights.Float64:  "DoubleStorage",
	weights.Float16:  "HalfStorage",
	weights.BFloat16: "BFloat16Storage",
	weights.Int64:    "LongStorage",
	weights.Int32:    "IntStorage",
	weights.Int16:    "ShortStorage",
	weights.Int8:     "CharStorage",
	weights.Uint8:    "ByteStorage",
	weights.Bool:     "BoolStorage",
}

// encodePickle returns the pickle of root and the storages it refers to by number.
func encodePickle(root any) (pickle []byte, storages [][]byte, err error) {
	p := &pickler{
		out:  []byte{opProto, 2},
		memo: make(map[any]int),
		open: make(map[any]bool),
		keys: make(map[storageID]int),
	}
	p.value(root, 0)
	p.out = append(p.out, opStop)
	return p.out, p.storages, p.err
}

func (p *pickler) value(v any, depth int) {
	if p.err != nil {
		return
	}
	if depth > maxDepth {
		p.fail("containers nest more than %d deep", maxDepth)
		return
	}
	switch v := v.(type) {
	case nil:
		p.op(opNone)
	case bool:
		if v {
			p.op(opTrue)
		} else {
			p.op(opFalse)
		}
	case int:
		p.int(int64(v))
	case int64:
		p.int(v)
	case *big.Int:
		p.bigInt(v)
	case float64:
		p.op(opBinFloat)
		p.out = binary.BigEndian.AppendUint64(p.out, math.Float64bits(v))
	case string:
		p.string(v)
	case Tuple:
		p.tuple(v, depth)
	case *List:
		p.once(v, v, func() { p.list(v, depth) })
	case *Dict:
		p.once(v, v, func() { p.dict(v, depth) })
	case *weights.Tensor:
		p.once(v, v, func() { p.tensor(v) })
	default:
		p.fail("%s cannot be written", describe(v))
	}
}

// once writes v, which is identified by a pointer, the first time and recalls it
// later. What is being written may not turn up inside itself.
func (p *pickler) once(id, v any, write func()) {
	if p.open[id] {
		p.fail("%s that contains itself cannot be written", describe(v))
		return
	}
	if p.recall(id) {
		return
	}
	p.open[id] = true
	write()
	delete(p.open, id)
}

func (p *pickler) dict(d *Dict, depth int) {
	switch d.Class {
	case "":
		p.op(opEmptyDict)
	case OrderedDict:
		p.emptyOrderedDict()
	default:
		p.fail("%s cannot be written", describe(d))
	}
	p.remember(d)
	p.batches(d.Len(), opSetItems, func(i int) {
		p.value(d.keys[i], depth+1)
		p.value(d.values[i], depth+1)
	})
	if d.Attrs != nil && d.Attrs.Len() > 0 {
		if d.Class == "" {
			p.fail("a dict with attributes cannot be written")
		}
		p.value(d.Attrs, depth+1)
		p.op(opBuild)
	}
}

func (p *pickler) list(l *List, depth int) {
	p.op(opEmptyList)
	p.remember(l)
	p.batches(len(l.Items), opAppends, func(i int) { p.value(l.Items[i], depth+1) })
}

// batches writes items in the groups that Python writes them in.
func (p *pickler) batches(n int, op byte, item func(i int)) {
	const batch = 1000
	for i := range n {
		if i%batch == 0 {
			p.op(opMark)
		}
		item(i)
		if i%batch == batch-1 || i == n-1 {
			p.op(op)
		}
	}
}

func (p *pickler) tuple(t Tuple, depth int) {
	if len(t) == 0 {
		p.op(opEmptyTuple)
		return
	}
	p.once(&t[0], t, func() {
		if len(t) > 3 {
			p.op(opMark)
		}
		for _, v := range t {
			p.value(v, depth+1)
		}
		p.op([]byte{opTuple1, opTuple2, opTuple3, opTuple}[min(len(t), 4)-1])
		p.remember(&t[0])
	})
}

// tensor writes _rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict()).
func (p *pickler) tensor(t *weights.Tensor) {
	size, err := weights.ByteSize(t.Shape, t.DType)
	if err != nil {
		p.fail("tensor %q: %v", t.Name, err)
		return
	}
	if len(t.Data) != size {
		p.fail("tensor %q has %d bytes, want %d for shape %v of %v", t.Name, len(t.Data), size, t.Shape, t.DType)
		return
	}
	storage, ok := storageNames[t.DType]
	if !ok {
		p.fail("tensor %q is %v, for which PyTorch before 2.3 has no storage", t.Name, t.DType)
		return
	}
	p.global("torch._utils", "_rebuild_tensor_v2")
	p.op(opMark)

	p.op(opMark)
	p.string("storage")
	p.global("torch", storage)
	p.string(strconv.Itoa(p.storage(t)))
	p.string("cpu")
	p.int(int64(t.Len()))
	p.op(opTuple)
	p.op(opBinPersID)

	p.int(0)
	strides := make([]int, len(t.Shape))
	step := 1
	for i := len(strides) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(t.Shape[i], 1)
	}
	p.extents(t.Shape)
	p.extents(strides)
	p.op(opFalse) // requires_grad
	p.emptyOrderedDict()

	p.op(opTuple)
	p.op(opReduce)
	p.remember(t)
}

func (p *pickler) extents(v []int) {
	if len(v) > 3 {
		p.op(opMark)
	}
	for _, n := range v {
		p.int(int64(n))
	}
	p.op([]byte{opEmptyTuple, opTuple1, opTuple2, opTuple3, opTuple}[min(len(v), 4)])
}

// storage returns the number of the storage that holds the tensor's bytes.
func (p *pickler) storage(t *weights.Tensor) int {
	id := storageID{unsafe.SliceData(t.Data), len(t.Data), t.DType}
	if len(t.Data) == 0 {
		id.data = nil
	}
	if key, ok := p.keys[id]; ok {
		return key
	}
	key := len(p.storages)
	p.keys[id] = key
	p.storages = append(p.storages, t.Data)
	return key
}

func (p *pickler) emptyOrderedDict() {
	p.global("collections", "OrderedDict")
	p.op(opEmptyTuple)
	p.op(opReduce)
}

// globalName identifies a global in the memo.
type globalName struct{ module, name string }

func (p *pickler) global(module, name string) {
	id := globalName{module, name}
	if p.recall(id) {
		return
	}
	p.op(opGlobal)
	p.out = append(p.out, module+"\n"+name+"\n"...)
	p.remember(id)
}

// string writes text. Invalid UTF-8 comes from lone surrogates in a file and goes
// back as it came.
func (p *pickler) string(s string) {
	if p.recall(s) {
		return
	}
	if len(s) > math.MaxInt32 {
		p.fail("a string of %d bytes", len(s))
		return
	}
	p.op(opBinUnicode)
	p.out = binary.LittleEndian.AppendUint32(p.out, uint32(len(s)))
	p.out = append(p.out, s...)
	p.remember(s)
}

func (p *pickler) int(v int64) {
	switch {
	case v >= 0 && v < 1<<8:
		p.op(opBinInt1)
		p.out = append(p.out, byte(v))
	case v >= 0 && v < 1<<16:
		p.op(opBinInt2)
		p.out = binary.LittleEndian.AppendUint16(p.out, uint16(v))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		p.op(opBinInt)
		p.out = binary.LittleEndian.AppendUint32(p.out, uint32(v))
	default:
		p.op(opLong1)
		p.out = append(p.out, 8)
		p.out = binary.LittleEndian.AppendUint64(p.out, uint64(v))
	}
}

// bigInt writes two's complement, little-endian.
func (p *pickler) bigInt(v *big.Int) {
	n := v.BitLen()/8 + 1
	if n > 255 {
		p.fail("an integer of %d bytes", n)
		return
	}
	u := v
	if v.Sign() < 0 {
		u = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	be := u.FillBytes(make([]byte, n))
	p.op(opLong1)
	p.out = append(p.out, byte(n))
	for i := range be {
		p.out = append(p.out, be[n-1-i])
	}
}

func (p *pickler) op(code byte) { p.out = append(p.out, code) }

// remember stores the value on top of the stack in the memo.
func (p *pickler) remember(id any) {
	i := len(p.memo)
	p.memo[id] = i
	if i < 1<<8 {
		p.out = append(p.out, opBinPut, byte(i))
	} else {
		p.op(opLongBinPut)
		p.out = binary.LittleEndian.AppendUint32(p.out, uint32(i))
	}
}

// recall pushes a value from the memo, if it is there.
func (p *pickler) recall(id any) bool {
	i, ok := p.memo[id]
	if !ok {
		return false
	}
	if i < 1<<8 {
		p.out = append(p.out, opBinGet, byte(i))
	} else {
		p.op(opLongBinGet)
		p.out = binary.LittleEndian.AppendUint32(p.out, uint32(i))
	}
	return true
}

func (p *pickler) fail(format string, args ...any) {
	if p.err == nil {
		p.err = unsupportedf(format, args...)
	}
}
