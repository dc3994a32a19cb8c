//! `TRICKBAG_ISA` in the environment: a cap on the instructions that the whole program uses.

use std::env;

use anyhow::anyhow;
use trickbag_kernels::Isa;

use crate::failure::{Failure, Input};

const VARIABLE: &str = "TRICKBAG_ISA";

/// Calls `f` with the best instruction set that it may use; operators that this thread calls keep
/// to it.
pub(crate) fn capped<R>(f: impl FnOnce(Isa) -> Result<R, Failure>) -> Result<R, Failure> {
    let available = Isa::available();
    match env::var_os(VARIABLE) {
        None => f(Isa::best()),
        Some(name) => {
            let isa = chosen(&name.to_string_lossy(), &available).map_err(Failure::Input)?;
            isa.scope(|| f(isa)).input()?
        }
    }
}

fn chosen(name: &str, available: &[Isa]) -> anyhow::Result<Isa> {
    let names: Vec<_> = available.iter().map(|isa| format!("{isa:?}").to_lowercase()).collect();
    let place = names.iter().position(|known| known == name).ok_or_else(|| {
        let names = names.join(", ");
        anyhow!("{VARIABLE} is `{name}`, but this processor has: {names}; choose one or unset it")
    })?;
    Ok(available[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_instruction_sets() {
        let check = |name: &str, expected: Result<Isa, &str>| {
            let found = chosen(name, &[Isa::Portable, Isa::Avx2]).map_err(|e| e.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(*found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                _ => panic!("{name}: {found:?}"),
            }
        };
        check("portable", Ok(Isa::Portable));
        check("avx2", Ok(Isa::Avx2));
        check("avx512", Err("this processor has: portable, avx2"));
        check("AVX2", Err("TRICKBAG_ISA is `AVX2`"));
        check("", Err("unset it"));
    }
}
