//! The entry points, as NCCL describes them. A call returns when all ranks have come; between
//! `ncclGroupStart` and `ncclGroupEnd` it is the latter that waits.

// Their names are NCCL's.
#![allow(non_snake_case)]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::device::check;
use crate::group::{Communicator, Ticket};
use crate::reduce::{Collective, Element, Kind, Operation, Place};

type Status = u32;
const SUCCESS: Status = 0;
const INVALID_ARGUMENT: Status = 4;
const INVALID_USAGE: Status = 5;

/// A group's name: NCCL's 128 bytes, of which the first 8 count.
#[repr(C)]
#[derive(Clone, Copy)]
struct UniqueId([u8; 128]);

thread_local! {
    /// The depth of groups of calls, and the collectives that wait for the outermost one's end.
    static GROUP: RefCell<(usize, Vec<Ticket>)> = const { RefCell::new((0, Vec::new())) };
}

/// # Safety
/// `version` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclGetVersion(version: *mut c_int) -> Status {
    // SAFETY: the caller's promise.
    unsafe { version.write(22_800) };
    SUCCESS
}

/// # Safety
/// `id` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclGetUniqueId(id: *mut UniqueId) -> Status {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 128];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    // SAFETY: the caller's promise.
    unsafe { id.write(UniqueId(bytes)) };
    SUCCESS
}

/// Does not wait for the other ranks: the first collective does.
///
/// # Safety
/// `communicator` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommInitRank(
    communicator: *mut *mut c_void,
    ranks: c_int,
    id: UniqueId,
    rank: c_int,
) -> Status {
    let mut number = [0; 8];
    number.copy_from_slice(&id.0[..8]);
    let (Ok(ranks), Ok(rank)) = (usize::try_from(ranks), usize::try_from(rank)) else {
        return INVALID_ARGUMENT;
    };
    let Some(joined) = Communicator::join(u64::from_le_bytes(number), ranks, rank) else {
        return INVALID_ARGUMENT;
    };
    // SAFETY: the caller's promise.
    unsafe { communicator.write(Box::into_raw(Box::new(joined)).cast()) };
    SUCCESS
}

/// # Safety
/// `communicator` is writable. The configuration is not read.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommInitRankConfig(
    communicator: *mut *mut c_void,
    ranks: c_int,
    id: UniqueId,
    rank: c_int,
    _config: *mut c_void,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { ncclCommInitRank(communicator, ranks, id, rank) }
}

/// # Safety
/// `communicators` has room for `ranks`. The list of devices is not read.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommInitAll(
    communicators: *mut *mut c_void,
    ranks: c_int,
    _devices: *const c_int,
) -> Status {
    let mut id = UniqueId([0; 128]);
    // SAFETY: `id` is writable, and the caller promises the rest.
    unsafe {
        ncclGetUniqueId(&mut id);
        for rank in 0..ranks {
            let status = ncclCommInitRank(communicators.add(rank as usize), ranks, id, rank);
            if status != SUCCESS {
                return status;
            }
        }
    }
    SUCCESS
}

/// # Safety
/// `communicator` is live and is not used again.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommDestroy(communicator: *mut c_void) -> Status {
    if !communicator.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(communicator.cast::<Communicator>()) });
    }
    SUCCESS
}

/// # Safety
/// As for [`ncclCommDestroy`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommAbort(communicator: *mut c_void) -> Status {
    // SAFETY: the caller's promise.
    unsafe { ncclCommDestroy(communicator) }
}

#[unsafe(no_mangle)]
extern "C" fn ncclCommFinalize(_communicator: *mut c_void) -> Status {
    SUCCESS
}

/// # Safety
/// `communicator` is live, and `count` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommCount(communicator: *mut c_void, count: *mut c_int) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        let communicator = &*communicator.cast::<Communicator>();
        count.write(communicator.group.size as c_int);
    }
    SUCCESS
}

/// # Safety
/// `communicator` is live, and `rank` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommUserRank(communicator: *mut c_void, rank: *mut c_int) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        let communicator = &*communicator.cast::<Communicator>();
        rank.write(communicator.rank as c_int);
    }
    SUCCESS
}

/// All memory is one: the device is the first.
///
/// # Safety
/// `device` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommCuDevice(_communicator: *mut c_void, device: *mut c_int) -> Status {
    // SAFETY: the caller's promise.
    unsafe { device.write(0) };
    SUCCESS
}

