//! The update of stochastic gradient descent, in one pass over memory.

use crate::error::check_lengths;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::{Error, Isa, tasks};

/// Numbers that a task updates.
const CHUNK_LEN: usize = 16 * 1024;

/// What the velocity does to the parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Momentum {
    /// The step follows the velocity.
    Classical,
    /// The step follows the gradient and, from there, the velocity that decays once more.
    Nesterov,
}

/// The settings of [`sgd`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f32,
    /// How much of the velocity remains from update to update, in `0.0..1.0`.
    pub momentum: f32,
    /// What the velocity does to the parameter.
    pub kind: Momentum,
    /// How much of the parameter is added to its gradient (L2 regularisation).
    pub weight_decay: f32,
}

/// Updates a parameter and its velocity: `g += weight_decay * p`, `v = momentum * v + g`, then
/// `p -= lr * v`, or with Nesterov momentum `p -= lr * (g + momentum * v)`; without a velocity
/// `p -= lr * g`. PyTorch's convention; Keras folds the learning rate into the velocity.
///
/// ```
/// use trickbag_kernels::{Momentum, SgdStep, sgd};
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let (mut parameter, mut velocity) = ([1.0, 2.0], [0.0, 4.0]);
/// let step =
///     SgdStep { lr: 0.5, momentum: 0.5, kind: Momentum::Classical, weight_decay: 0.0 };
/// sgd(&mut parameter, &[1.0, 0.0], Some(&mut velocity), step)?;
/// assert_eq!((parameter, velocity), ([0.5, 1.0], [1.0, 2.0]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Length`] if the slices do not have the same length.
pub fn sgd(
    parameter: &mut [f32],
    gradient: &[f32],
    velocity: Option<&mut [f32]>,
    step: SgdStep,
) -> Result<(), Error> {
    let len = parameter.len();
    let velocity_len = velocity.as_ref().map_or(len, |velocity| velocity.len());
    check_lengths("sgd", &[("gradient", gradient.len(), len), ("velocity", velocity_len, len)])?;
    let isa = Isa::current();
    let chunks = parameter.chunks_mut(CHUNK_LEN).zip(gradient.chunks(CHUNK_LEN));
    match velocity {
        Some(velocity) => {
            let chunks = chunks.zip(velocity.chunks_mut(CHUNK_LEN));
            tasks::for_each(chunks, |_, ((parameter, gradient), velocity)| {
                isa.run(WithMomentum { parameter, gradient, velocity, step });
            });
        }
        None => tasks::for_each(chunks, |_, (parameter, gradient)| {
            isa.run(Descend { parameter, gradient, step });
        }),
    }
    Ok(())
}

struct WithMomentum<'a> {
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    velocity: &'a mut [f32],
    step: SgdStep,
}

impl Kernel for WithMomentum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let SgdStep { lr, momentum, kind, .. } = self.step;
        let [down, decay] = [-lr, momentum].map(L::splat);
        let ahead = L::splat(-lr * momentum);
        let pairs = self.parameter.chunks_mut(LANES).zip(self.gradient.chunks(LANES));
        for ((parameter, gradient), velocity) in pairs.zip(self.velocity.chunks_mut(LANES)) {
            let [p, g] = decayed::<L>(parameter, gradient, self.step);
            let v = L::load_padded(velocity).mul_add(decay, g);
            let p = match kind {
                Momentum::Classical => v.mul_add(down, p),
                Momentum::Nesterov => v.mul_add(ahead, g.mul_add(down, p)),
            };
            v.store_part(velocity);
            p.store_part(parameter);
        }
    }
}

struct Descend<'a> {
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    step: SgdStep,
}

impl Kernel for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let down = L::splat(-self.step.lr);
        for (parameter, gradient) in
            self.parameter.chunks_mut(LANES).zip(self.gradient.chunks(LANES))
        {
            let [p, g] = decayed::<L>(parameter, gradient, self.step);
            g.mul_add(down, p).store_part(parameter);
        }
    }
}

/// The parameter, and its gradient with the weight decay.
#[inline(always)]
fn decayed<L: Lanes>(parameter: &[f32], gradient: &[f32], step: SgdStep) -> [L; 2] {
    let p = L::load_padded(parameter);
    [p, p.mul_add(L::splat(step.weight_decay), L::load_padded(gradient))]
}
