package memory

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAvailableOnLinux(t *testing.T) {
	const meminfo = "MemTotal:  900 kB\nMemFree:  100 kB\nMemAvailable:     800 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is known", nil, 0},
		{"machine", map[string]string{"proc/meminfo": meminfo}, 800 << 10},
		{"version 2", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.current": "1\n",
			"sys/fs/cgroup/a/memory.max": "500000\n", "sys/fs/cgroup/a/memory.current": "300000\n",
			"sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 100000\nactive_file 7\n",
		}, 300000},
		{"version 1 in a container", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/x\n4:memory,hugetlb:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "600000\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "200000\n",
			"sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 50000\n",
		}, 450000},
		{"no limit in version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 800 << 10},
		{"used up", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "2000\n",
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir() + "/"
			for name, text := range c.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := systemAt(root); got != c.want {
				t.Errorf("%d bytes, want %d", got, c.want)
			}
		})
	}
	if system() <= 0 {
		t.Error("nothing is known of this machine")
	}
}
