//! The closing text of a run.

use crate::{Summary, quantity};
use std::path::Path;

/// What a finished run came to and where it lies, a few lines long, without a last line end.
pub fn result_page(summary: &Summary, run_dir: &Path) -> String {
    let Summary { run, epochs, best_epoch, .. } = summary;
    let [top1, best] = [summary.top1, summary.best_top1].map(quantity::percent);
    let loss = quantity::loss(summary.loss);
    let time = quantity::seconds(summary.train_seconds);
    let speed = summary.images_per_second;
    let memory = summary.peak_rss_bytes.map_or("not known".into(), quantity::megabytes);
    let parameters = quantity::count(run.parameters);
    let mut page = format!(
        "{} (seed {}): {top1} top-1 on the validation images, loss {loss}\n",
        run.recipe, run.seed
    );
    for (name, value) in [
        ("best", format!("{best} after epoch {best_epoch} of {epochs}")),
        ("training", format!("{time} at {speed:.0} images/s")),
        ("device", format!("{}, {} threads, {}", run.device, run.threads, run.precision)),
        ("peak memory", memory),
        ("parameters", parameters),
        ("run folder", run_dir.display().to_string()),
    ] {
        page.push_str(&format!("  {name:<12} {value}\n"));
    }
    page.trim_end().into()
}
