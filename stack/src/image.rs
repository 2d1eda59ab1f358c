//! The function's image: named by its content, built and pushed by docker only when the repository does not have it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value as Tree;
use tempfile::TempDir;

use crate::{
    aws::optional,
    cfn::lambda::Architecture,
    cli::Image as Made,
    context::{Context, file},
    error::Error,
    process::{run, run_with},
    session::Session,
    stack::Stack,
};

/// What is copied into an image that is built from source; a program that is built already stands for all but the project.
const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "handler"];
const PROJECT: &str = "pipeline";

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
        let login = Login::at(registry, password.trim())?;
        if target != image.uri {
            run(docker().args(["tag", &image.uri, &target]))?;
        }
        run(login.docker().args(["push", "--quiet", &target])).map(drop)
    }
}

fn docker() -> Command {
    Command::new("docker")
}

/// The versions of docker's two halves.
///
/// # Errors
/// When docker is not installed, or its engine does not run.
pub(crate) fn engine() -> Result<String, Error> {
    run(docker().args(["version", "--format", "client {{.Client.Version}}, engine {{.Server.Version}}"]))
}

/// What builds images.
pub(crate) fn builder() -> String {
    buildx().unwrap_or_else(|_| "the engine's own builder (no buildx)".to_owned())
}

fn buildx() -> Result<String, Error> {
    run(docker().args(["buildx", "version"]))
}

/// A login in a configuration of its own: it is forgotten with the folder.
struct Login {
    folder: TempDir,
}

impl Login {
    fn at(registry: &str, password: &str) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(|source| file("make a folder in", &std::env::temp_dir(), source))?;
        let login = Self { folder };
        login.keep_context()?;
        let words = ["login", "--username", "AWS", "--password-stdin", registry];
        run_with(login.docker().args(words), password)?;
        Ok(login)
    }

    fn docker(&self) -> Command {
        let mut docker = docker();
        docker.arg("--config").arg(self.folder.path());
        docker
    }

    /// The image lies in the engine that built it, and which one that is stands in the configuration that is left: all but the
    /// default, which is the environment's.
    fn keep_context(&self) -> Result<(), Error> {
        let name = run(docker().args(["context", "inspect", "--format", "{{.Name}}"]))?;
        let name = name.trim();
        if name == "default" {
            return Ok(());
        }
        let exported = self.folder.path().join("context.tar");
        run(docker().args(["context", "export", name]).arg(&exported))?;
        run(self.docker().args(["context", "import", name]).arg(&exported))?;
        run(self.docker().args(["context", "use", name])).map(drop)
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
        let context = Context::read(&self.made.context)?;
        let base = self.made.base.as_deref().unwrap_or_default();
        for word in [self.platform(), self.target(), base, &context.ignored] {
            hash.update(word.as_bytes()).update(b"\0");
        }
        let mut files = vec![self.made.dockerfile.clone()];
        let of_program = if self.made.bootstrap.is_some() { &[][..] } else { &SOURCES[..] };
        for path in of_program.iter().chain([&PROJECT]) {
            context.collect(Path::new(path), &mut files)?;
        }
        files.sort();
        for path in &files {
            self.add(path, &path.to_string_lossy(), &mut hash)?;
        }
        if let Some(program) = &self.made.bootstrap {
            // Its own place is no part of its content.
            self.add(program, "bootstrap", &mut hash)?;
        }
        Ok(hash.finalize().to_hex()[..16].to_owned())
    }

    /// Name, content, and what the function's user may do with it, who owns no file. The owner's own rights follow the machine's umask.
    fn add(&self, path: &Path, name: &str, hash: &mut blake3::Hasher) -> Result<(), Error> {
        const OF_OTHERS: u32 = 0o005;
        let whole = self.made.context.join(path);
        let failed = |source| file("read", &whole, source);
        let content = fs::read(&whole).map_err(failed)?;
        let mode = fs::metadata(&whole).map_err(failed)?.permissions().mode() & OF_OTHERS;
        hash.update(name.as_bytes()).update(b"\0").update(&mode.to_le_bytes());
        hash.update(blake3::hash(&content).as_bytes());
        Ok(())
    }

    fn build(&self, image: &Image) -> Result<(), Error> {
        let mut docker = docker();
        docker.args(["build", "--tag", &image.uri, "--platform", self.platform()]);
        docker.arg("--file").arg(self.made.context.join(&self.made.dockerfile));
        if buildx().is_ok() {
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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

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
            ("pipeline/target/a.sql", "SELECT 1"),
            ("README.md", "words"),
            (".dockerignore", "pipeline/target"),
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
        for beside in ["README.md", "pipeline/target/a.sql"] {
            fs::write(path.join(beside), "other words").unwrap();
            assert_eq!(tag(path, |_| {}), first, "{beside}");
        }
        for changed in ["Dockerfile", ".dockerignore", "bin/bootstrap", "pipeline/models/a.sql"] {
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
    fn the_tag_follows_what_the_functions_user_may_do() {
        let folder = folder();
        let with = |mode| {
            fs::set_permissions(folder.path().join("bin/bootstrap"), fs::Permissions::from_mode(mode)).unwrap();
            tag(folder.path(), |_| {})
        };
        assert_ne!(with(0o644), with(0o755));
        assert_eq!(with(0o755), with(0o775));
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
