package kernel

// Implementations names the implementations that run on this processor.
func Implementations() []string {
	var names []string
	for _, m := range machines() {
		names = append(names, m.name)
	}
	return names
}

// NewPoolOf is NewPool for one implementation.
func NewPoolOf(workers int, name string) *Pool {
	for _, m := range machines() {
		if m.name == name {
			return newPool(workers, m)
		}
	}
	panic("kernel: no implementation " + name)
}
