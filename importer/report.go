package importer

import (
	"fmt"
	"sort"
	"strings"

	"onnxclr/internal/nearest"
)

// Report says what Convert found in a checkpoint and what it left out.
type Report struct {
	Format       string `json:"format"`
	Layout       string `json:"layout"`       // code base whose layout this is
	Dict         string `json:"dictionary"`   // that holds the encoder; "" is the outermost
	Prefix       string `json:"prefix"`       // stripped from its keys
	Naming       string `json:"naming"`       // of its layers; "" is torchvision's
	Why          string `json:"why"`          // what the layout was recognised by
	Architecture string `json:"architecture"` // ResNet.Name
	Dim          int    `json:"dim"`          // width of the representation
	Classes      int    `json:"classes"`      // outputs of the classifier; 0 without
	Parameters   int    `json:"parameters"`   // numbers in trainable tensors
	DType        string `json:"dtype"`        // of the checkpoint, "mixed" when not all alike
	Used         int    `json:"used"`         // tensors that went into the model
	// Ignored are the other tensors of the file, all of them, in groups.
	Ignored []Ignored `json:"ignored,omitempty"`
	// Missing are the tensors that ConvertOptions.AllowMissing let pass.
	Missing []string `json:"missing,omitempty"`
	// Notes are what could not be read off the weights and what was chosen.
	Notes []string `json:"notes,omitempty"`
}

// Uses returns a function that tells of a tensor, by the path of its dictionary and its
// key, the name it has in the model, or why it is not part of it. It is nil for a nil
// report.
func (r *Report) Uses() func(dict, key string) (name, not string) {
	if r == nil {
		return nil
	}
	reasons := map[string]string{}
	for _, i := range r.Ignored {
		for _, m := range i.Members {
			reasons[m.Key] = i.Reason
		}
	}
	n, err := parseNaming(r.Naming)
	return func(dict, key string) (name, not string) {
		if reason, unused := reasons[join(dict, key)]; unused || err != nil {
			return "", reason
		}
		return n.torchvision(strings.TrimPrefix(key, r.Prefix)), ""
	}
}

// Ignored is a group of tensors that are not part of the encoder.
type Ignored struct {
	Keys    string   `json:"keys"` // their common beginning
	Tensors int      `json:"tensors"`
	Reason  string   `json:"reason"`
	Members []Member `json:"members"`

	// apart is set where the group needs no listing to be understood: another
	// encoder, or a dictionary beside that of the encoder.
	apart bool
}

// Member is a tensor that was not used.
type Member struct {
	Key     string `json:"key"`               // with the keys of its dictionary
	Nearest string `json:"nearest,omitempty"` // key of the network that it may be meant for
}

// String is the report on a few lines, without a final newline.
func (r *Report) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s, %d outputs", r.Architecture, r.Dim)
	if r.Classes > 0 {
		fmt.Fprintf(&s, ", classifier with %d classes", r.Classes)
	} else {
		fmt.Fprintf(&s, ", no classifier")
	}
	fmt.Fprintf(&s, ", %d parameters (%s)\n", r.Parameters, r.DType)
	fmt.Fprintf(&s, "%s, layout of %s: %d tensors used", r.Format, r.Layout, r.Used)
	if at := join(r.Dict, strings.TrimSuffix(r.Prefix, ".")); at != "" {
		fmt.Fprintf(&s, ", found under %s", strings.TrimSuffix(at, "."))
	}
	if r.Why != "" {
		fmt.Fprintf(&s, "\nrecognised by %s", r.Why)
	}
	for _, i := range r.Ignored {
		fmt.Fprintf(&s, "\nignored %s (%s): %s", i.Keys, number(i.Tensors, "tensor"), i.Reason)
		if i.apart {
			continue
		}
		for _, m := range i.Members {
			fmt.Fprintf(&s, "\n  %s", m.Key)
			if m.Nearest != "" {
				fmt.Fprintf(&s, " (nearest: %s)", m.Nearest)
			}
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&s, "\nnote: %s", n)
	}
	return s.String()
}

// maxNearest bounds the search for what unused tensors may have been meant for.
const maxNearest = 1000

