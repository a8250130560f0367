package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	G "gorgonia.org/gorgonia"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/graph"
	"onnxclr/internal/vm"
	"onnxclr/train"
)

// The kinds of plan.
const (
	planInference = "inference"
	planTrain     = "train"
)

// paperSize is the paper's image size in pixels.
const paperSize = 224

type modelDescription struct {
	Architecture string             `json:"architecture,omitempty"`
	IRVersion    int64              `json:"ir_version"`
	Opsets       map[string]int64   `json:"opsets"` // by domain; "" is ONNX's own
	Producer     string             `json:"producer"`
	BatchNorm    string             `json:"batchnorm"`
	Source       *sourceDescription `json:"source,omitempty"` // the checkpoint it was converted from
	Inputs       []valueDescription `json:"inputs"`
	Outputs      []valueDescription `json:"outputs"`
	Layers       []layerDescription `json:"layers"`
	Input        []int              `json:"input"`         // images for which shapes and FLOPs hold
	Parameters   int                `json:"parameters"`    // values that training moves
	Tensors      int                `json:"tensors"`       // that hold them
	FLOPs        int64              `json:"flops"`         // of a forward pass; a multiply-add counts two
	MultiplyAdds int64              `json:"multiply_adds"` // of convolutions and matrix products
	Statistics   int                `json:"statistics"`    // running ones of batch normalisation
	Metadata     map[string]string  `json:"metadata"`
	Problems     []string           `json:"problems"` // why the model cannot be run or trained here

	keys []string // of the metadata, in the file's order
}

type valueDescription struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Shape []string `json:"shape"` // numbers, or names of free dimensions
}

type layerDescription struct {
	Name       string `json:"name"`
	Op         string `json:"op"`
	Output     string `json:"output"`
	Shape      []int  `json:"shape"` // of the output; null where unknown
	Parameters int    `json:"parameters"`
	FLOPs      int64  `json:"flops"`
	// Shares of the totals, 0 to 1.
	ParameterShare float64 `json:"parameter_share"`
	FLOPsShare     float64 `json:"flops_share"`
}

// sourceDescription says where a model that convert wrote came from.
type sourceDescription struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Layout string `json:"layout"`
	Prefix string `json:"prefix,omitempty"`
	DType  string `json:"dtype"`
}

// describeSource reads it off the metadata; nil for models of another origin.
func describeSource(m *onnx.Model) *sourceDescription {
	s := &sourceDescription{
		File: m.Meta(importer.MetaSourceFile), SHA256: m.Meta(importer.MetaSourceSHA256), Layout: m.Meta(importer.MetaLayout),
		Prefix: m.Meta(importer.MetaPrefix), DType: m.Meta(importer.MetaSourceDType),
	}
	if s.File == "" {
		return nil
	}
	if s.DType == "" {
		s.DType = "float32"
	}
	return s
}

func (s *sourceDescription) String() string {
	text := fmt.Sprintf("from %s (%s, sha256 %.12s…), layout of %s", s.File, s.DType, s.SHA256, s.Layout)
	if s.Prefix != "" {
		text += ", found under " + s.Prefix
	}
	return text
}

