package train

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"onnxclr/internal/nearest"
)

//go:embed recipes/*.yaml
var shipped embed.FS

// Shipped is a recipe that comes with the program.
type Shipped struct {
	Name    string
	Summary string // one line
	Source  []byte // the YAML file, with where every line comes from
}

// ShippedRecipes returns the recipes that come with the program, by name.
func ShippedRecipes() []Shipped {
	entries, err := fs.ReadDir(shipped, "recipes") // sorted
	if err != nil {
		panic(err) // embedded
	}
	var all []Shipped
	for _, e := range entries {
		src, err := fs.ReadFile(shipped, "recipes/"+e.Name())
		if err != nil {
			panic(err)
		}
		first, _, _ := strings.Cut(string(src), "\n")
		all = append(all, Shipped{strings.TrimSuffix(e.Name(), ".yaml"), strings.TrimPrefix(first, "# "), src})
	}
	return all
}

// UnknownRecipeError is a recipe that is neither a file nor one of the program's.
type UnknownRecipeError struct {
	Name string
	Near []string // those that may have been meant
}

func (e *UnknownRecipeError) Error() string {
	near := "\"onnxclr recipe list\" lists those that come with the program"
	if len(e.Near) > 0 {
		near = "did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	return fmt.Sprintf("there is no recipe %q, neither a file nor one of the program's; %s", e.Name, near)
}

// OpenRecipe returns the settings of a shipped recipe, of the run in a directory, or
// of a YAML file, whichever the name is of, in this order; a name of none of them is an
// *UnknownRecipeError.
func OpenRecipe(name string) ([]Setting, error) {
	var names []string
	for _, s := range ShippedRecipes() {
		if s.Name == name {
			return ParseRecipe(name, s.Source)
		}
		names = append(names, s.Name)
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		settings, err := RunRecipe(name)
		if err == nil && settings == nil {
			return nil, fmt.Errorf("%s: a folder without %s, so no run", name, recipeName)
		}
		return settings, err
	case err != nil && !strings.ContainsAny(name, `/\.`):
		var alike []string
		for _, s := range names {
			if name != "" && strings.Contains(s, name) {
				alike = append(alike, s)
			}
		}
		if s := nearest.To(name, names, 6); s != "" && len(alike) == 0 {
			alike = []string{s}
		}
		return nil, &UnknownRecipeError{name, alike}
	}
	return ReadRecipe(name)
}
