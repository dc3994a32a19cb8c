//! Packed weights that are kept for later calls.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Isa;
use crate::memory::Memory;
use crate::plain::Plain;
use crate::scratch::Scratch;

/// What was packed of a weight, for later calls of [`Conv::forward_packed`](crate::Conv::forward_packed).
///
/// A convolution first brings its weight into the order in which it reads it, or transforms it. For a few small images
/// this takes much of the time, and with a weight that no longer changes it need be done once.
///
/// It belongs to one weight with one value, and to convolutions that differ in the shape of their input alone: nobody
/// notices another one. It keeps a copy for each order that was asked for, of at least the size of the
/// weight, four times that where 3x3 goes through minimal filtering, and is empty at first.
#[derive(Debug, Default)]
pub struct Packed {
    forms: Mutex<Vec<(Form, Arc<Memory>)>>,
}

/// In which order a weight is packed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) isa: Isa,
    pub(crate) order: Order,
    /// The taps that are packed, if not all of them.
    pub(crate) taps: Vec<usize>,
    /// Rows of sixteen columns.
    pub(crate) len: usize,
}

/// Who reads a packed weight.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Products of factors that span so many numbers.
    Factors(usize),
    /// Minimal filtering.
    Points,
    /// The tiles of AMX, with so many numbers for each tap.
    Tiles(usize),
}

impl Packed {
    /// The weight in this form: what `pack` writes, now or in an earlier call.
    pub(crate) fn get<T: Plain>(&self, form: Form, pack: impl FnOnce(&mut [T])) -> Arc<Memory> {
        let find = || {
            let forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
            forms.iter().find(|(kept, _)| *kept == form).map(|(_, memory)| memory.clone())
        };
        if let Some(memory) = find() {
            return memory;
        }
        // Not under the lock: while this thread waits for others it may begin another call that asks for it.
        let mut memory = Memory::zeros::<T>(form.len);
        pack(memory.values_mut(form.len));
        let memory = Arc::new(memory);
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.push((form, memory.clone()));
        memory
    }
}

/// A weight, and where to keep what is packed of it.
#[derive(Debug)]
pub(crate) struct Weight<'a, E> {
    pub(crate) values: &'a [E],
    pub(crate) packed: Option<&'a Packed>,
}

impl<'a, E> Weight<'a, E> {
    /// One that may change after this call.
    pub(crate) fn new(values: &'a [E]) -> Self {
        Self { values, packed: None }
    }

    /// The weight in this form, if that is kept.
    pub(crate) fn kept<T: Plain>(
        self,
        form: Form,
        pack: impl FnOnce(&mut [T]),
    ) -> Option<Arc<Memory>> {
        self.packed.map(|packed| packed.get(form, pack))
    }

    /// Calls `f` with the weight in this form, kept or not.
    pub(crate) fn with<T: Plain, R>(
        self,
        form: Form,
        pack: impl FnOnce(&mut [T]),
        f: impl FnOnce(&[T]) -> R,
    ) -> R {
        let len = form.len;
        match self.packed {
            Some(packed) => f(packed.get(form, pack).values(len)),
            None => Scratch::Panels.with(len, |panels| {
                pack(panels);
                f(panels)
            }),
        }
    }
}

impl<E> Clone for Weight<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Weight<'_, E> {}
