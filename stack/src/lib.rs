//! Pintail's AWS stack.
