package torch_test

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

// A pickle is a program. Whatever it would call outside the vocabulary, in whichever
// way, is refused by name.
func TestCallsAreRefused(t *testing.T) {
	arg := str("touch owned")
	for _, c := range []struct{ what, pickle, name string }{
		{"REDUCE", "\x80\x02" + global("os", "system") + tuple(arg) + "R.", "os.system"},
		{"REDUCE of protocol 0", "cposix\nsystem\n(S'id'\ntR.", "posix.system"},
		{"STACK_GLOBAL", "\x80\x04\x8c\x02os\x8c\x06system\x93" + tuple(arg) + "R.", "os.system"},
		{"INST", "(" + arg + "ios\nsystem\n.", "os.system"},
		{"OBJ", "(" + global("os", "system") + arg + "o.", "os.system"},
		{"NEWOBJ", global("subprocess", "Popen") + tuple(arg) + "\x81.", "subprocess.Popen"},
		{"NEWOBJ_EX", global("subprocess", "Popen") + tuple(arg) + "}\x92.", "subprocess.Popen"},
		{"NEWOBJ_EX with keywords", global("argparse", "Namespace") + ")}" + str("a") + "Ns\x92.", "argparse.Namespace with keyword arguments"},
		{"BUILD", global("os", "environ") + "}" + str("PATH") + str("/x") + "sb.", "os.environ (its state is set)"},
		{"copyreg", global("copyreg", "_reconstructor") + tuple(global("os", "system"), global("builtins", "object"), "N") + "R.", "os.system"},
		{"eval", global("builtins", "eval") + tuple(arg) + "R.", "builtins.eval"},
		{"Python 2", global("__builtin__", "eval") + tuple(arg) + "R.", "__builtin__.eval"},
		{"getattr", global("builtins", "getattr") + tuple(global("os", "path"), str("os")) + "R.", "builtins.getattr"},
		{"import", global("builtins", "__import__") + tuple(str("os")) + "R.", "builtins.__import__"},
		{"torch.load", global("torch", "load") + tuple(str("x.pth")) + "R.", "torch.load"},
		{"torch.jit", global("torch.jit", "load") + tuple(str("x.pth")) + "R.", "torch.jit.load"},
		{"numpy gadget", global("numpy.testing._private.utils", "runstring") + tuple(arg, "}") + "R.", "numpy.testing._private.utils.runstring"},
		{"through a harmless module", global("pathlib", "os.system") + tuple(arg) + "R.", "pathlib.os.system"},
		{"method of a harmless class", global("datetime", "datetime.now") + ")R.", "datetime.datetime.now"},
		{"method of the vocabulary", global("collections", "OrderedDict.fromkeys") + tuple("]") + "R.", "collections.OrderedDict.fromkeys"},
		{"name that only begins alike", global("argparse", "NamespaceX") + ")R.", "argparse.NamespaceX"},
		{"inside a parameter", global("torch._utils", "_rebuild_parameter") +
			tuple(global("os", "system")+tuple(arg)+"R", "\x88", "}") + "R.", "os.system"},
		{"inside a tensor subclass", global("torch._tensor", "_rebuild_from_type_v2") +
			tuple(global("torch._utils", "_rebuild_anything"), global("torch", "Tensor"), ")", "}") + "R.", "torch._utils._rebuild_anything"},
	} {
		_, err := torch.Read(checkpoint(c.pickle))
		var call *torch.CallError
		if !errors.As(err, &call) || call.Name != c.name {
			t.Errorf("%s: error %v, want that %s is called", c.what, err, c.name)
			continue
		}
		if s := err.Error(); !strings.HasPrefix(s, "data.pkl at byte ") || !strings.Contains(s, "nothing was executed") {
			t.Errorf("%s: message %q", c.what, s)
		}
	}
}

var (
	floats = []byte("\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40") // 1 2 3 4
	four   = storageID("FloatStorage", "0", 4)
	vector = tensor(four, 0, ints(4), ints(1))
)

