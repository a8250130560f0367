package data

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// maxShards bounds what a pattern or a list may name.
const maxShards = 100_000

// openPattern opens the shards that a pattern in braces names, as a shell would spell
// it out: "set/train-{000..146}.tar", "{train,val}-{0..9}.tar".
func openPattern(pattern string) (*Source, error) {
	paths, err := expand(pattern)
	if err != nil {
		return nil, err
	}
	// Names do not depend on where the shards lie.
	folder := filepath.ToSlash(pattern[:strings.IndexByte(pattern, '{')])
	folder = folder[:strings.LastIndexByte(folder, '/')+1]
	var list []shard
	for _, p := range paths {
		list = append(list, shard{name: strings.TrimPrefix(filepath.ToSlash(p), folder), path: p})
	}
	return openShards(list)
}

// openList opens the shards that a file lists, one or one pattern a line, relative to
// the file's folder. Empty lines and those that begin with # do not count.
func openList(file string) (*Source, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer f.Close()
	var list []shard
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.Contains(line, "://") || strings.HasPrefix(line, "pipe:") {
			return nil, unsupportedf("line %d: %.60s is not a file; shards are read from the disk only", n, line)
		}
		paths, err := expand(line)
		if err != nil {
			return nil, inFile(fmt.Sprintf("line %d", n), err)
		}
		for _, p := range paths {
			name := path.Clean(filepath.ToSlash(p))
			if filepath.IsAbs(p) {
				name = path.Base(name)
			} else {
				p = filepath.Join(filepath.Dir(file), p)
			}
			list = append(list, shard{name: name, path: p})
		}
		if len(list) > maxShards {
			return nil, unsupportedf("lists more than %d shards", maxShards)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, formatf("is not a list of shards, one a line (%v)", err)
	}
	if len(list) == 0 {
		return nil, formatf("lists no shard; want the path of one a line")
	}
	return openShards(list)
}

// expand spells out the braces of a pattern, in order.
func expand(pattern string) ([]string, error) {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}, nil
	}
	length := strings.IndexByte(pattern[open:], '}')
	if length < 0 {
		return nil, formatf("the pattern %s has no } behind its {", pattern)
	}
	inside, rest := pattern[open+1:open+length], pattern[open+length+1:]
	items := strings.Split(inside, ",")
	if from, to, ok := strings.Cut(inside, ".."); ok {
		var err error
		if items, err = count(from, to); err != nil {
			return nil, err
		}
	}
	tails, err := expand(rest)
	if err != nil {
		return nil, err
	}
	if len(items)*len(tails) > maxShards {
		return nil, unsupportedf("the pattern names %d shards; %d are the most", len(items)*len(tails), maxShards)
	}
	var out []string
	for _, item := range items {
		for _, tail := range tails {
			out = append(out, pattern[:open]+item+tail)
		}
	}
	return out, nil
}

// count lists the numbers from one to another; with zeros in front of either, all
// have as many digits as the longer.
func count(from, to string) ([]string, error) {
	a, err1 := strconv.ParseUint(from, 10, 32)
	b, err2 := strconv.ParseUint(to, 10, 32)
	if err1 != nil || err2 != nil || b < a || b-a >= maxShards {
		return nil, formatf("{%s..%s} is no range of numbers, as {000..146} is, of %d at most", from, to, maxShards)
	}
	width := 0
	if len(from) > 1 && from[0] == '0' || len(to) > 1 && to[0] == '0' {
		width = max(len(from), len(to))
	}
	var out []string
	for n := a; n <= b; n++ {
		out = append(out, fmt.Sprintf("%0*d", width, n))
	}
	return out, nil
}
