//! The function's image: named by its content, built and pushed by docker only when the repository does not have it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value as Tree;

use crate::{
    aws::optional,
    cfn::lambda::Architecture,
    cli::Image as Made,
    error::Error,
    process::{run, run_with},
    session::Session,
    stack::Stack,
};

/// What is copied into an image that is built from source; a program that is built already stands for all but the project.
const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "handler"];
const PROJECT: &str = "pipeline";
/// Folders that builds leave behind.
const LEFT_BEHIND: [&str; 2] = ["target", "__pycache__"];

/// An image in the stack's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) uri: String,
}

/// How the image of this content is called in the repository, whether it is there or not.
pub(crate) fn name(session: &Session, stack: &Stack, made: &Made) -> Result<Image, Error> {
    let tag = Recipe { made, architecture: session.stage.options.architecture }.tag()?;
    Ok(Image { uri: format!("{}:{tag}", stack.output("RepositoryUri")?) })
}

/// The image of this content in the repository; built and pushed first where it is not there yet.
pub(crate) fn publish(session: &Session, stack: &Stack, made: &Made) -> Result<Image, Error> {
    let repository = Repository { name: stack.output("RepositoryName")?, uri: stack.output("RepositoryUri")? };
    let recipe = Recipe { made, architecture: session.stage.options.architecture };
    let tag = recipe.tag()?;
    let image = Image { uri: format!("{}:{tag}", repository.uri) };
    if let Some(known) = repository.image(session, &tag)? {
        session.progress.say(&format!("image {tag} is in the repository"));
        refuse_index(&known, &image)?;
        return Ok(image);
    }
    session.progress.step(&format!("build image {tag}"), || recipe.build(&image))?;
    session.progress.step(&format!("push image {tag}"), || repository.push(session, &image, &tag))?;
    let pushed = repository.image(session, &tag)?.ok_or_else(|| {
        Error::Refused(format!("docker pushed {}, but the repository does not have it: see --registry", image.uri))
    })?;
    refuse_index(&pushed, &image)?;
    Ok(image)
}

/// Lambda refuses an index of images for several platforms, but only once the stack is changed.
fn refuse_index(image: &Tree, Image { uri }: &Image) -> Result<(), Error> {
    let kind = image["imageManifestMediaType"].as_str().unwrap_or_default();
    if kind.contains("image.index") || kind.contains("manifest.list") {
        return Err(Error::Refused(format!(
            "{uri} is an index ({kind}), which Lambda does not take: delete it from the repository and build with `--provenance=false --sbom=false` for one platform"
        )));
    }
    Ok(())
}

struct Repository<'a> {
    name: &'a str,
    uri: &'a str,
}

impl Repository<'_> {
    fn image(&self, session: &Session, tag: &str) -> Result<Option<Tree>, Error> {
        let id = format!("imageTag={tag}");
        let arguments = ["ecr", "describe-images", "--repository-name", self.name, "--image-ids", &id];
        // AWS says that it is missing; an emulator lists nothing.
        Ok(optional(session.aws.ask(&arguments))?.and_then(|answer| answer.pointer("/imageDetails/0").cloned()))
    }

    /// Pushes under the repository's own name, or to the registry that stands in for it.
    fn push(&self, session: &Session, image: &Image, tag: &str) -> Result<(), Error> {
        let host = self.uri.split_once('/').map_or(self.uri, |(host, _)| host);
        let registry = session.registry.as_deref().unwrap_or(host);
        let target = format!("{registry}/{}:{tag}", self.name);
        let password = session.aws.text(&["ecr", "get-login-password"])?;
        // The login is forgotten with the folder.
        let folder = tempfile::tempdir().map_err(|source| file("make a folder in", &std::env::temp_dir(), source))?;
        let docker = || {
            let mut docker = Command::new("docker");
            docker.arg("--config").arg(folder.path());
            docker
        };
        run_with(docker().args(["login", "--username", "AWS", "--password-stdin", registry]), password.trim())?;
        if target != image.uri {
            run(Command::new("docker").args(["tag", &image.uri, &target]))?;
        }
        run(docker().args(["push", "--quiet", &target])).map(drop)
    }
}

/// Everything that an image is made of.
struct Recipe<'a> {
    made: &'a Made,
    architecture: Architecture,
}