// A pickle that is well-formed for Python but makes no sense here, or aims at readers
// that trust it, is refused with what is wrong.
func TestMalformedPickles(t *testing.T) {
	deep := func(open, close string) string { return strings.Repeat(open, 400) + strings.Repeat(close, 400) }
	laughs := "]q\x000" // l = []; then l = [l, l, …] twelve times
	for range 12 {
		laughs += "](" + strings.Repeat("h\x00", 10) + "eq\x000"
	}
	for _, c := range []struct{ what, pickle, say string }{
		// what is called or changed
		{"call of a dict", "})R.", "calls a dict"},
		{"call of an object", global("argparse", "Namespace") + ")R)R.", "calls an object of argparse.Namespace"},
		{"call of a tensor", vector + ")R.", "calls a tensor"},
		{"call on a list", global("collections", "OrderedDict") + "]R.", "want a tuple of arguments"},
		{"item of a list", "]K\x00K\x01s.", "sets items on a list"},
		{"items of a tensor", vector + "(K\x00K\x01u.", "sets items on a tensor"},
		{"items of an object", global("argparse", "Namespace") + ")R(K\x00K\x01u.", "sets items on an object of argparse.Namespace"},
		{"items of a name", global("os", "environ") + str("PATH") + str("x") + "s.", "sets items on the name os.environ"},
		{"append to a dict", "}Na.", "appends to a dict"},
		{"append to a name", global("sys", "path") + str("x") + "a.", "appends to the name sys.path"},
		{"add to a list", "](N\x90.", "adds items to a list"},
		{"state of a tensor", vector + "}b.", "sets the state of a tensor"},
		{"state of a list", "]}b.", "sets the state of a list"},
		{"attributes that are a tuple", global("collections", "OrderedDict") + ")R)b.", "as the attributes"},
		{"key without value", "}(Nu.", "key without a value"},
		{"unhashable key", "}]Ns.", "a list is the key"},

		// persistent ids
		{"id that is a string", str("storage") + "Q.", "named by a str"},
		{"id that is a line", "P0\n.", "named by a string"},
		{"id too short", tuple(str("storage"), global("torch", "FloatStorage"), str("0")) + "Q.", "want a tuple of five"},
		{"id of something else", tuple(str("module"), "N", "N", "N", "N") + "Q.", "want a tuple of five"},
		{"id with a string as class", tuple(str("storage"), str("torch.FloatStorage"), str("0"), str("cpu"), num(4)) + "Q.", "wrong types"},
		{"id with an integer key", tuple(str("storage"), global("torch", "FloatStorage"), num(0), str("cpu"), num(4)) + "Q.", "wrong types"},
		{"id with a float count", tuple(str("storage"), global("torch", "FloatStorage"), str("0"), str("cpu"), "G\x40\x10\x00\x00\x00\x00\x00\x00") + "Q.", "wrong types"},
		{"id with a foreign class", tuple(str("storage"), global("os", "system"), str("0"), str("cpu"), num(4)) + "Q.", "storage of class os.system"},
		{"id with unequal counts", tuple(storageID("FloatStorage", "0", 4), storageID("FloatStorage", "0", 2)) + ".", "8 bytes of float32 here"},
		{"id with unequal types", tuple(storageID("FloatStorage", "0", 4), storageID("IntStorage", "0", 4)) + ".", "int32 here"},

		// storages
		{"negative count", storageID("FloatStorage", "0", -1) + ".", "-1 elements"},
		{"least count", storageID("FloatStorage", "0", math.MinInt64) + ".", "elements"},
		{"overflowing count", storageID("FloatStorage", "0", math.MaxInt64) + ".", "elements"},
		{"2^42 elements", tensor(storageID("FloatStorage", "0", 1<<42), 0, ints(1<<42), ints(1)) + ".", "is 16 bytes, the pickle declares 17592186044416"},
		{"storage declared too short", storageID("FloatStorage", "0", 3) + ".", "is 16 bytes, the pickle declares 12"},
		{"storage declared too long", storageID("FloatStorage", "0", 5) + ".", "is 16 bytes, the pickle declares 20"},
		{"storage that is missing", storageID("FloatStorage", "1", 4) + ".", `"archive/data/1" of a storage is missing`},
		{"storage outside its folder", storageID("FloatStorage", "../version", 0) + ".", "missing"},

		// tensors
		{"negative offset", tensor(four, -1, ints(1), ints(1)) + ".", "offset -1"},
		{"negative size", tensor(four, 0, ints(-1), ints(1)) + ".", "size holds -1"},
		{"negative stride", tensor(four, 3, ints(4), ints(-1)) + ".", "stride holds -1"},
		{"size of a string", tensor(four, 0, tuple(str("4")), ints(1)) + ".", "size holds a str"},
		{"size that is no tuple", tensor(four, 0, num(4), ints(1)) + ".", "size is an int"},
		{"one element too many", tensor(four, 0, ints(5), ints(1)) + ".", "beyond its storage"},
		{"offset too large", tensor(four, 4, ints(1), ints(1)) + ".", "beyond its storage"},
		{"scalar at an offset too large", tensor(four, 4, ")", ")") + ".", "beyond its storage"},
		{"stride too large", tensor(four, 0, ints(2), ints(4)) + ".", "beyond its storage"},
		{"second stride too large", tensor(four, 0, ints(2, 2), ints(1, 3)) + ".", "beyond its storage"},
		{"overflowing stride", tensor(four, 0, ints(3), ints(1<<62)) + ".", "beyond its storage"},
		{"strides that overflow to 0", tensor(four, 0, ints(5, 5), ints(1<<62, 1<<62)) + ".", "beyond its storage"},
		{"overflowing offset", tensor(four, math.MaxInt64, ints(2), ints(1)) + ".", "beyond its storage"},
		{"overflowing shape", tensor(four, 0, ints(1<<32, 1<<32), ints(0, 0)) + ".", "overflows"},
		{"fewer strides than sizes", tensor(four, 0, ints(2, 2), ints(1)) + ".", "2 dimensions with 1 strides"},
		{"65 dimensions", tensor(four, 0, ints(make([]int64, 65)...), ints(make([]int64, 65)...)) + ".", "at most 64"},
		{"2^30 times one element", tensor(four, 0, ints(1<<30), ints(0)) + ".", "would expand"},
		{"2^42 times one element", tensor(four, 0, ints(1<<21, 1<<21), ints(0, 0)) + ".", "would expand"},
		{"tensor over a list", tensor("]", 0, ints(1), ints(1)) + ".", "over a list"},
		{"tensor over a tensor", tensor(vector, 0, ints(1), ints(1)) + ".", "over a tensor"},
		{"too few arguments", global("torch._utils", "_rebuild_tensor_v2") + tuple(four, num(0)) + "R.", "on 2 arguments"},
		{"parameter of a string", global("torch._utils", "_rebuild_parameter") + tuple(str("x"), "\x88", "}") + "R.", "wants a tensor"},
		{"part beyond its storage", tuple(str("storage"), global("torch", "FloatStorage"), str("0"), str("cpu"), num(4), tuple(str("1"), num(0), num(5))) + "Q.", `"1" is elements 0 to 5`},
		{"quantized storage", storageID("QInt8Storage", "0", 4) + ".", "torch.QInt8Storage"},
		{"pickled storage", global("torch.storage", "_load_from_bytes") + tuple(str("x")) + "R.", "pickled by themselves"},

		// shape of the whole
		{"list in itself", "]q\x00h\x00a.", "contains itself"},
		{"dict in itself", "}q\x00K\x00h\x00s.", "contains itself"},
		{"dict in its attributes", global("collections", "OrderedDict") + ")Rq\x00}K\x00h\x00sb.", "contains itself"},
		{"list in its tuple", "]q\x00(h\x00ta.", "contains itself"},
		{"object in its state", global("argparse", "Namespace") + ")Rq\x00h\x00b.", "contains itself"},
		{"deep lists", deep("]", "a")[:400] + strings.Repeat("a", 399) + ".", "nest more than"},
		{"deep tuples", ")" + strings.Repeat("\x85", 400) + ".", "nest more than"},
		{"exponential unfolding", laughs + "h\x00.", "unfolds to more than"},

		// the language
		{"empty", "", "truncated"},
		{"no end", "N", "truncated"},
		{"second pickle", "N.\x80\x02N.", "4 bytes follow the end"},
		{"second pickle within", "\x80\x02N\x80\x02N.", "second pickle"},
		{"protocol 6", "\x80\x06N.", "protocol 6"},
		{"unknown opcode", "\xff.", "unknown opcode 0xff"},
		{"extension code", "\x82\x01.", "copyreg extension"},
		{"buffer outside", "\x97.", "buffer outside"},
		{"empty stack", ".", "empty stack"},
		{"pop below a mark", "N(a.", "takes 1 values from a stack of 0"},
		{"take below a mark", "NN(\x86.", "takes 2 values from a stack of 0"},
		{"mark left over", "(N.", "left over"},
		{"value left over", "NN.", "left over"},
		{"tuple without mark", "Nt.", "no mark"},
		{"object of no class", "(o.", "no class"},
		{"recall of nothing", "h\x05.", "recalls value 5"},
		{"memo index that is negative", "Np-1\n.", "not a memo index"},
		{"text beyond the end", "X\xff\xff\xff\x7fabc", "truncated: 2147483647 bytes"},
		{"negative length", "X\xff\xff\xff\xffabc", "negative length"},
		{"2^63 bytes of text", "\x8d\x00\x00\x00\x00\x00\x00\x00\x80abc", "truncated: 9223372036854775808 bytes"},
		{"2^64-1 bytes", "\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc", "truncated: 18446744073709551615 bytes"},
		{"bytearray", "\x96\xff\xff\xff\xff\xff\xff\xff\x7fabc", "truncated"},
		{"frame beyond the end", "\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00N.", "truncated: frame"},
		{"long integer", "\x8b\x00\x10\x00\x00" + strings.Repeat("\x01", 4096) + ".", "integer of 4096 bytes"},
		{"negative length of an integer", "\x8b\xff\xff\xff\xffN.", "negative length"},
		{"decimal that is none", "Ifive\n.", "not an integer"},
		{"long decimal", "L" + strings.Repeat("9", 5000) + "L\n.", "integer of 5000 digits"},
		{"float that is none", "Fx\n.", "not a number"},
		{"string without quotes", "Sabc\n.", "not quoted"},
		{"line without end", "Iabc", "without an end"},
		{"name of integers", "NN\x93.", "two strings"},
	} {
		_, err := torch.Read(checkpoint(c.pickle, floats))
		var format torch.FormatError
		var unsupported torch.UnsupportedError
		if !errors.As(err, &format) && !errors.As(err, &unsupported) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.say)
		}
	}
}

