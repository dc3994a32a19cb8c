//! What the processor is called and which of the instructions that matter here it has.

use serde::Serialize;

/// Vector and matrix instructions, by their names in `/proc/cpuinfo`.
const FEATURES: [&str; 11] = [
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512dq",
    "avx512bw",
    "avx512vl",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
];

/// A processor, as the system describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Processor {
    pub(crate) name: String,
    pub(crate) features: Vec<&'static str>,
}

impl Processor {
    /// This machine's, from `/proc/cpuinfo` (proc(5)); nameless on other systems than Linux.
    pub(crate) fn here() -> Self {
        Self::read(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    fn read(cpuinfo: &str) -> Self {
        let field = |name: &str| {
            let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
            lines.into_iter().find(|(key, _)| key.trim() == name).map_or("", |(_, value)| value)
        };
        let flags: Vec<&str> = field("flags").split_whitespace().collect();
        let features = FEATURES.into_iter().filter(|feature| flags.contains(feature)).collect();
        Self { name: field("model name").trim().to_owned(), features }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_processor() {
        let check = |cpuinfo: &str, name: &str, features: &[&'static str]| {
            let expected = Processor { name: name.into(), features: features.into() };
            assert_eq!(Processor::read(cpuinfo), expected);
        };
        let two = "processor\t: 0\nmodel name\t: Old Iron 5\nflags\t\t: fpu fma avx2 sse\n\n\
                   processor\t: 1\nmodel name\t: Other\nflags\t\t: amx_tile\n";
        check(two, "Old Iron 5", &["avx2", "fma"]);
        check("Features\t: fp asimd\n", "", &[]);
        check("", "", &[]);
    }
}
