package train

import "context"

// Source gives the batches of a run: an image loader, or ready-made views. Equal
// sources give equal batches, whatever was asked of them before.
type Source interface {
	// Size returns the images of a batch, which has two views of each, and the
	// height and width of a view in pixels.
	Size() (batch, height, width int)
	// StepsPerEpoch returns the number of batches in one pass over the data.
	StepsPerEpoch() int
	// Seek makes the batch of this step, counted from 0 over all epochs, the next.
	Seek(step int)
	// Next returns the next batch, which is valid until the call after it. It
	// returns the context's error when that ends first.
	Next(ctx context.Context) (*Batch, error)
	// Fingerprint identifies the data: equal for equal data, and fit for a message.
	Fingerprint() string
	Close() error
}

// Batch is 2·N views of N images.
type Batch struct {
	Images      []float32 // [2N,3,H,W], rows 0…N−1 the first views
	Epoch, Step int
}