// Small files that ask for much memory or time get neither.
func TestFloods(t *testing.T) {
	const mega = 1 << 20
	longKey := "}q\x00" + str(strings.Repeat("k", mega)) + "q\x01N" + "s"
	for _, c := range []struct{ what, pickle string }{
		{"dictionaries", strings.Repeat("}", 4*mega) + "."},
		{"dictionaries dropped", strings.Repeat("}0", 4*mega) + "."},
		{"marks", strings.Repeat("(", 16*mega) + "."},
		{"memo", "N" + strings.Repeat("\x94", 4*mega) + "."},
		{"duplicates", "N" + strings.Repeat("2", 4*mega) + "."},
		{"hashing a recalled key", longKey + strings.Repeat("h\x01Ns", mega) + "."},
		{"copying a recalled list", "](" + strings.Repeat("N", mega-1) + "eq\x00" +
			strings.Repeat(global("builtins", "list")+"h\x00\x85R", 1000) + "."},
		{"bytes of a recalled text", str(strings.Repeat("k", mega)) + "q\x00" +
			strings.Repeat(global("_codecs", "encode")+"h\x00"+str("latin1")+"\x86R0", 1000) + "."},
		{"transposed copies", vectorOf(mega) + strings.Repeat(
			global("torch._utils", "_rebuild_tensor_v2")+"(h\x00"+num(0)+ints(1024, 1024)+ints(1, 1024)+"\x89}tR0", 1000) + "N."},
	} {
		var before, after runtime.MemStats
		b := checkpoint(c.pickle, make([]byte, 4*mega))
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := torch.Read(b)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", c.what)
		}
		if limit := 5*len(b) + 80*mega; int(after.TotalAlloc-before.TotalAlloc) > limit {
			t.Errorf("%s: %d bytes allocated for a file of %d", c.what, after.TotalAlloc-before.TotalAlloc, len(b))
		}
		if took > 20*time.Second {
			t.Errorf("%s: %v", c.what, took)
		}
		t.Logf("%s: %v, %d MB, %v", c.what, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
	}
}

