//! Batch norm over ranks is that of one process on the whole batch, in both forms and every number
//! format, forward and backward.
#![allow(clippy::unwrap_used)]

mod form;
mod golden;

use std::sync::Arc;
use std::thread;

use dfdx::dtypes::{AMP, Dtype, f16};
use dfdx::prelude::*;
use form::{Dims, formula};
use golden::{close, near};
use trickbag_collective::{Collective, Format, Threads, Values};
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, Bf16, Error, FeatureMap, Tensors, Vector,
};

const CHANNELS: usize = 19;
const PIXELS: [usize; 2] = [4, 3];
const EPS: f32 = 1e-5;

/// The whole batch: `x`, the gradient of the output, and perhaps a residual, image after image.
struct Batch {
    images: usize,
    maps: Vec<Vec<f32>>,
    activation: Activation,
}

/// What a norm makes of it: maps image after image, and values of each channel.
struct Outcome {
    maps: Vec<(&'static str, Vec<f32>)>,
    sums: Vec<(&'static str, Vec<f32>)>,
    statistics: [Vec<f32>; 2],
    pixels: u64,
}

fn shape(images: usize) -> Dims {
    (images, PIXELS[0], PIXELS[1], CHANNELS)
}

impl Batch {
    fn new(images: usize, names: &[&str], activation: Activation) -> Self {
        // The mean is large beside the deviation, and no two images have the same.
        let map = |name: &&str| {
            let mut values = formula(name, shape(images), 0.3, 1.0).as_vec();
            let image = values.len() / images;
            values.iter_mut().enumerate().for_each(|(i, x)| *x += (i / image) as f32);
            values
        };
        Self { images, maps: names.iter().map(map).collect(), activation }
    }

    fn part(&self, from: usize, to: usize) -> Self {
        let part = |map: &Vec<f32>| {
            let image = map.len() / self.images;
            map[from * image..to * image].to_vec()
        };
        let maps = self.maps.iter().map(part).collect();
        Self { images: to - from, maps, activation: self.activation }
    }

    /// The norm of these images in the format `E`, over all ranks if there are any.
    fn norm<E: Dtype>(&self, ranks: Option<&Arc<dyn Collective>>) -> Result<Outcome, Error>
    where
        Cpu: Backend<E>,
    {
        let dev = Cpu::default();
        let maps = self.maps.iter().map(|map| dev.tensor_from_vec(map.clone(), shape(self.images)));
        let maps: Vec<FeatureMap<f32, Cpu>> = maps.collect();
        let cast = |map: &FeatureMap<f32, Cpu>| <Cpu as Backend<E>>::from_f32(map.clone());
        let (x, residual) = (cast(&maps[0])?, maps.get(2).map(cast).transpose()?);
        let [scale, shift] = ["scale", "shift"].map(|name| formula(name, (CHANNELS,), 1.0, 0.5));
        let scale: Vector<E, Cpu> = Backend::from_f32(scale)?;
        let shift: Vector<E, Cpu> = Backend::from_f32(shift)?;
        let affine = Affine { scale: &scale, shift: &shift, eps: EPS, activation: self.activation };
        let (traced, beside) = (x.leaky_trace(), residual.as_ref().map(|r| r.leaky_trace()));
        let (y, BatchStatistics { mean, var }, pixels) = match ranks {
            Some(ranks) => Backend::sync_batch_norm(traced, &affine, beside, ranks)?,
            None => {
                let (y, statistics) = Backend::batch_norm(traced, &affine, beside)?;
                (y, statistics, (self.images * PIXELS[0] * PIXELS[1]) as u64)
            }
        };
        let output = <Cpu as Backend<E>>::to_f32(y.retaped::<NoneTape>())?.as_vec();
        let end = <Cpu as Tensors<E>>::scalar(y, 0.0, maps[1].clone())?;
        let mut gradients = <Cpu as Tensors<E>>::backward(end)?;
        let mut found = vec![("y", output)];
        found.push(("dx", Backend::take_gradient(&mut gradients, &x)?.as_vec()));
        if let Some(residual) = &residual {
            let dresidual = Backend::take_gradient(&mut gradients, residual)?;
            found.push(("dresidual", dresidual.as_vec()));
        }
        let sums = [("dscale", &scale), ("dshift", &shift)];
        let mut sum = |(name, of)| -> Result<_, Error> {
            Ok((name, Backend::take_gradient(&mut gradients, of)?.as_vec()))
        };
        let sums = [sum(sums[0])?, sum(sums[1])?].into();
        Ok(Outcome { maps: found, sums, statistics: [mean.as_vec(), var.as_vec()], pixels })
    }
}

/// What each rank of a world makes of its part of the batch.
fn on_ranks<R: Send>(
    batch: &Batch,
    shares: &[usize],
    work: impl Fn(Batch, Arc<dyn Collective>) -> R + Sync,
) -> Vec<R> {
    let (work, mut from) = (&work, 0);
    thread::scope(|scope| {
        let ranks = Threads::world(shares.len()).into_iter().zip(shares).map(|(rank, images)| {
            let part = batch.part(from, from + images);
            from += images;
            scope.spawn(move || work(part, Arc::new(rank)))
        });
        let ranks: Vec<_> = ranks.collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Holds the ranks' outcomes against that of the whole batch in `f32`.
fn check<E: Dtype>(batch: &Batch, shares: &[usize], hold: impl Fn(&str, &[f32], &[f64]))
where
    Cpu: Backend<E>,
{
    let whole = batch.norm::<f32>(None).unwrap();
    let found = on_ranks(batch, shares, |part, ranks| part.norm::<E>(Some(&ranks)).unwrap());
    let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
    for (i, (name, expected)) in whole.maps.iter().enumerate() {
        let joined: Vec<f32> = found.iter().flat_map(|rank| rank.maps[i].1.clone()).collect();
        hold(name, &joined, &wide(expected));
    }
    for (i, (name, expected)) in whole.sums.iter().enumerate() {
        let sum = |channel| found.iter().map(|rank: &Outcome| rank.sums[i].1[channel]).sum();
        hold(name, &(0..CHANNELS).map(sum).collect::<Vec<f32>>(), &wide(expected));
    }
    for rank in &found {
        assert_eq!(rank.pixels, whole.pixels);
        assert_eq!(rank.statistics, found[0].statistics);
        for (name, i) in [("mean", 0), ("variance", 1)] {
            hold(name, &rank.statistics[i], &wide(&whole.statistics[i]));
        }
    }
}

#[test]
fn ranks_together_are_one_process() {
    for (shares, residual, activation) in [
        (&[5][..], "", Activation::Relu),
        (&[3, 2], "", Activation::Identity),
        (&[1, 4], "residual", Activation::Relu),
        (&[2, 1, 3], "", Activation::Relu),
        (&[1, 1, 1], "residual", Activation::Identity),
    ] {
        let names = ["x", "dy", residual];
        let names = if residual.is_empty() { &names[..2] } else { &names[..] };
        let batch = Batch::new(shares.iter().sum(), names, activation);
        let exact = |name: &str, found: &[f32], expected: &[f64]| {
            close(&format!("{name} of {shares:?}"), found, expected, 2e-5);
        };
        check::<f32>(&batch, shares, exact);
        check::<f64>(&batch, shares, exact);
        let roughly = |tolerance| {
            move |name: &str, found: &[f32], expected: &[f64]| {
                near(&format!("{name} of {shares:?}"), found, expected, tolerance);
            }
        };
        check::<Bf16>(&batch, shares, roughly(0.02));
        check::<f16>(&batch, shares, roughly(0.005));
        check::<AMP<f16>>(&batch, shares, roughly(0.005));
    }
}

#[test]
fn a_rank_that_is_missing_on_the_way_back_leaves_no_gradient() {
    check_missing::<f32>();
    check_missing::<f64>();
}

fn check_missing<E: Dtype>()
where
    Cpu: Backend<E>,
{
    let batch = Batch::new(4, &["x", "dy"], Activation::Relu);
    let found = on_ranks(&batch, &[2, 2], |part, ranks| {
        if ranks.rank() == 0 {
            let outcome = part.norm::<E>(Some(&ranks)).unwrap();
            return Some((outcome, ranks.all_reduce(Values::F64(&mut [0.0]))));
        }
        // As far as the forward pass: two sums for each channel, and the pixels.
        ranks.all_reduce(Values::F64(&mut [1.0; 1 + 2 * CHANNELS])).unwrap();
        None
    });
    let (outcome, next) = found.into_iter().flatten().next().unwrap();
    assert!(outcome.maps[1].1.iter().all(|dx| dx.is_nan()));
    assert!(matches!(next, Err(trickbag_collective::Error::Ended { rank: 1, world_size: 2 })));
}

#[test]
fn ranks_of_other_channels_are_refused() {
    let batch = Batch::new(2, &["x", "dy"], Activation::Relu);
    let errors = on_ranks(&batch, &[1, 1], |part, ranks| match ranks.rank() {
        0 => part.norm::<f32>(Some(&ranks)).err(),
        _ => ranks.all_reduce(Values::F64(&mut [0.0])).err().map(Error::from),
    });
    let (found, expected) = ((1, Format::F64), (1 + 2 * CHANNELS, Format::F64));
    let error = trickbag_collective::Error::Mismatch { rank: 1, found, expected };
    assert_eq!(errors, [Some(Error::Collective(error.clone())), Some(Error::Collective(error))]);
}
