// Package report writes one HTML page that compares runs and embeddings: what differs
// in their settings, how they learned, the spectra of what they learned, by which
// mechanism it collapses, and how well probes tell classes apart in it.
//
// The page is one file: styles and charts lie inside of it, it loads nothing, and it
// needs no script. Equal inputs give equal bytes. Everything that comes from a file is
// text to it, never markup.
//
// It takes the history of a run from train and spectra from analysis; it trains and
// computes nothing itself.
package report
