package vm

// RunKernels runs the steps of the plan and nothing around them.
func (m *Machine) RunKernels() {
	for _, i := range m.code {
		i.run()
	}
}
