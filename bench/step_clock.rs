//! What the programs for other Rust libraries share: the size of the work, the clock, and the
//! JSON object that `cargo xtask bench step --json` prints as well.

use std::{env, error::Error, fs, num::NonZeroUsize, time::Instant};

/// Steps that are not timed.
const WARM_UP: usize = 2;

/// A residual network of basic blocks on 32x32 images, and how often it is trained.
pub struct Work {
    pub model: String,
    /// Channels of the first stage, which double from stage to stage.
    pub width: usize,
    /// Blocks of each stage.
    pub blocks: Vec<usize>,
    pub batch: usize,
    pub steps: usize,
    start_rss: Option<u64>,
}

pub const IMAGE: usize = 32;
pub const CLASSES: usize = 10;
pub const LABEL_SMOOTHING: f64 = 0.1;
pub const LEARNING_RATE: f64 = 0.01;
pub const MOMENTUM: f64 = 0.9;
pub const WEIGHT_DECAY: f64 = 5e-4;

impl Work {
    /// Reads `MODEL [BATCH [STEPS]]` from the command line.
    pub fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let mut arguments = env::args().skip(1);
        let model = arguments.next().unwrap_or_else(|| "resnet20".into());
        let (width, blocks, batch) = match model.as_str() {
            "resnet20" => (16, vec![3; 3], 128),
            "resnet18-cifar" => (64, vec![2; 4], 64),
            _ => return Err("usage: [resnet20 | resnet18-cifar [BATCH [STEPS]]]".into()),
        };
        let mut number = |left_out| match arguments.next() {
            None => Ok(left_out),
            Some(text) => text.parse::<NonZeroUsize>().map(usize::from),
        };
        let (batch, steps) = (number(batch)?, number(20)?);
        Ok(Self { model, width, blocks, batch, steps, start_rss: peak_rss() })
    }

    /// Times `step`, which returns its loss, and prints the result.
    pub fn time(
        &self,
        program: &str,
        mut step: impl FnMut() -> Result<f32, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        for _ in 0..WARM_UP {
            step()?;
        }
        let (mut step_ms, mut loss) = (vec![], f32::NAN);
        for _ in 0..self.steps {
            let clock = Instant::now();
            loss = step()?;
            step_ms.push(clock.elapsed().as_secs_f64() * 1e3);
        }
        self.print(program, &step_ms, loss);
        Ok(())
    }

    fn print(&self, program: &str, step_ms: &[f64], loss: f32) {
        let [lower, median, upper] = quartiles(step_ms);
        let measurement = serde_json::json!({
            "program": program,
            "work": "step",
            "model": self.model,
            "image": IMAGE,
            "batch": self.batch,
            "precision": "f32",
            "threads": rayon::current_num_threads(),
            "images_per_second": self.batch as f64 / median * 1e3,
            "ms": { "lower": lower, "median": median, "upper": upper },
            "step_ms": step_ms,
            "start_rss_bytes": self.start_rss,
            "peak_rss_bytes": peak_rss(),
            "loss": loss,
        });
        println!("{measurement}");
    }
}

/// Interpolated linearly, as numpy does.
fn quartiles(samples: &[f64]) -> [f64; 3] {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|share| {
        let place = share * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    })
}

/// Peak memory in bytes, from the line `VmHWM:     1234 kB`.
fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
