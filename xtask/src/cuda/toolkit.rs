//! Where the CUDA toolkit lies, and what a command needs in its environment to use it.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf, absolute},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::workspace_root;

/// A folder with `bin/nvcc`, `include/cuda.h` and `lib64`.
#[derive(Debug)]
pub(crate) struct Toolkit {
    pub(crate) root: PathBuf,
}

const INSTALL: &str = "install NVIDIA's (its folder is CUDA_PATH, CUDA_HOME, that of the nvcc on \
                       the PATH, or /usr/local/cuda), or assemble one with `cargo xtask cuda toolkit`";

impl Toolkit {
    /// The first toolkit of the usual places.
    pub(crate) fn find() -> anyhow::Result<Self> {
        for variable in ["CUDA_PATH", "CUDA_HOME"] {
            if let Some(root) = env::var_os(variable).map(PathBuf::from) {
                return Self::at(&root).with_context(|| {
                    let root = root.display();
                    format!(
                        "{variable} is {root}, where there is no bin/nvcc or no include/cuda.h: \
                         {INSTALL}"
                    )
                });
            }
        }
        let places = on_path("nvcc").into_iter().flat_map(|nvcc| {
            // Where it is a link, the toolkit may lie around the link or around what it points to.
            let target = nvcc.canonicalize().unwrap_or_else(|_| nvcc.clone());
            [nvcc, target].map(|nvcc| nvcc.ancestors().nth(2).map(PathBuf::from))
        });
        let usual = [Some("/usr/local/cuda".into()), Some(Self::assembled()?)];
        let found = places.chain(usual).flatten().find_map(|root| Self::at(&root));
        found.with_context(|| format!("there is no CUDA toolkit: {INSTALL}"))
    }

    /// The one in this folder, if there is one.
    pub(super) fn at(root: &Path) -> Option<Self> {
        let whole = ["bin/nvcc", "include/cuda.h"].iter().all(|file| root.join(file).is_file());
        whole.then(|| Self { root: root.into() })
    }

    /// Where `cargo xtask cuda toolkit` puts it.
    pub(super) fn assembled() -> anyhow::Result<PathBuf> {
        Ok(absolute(workspace_root()?)?.join("target/cuda-toolkit"))
    }

    /// Has a command, and cargo's build scripts below it, use this toolkit.
    pub(crate) fn equip(&self, command: &mut Command) -> anyhow::Result<()> {
        command.env("CUDA_PATH", &self.root);
        command.env("PATH", around("PATH", &[self.root.join("bin")], &[])?);
        // The system need not know the toolkit's libraries. Last, so that emulated ones go first.
        let libraries = around("LD_LIBRARY_PATH", &[], &[self.root.join("lib64")])?;
        command.env("LD_LIBRARY_PATH", libraries);
        Ok(())
    }
}

/// Says where the toolkit lies and which one it is, or what to do.
pub(crate) fn describe() -> String {
    match Toolkit::find() {
        Ok(toolkit) => {
            let version = Command::new(toolkit.root.join("bin/nvcc")).arg("--version").output();
            let said = version.map(|output| output.stdout).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let release = said.split("release ").nth(1).and_then(|rest| rest.split(',').next());
            let root = toolkit.root.display();
            match release {
                Some(release) => format!("ok       CUDA {release} in {root}"),
                None => format!("missing  its nvcc does not run: {root}"),
            }
        }
        Err(error) => format!("missing  {error}"),
    }
}

/// A real device needs its driver, and dfdx's build asks the driver's program which device it is.
pub(crate) fn expect_driver() -> anyhow::Result<()> {
    ensure!(
        on_path("nvidia-smi").is_some(),
        "there is no NVIDIA driver here (no nvidia-smi on the PATH): install it; without a GPU, \
         `cargo xtask cuda emulate cargo xtask …` runs the same on an emulated device"
    );
    Ok(())
}

/// The program that a shell would start.
fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(file);
    metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|it| it.is_file())
}

/// The folders that a variable holds, with others before and after them.
pub(super) fn around(
    variable: &str,
    before: &[PathBuf],
    after: &[PathBuf],
) -> anyhow::Result<OsString> {
    let held = env::var_os(variable).unwrap_or_default();
    let held: Vec<_> =
        env::split_paths(&held).filter(|folder| !folder.as_os_str().is_empty()).collect();
    Ok(env::join_paths([before, &held, after].concat())?)
}