// vectorOf stores a storage of n floats in the memo at 0.
func vectorOf(n int64) string { return storageID("FloatStorage", "0", n) + "q\x000" }

// A pickle cut short anywhere is an error, and so is a file.
func TestTruncation(t *testing.T) {
	pickle := "\x80\x02}(" + str("a") + vector + str("b") + "](K\x01M\x00\x01G\x40\x10\x00\x00\x00\x00\x00\x00e" +
		str("c") + global("collections", "OrderedDict") + ")R}" + str("_metadata") + "}sb" + "u."
	if _, err := torch.Read(checkpoint(pickle, floats)); err != nil {
		t.Fatal(err)
	}
	for n := range pickle {
		if _, err := torch.Read(checkpoint(pickle[:n], floats)); err == nil {
			t.Errorf("pickle of %d bytes is read when cut to %d", len(pickle), n)
		}
	}
	for _, name := range []string{"state_dict_1.13.pth", "unchecked_2.15.pth", "legacy_1.13.pth", "legacy_views_2.15.pth"} {
		whole := fixture(t, name)
		for n := range whole {
			if _, err := torch.Read(whole[:n]); err == nil {
				t.Errorf("%s: read when cut to %d of %d bytes", name, n, len(whole))
			}
		}
		if _, err := torch.Read(append(whole, 0)); err == nil {
			t.Errorf("%s: read with a byte appended", name)
		}
	}
}

