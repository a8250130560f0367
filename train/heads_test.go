package train

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

// TestHeadsAgainstPyTorch: every projector's embeddings, loss, and the gradients of its
// own weights and of what stands before it. The golden of lowrank has the left factor
// that the head leaves away.
func TestHeadsAgainstPyTorch(t *testing.T) {
	want := golden.Load(t, "train/heads.npz")
	columns := want["columns"].Ints()
	set := func(m *onnx.Model, name string, values []float32) {
		m.Graph.SetInitializer(weights.FromFloat32(name, m.Graph.Initializer(name).Shape, values))
	}
	for name, c := range map[string]struct {
		recipe  Recipe
		columns int // that the loss takes; 0: all
	}{
		"none":           {Recipe{Projector: "none"}, 0},
		"slice":          {Recipe{Method: "directclr", D0: 3}, 0},
		"linear":         {Recipe{Projector: "linear", ProjDim: 5}, 0},
		"mlp":            {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 2, ProjNorm: "all", ProjBias: "all"}, 0},
		"mlp3":           {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 3, ProjNorm: "all", ProjBias: "all"}, 0},
		"plain_barlow":   {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 2, ProjNorm: "hidden", ProjBias: "hidden", Loss: "barlow", BarlowLambda: 0.0051, BarlowScale: 1}, 0},
		"plain_vicreg":   {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 2, ProjNorm: "hidden", ProjBias: "hidden", Loss: "vicreg", VICInvariance: 25, VICVariance: 25, VICCovariance: 1}, 0},
		"google":         {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 2, ProjNorm: "all", ProjBias: "hidden"}, 0},
		"solo_learn":     {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 2, ProjNorm: "none", ProjBias: "all"}, 0},
		"lightly_byol":   {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 2, ProjNorm: "hidden", ProjBias: "all"}, 0},
		"bare3":          {Recipe{Projector: "mlp", ProjDim: 5, ProjHid: 7, ProjDeep: 3, ProjNorm: "none", ProjBias: "none"}, 0},
		"orthogonal":     {Recipe{Projector: "orthogonal"}, 0},
		"orthogonal5":    {Recipe{Projector: "orthogonal", ProjDim: 5}, 0},
		"diagonal":       {Recipe{Projector: "diagonal"}, 0},
		"lowrank":        {Recipe{Projector: "lowrank", D0: 3}, 0},
		"group":          {Recipe{Projector: "group", ProjGroup: 2}, 8},
		"random-dropout": {Recipe{Projector: "random-dropout", D0: 3}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.recipe
			if r.Loss == "" {
				r.Loss, r.Temp = "infonce", 0.2
			}
			m := graphtest.NewModel(17, golden.Weights)
			m.Output(m.Linear(m.Node("Flatten", []string{"input"}), "encoder", 12, 8, false), importer.RepresentationName)
			m.Graph.Outputs[0].Shape = []onnx.Dim{{Param: "batch"}, {Value: 8}}
			if err := importer.AttachHead(m.Model, r.Head()); err != nil {
				t.Fatal(err)
			}
			set(m.Model, "encoder.weight", want["encoder.weight"].F32)
			for key, v := range want {
				if p, ok := strings.CutPrefix(key, name+"/projector."); ok {
					set(m.Model, "projector."+p, v.F32)
				}
			}
			if r.Projector == "lowrank" {
				set(m.Model, importer.ProjectorWeight, want["lowrank/V"].F32[:3*8])
			}
			w, err := graph.NewWeights(m.Model)
			if err != nil {
				t.Fatal(err)
			}
			frozen, err := frozen(&r, m.Graph)
			if err != nil {
				t.Fatal(err)
			}
			p, err := graph.Build(m.Model, w, graph.Options{Batch: 12, Channels: 3, Height: 2, Width: 2, Views: 2, Train: true, Frozen: frozen, Outputs: []string{importer.EmbeddingName}})
			if err != nil {
				t.Fatal(err)
			}
			z := p.Outputs[importer.EmbeddingName]
			var taken []int
			if c.columns > 0 {
				taken = columns[:c.columns]
			}
			loss, err := addLoss(&r, z, taken)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Differentiate(loss); err != nil {
				t.Fatal(err)
			}
			if err := G.Let(p.Input, tensor.New(tensor.WithShape(12, 3, 2, 2), tensor.WithBacking(want["images"].F32))); err != nil {
				t.Fatal(err)
			}
			keep := []*G.Node{z, loss}
			for _, q := range p.Params {
				keep = append(keep, q.Grad)
			}
			machine, err := vm.Compile(p.Graph, vm.Options{Keep: keep})
			if err != nil {
				t.Fatal(err)
			}
			defer machine.Close()
			if err := machine.RunAll(); err != nil {
				t.Fatal(err)
			}
			if name != "lowrank" { // whose left factor turns z
				golden.Check(t, "z", golden.TorchForward, machine.Values(z), want[name+"/z"].F64)
			}
			golden.CheckValue(t, "loss", golden.ModelLoss, machine.Values(loss)[0], want[name+"/loss"].F64[0])
			trained := 0
			for key := range want {
				if strings.HasPrefix(key, name+"/grad/") {
					trained++
				}
			}
			if len(p.Params) != trained {
				t.Errorf("%d parameters train, PyTorch has gradients of %d", len(p.Params), trained)
			}
			for _, q := range p.Params {
				g := want[name+"/grad/"+q.Name]
				if g == nil {
					t.Errorf("PyTorch has no gradient of %s", q.Name)
					continue
				}
				golden.Check(t, "gradient of "+q.Name, golden.TorchBackward, machine.Values(q.Grad), g.F64)
			}
		})
	}
}
