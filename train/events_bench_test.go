package train

import (
	"encoding/json"
	"os"
	"testing"
)

// What logging a step's numbers takes, as every step does; histograms and pictures come
// once an epoch.
func BenchmarkEventsOfAStep(b *testing.B) {
	dir := b.TempDir()
	e, err := openEvents(dir, &Recipe{TensorBoard: true, EventsEvery: 1 << 40}, 0, 1<<40, 1<<40, false)
	if err != nil {
		b.Fatal(err)
	}
	defer e.close()
	e.first = false
	m := Metrics{Loss: 4.25, LearningRate: 0.1, GradNorm: 2, ImagesPerSecond: 64, Time: 1, Wait: 0.1}
	for b.Loop() {
		line, _ := json.Marshal(m)
		if err := e.step(nil, nil, m, line); err != nil {
			b.Fatal(err)
		}
	}
	os.RemoveAll(dir)
}
