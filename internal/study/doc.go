// Package study is the paper's experiments as data (arXiv:2110.09348, section 6 and its
// appendices): which variants are compared, how each is trained and probed, as command
// lines, and what the paper found; and it joins what the cells of such a grid left behind
// into tables and one page.
//
// It trains nothing itself and knows no flag but those that its command lines name.
package study