// ignored groups what was not used: neighbours of the encoder in its dictionary,
// then other dictionaries.
func (c *Checkpoint) ignored(e *encoder, all []*encoder, net *ResNet, used map[string]bool, dropped bool) []Ignored {
	groups := map[string]*Ignored{}
	names := net.names()
	suggested := 0
	for _, d := range c.Dicts {
		for _, t := range d.Tensors {
			if d == e.dict && used[t.Name] {
				continue
			}
			var i Ignored
			member := Member{Key: join(d.Path, t.Name)}
			if other := owner(all, d, t.Name); other != nil && other != e {
				i = Ignored{Keys: other.String() + ".", Reason: "another encoder (" + other.layout.Name + ")", apart: true}
			} else if d == e.dict {
				i.Keys, i.Reason = neighbour(e, t.Name, dropped)
				if suggested++; suggested <= maxNearest {
					name := e.naming.torchvision(strings.TrimPrefix(t.Name, e.prefix))
					member.Nearest = nearest.To(name, names, len(name)/4+1)
				}
				if member.Nearest != "" && e.naming.torchvision(strings.TrimPrefix(t.Name, e.prefix)) == member.Nearest {
					member.Nearest = ""
				}
			} else {
				top, _, _ := strings.Cut(d.Path, ".")
				i = Ignored{Keys: top + ".", Reason: "not the encoder", apart: true}
				if strings.Contains(top, "optim") {
					i.Reason = "state of the optimizer"
				}
			}
			g := groups[i.Keys]
			if g == nil {
				g = &i
				groups[i.Keys] = g
			}
			g.Tensors++
			g.Members = append(g.Members, member)
		}
	}
	var out []Ignored
	for _, g := range groups {
		out = append(out, *g)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Keys < out[j].Keys })
	return out
}

// owner returns the encoder with the longest prefix of the key.
func owner(all []*encoder, d *Dict, key string) *encoder {
	var best *encoder
	for _, e := range all {
		if e.dict == d && strings.HasPrefix(key, e.prefix) && (best == nil || len(e.prefix) > len(best.prefix)) {
			best = e
		}
	}
	return best
}

// neighbour names the group of a tensor beside the encoder, and why it is not used.
func neighbour(e *encoder, key string, dropped bool) (keys, reason string) {
	rest, below := strings.CutPrefix(key, e.prefix)
	if !below {
		// Up to the first component that the encoder's own prefix does not have.
		n := 0
		for n < len(e.prefix) && n < len(key) && e.prefix[n] == key[n] {
			n++
		}
		n = strings.LastIndexByte(key[:n], '.') + 1
		keys = key[:n] + firstComponent(key[n:])
	} else {
		keys = e.prefix + firstComponent(rest)
	}
	name := strings.TrimSuffix(e.naming.torchvision(rest), ".")
	switch {
	case below && (name == "fc.weight" || name == "fc.bias") && e.layout.Projector:
		return keys, "fc is the projection head of " + e.layout.Name + ", not a classifier"
	case below && (name == "fc.weight" || name == "fc.bias") && dropped:
		return keys, "the classifier was dropped as asked"
	case below && strings.HasPrefix(name, "fc."):
		return keys, "fc is a head of several layers, not a classifier"
	case strings.Contains(keys, "queue"):
		return keys, "MoCo's queue of negatives"
	}
	return keys, "a head or other neighbour of the encoder"
}

func firstComponent(key string) string {
	if i := strings.IndexByte(key, '.'); i >= 0 {
		return key[:i+1]
	}
	return key
}

// why says what an encoder and its layout were recognised by.
func (e *encoder) why(used int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s", number(used, "key"))
	if e.prefix != "" {
		fmt.Fprintf(&s, " that begin with %q", e.prefix)
	}
	if e.dict.Path != "" {
		fmt.Fprintf(&s, " in the dictionary %q", e.dict.Path)
	}
	switch {
	case e.naming.detectron:
		s.WriteString(", named as detectron2 does (stem, res2, conv1.norm)")
	case e.naming.first > 0:
		fmt.Fprintf(&s, ", numbered as the children of an nn.Sequential (layer1 is %d)", e.naming.first)
	case e.naming.cifar:
		s.WriteString(", with shortcut for downsample")
	default:
		s.WriteString(", named as torchvision does (layer1.0.conv1 …)")
	}
	if e.beside != "" {
		fmt.Fprintf(&s, ", and %q beside them", e.beside)
	}
	return s.String()
}