// Every way to write a value in protocols 0 to 5 gives that value.
func TestOpcodes(t *testing.T) {
	for _, c := range []struct {
		pickle string
		want   any
	}{
		{"I42\n.", int64(42)}, {"I01\n.", true}, {"I00\n.", false}, {"L-7L\n.", int64(-7)}, {"L8\n.", int64(8)},
		{"F2.5\n.", 2.5}, {"S'a\\'\\n\\x41\\q'\n.", "a'\nA\\q"}, {"Va\\u20ac\xe9\n.", "a€é"},
		{"U\x02ab.", "ab"}, {"T\x02\x00\x00\x00ab.", "ab"}, {"J\xfe\xff\xff\xff.", int64(-2)},
		{"\x8a\x00.", int64(0)}, {"\x8a\x01\xff.", int64(-1)}, {"\x8a\x02\x00\x80.", int64(-32768)},
		{"\x8b\x01\x00\x00\x00\x05.", int64(5)}, {"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff.", int64(-1)},
		{"G\xbf\xf0\x00\x00\x00\x00\x00\x00.", -1.0},
	} {
		f, err := torch.Read(checkpoint(c.pickle))
		if err != nil || f.Root != c.want {
			t.Errorf("%q: %v, error %v, want %v", c.pickle, f, err, c.want)
		}
	}
	for _, c := range []struct{ pickle, keys string }{
		{"(" + str("a") + "Nd.", "a"},
		{"(dp0\n" + str("a") + "Nsg0\n0.", "a"},
		{"}(" + str("b") + "K\x01" + str("a") + "K\x02" + str("b") + "K\x03u.", "b a"}, // the place of the first, the value of the last
		{"(0}(K\x01K\x021.", ""},                                                       // marks dropped by POP and POP_MARK
	} {
		f, err := torch.Read(checkpoint(c.pickle))
		if err != nil {
			t.Errorf("%q: %v", c.pickle, err)
			continue
		}
		var keys []string
		for k := range f.Root.(*torch.Dict).All() {
			keys = append(keys, k.(string))
		}
		if s := strings.Join(keys, " "); s != c.keys {
			t.Errorf("%q: keys %q, want %q", c.pickle, s, c.keys)
		}
	}
}

