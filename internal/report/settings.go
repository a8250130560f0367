package report

import (
	"cmp"
	"slices"

	"onnxclr/train"
)

// settingsTable compares recipes.
type settingsTable struct {
	Labels []string
	Differ []settingRow
	Free   []settingRow // differ, and cannot change a bit of the result
	Same   []settingRow
	Alone  bool // there is but one run
}

// settingRow is a key with the value of each run, or the one value they share.
type settingRow struct {
	Key    string
	Values []string
}

// settings lists the keys in the order of the first recipe that has them.
func settings(runs []*Run) *settingsTable {
	t := &settingsTable{Alone: len(runs) == 1}
	var keys []string
	for _, r := range runs {
		t.Labels = append(t.Labels, r.Label)
		at := 0 // where a key that earlier recipes lack is put: behind the one before it
		for _, s := range r.history.Settings {
			if i := slices.Index(keys, s.Key); i >= 0 {
				at = i + 1
				continue
			}
			keys = slices.Insert(keys, at, s.Key)
			at++
		}
	}
	for _, k := range keys {
		row := settingRow{Key: k}
		same := true
		for _, r := range runs {
			value := cmp.Or(r.history.Value(k), "–")
			row.Values = append(row.Values, value)
			same = same && value == row.Values[0]
		}
		switch {
		case same:
			row.Values = row.Values[:1]
			t.Same = append(t.Same, row)
		case train.Free(k):
			t.Free = append(t.Free, row)
		default:
			t.Differ = append(t.Differ, row)
		}
	}
	return t
}