// describeModel fills in d.Model and, if asked for, d.Plan.
func (o *inspectOptions) describeModel(d *description) error {
	m := d.model
	input, size := o.imageShape(m)
	shapes, err := onnx.InferShapes(m, map[string][]int{input: size})
	if err != nil {
		return err
	}
	md := &modelDescription{
		Architecture: m.Meta(importer.MetaArchitecture), IRVersion: m.IRVersion, Opsets: map[string]int64{},
		Producer: strings.TrimSpace(m.ProducerName + " " + m.ProducerVersion), BatchNorm: d.norms, Metadata: map[string]string{},
		Source: describeSource(m), Input: size,
		Inputs: []valueDescription{}, Outputs: []valueDescription{}, Layers: []layerDescription{}, Problems: problems(m, shapes),
	}
	for _, s := range m.Opsets {
		md.Opsets[s.Domain] = s.Version
	}
	for _, in := range m.Graph.Inputs {
		if m.Graph.Initializer(in.Name) == nil {
			md.Inputs = append(md.Inputs, describeValue(in))
		}
	}
	for _, out := range m.Graph.Outputs {
		md.Outputs = append(md.Outputs, describeValue(out))
	}
	for _, p := range m.Metadata {
		md.Metadata[p.Key] = p.Value
		md.keys = append(md.keys, p.Key)
	}
	counted := map[string]bool{}
	for _, n := range m.Graph.Nodes {
		l := layerDescription{Name: n.Name, Op: n.OpType, Output: n.Output(0), Shape: shapes.Shape[n.Output(0)], FLOPs: importer.FLOPs(n, shapes)}
		for i, name := range n.Inputs {
			w := m.Graph.Initializer(name)
			if w == nil || !w.DType.IsFloat() || counted[name] {
				continue
			}
			counted[name] = true
			if n.OpType == "BatchNormalization" && i > 2 {
				md.Statistics += w.Len()
			} else {
				l.Parameters += w.Len()
				md.Tensors++
			}
		}
		md.Parameters += l.Parameters
		md.FLOPs += l.FLOPs
		switch n.OpType {
		case "Conv", "ConvTranspose", "Gemm", "MatMul":
			md.MultiplyAdds += l.FLOPs / 2
		}
		md.Layers = append(md.Layers, l)
	}
	for i := range md.Layers {
		l := &md.Layers[i]
		l.ParameterShare = share(int64(l.Parameters), int64(md.Parameters))
		l.FLOPsShare = share(l.FLOPs, md.FLOPs)
	}
	d.Model = md
	if o.plan != "" {
		d.Plan, err = o.describePlan(m, size)
	}
	return err
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// problems says which nodes have tensors that do not fit together, and which
// operators there are no kernels for.
func problems(m *onnx.Model, shapes *onnx.Shapes) []string {
	found := []string{}
	for _, n := range m.Graph.Nodes {
		if err := shapes.Problem[n.Output(0)]; err != nil {
			found = append(found, err.Error())
		}
	}
	known := *m.Graph // without what is known when the model is built
	known.Nodes = slices.DeleteFunc(slices.Clone(known.Nodes), func(n *onnx.Node) bool { return shapes.Const[n.Output(0)] != nil })
	rest := *m
	rest.Graph = &known
	var unsupported *graph.UnsupportedError
	if errors.As(graph.Supports(&rest), &unsupported) {
		for _, o := range unsupported.Operators {
			found = append(found, fmt.Sprintf("operator %v is not supported", o))
		}
		if unsupported.Quantized() {
			found = append(found, "the model is quantised; take the float model that it was made from")
		}
	}
	return found
}

// imageShape returns the name of the images' input and a shape [N,C,H,W] for it.
func (o *inspectOptions) imageShape(m *onnx.Model) (string, []int) {
	size := []int{o.batch, 3, paperSize, paperSize}
	name := ""
	for _, in := range m.Graph.Inputs {
		if m.Graph.Initializer(in.Name) != nil || len(in.Shape) != 4 {
			continue
		}
		name = in.Name
		for i := 1; i < 4; i++ {
			if v := in.Shape[i].Value; v > 0 {
				size[i] = int(v)
			}
		}
		break
	}
	if o.size > 0 {
		size[2], size[3] = o.size, o.size
	}
	return name, size
}

func describeValue(v *onnx.ValueInfo) valueDescription {
	d := valueDescription{Name: v.Name, Type: onnx.ElemTypeName(v.ElemType), Shape: []string{}}
	for _, dim := range v.Shape {
		switch {
		case dim.Param != "":
			d.Shape = append(d.Shape, dim.Param)
		case dim.Value < 0:
			d.Shape = append(d.Shape, "?")
		default:
			d.Shape = append(d.Shape, strconv.FormatInt(dim.Value, 10))
		}
	}
	return d
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

func (v valueDescription) String() string {
	return fmt.Sprintf("%s %s[%s]", v.Name, v.Type, strings.Join(v.Shape, ","))
}

func (m *modelDescription) print(t *terminal) {
	if m.Architecture != "" {
		t.print("architecture %s\n", m.Architecture)
	}
	t.print("opset %d, IR %d, by %s\n", m.Opsets[""], m.IRVersion, m.Producer)
	if m.Source != nil {
		t.print("%s\n", m.Source)
	}
	for _, v := range m.Inputs {
		t.print("input  %s\n", v)
	}
	for _, v := range m.Outputs {
		t.print("output %s\n", v)
	}
	t.print("batch normalisation: %s\n", m.BatchNorm)
	for _, p := range m.Problems {
		t.print("cannot run: %s\n", p)
	}
	t.print("\n")
	rows := [][]string{{"layer", "operator", "output", "parameters", "share", "MFLOPs", "share"}}
	for _, l := range m.Layers {
		name, shape := l.Name, "?"
		if name == "" {
			name = l.Output
		}
		if l.Shape != nil {
			shape = shapeText(l.Shape)
		}
		row := []string{name, l.Op, shape, "", "", "", ""}
		if l.Parameters > 0 {
			row[3], row[4] = strconv.Itoa(l.Parameters), percent(l.ParameterShare)
		}
		if l.FLOPs > 0 {
			row[5], row[6] = fmt.Sprintf("%.2f", float64(l.FLOPs)/1e6), percent(l.FLOPsShare)
		}
		rows = append(rows, row)
	}
	rows = append(rows, []string{"total", fmt.Sprint(len(m.Layers)), "", strconv.Itoa(m.Parameters), "", fmt.Sprintf("%.2f", float64(m.FLOPs)/1e6), ""})
	t.table(rows, 3)
	t.print("%d parameters in %d tensors (%.1f MB as float32) and %d running statistics\n%.3f GFLOPs for images %s, %.3f G multiply-adds in convolutions and matrix products\n",
		m.Parameters, m.Tensors, float64(m.Parameters)*4/1e6, m.Statistics, float64(m.FLOPs)/1e9, shapeText(m.Input), float64(m.MultiplyAdds)/1e9)
	if len(m.keys) > 0 {
		t.print("\nmetadata\n")
	}
	for _, k := range m.keys {
		t.print("  %s: %s\n", k, m.Metadata[k])
	}
}

type planDescription struct {
	Kind       string     `json:"kind"`
	Input      []int      `json:"input"`
	Steps      []stepPlan `json:"steps"`
	FLOPs      int64      `json:"flops"`
	Bytes      int64      `json:"bytes"` // read and written
	Memory     int64      `json:"memory_bytes"`
	Arena      int64      `json:"arena_bytes"` // activations and gradients, of which buffers are reused
	Naive      int64      `json:"arena_bytes_without_reuse"`
	Workspace  int64      `json:"workspace_bytes"`
	Filters    int64      `json:"filter_bytes"` // kept as the kernels read them, for inference
	Parameters int64      `json:"parameter_bytes"`
}

type stepPlan struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	Bytes int64  `json:"bytes"`
	FLOPs int64  `json:"flops"`
}

// trainTemperature is InfoNCE's in a plan; a plan does not depend on it.
const trainTemperature = 0.1

// describePlan compiles the model as inference or training would.
func (o *inspectOptions) describePlan(m *onnx.Model, size []int) (*planDescription, error) {
	z := importer.EmbeddingName
	if m.Graph.Output(z) == nil {
		var err error
		if z, err = train.Representation(m); err != nil {
			return nil, err
		}
	}
	w, err := graph.NewWeights(m)
	if err != nil {
		return nil, err
	}
	training := o.plan == planTrain
	options := graph.Options{Batch: size[0], Channels: size[1], Height: size[2], Width: size[3], Outputs: []string{z}}
	if training {
		options.Batch, options.Views, options.Train = 2*size[0], 2, true
	}
	p, err := graph.Build(m, w, options)
	if err != nil {
		return nil, err
	}
	keep := []*G.Node{p.Outputs[z]}
	if training {
		loss, err := graph.InfoNCE(p.Outputs[z], trainTemperature)
		if err != nil {
			return nil, err
		}
		if err := p.Differentiate(loss); err != nil {
			return nil, err
		}
		keep = []*G.Node{loss}
		for _, q := range p.Params {
			keep = append(keep, q.Grad)
		}
		for _, n := range p.Norms {
			keep = append(keep, n.Stats)
		}
	}
	// Nothing is reserved: a plan may be looked at that would not fit.
	plan, err := vm.NewPlan(p.Graph, vm.Options{Keep: keep, FixedParameters: !training})
	if err != nil {
		return nil, err
	}
	d := &planDescription{
		Kind: o.plan, Input: []int{options.Batch, size[1], size[2], size[3]}, Memory: plan.Memory(),
		Arena: plan.ArenaBytes, Naive: plan.NaiveBytes, Workspace: plan.WorkspaceBytes, Filters: plan.FilterBytes, Parameters: plan.ParameterBytes,
	}
	for _, s := range plan.Steps {
		d.Steps = append(d.Steps, stepPlan{s.Name, shapeOf(s.Shape), s.Bytes, s.FLOPs})
		d.FLOPs += s.FLOPs
		d.Bytes += s.Bytes
	}
	return d, nil
}

func (p *planDescription) print(t *terminal) {
	mega := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) }
	t.print("%s plan for images %s\n", p.Kind, shapeText(p.Input))
	rows := [][]string{{"step", "operator", "result", "MB", "MFLOP"}}
	for k, s := range p.Steps {
		rows = append(rows, []string{strconv.Itoa(k), s.Name, shapeText(s.Shape), mega(s.Bytes), mega(s.FLOPs)})
	}
	rows = append(rows, []string{"", "total", fmt.Sprintf("%d steps", len(p.Steps)), mega(p.Bytes), mega(p.FLOPs)})
	t.table(rows, 3)
	what := "of activations"
	if p.Kind == planTrain {
		what = "of activations and gradients"
	}
	t.print("memory, MB: %s %s (%s without reuse), %s of workspace, ", mega(p.Arena), what, mega(p.Naive), mega(p.Workspace))
	if p.Filters > 0 {
		t.print("%s of packed filters, ", mega(p.Filters))
	}
	t.print("%s of parameters and inputs; %s in all\n", mega(p.Parameters), mega(p.Memory))
}

