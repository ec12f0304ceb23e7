//! From a picture to evidence about who stands there: detection, alignment, template, track, gallery.
//! No executor, no disk, no TensorFlow Lite: inference comes in through a trait.
