//! Errors on their way to the user, with the exit code that they deserve.

use std::process::ExitCode;

/// Why the program ends without having done what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The recipe, the flags, the data or a checkpoint are not right: nothing was done.
    Input(anyhow::Error),
    /// Something failed under way.
    Run(anyhow::Error),
}

impl Failure {
    pub(crate) fn error(&self) -> &anyhow::Error {
        match self {
            Self::Input(error) | Self::Run(error) => error,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::from(1),
        }
    }
}

/// `?` alone means that something failed under way.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Run(error.into())
    }
}

/// Marks an error as one of input.
pub(crate) trait Input<T> {
    fn input(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Input<T> for Result<T, E> {
    fn input(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Input(error.into()))
    }
}