// Each function that rebuilds a tensor gives the same one.
func TestRebuildFunctions(t *testing.T) {
	v2 := tensor(four, 1, ints(2), ints(1))
	args := tuple(four, num(1), ints(2), ints(1), "\x89", "}")
	utils := func(name string) string { return global("torch._utils", name) }
	wrap := func(fn, class string) string {
		return global("torch._tensor", "_rebuild_from_type_v2") + tuple(fn, class, args, "}") + "R"
	}
	for what, pickle := range map[string]string{
		"v1":                   utils("_rebuild_tensor") + tuple(four, num(1), ints(2), ints(1)) + "R",
		"v2":                   v2,
		"v2 with metadata":     utils("_rebuild_tensor_v2") + tuple(four, num(1), ints(2), ints(1), "\x89", "}", "}") + "R",
		"v2 with torch.Size":   utils("_rebuild_tensor_v2") + tuple(four, num(1), global("torch", "Size")+tuple(ints(2))+"R", ints(1), "\x89", "}") + "R",
		"v3":                   utils("_rebuild_tensor_v3") + tuple(storageID("UntypedStorage", "0", 16), num(1), ints(2), ints(1), "\x89", "}", global("torch", "float32")) + "R",
		"v3 with metadata":     utils("_rebuild_tensor_v3") + tuple(storageID("UntypedStorage", "0", 16), num(1), ints(2), ints(1), "\x89", "}", global("torch", "float"), "}") + "R",
		"parameter":            utils("_rebuild_parameter") + tuple(v2, "\x88", "}") + "R",
		"parameter with state": utils("_rebuild_parameter_with_state") + tuple(v2, "\x88", "}", "}") + "R",
		"from type":            wrap(utils("_rebuild_tensor_v2"), global("torch", "Tensor")),
		"storage of cuda":      tensor(tuple(str("storage"), global("torch.cuda", "FloatStorage"), str("0"), str("cuda:3"), num(4))+"Q", 1, ints(2), ints(1)),
	} {
		f, err := torch.Read(checkpoint(pickle+".", floats))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got, ok := f.Root.(*weights.Tensor)
		if !ok || got.DType != weights.Float32 || len(got.Shape) != 1 || string(got.Data) != string(floats[4:12]) {
			t.Errorf("%s: %v", what, f.Root)
		}
	}
	for what, c := range map[string]struct{ pickle, say string }{
		"subclass": {wrap(utils("_rebuild_tensor_v2"), global("my.module", "Tensor")), "tensor of class my.module.Tensor"},
		"float8":   {utils("_rebuild_tensor_v3") + tuple(storageID("UntypedStorage", "0", 16), num(0), ints(2), ints(1), "\x89", "}", global("torch", "float8_e4m3fn")) + "R", "torch.float8_e4m3fn"},
		"wrapped":  {wrap(utils("_rebuild_sparse_tensor"), global("torch", "Tensor")), "sparse tensor"},
		"no type":  {utils("_rebuild_tensor_v3") + tuple(four, num(0), ints(2), ints(1), "\x89", "}", str("float32")) + "R", "element type is a str"},
		"v3 reads beyond": {utils("_rebuild_tensor_v3") + tuple(storageID("UntypedStorage", "0", 16), num(0), ints(3), ints(1), "\x89", "}", global("torch", "int64")) + "R",
			"beyond its storage of 2 elements"},
	} {
		if _, err := torch.Read(checkpoint(c.pickle+".", floats)); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", what, err, c.say)
		}
	}
}

// A dictionary finds its keys whatever its size, and a key set twice keeps its place.
func TestDict(t *testing.T) {
	var d torch.Dict
	for i := range int64(100) {
		d.Set(i, -i)
		d.Set(torch.Tuple{i, "x"}, i)
		d.Set([]byte{byte(i)}, i)
	}
	d.Set(int64(50), "new")
	if v, ok := d.Get(int64(50)); d.Len() != 300 || !ok || v != "new" {
		t.Errorf("%d items, item 50 is %v", d.Len(), v)
	}
	if k, v := d.At(150); k != int64(50) || v != "new" {
		t.Errorf("item at 150 is %v: %v", k, v)
	}
	if v, ok := d.Get(torch.Tuple{int64(7), "x"}); !ok || v != int64(7) {
		t.Errorf("the tuple's item is %v", v)
	}
	if _, ok := d.Get(torch.Tuple{"7", "x"}); ok {
		t.Error("a tuple of other types is found")
	}
	if d.Set(&torch.List{}, 1) {
		t.Error("a list is taken for a key")
	}
	if _, ok := d.Get(&weights.Tensor{}); ok {
		t.Error("another tensor is found")
	}
}
