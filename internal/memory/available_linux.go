package memory

import (
	"bufio"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

func system() int64 { return systemAt("/") }

// systemAt reads what the kernel tells in the file system at root.
func systemAt(root string) int64 {
	least := int64(0)
	note := func(bytes int64) {
		if least == 0 || bytes < least {
			least = max(bytes, 1)
		}
	}
	if kB, ok := entry(root+"proc/meminfo", "MemAvailable:"); ok {
		note(kB << 10)
	}
	groups, err := os.ReadFile(root + "proc/self/cgroup")
	if err != nil {
		return least
	}
	// A line is "4:memory:/a/b" in version 1, "0::/a/b" in version 2; every group above
	// has a limit of its own. In a container the path may be the host's: what is not
	// there is passed over, and the root is what the container sees.
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		v2 := parts[0] == "0" && parts[1] == ""
		if !v2 && !slices.Contains(strings.Split(parts[1], ","), "memory") {
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			if left, ok := room(root, group, v2); ok {
				note(left)
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// room returns what a control group's limit leaves: cached pages of files that are
// not in use are given back when somebody needs them.
func room(root, group string, v2 bool) (int64, bool) {
	dir, limit, used, cached := root+"sys/fs/cgroup"+group+"/", "memory.max", "memory.current", "inactive_file"
	if !v2 {
		dir, limit, used, cached = root+"sys/fs/cgroup/memory"+group+"/", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
	}
	most, ok := number(dir + limit) // "max": none
	if !ok || most > 1<<60 {        // version 1 has a huge number for none
		return 0, false
	}
	now, _ := number(dir + used)
	idle, _ := entry(dir+"memory.stat", cached)
	return most - (now - min(idle, now)), true
}

func number(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// entry returns the number behind a key that begins a line.
func entry(path, key string) (int64, bool) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) > 1 && words[0] == key {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
