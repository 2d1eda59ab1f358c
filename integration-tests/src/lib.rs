//! The harness of the stories: a cloud in a container, and the tools that speak to it.
//!
//! A story starts a [`Cloud`], deploys into it with our own deployer or with the aws CLI, and looks at what came of it, through
//! [`eventually()`] where that takes a while. Whatever a story starts is gone when it ends. What each emulator is honest about stands in
//! the README beside this crate.

pub mod cloud;
pub mod docker;
pub mod error;
pub mod eventually;
pub mod function;
mod http;
pub mod image;
pub mod images;
pub mod lake;
pub mod poller;
mod reaper;
pub mod tools;

pub use cloud::Cloud;
pub use error::Error;
pub use eventually::eventually;
pub use function::Function;
pub use lake::Lake;
