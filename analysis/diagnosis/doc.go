// Package diagnosis says by which of the two mechanisms of "Understanding Dimensional
// Collapse in Contrastive Self-supervised Learning" (arXiv:2110.09348) a representation
// collapses: because augmentation varies more than the data in some directions (section
// 4), or because the weights of several layers act as one and shrink together (section
// 5). It takes embeddings of two augmented views and matrices of weights from anywhere.
//
// It knows no model and no image.
package diagnosis
