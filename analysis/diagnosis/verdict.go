package diagnosis

import (
	"fmt"

	"onnxclr/analysis"
)

// Diagnosis joins what was found.
type Diagnosis struct {
	Spectrum     *analysis.Spectrum `json:"representation"`
	Augmentation []*Augmentation    `json:"augmentation"`
	Weights      *Weights           `json:"weights"`
	Verdict      Verdict            `json:"verdict"`
}

// Verdict is the answer in words, with the evidence.
type Verdict struct {
	Collapse            string   `json:"collapse"` // none, dimensional, complete
	StrongAugmentation  bool     `json:"strong_augmentation"`
	ImplicitRegularizer bool     `json:"implicit_regularization"`
	Sentences           []string `json:"sentences"`
}

// When evidence counts.
const (
	// collapsedPart of the dimensions must have broken away from the spectrum for it to
	// be called collapsed, or RankMe be below lowRank of them.
	collapsedPart = 0.005
	lowRank       = 0.1
	// sampledPart takes the place of collapsedPart where the samples bound the rank: the
	// smallest eigenvalues of so few are near 0 in any network.
	sampledPart = 0.05
	// negativePart of the directions must lose to augmentation.
	negativePart = 0.005
	// lowWeights: a layer's weights have lost rank when their effective rank is below
	// this part of what they could have.
	lowWeights = 0.5
	// alignedTimes: neighbours are aligned when their leading directions overlap by this
	// many times what chance gives.
	alignedTimes = 2
)

// Judge fills in the verdict.
func (d *Diagnosis) Judge() {
	v := &d.Verdict
	say := func(format string, args ...any) { v.Sentences = append(v.Sentences, fmt.Sprintf(format, args...)) }
	if s := d.Spectrum; s != nil {
		m := s.Metrics
		v.Collapse = "none"
		reach, part := s.Dim, collapsedPart // what could be live at all
		if s.Samples <= s.Dim {
			reach, part = s.Samples-1, sampledPart
		}
		switch {
		case m.LiveDims <= 1:
			v.Collapse = "complete"
		case float64(reach-m.LiveDims) > part*float64(reach) || m.RankMe < lowRank*float64(reach):
			v.Collapse = "dimensional"
		}
		say("Representation r: %d of %d dimensions live, RankMe %.1f: %s.", m.LiveDims, s.Dim, m.RankMe, collapseWords[v.Collapse])
		if s.Samples <= s.Dim {
			say("Only %d samples: they, not the network, bound the rank at %d.", s.Samples, reach)
		}
	}
	for _, a := range d.Augmentation {
		present := float64(a.Negative) > negativePart*float64(a.Dim)
		v.StrongAugmentation = v.StrongAugmentation || present
		word := "does not outweigh data"
		if present {
			word = "outweighs data"
		}
		say("Mechanism 1 at %s: augmentation %s; X has %d of %d directions in which it varies more than the data on both halves of %d pairs (%.2g of the variance lies there); tr Σ̂₁/tr Σ̂₀ = %.2f.",
			a.Place, word, a.Negative, a.Dim, a.Pairs, a.NegativeVariance, a.Ratio)
		if a.Pairs < 2*a.Dim {
			say("%d pairs are few for %d dimensions at %s: what lies in directions of little variance is not measured; take more samples.", a.Pairs, a.Dim, a.Place)
		}
	}
	if w := d.Weights; w != nil {
		low := false
		for _, l := range w.Layers {
			full := len(l.SingularValues)
			low = low || l.EffectiveRank < lowWeights*float64(full)
			say("Weights %s: effective rank %.1f of %d, %d singular values above a thousandth of the largest.", l.Name, l.EffectiveRank, full, l.Live)
		}
		aligned := false
		for _, a := range w.Alignments {
			times := a.Subspace / a.Chance
			aligned = aligned || times > alignedTimes && a.Chance < 1
			say("%s → %s: the %d leading directions overlap by %.2f, chance would give %.2f (mean diagonal of |V₂ᵀU₁| %.2f).", a.First, a.Second, a.Leading, a.Subspace, a.Chance, a.Diagonal)
		}
		v.ImplicitRegularizer = low && aligned
		switch {
		case low && aligned:
			say("Mechanism 2: weights have lost rank and neighbouring layers are aligned, as implicit regularisation makes them.")
		case low:
			say("Mechanism 2: weights have lost rank, but neighbours are not aligned beyond chance: a sign of it, no proof.")
		default:
			say("Mechanism 2: the weights of the last layers have kept their rank.")
		}
	}
	say("%s", v.conclusion())
}

var collapseWords = map[string]string{
	"none": "no dimensional collapse", "dimensional": "dimensional collapse", "complete": "complete collapse",
}

func (v *Verdict) conclusion() string {
	switch {
	case v.Collapse == "" || v.Collapse == "none":
		if v.StrongAugmentation || v.ImplicitRegularizer {
			return "Verdict: not collapsed so far, but what leads there is at work."
		}
		return "Verdict: not collapsed, and neither mechanism is at work."
	case v.StrongAugmentation && v.ImplicitRegularizer:
		return "Verdict: collapsed, with signs of both mechanisms: augmentation stronger than data, and implicit regularisation."
	case v.StrongAugmentation:
		return "Verdict: collapsed, with the signs of strong augmentation (section 4 of the paper): weaken it, or put a projector between representation and loss."
	case v.ImplicitRegularizer:
		return "Verdict: collapsed, with the signs of implicit regularisation (section 5): a projector, or DirectCLR, takes it away from the representation."
	}
	return "Verdict: collapsed, and neither mechanism shows in what was measured: look at layers further down (--layers), or at the data."
}
