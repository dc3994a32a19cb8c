//! What the processor is called and which of the instructions that matter here it has.

use serde::Serialize;

/// Vector and matrix instructions, by their names in `/proc/cpuinfo`, in about the order in which processors got them: by
/// the last that a processor has, `bench compare` names where its results are kept.
const FEATURES: [&str; 11] = [
    "f16c",
    "fma",
    "avx2",
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
    /// Which generation it is, where its name does not say so.
    pub(crate) family: Option<u32>,
    pub(crate) model: Option<u32>,
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
            lines
                .into_iter()
                .find(|(key, _)| key.trim() == name)
                .map_or("", |(_, value)| value.trim())
        };
        let flags: Vec<&str> = field("flags").split_whitespace().collect();
        let features = FEATURES.into_iter().filter(|feature| flags.contains(feature)).collect();
        Self {
            name: field("model name").to_owned(),
            family: field("cpu family").parse().ok(),
            model: field("model").parse().ok(),
            features,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_processor() {
        let two = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: Old Iron 5\n\
                   flags\t\t: fpu avx2 fma sse\n\n\
                   processor\t: 1\nmodel name\t: Other\nflags\t\t: amx_tile\n";
        let expected = Processor {
            name: "Old Iron 5".into(),
            family: Some(25),
            model: Some(1),
            features: vec!["fma", "avx2"],
        };
        assert_eq!(Processor::read(two), expected);
        for cpuinfo in ["Features\t: fp asimd\n", ""] {
            assert_eq!(Processor::read(cpuinfo), Processor::default(), "{cpuinfo}");
        }
    }
}
