package nearest

import "testing"

func TestTo(t *testing.T) {
	candidates := []string{"convert", "spectrum", "embed", "conv1.weight", "bn1.weight", ""}
	for _, tc := range []struct {
		name  string
		limit int
		want  string
	}{
		{"covnert", 3, "convert"},
		{"spectra", 4, "spectrum"},
		{"embed", 1, "embed"},
		{"embde", 2, "embed"}, // a swap is one change
		{"medbe", 2, ""},
		{"layer", 3, ""},
		{"conv1.wieght", 3, "conv1.weight"},
		{"", 1, ""},
		{"é", 3, ""},
		{"anything", 0, ""},
	} {
		if got := To(tc.name, candidates, tc.limit); got != tc.want {
			t.Errorf("To(%q, limit %d) = %q, want %q", tc.name, tc.limit, got, tc.want)
		}
	}
}

func TestHint(t *testing.T) {
	candidates := []string{"none", "linear", "mlp", "lars", "sgd", "z"}
	for name, want := range map[string]string{
		"mpl": "; did you mean mlp?", "MLP": "; did you mean mlp?", "sg": "; did you mean sgd?", "linera": "; did you mean linear?",
		"x": "", "convolution": "", "": "",
	} {
		if got := Hint(name, candidates); got != want {
			t.Errorf("Hint(%q) = %q, want %q", name, got, want)
		}
	}
}