func (d *description) layer(i int) *layerDescription {
	if d.Model == nil || i >= len(d.Model.Layers) {
		return nil
	}
	return &d.Model.Layers[i]
}

// writeDot writes the graph in Graphviz's language: a box a node with its operator
// and shape, an arrow a tensor.
func writeDot(w io.Writer, d *description) {
	m := d.model
	fmt.Fprintf(w, "digraph %q {\n  node [shape=box, fontname=\"Helvetica\"];\n", m.Graph.Name)
	from := map[string]string{}
	for _, in := range m.Graph.Inputs {
		if m.Graph.Initializer(in.Name) == nil {
			from[in.Name] = "in:" + in.Name
			fmt.Fprintf(w, "  %q [label=%q, shape=ellipse];\n", from[in.Name], describeValue(in).String())
		}
	}
	for i, n := range m.Graph.Nodes {
		id := strconv.Itoa(i)
		label := n.OpType
		if n.Name != "" {
			label = n.Name + "\n" + label
		}
		if l := d.layer(i); l != nil && l.Shape != nil {
			label += "\n" + shapeText(l.Shape)
			if l.Parameters > 0 {
				label += fmt.Sprintf("\n%d parameters", l.Parameters)
			}
		}
		fmt.Fprintf(w, "  %q [label=%q];\n", id, label)
		for _, in := range n.Inputs {
			if f, ok := from[in]; ok {
				fmt.Fprintf(w, "  %q -> %q;\n", f, id)
			}
		}
		for _, out := range n.Outputs {
			from[out] = id
		}
	}
	for _, out := range m.Graph.Outputs {
		fmt.Fprintf(w, "  %q [label=%q, shape=ellipse];\n", "out:"+out.Name, describeValue(out).String())
		if f, ok := from[out.Name]; ok {
			fmt.Fprintf(w, "  %q -> %q;\n", f, "out:"+out.Name)
		}
	}
	fmt.Fprintln(w, "}")
}
