//! The devices and number formats that a test can have, and how work that a test describes on the
//! CPU is done on them.
#![allow(dead_code, unreachable_pub)] // each test uses a part of it
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use dfdx::dtypes::{AMP, Dtype, f16};
use dfdx::prelude::*;
use trickbag_ops::{Backend, Error, Tensors, Vector};

/// A device and what it computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The fast forms.
    Cpu,
    /// The composed forms in 16 bits, as a GPU has them.
    CpuAmp,
    Cuda,
    CudaAmp,
}

/// Something that is the same on every device and in every number format.
pub trait Work {
    type Output;

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) -> Self::Output;
}

impl Place {
    /// All of them.
    pub fn all() -> Vec<Self> {
        [Self::Cpu].into_iter().chain(Self::composed()).collect()
    }

    /// The places where composed forms run: CUDA where it is built in and a device, real or emulated,
    /// is there, and the CPU elsewhere.
    pub fn composed() -> Vec<Self> {
        let gpus = Self::gpus();
        if gpus.is_empty() { vec![Self::CpuAmp] } else { gpus }
    }

    #[cfg(feature = "cuda")]
    pub fn gpus() -> Vec<Self> {
        match gpu() {
            Ok(_) => vec![Self::Cuda, Self::CudaAmp],
            Err(reason) => {
                eprintln!("skipped on CUDA: {reason}");
                vec![]
            }
        }
    }

    #[cfg(not(feature = "cuda"))]
    pub fn gpus() -> Vec<Self> {
        vec![]
    }

    /// Whether numbers have 11 bits of significand.
    pub fn is_half(self) -> bool {
        matches!(self, Self::CpuAmp | Self::CudaAmp)
    }

    /// Does the work here.
    pub fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Cpu => work.on::<f32, _>(&Cpu::default()),
            Self::CpuAmp => work.on::<AMP<f16>, _>(&Cpu::default()),
            #[cfg(feature = "cuda")]
            Self::Cuda => work.on::<f32, _>(&gpu().unwrap()),
            #[cfg(feature = "cuda")]
            Self::CudaAmp => work.on::<AMP<f16>, _>(&gpu().unwrap()),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda | Self::CudaAmp => unreachable!("built without CUDA"),
        }
    }
}

/// The device, opened once in each thread: it loads its kernels only once then. It gives memory back
/// at once: what dfdx keeps for later holds old numbers, and an emulated device, which sees reads of
/// what nobody wrote, would take them for new ones.
#[cfg(feature = "cuda")]
fn gpu() -> Result<Cuda, Error> {
    thread_local! {
        static GPU: Result<Cuda, Error> = trickbag_ops::cuda(0).inspect(|gpu| gpu.disable_cache());
    }
    GPU.with(Clone::clone)
}

/// Does the work on each device, where the format that computes does not matter.
pub fn on_each_device<W: Work<Output = ()> + Copy>(work: W) {
    let gpus = Place::gpus().into_iter().filter(|place| !place.is_half());
    [Place::Cpu].into_iter().chain(gpus).for_each(|place| place.run(work));
}

/// A flat output on a tape, and values beside it.
pub type Output<E, D> = (Vector<E, D, OwnedTape<E, D>>, Vec<Vector<f32, D>>);

/// An operator of flat inputs.
pub trait Operator: Clone + 'static {
    fn apply<E: Dtype, D: Backend<E>>(
        &self,
        inputs: Vec<Vector<E, D, OwnedTape<E, D>>>,
    ) -> Result<Output<E, D>, Error>;
}

/// A vector on the CPU, on a tape.
pub type Traced = Vector<f32, Cpu, OwnedTape<f32, Cpu>>;

/// The operator at another place, as a part of a tape on the CPU: what flows in is carried there, and
/// what comes out is carried back, forward and backward.
pub fn bridged<O: Operator>(
    place: Place,
    operator: O,
    inputs: Vec<Traced>,
) -> Result<Output<f32, Cpu>, Error> {
    place.run(Bridge { operator, inputs })
}

struct Bridge<O> {
    operator: O,
    inputs: Vec<Traced>,
}

impl<O: Operator> Work for Bridge<O> {
    type Output = Result<Output<f32, Cpu>, Error>;

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) -> Self::Output {
        let (mut tape, mut here, mut there) = (OwnedTape::default(), vec![], vec![]);
        for input in self.inputs {
            let (input, beside) = input.split_tape();
            tape = tape.merge(beside);
            there.push(D::from_f32(to(dev, input.as_vec()))?);
            here.push(input.ghost());
        }
        let traced = there.iter().map(|input| input.clone().leaky_traced()).collect();
        let (y, beside) = self.operator.apply(traced)?;
        let beside = beside.iter().map(|x| to(&Cpu::default(), x.as_vec())).collect();
        let value: Vector<f32, Cpu> =
            to(&Cpu::default(), D::to_f32(y.retaped::<NoneTape>())?.as_vec());
        let (ghost, dev) = (value.ghost(), dev.clone());
        tape.add_backward_op(move |gradients| {
            let dy = to(&dev, gradients.get_or_alloc_mut(&ghost)?.to_vec());
            let end = <D as Tensors<E>>::scalar(y, 0.0, dy).unwrap();
            let mut found = <D as Tensors<E>>::backward(end).unwrap();
            for (here, there) in here.iter().zip(&there) {
                let dx = D::take_gradient(&mut found, there).unwrap().as_vec();
                let sums = gradients.get_or_alloc_mut(here)?;
                sums.iter_mut().zip(dx).for_each(|(sum, dx)| *sum += dx);
            }
            Ok(())
        });
        Ok((value.put_tape(tape), beside))
    }
}

/// These values on a device.
pub fn to<D: Device<f32>>(dev: &D, values: Vec<f32>) -> Vector<f32, D> {
    let shape = (values.len(),);
    dev.tensor_from_vec(values, shape)
}