/// # Safety
/// `status` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn ncclCommGetAsyncError(_: *mut c_void, status: *mut Status) -> Status {
    // SAFETY: the caller's promise.
    unsafe { status.write(SUCCESS) };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn ncclGetErrorString(status: Status) -> *const c_char {
    let text: &CStr = match status {
        SUCCESS => c"no error",
        INVALID_ARGUMENT => c"invalid argument",
        INVALID_USAGE => c"invalid usage: the ranks disagree",
        _ => c"unknown error",
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn ncclGroupStart() -> Status {
    GROUP.with_borrow_mut(|(depth, _)| *depth += 1);
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn ncclGroupEnd() -> Status {
    let tickets = GROUP.with_borrow_mut(|(depth, tickets)| {
        *depth = depth.saturating_sub(1);
        if *depth == 0 { std::mem::take(tickets) } else { Vec::new() }
    });
    tickets.into_iter().for_each(Ticket::wait);
    SUCCESS
}

/// What the entry points of collectives have in common.
struct Call {
    entry: &'static str,
    kind: Kind,
    from: u64,
    to: u64,
    count: usize,
    element: u32,
    operation: u32,
    root: c_int,
}

impl Call {
    /// Comes for the collective, and waits unless a group of calls is open.
    ///
    /// # Safety
    /// `communicator` is live, and nobody else uses the memory until this returns or the group
    /// of calls ends.
    unsafe fn run(self, communicator: *mut c_void) -> Status {
        // SAFETY: the caller's promise.
        let communicator = unsafe { &*communicator.cast::<Communicator>() };
        let size = communicator.group.size;
        let element = Element::numbered(self.element);
        let operation = Operation::numbered(self.operation);
        let root = usize::try_from(self.root).ok().filter(|&root| root < size);
        let (Some(element), Some(operation), Some(root)) = (element, operation, root) else {
            return INVALID_ARGUMENT;
        };
        let (kind, count) = (self.kind, self.count);
        let collective = Collective { kind, count, element, operation, root };
        let (read, written) = collective.bytes(size);
        let is_root = communicator.rank == root;
        if kind != Kind::Broadcast || is_root {
            check(self.entry, self.from, read);
        }
        if kind != Kind::Reduce || is_root {
            check(self.entry, self.to, written);
        }
        let place = Place { from: self.from, to: self.to };
        // SAFETY: the memory was checked; the rest is the caller's promise.
        let Some(ticket) = (unsafe { communicator.come(collective, place) }) else {
            return INVALID_USAGE;
        };
        let now = GROUP.with_borrow_mut(|(depth, tickets)| {
            if *depth == 0 {
                return Some(ticket);
            }
            tickets.push(ticket);
            None
        });
        if let Some(ticket) = now {
            ticket.wait();
        }
        SUCCESS
    }
}

macro_rules! collective {
    ($name:ident, $kind:expr, ($($parameter:ident: $type:ty),*), $operation:expr, $root:expr) => {
        /// # Safety
        /// As NCCL: the communicator is live, and nobody else uses the memory meanwhile.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            from: u64,
            to: u64,
            count: usize,
            element: u32,
            $($parameter: $type,)*
            communicator: *mut c_void,
            _stream: *mut c_void,
        ) -> Status {
            let (entry, kind) = (stringify!($name), $kind);
            let (operation, root) = ($operation, $root);
            let call = Call { entry, kind, from, to, count, element, operation, root };
            // SAFETY: the caller's promise.
            unsafe { call.run(communicator) }
        }
    };
}

collective!(ncclAllReduce, Kind::AllReduce, (operation: u32), operation, 0);
collective!(ncclReduce, Kind::Reduce, (operation: u32, root: c_int), operation, root);
collective!(ncclBroadcast, Kind::Broadcast, (root: c_int), 0, root);
collective!(ncclAllGather, Kind::AllGather, (), 0, 0);
collective!(ncclReduceScatter, Kind::ReduceScatter, (operation: u32), operation, 0);

macro_rules! absent {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            crate::device::fault(concat!(stringify!($name), " is not emulated"))
        }
    )*};
}

absent! {
    ncclBcast
    ncclCommSplit
    ncclGetLastError
    ncclRecv
    ncclRedOpCreatePreMulSum
    ncclRedOpDestroy
    ncclSend
}
