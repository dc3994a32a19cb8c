//! A data set that has been opened: two splits, their facts, and batches of them.

use crate::loading::BatchMaker;
use crate::order::Visit;
use crate::{
    Augment, Batches, Error, Facts, LabelNoise, Loading, Normalize, OddFiles, Order, Source, Split,
    Subset, cifar, mnist10k,
};
use std::path::Path;
use std::sync::Arc;

/// A data set that has been opened.
///
/// ```
/// use trickbag_data::{Dataset, Keep, Source};
///
/// let dataset = Dataset::open(&Source::Mnist10k, Keep::Decoded)?;
/// let normalize = Source::Mnist10k.normalize();
/// let mut seen = 0;
/// for batch in dataset.val_batches(128, &normalize, [28, 28])? {
///     seen += batch?.len();
/// }
/// assert_eq!(seen, dataset.facts().val_len);
/// # Ok::<(), trickbag_data::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    skipped: Arc<OddFiles>,
    facts: Facts,
    class_names: Vec<String>,
    train: Arc<Split>,
    val: Arc<Split>,
}

/// What of an image folder's training images stays in memory. It changes speed, never results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The images at the data set's size, if they take 2 GiB or less.
    Decoded,
    /// Nothing: the files are read and decoded anew in every epoch. Saves the memory where
    /// [`Augment::RandomResizedCrop`] starts from the files anyway.
    Files,
}

impl Keep {
    /// What training with these changes can make use of.
    pub fn for_augment(augment: &[Augment]) -> Self {
        match augment.first() {
            Some(Augment::RandomResizedCrop) => Keep::Files,
            _ => Keep::Decoded,
        }
    }
}

impl Dataset {
    /// Reads, checks and decodes a source.
    ///
    /// # Errors
    /// Missing, damaged and inconsistent files; see the variants of [`Error`].
    pub fn open(source: &Source, keep: Keep) -> Result<Self, Error> {
        match source {
            Source::Mnist10k => mnist10k::open(),
            Source::ImageFolder(folder) => folder.open(keep),
            Source::Idx(idx) => idx.open(),
            Source::Cifar10(files) => files.open(&cifar::CIFAR10),
            Source::Cifar100(files) => files.open(&cifar::CIFAR100),
        }
    }

    /// Lengths, classes and shape, as they really are.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The name of each class; the label is the index.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The files that were left out because [`crate::OnError::Skip`] allows it.
    pub fn skipped(&self) -> &OddFiles {
        &self.skipped
    }

    /// The training images.
    pub fn train(&self) -> &Split {
        &self.train
    }

    /// The validation images.
    pub fn val(&self) -> &Split {
        &self.val
    }

    /// The batches of training epoch `epoch` from number `first_batch` on.
    ///
    /// The order depends on seed and epoch only, and each image's changes depend on seed, epoch, the
    /// image and how often the epoch has shown it before, so batch `n` is the same wherever one
    /// starts and however many threads there are. Convention: the last, incomplete batch is dropped in
    /// training and kept in evaluation (padding it would bias accuracy).
    ///
    /// # Errors
    /// Those of [`Loading::check`]; [`Error::PastEnd`] when the epoch has fewer than `first_batch`
    /// batches; [`Error::Thread`].
    pub fn train_batches(
        &self,
        loading: &Loading,
        epoch: u64,
        first_batch: usize,
    ) -> Result<Batches, Error> {
        loading.check(&self.facts)?;
        let batches = self.train.len() / loading.batch_size;
        if first_batch > batches {
            return Err(Error::PastEnd { first_batch, batches });
        }
        let visits = loading.order.visits(loading.seed, epoch, self.train.labels());
        let maker = BatchMaker::new(self.train.clone(), visits, loading.clone())?;
        Batches::start((first_batch..batches).map(move |number| maker.batch(number)))
    }

    /// All validation images once, in order, resized to `size` (height, width) if that is not
    /// theirs, and normalised; the last batch may be short.
    ///
    /// # Errors
    /// [`Error::BatchSizeZero`], [`Error::Resize`], those of [`Normalize::table`], and
    /// [`Error::Thread`].
    pub fn val_batches(
        &self,
        batch_size: usize,
        normalize: &Normalize,
        size: [usize; 2],
    ) -> Result<Batches, Error> {
        if batch_size == 0 {
            return Err(Error::BatchSizeZero);
        }
        let visit = |index| Visit { seed: 0, epoch: 0, index, turn: 0 };
        let visits: Vec<Visit> = (0..self.val.len()).map(visit).collect();
        let batches = visits.len().div_ceil(batch_size);
        let (order, augment, normalize) = (Order::Shuffled, Vec::new(), normalize.clone());
        let loading = Loading { seed: 0, batch_size, size, order, augment, normalize };
        let maker = BatchMaker::new(self.val.clone(), visits, loading)?;
        Batches::start((0..batches).map(move |number| maker.batch(number)))
    }

    /// This data set with a part of its training images only; their indices are those within the
    /// part.
    ///
    /// # Errors
    /// [`Error::Fraction`], and [`Error::SubsetClass`] when nothing of a class remains.
    pub fn subset(mut self, subset: &Subset) -> Result<Self, Error> {
        let train = subset.applied(&self.train)?;
        self.facts.train_len = train.len();
        self.train = Arc::new(train);
        Ok(self)
    }

    /// This data set with some wrong labels among the training images.
    ///
    /// # Errors
    /// Those of [`LabelNoise::check`].
    pub fn with_label_noise(mut self, noise: &LabelNoise) -> Result<Self, Error> {
        noise.apply(Arc::make_mut(&mut self.train).labels_mut(), self.facts.classes)?;
        Ok(self)
    }

    /// A data set from its splits; `origin` names it in errors.
    pub(crate) fn new(
        origin: &Path,
        class_names: Vec<String>,
        train: Split,
        val: Split,
    ) -> Result<Self, Error> {
        let (origin, classes) = (origin.to_owned(), class_names.len());
        if train.is_empty() || val.is_empty() {
            return Err(Error::Empty { origin, train: train.len(), val: val.len() });
        }
        if train.shape() != val.shape() {
            return Err(Error::Shapes { origin, train: train.shape(), val: val.shape() });
        }
        let mut labels = train.labels().iter().chain(val.labels());
        if let Some(&label) = labels.find(|label| **label as usize >= classes) {
            return Err(Error::Label { origin, label, classes });
        }
        let [height, width, channels] = train.shape();
        let (train_len, val_len) = (train.len(), val.len());
        let facts = Facts { train_len, val_len, classes, height, width, channels };
        let (train, val) = (Arc::new(train), Arc::new(val));
        Ok(Self { skipped: Arc::default(), facts, class_names, train, val })
    }

    /// Remembers which files were left out.
    pub(crate) fn with_skipped(self, skipped: OddFiles) -> Self {
        Self { skipped: Arc::new(skipped), ..self }
    }
}
