//! Gradients of a narrow number format, and those of `f32`.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use crate::Descent;

#[cfg(feature = "cuda")]
mod cuda;

/// A device that carries gradients between the number format `E` and `f32`, in place: dfdx's own
/// casts take and give tensors, which gradients under way are not.
pub trait Widen<E: Dtype>: Device<E> + Descent {
    /// `to = from`.
    ///
    /// # Errors
    ///
    /// A failing device.
    fn widen(
        from: &<Self as Storage<E>>::Vec,
        to: &mut <Self as Storage<f32>>::Vec,
    ) -> Result<(), Self::Err>;

    /// `to += from`.
    ///
    /// # Errors
    ///
    /// A failing device.
    fn add_narrowed(
        from: &<Self as Storage<f32>>::Vec,
        to: &mut <Self as Storage<E>>::Vec,
    ) -> Result<(), Self::Err>;
}

impl<E: Dtype> Widen<E> for Cpu
where
    Cpu: Device<E>,
{
    fn widen(
        from: &<Self as Storage<E>>::Vec,
        to: &mut <Self as Storage<f32>>::Vec,
    ) -> Result<(), Self::Err> {
        each::<E, f32>(from, to, |_, from| wide(from));
        Ok(())
    }

    fn add_narrowed(
        from: &<Self as Storage<f32>>::Vec,
        to: &mut <Self as Storage<E>>::Vec,
    ) -> Result<(), Self::Err> {
        each::<f32, E>(from, to, |to, from| E::from_f32(wide(to) + from).unwrap_or_default());
        Ok(())
    }
}

fn each<From: Dtype, To: Dtype>(
    from: &<Cpu as Storage<From>>::Vec,
    to: &mut <Cpu as Storage<To>>::Vec,
    f: impl Fn(To, From) -> To,
) {
    to.iter_mut().zip(from.iter()).for_each(|(to, from)| *to = f(*to, *from));
}

fn wide<E: Dtype>(x: E) -> f32 {
    x.to_f32().unwrap_or(f32::NAN)
}
