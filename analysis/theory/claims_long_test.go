//go:build long

package theory

import "testing"

// As many steps and seeds as the figures have.
func TestClaimsAtFullLength(t *testing.T) { claims(t, 10000, 3) }