impl Recipe<'_> {
    fn platform(&self) -> &'static str {
        match self.architecture {
            Architecture::X86 => "linux/amd64",
            Architecture::Arm => "linux/arm64",
        }
    }

    fn target(&self) -> &'static str {
        if self.made.bootstrap.is_some() { "prebuilt" } else { "" }
    }

    /// The content's name: the same files and words give the same tag, on every machine.
    fn tag(&self) -> Result<String, Error> {
        let mut hash = blake3::Hasher::new();
        for word in [self.platform(), self.target(), self.made.base.as_deref().unwrap_or_default()] {
            hash.update(word.as_bytes()).update(b"\0");
        }
        let mut files = vec![];
        let of_program = match &self.made.bootstrap {
            Some(program) => vec![program.as_path()],
            None => SOURCES.iter().map(Path::new).collect(),
        };
        for path in of_program.into_iter().chain([Path::new(PROJECT), &self.made.dockerfile]) {
            collect(&self.made.context, path, &mut files)?;
        }
        files.sort();
        for path in files {
            let whole = self.made.context.join(&path);
            let content = fs::read(&whole).map_err(|source| file("read", &whole, source))?;
            // The program's own place is no part of its content.
            let name = if Some(&path) == self.made.bootstrap.as_ref() { Path::new("bootstrap") } else { &path };
            hash.update(name.as_os_str().as_encoded_bytes()).update(b"\0");
            hash.update(blake3::hash(&content).as_bytes());
        }
        Ok(hash.finalize().to_hex()[..16].to_owned())
    }

    fn build(&self, image: &Image) -> Result<(), Error> {
        let mut docker = Command::new("docker");
        docker.args(["build", "--tag", &image.uri, "--platform", self.platform()]);
        docker.arg("--file").arg(self.made.context.join(&self.made.dockerfile));
        if run(Command::new("docker").args(["buildx", "version"])).is_ok() {
            // What BuildKit adds by default makes an index of the image.
            docker.args(["--provenance=false", "--sbom=false", "--load"]);
        }
        if let Some(program) = &self.made.bootstrap {
            docker.args(["--target", self.target(), "--build-arg"]).arg(format!("BOOTSTRAP={}", program.display()));
        }
        if let Some(base) = &self.made.base {
            docker.arg("--build-arg").arg(format!("BASE={base}"));
        }
        run(docker.arg(&self.made.context)).map(drop)
    }
}

/// The files at or below `path`, relative to the context; what is not there is no part of the image.
fn collect(context: &Path, path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let whole = context.join(path);
    let kind = match fs::metadata(&whole) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        kind => kind.map_err(|source| file("read", &whole, source))?,
    };
    if kind.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&whole).map_err(|source| file("list", &whole, source))? {
        let name = entry.map_err(|source| file("list", &whole, source))?.file_name();
        if !LEFT_BEHIND.iter().any(|left| name == *left) {
            collect(context, &path.join(name), files)?;
        }
    }
    Ok(())
}

fn file(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::{Image, Made, Recipe, refuse_index};
    use crate::cfn::lambda::Architecture;

    fn tag(folder: &Path, change: impl FnOnce(&mut Made)) -> String {
        let mut made = Made {
            context: folder.to_owned(),
            dockerfile: "Dockerfile".into(),
            bootstrap: Some("bin/bootstrap".into()),
            base: None,
        };
        change(&mut made);
        Recipe { made: &made, architecture: Architecture::X86 }.tag().unwrap()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in [
            ("Dockerfile", "FROM x"),
            ("bin/bootstrap", "program"),
            ("pipeline/models/a.sql", "SELECT 1"),
            ("README.md", "words"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn the_tag_follows_everything_that_goes_into_the_image_and_nothing_else() {
        let folder = folder();
        let path = folder.path();
        let first = tag(path, |_| {});
        fs::write(path.join("README.md"), "other words").unwrap();
        assert_eq!(tag(path, |_| {}), first);
        for changed in ["Dockerfile", "bin/bootstrap", "pipeline/models/a.sql"] {
            let before = fs::read(path.join(changed)).unwrap();
            fs::write(path.join(changed), "changed").unwrap();
            assert_ne!(tag(path, |_| {}), first, "{changed}");
            fs::write(path.join(changed), before).unwrap();
        }
        fs::rename(path.join("pipeline/models/a.sql"), path.join("pipeline/models/b.sql")).unwrap();
        assert_ne!(tag(path, |_| {}), first);
        fs::rename(path.join("pipeline/models/b.sql"), path.join("pipeline/models/a.sql")).unwrap();
        assert_ne!(tag(path, |made| made.base = Some("other".to_owned())), first);
        assert_eq!(tag(path, |_| {}), first);
    }

    #[test]
    fn the_program_may_lie_elsewhere() {
        let folder = folder();
        let first = tag(folder.path(), |_| {});
        fs::rename(folder.path().join("bin"), folder.path().join("built")).unwrap();
        assert_eq!(tag(folder.path(), |made| made.bootstrap = Some("built/bootstrap".into())), first);
    }

    #[test]
    fn an_index_is_refused_before_cloudformation_sees_it() {
        let image = Image { uri: "host/name:tag".to_owned() };
        let index = json!({"imageManifestMediaType": "application/vnd.oci.image.index.v1+json"});
        assert!(refuse_index(&index, &image).unwrap_err().to_string().starts_with("host/name:tag is an index"));
        let manifest = json!({"imageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json"});
        assert_eq!(refuse_index(&manifest, &image).map_err(|error| error.to_string()), Ok(()));
    }
}
