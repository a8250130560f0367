// Package theory simulates the toy networks of "Understanding Dimensional Collapse in
// Contrastive Self-supervised Learning" (arXiv:2110.09348, sections 4 and 5, appendix
// C): linear and ReLU layers without normalisation, trained by plain gradient descent
// on Gaussian data, in float64 with gradients in closed form. It shows the paper's two
// mechanisms of collapse, strong augmentation (figure 3) and implicit regularisation
// (figures 5, 6 and 11), and has the closed forms they are held against.
//
// It knows no image, no model file and none of the engine's operators: it is a second
// opinion on the losses, not a user of them.
package theory
