//! One axis of a convolution as a line of positions, at each of which all taps lie at the same distances.
//!
//! Where a window reaches over an edge it meets zeros, which the source is padded with. Those at the end of a
//! line serve as those before the next one, too.

use crate::Window;

/// An axis of the destination, and what it sees of the source's.
#[derive(Debug)]
pub(super) struct Axis {
    /// Destinations from one of a phase to the next.
    pub(super) step: usize,
    /// Sources from one of a source phase to the next.
    pub(super) stride: usize,
    /// Sources of a source phase from one position to the next.
    pub(super) unit: usize,
    /// Sources in all.
    pub(super) sources: usize,
    pub(super) phases: Vec<Phase>,
    /// Positions from one line to the next.
    pub(super) pitch: usize,
}

/// Destinations that see the same taps: `first`, and then every `step`th.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) first: usize,
    pub(super) count: usize,
    /// In the order of the source phases, and then of the sources.
    pub(super) taps: Vec<Tap>,
}

/// What all destinations of a phase see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// The position in the kernel.
    pub(super) kernel: usize,
    pub(super) source_phase: usize,
    /// How many sources of the source phase lie between the position and what it sees there.
    pub(super) shift: isize,
}

/// How a forward pass walks over a source whose stride is not 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// The source is divided into as many phases.
    Split,
    /// So many sources lie from one position to the next.
    Stride,
}

impl Axis {
    /// The forward pass along an axis.
    pub(super) fn forward(
        window: &Window,
        axis: usize,
        [input, output]: [usize; 2],
        walk: Walk,
    ) -> Self {
        let (stride, unit) = match walk {
            Walk::Split => (window.stride[axis], 1),
            Walk::Stride => (1, window.stride[axis]),
        };
        let tap = |kernel: usize| {
            let source = (kernel * window.dilation[axis]) as isize - window.padding[axis] as isize;
            let (shift, source_phase) =
                (source.div_euclid(stride as isize), source.rem_euclid(stride as isize) as usize);
            Tap { kernel, source_phase, shift }
        };
        let mut taps: Vec<_> = (0..window.kernel[axis]).map(tap).collect();
        taps.sort_by_key(|tap| (tap.source_phase, tap.shift));
        let phases = vec![Phase { first: 0, count: output, taps }];
        Self { step: 1, stride, unit, sources: input, phases, pitch: 0 }.with_pitch()
    }

    /// The gradient of the input along an axis.
    pub(super) fn backward(window: &Window, axis: usize, [input, output]: [usize; 2]) -> Self {
        let step = window.stride[axis];
        let phase = |first: usize| {
            // Output `o` meets input `stride * o + dilation * kernel - padding`; solved for `o`.
            let tap = |kernel: usize| {
                let at = (first + window.padding[axis]) as isize
                    - (kernel * window.dilation[axis]) as isize;
                let shift = at.div_euclid(step as isize);
                (at % step as isize == 0).then_some(Tap { kernel, source_phase: 0, shift })
            };
            let mut taps: Vec<_> = (0..window.kernel[axis]).filter_map(tap).collect();
            taps.sort_by_key(|tap| tap.shift);
            Phase { first, count: (input - first).div_ceil(step), taps }
        };
        let phases = (0..step.min(input)).map(phase).collect();
        Self { step, stride: 1, unit: 1, sources: output, phases, pitch: 0 }.with_pitch()
    }

    /// Lines that are just long enough for every tap that lies outside of the source to meet zeros.
    fn with_pitch(mut self) -> Self {
        let counts = self.phases.iter().map(|phase| phase.count);
        let mut pitch = counts.fold(self.source_count(0).div_ceil(self.unit), usize::max);
        for phase in &self.phases {
            for tap in &phase.taps {
                let sources = self.source_count(tap.source_phase) as isize;
                let last = (self.unit * (phase.count - 1)) as isize + tap.shift;
                let len = sources.max(sources - tap.shift).max(last + 1) as usize;
                pitch = pitch.max(len.div_ceil(self.unit));
            }
        }
        self.pitch = pitch;
        self
    }

    /// Sources of a source phase.
    pub(super) fn source_count(&self, source_phase: usize) -> usize {
        self.sources.saturating_sub(source_phase).div_ceil(self.stride)
    }

    /// Source phases up to the last one that is seen.
    pub(super) fn source_phases(&self) -> usize {
        self.taps().map(|tap| tap.source_phase + 1).max().unwrap_or_default()
    }

    fn taps(&self) -> impl Iterator<Item = &Tap> {
        self.phases.iter().flat_map(|phase| &phase.taps)
    }

    /// How far before its position and behind it a destination sees, in sources of a phase.
    pub(super) fn reach(&self) -> [usize; 2] {
        let before = self.taps().map(|tap| (-tap.shift).max(0)).max().unwrap_or_default();
        let after = self.taps().map(|tap| tap.shift.max(0)).max().unwrap_or_default();
        [before as usize, after as usize]
    }

    /// Whether position, source and destination are the same.
    pub(super) fn is_identity(&self) -> bool {
        self.step == 1
            && self.stride == 1
            && self.unit == 1
            && self.pitch == self.sources
            && matches!(&self.phases[..], [Phase { taps, count, .. }]
                if *count == self.sources && matches!(taps[..], [Tap { shift: 0, .. }]))
    }
}
