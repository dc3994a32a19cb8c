//! The tests of all that is written for CUDA, on the emulated device.

use super::{emulator, run, wheels};
use crate::{cargo, workspace_root};

/// All of them, for `cargo test`: those that compute on a device. All other tests of these crates are
/// the same without CUDA.
pub(super) const TESTS: &str = "--features cuda --package trickbag-ops --package trickbag-losses \
                                --package trickbag-optim --package trickbag-models \
                                --package trickbag-trainer --package trickbag \
                                --test goldens --test forms --test laws --test devices --test cuda";

/// Those of operators, losses and optimisers, which take minutes on the emulated device. Whole networks
/// and trainings take a quarter of an hour more.
const QUICK: &str = "--features cuda --package trickbag-ops --package trickbag-losses \
                     --package trickbag-optim --test goldens --test forms --test laws";

/// Which tests to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Quick,
    All,
}

/// Runs them after the emulator's own, which need no toolkit. `or_skip` is content with saying why
/// there is no toolkit, as where Python or a network is wanting; whatever else fails is an error.
pub(super) fn test(extent: Extent, or_skip: bool) -> anyhow::Result<()> {
    run(emulator::cargo_for("test")?)?;
    let toolkit = match wheels::toolkit(false) {
        Err(reason) if or_skip => {
            println!("skipped: {reason:#}");
            return Ok(());
        }
        toolkit => toolkit?,
    };
    emulator::build()?;
    // A test that finds no device is content: whether there is one is asked here.
    let doctor: &[&str] =
        &["run", "--package", "trickbag", "--features", "cuda", "--", "doctor", "--device", "cuda"];
    let tests = match extent {
        Extent::Quick => QUICK,
        Extent::All => TESTS,
    };
    let test = ["test"].into_iter().chain(tests.split(' ')).collect::<Vec<_>>();
    for arguments in [doctor, &test] {
        let mut command = cargo();
        command.args(arguments).current_dir(workspace_root()?);
        emulator::equip(&mut command, &toolkit)?;
        // Compiling takes longer than running.
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
        run(command)?;
    }
    Ok(())
}
