//! The harness of the stories.
