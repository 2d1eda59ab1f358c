//! The container images of the stories: one place, each overridable by the environment, never `latest`.

use testcontainers_modules::testcontainers::TestcontainersError;

use crate::{Error, tools::variable};

/// An image as `name:tag`, and the variable that overrides it.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    variable: &'static str,
    default: &'static str,
}

/// Control planes that answer as AWS does, image functions, an ECR that takes pushes.
pub const MINISTACK: Image = Image { variable: "PINTAIL_MINISTACK_IMAGE", default: "ministackorg/ministack:1.5.33" };
/// A strict S3.
pub const LOCALSTACK: Image = Image { variable: "PINTAIL_LOCALSTACK_IMAGE", default: "localstack/localstack:4.14.0" };
/// What the function's image is based on.
pub const LAMBDA: Image = Image { variable: "PINTAIL_LAMBDA_IMAGE", default: "public.ecr.aws/lambda/provided:al2023" };

impl Image {
    /// The whole name.
    pub fn whole(self) -> String {
        variable(self.variable).unwrap_or_else(|| self.default.to_owned())
    }

    /// Name and tag.
    pub fn name_and_tag(self) -> (String, String) {
        let whole = self.whole();
        let (name, tag) = whole.rsplit_once(':').unwrap_or((&whole, ""));
        (name.to_owned(), tag.to_owned())
    }

    /// Why its container did not come up.
    pub(crate) fn failed(self) -> impl Fn(TestcontainersError) -> Error {
        move |source| Error::Container { image: self.whole(), source }
    }
}
