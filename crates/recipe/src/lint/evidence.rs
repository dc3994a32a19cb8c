//! What rules need to know beyond the recipe: a look at its images, and where they are stored.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use trickbag_data::{Dataset, Error, Image, Keep, Split};

/// Images of a split that are looked at: enough to see a percent of them.
const SAMPLE: usize = 512;

/// What is known beyond the recipe; by default nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// What a look at the images shows; none where the data is not there.
    pub samples: Option<Samples>,
    /// Where the images are read from; none where it is not known or does not matter.
    pub storage: Option<Storage>,
}

/// What a look at a data set's images shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Training images of each class.
    pub train_counts: Vec<usize>,
    /// Validation images of each class.
    pub val_counts: Vec<usize>,
    /// Mean of each channel over a sample of the training images, 0..1.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel over the same pixels.
    pub std: Vec<f64>,
    /// The shorter side of each image of that sample as its source has it, in pixels.
    pub sides: Vec<usize>,
    /// Validation images whose pixels were looked for among the training images.
    pub compared: usize,
    /// How many of them were found there.
    pub shared: usize,
    /// Whether training reads its images once or in every epoch.
    pub kept: Keep,
}

/// Where images are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What they lie on.
    pub medium: Medium,
    /// Bytes of all image files.
    pub bytes: u64,
    /// Bytes of memory that the system could keep them in.
    pub memory: u64,
}

/// What files lie on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// A disk that the system reports as rotating.
    Rotating,
    /// A network file system, by its name.
    Network(String),
    /// Anything else, and what the system does not tell.
    Other,
}

impl Samples {
    /// Looks at the labels, and at up to 512 images of each split, evenly spread.
    ///
    /// Training images that are in memory are all compared with the validation sample; of others
    /// the same 512 are, which shows a copied split but may miss single images.
    ///
    /// ```
    /// use trickbag_data::{Dataset, Keep, Source};
    /// use trickbag_recipe::lint::Samples;
    ///
    /// let samples = Samples::look(&Dataset::open(&Source::Mnist10k, Keep::Decoded)?)?;
    /// assert_eq!(samples.train_counts.iter().sum::<usize>(), 8500);
    /// assert_eq!((samples.compared, samples.shared), (512, 0));
    /// # Ok::<(), trickbag_data::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::DecodeLate`] for a file that cannot be decoded.
    pub fn look(dataset: &Dataset) -> Result<Self, Error> {
        let (train, val) = (dataset.train(), dataset.val());
        let classes = dataset.facts().classes;
        let kept = if train.is_decoded() { Keep::Decoded } else { Keep::Files };
        let known: HashSet<Hash> = match kept {
            Keep::Decoded => hashes(train, 0..train.len())?,
            Keep::Files => hashes(train, spread(train.len()))?,
        };
        let looked_for: Vec<Hash> = hashes(val, spread(val.len()))?;
        let (mean, std) = statistics(train)?;
        let sides = spread(train.len()).map(|i| Ok(short_side(&train.original(i)?)));
        Ok(Self {
            train_counts: counts(train.labels(), classes),
            val_counts: counts(val.labels(), classes),
            mean,
            std,
            sides: sides.collect::<Result<_, Error>>()?,
            compared: looked_for.len(),
            shared: looked_for.iter().filter(|hash| known.contains(*hash)).count(),
            kept,
        })
    }
}

/// At most [`SAMPLE`] indices below `len`, evenly spread.
fn spread(len: usize) -> impl Iterator<Item = usize> {
    let count = len.min(SAMPLE);
    (0..count).map(move |i| i * len / count)
}

fn counts(labels: &[u32], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|label| counts[*label as usize] += 1);
    counts
}

type Hash = [u8; 32];

fn hashes<C: FromIterator<Hash>>(
    split: &Split,
    indices: impl Iterator<Item = usize>,
) -> Result<C, Error> {
    indices.map(|i| Ok(Sha256::digest(split.image(i)?.pixels()).into())).collect()
}

fn short_side(image: &Image) -> usize {
    image.height().min(image.width())
}

/// Mean and standard deviation of each channel.
fn statistics(split: &Split) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let channels = split.shape()[2];
    let (mut sums, mut squares, mut pixels) = (vec![0.0; channels], vec![0.0; channels], 0.0);
    for index in spread(split.len()) {
        let image = split.image(index)?;
        for (i, byte) in image.pixels().iter().enumerate() {
            let value = f64::from(*byte) / 255.0;
            sums[i % channels] += value;
            squares[i % channels] += value * value;
        }
        pixels += (image.height() * image.width()) as f64;
    }
    let mean: Vec<f64> = sums.iter().map(|sum| sum / pixels).collect();
    let variances = squares.iter().zip(&mean).map(|(sum, mean)| sum / pixels - mean * mean);
    Ok((mean.clone(), variances.map(|variance| variance.max(0.0).sqrt()).collect()))
}
