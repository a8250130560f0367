// Package version names the release of the tool, for "onnxclr version" and for
// the files it writes.
package version

// Version is the release, as in semantic versioning, without a leading "v".
const Version = "0.1.0"
