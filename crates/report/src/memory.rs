//! How much memory the process has used at most.

/// Peak resident memory of this process in bytes: on Linux `VmHWM` of `/proc/self/status`
/// (proc(5)), elsewhere none.
pub fn peak_rss() -> Option<u64> {
    high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line reads `VmHWM:     1234 kB`, in units of 1024 bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_high_water_mark() {
        let check = |status: &str, expected| assert_eq!(high_water_mark(status), expected);
        check("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t 1000 kB\n", Some(1234 * 1024));
        check("VmRSS:\t 1000 kB\n", None);
        check("VmHWM:\t many kB\n", None);
        check("", None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn covers_what_was_touched() {
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(peak_rss() > Some(touched.len() as u64));
    }
}
