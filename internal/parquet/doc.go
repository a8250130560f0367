// Package parquet reads rows of numbers, and labels, out of Parquet files: a column
// whose cells are lists of one length, or columns of single numbers side by side.
// Values are decoded one by one from pages of the mapped file, so that memory is that
// of a page a column. Files come from strangers: nothing is allocated from a size that
// a file merely declares, and damage is an error.
//
// It reads what holds embeddings: floats of 16 to 64 bits, integers, booleans and text,
// plain, by dictionary, split into byte streams or as deltas; not compressed, or by
// snappy, gzip, zstd or lz4. It knows numbers, not what they mean.
// Format: https://github.com/apache/parquet-format (2.11).
package parquet
