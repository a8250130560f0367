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
		{"embde", 2, ""}, // a swap is two changes
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
