//! Finds the name that a misspelt one was meant to be.

/// The most similar of `legal`, when it is similar at all.
pub(crate) fn nearest<'a>(found: &str, legal: &'a [impl AsRef<str>]) -> Option<&'a str> {
    /// Below this, a suggestion confuses more than it helps.
    const SIMILAR: f64 = 0.8;
    let found = folded(found);
    let rated = legal.iter().map(|name| {
        let name = name.as_ref();
        (strsim::jaro_winkler(&found, &folded(name)), name)
    });
    let best = rated.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= SIMILAR).then_some(best.1)
}

/// `` `a`, `b`, `c` ``.
pub(crate) fn quoted(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// Case and underscores are the usual slips.
fn folded(name: &str) -> String {
    name.to_lowercase().replace('_', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[&str] = &[
        "name",
        "seed",
        "data",
        "normalize",
        "augment",
        "model",
        "batch_size",
        "epochs",
        "optimizer",
        "tricks",
    ];
    const TRICKS: &[&str] = &[
        "LinearScaling",
        "Warmup",
        "CosineAnnealing",
        "StepDecay",
        "ExponentialDecay",
        "LabelSmoothing",
        "NoBiasDecay",
        "ZeroGamma",
        "Precision",
    ];
    const SGD: &[&str] = &["lr", "momentum", "nesterov", "weight_decay"];

    fn check(legal: &[&str], found: &str, expected: Option<&str>) {
        assert_eq!(nearest(found, legal), expected, "{found}");
    }

    #[test]
    fn slips_find_their_name_and_strangers_find_none() {
        for (found, expected) in [
            ("batchsize", Some("batch_size")),
            ("batch", Some("batch_size")),
            ("epoch", Some("epochs")),
            ("optimiser", Some("optimizer")),
            ("normalise", Some("normalize")),
            ("augmentation", Some("augment")),
            ("sede", Some("seed")),
            ("workers", None),
            ("lr", None),
        ] {
            check(FIELDS, found, expected);
        }
        for (found, expected) in [
            ("WarmUp", Some("Warmup")),
            ("warm_up", Some("Warmup")),
            ("Cosine", Some("CosineAnnealing")),
            ("LabelSmooth", Some("LabelSmoothing")),
            ("ZeroGama", Some("ZeroGamma")),
            ("Lookahead", None),
        ] {
            check(TRICKS, found, expected);
        }
        for (found, expected) in [
            ("lrr", Some("lr")),
            ("weightdecay", Some("weight_decay")),
            ("wd", None),
            ("learning_rate", None),
        ] {
            check(SGD, found, expected);
        }
    }
}
