//! The entry points, as cuBLAS describes them: column-major, scalars on the host.

// Their names are cuBLAS's.
#![allow(non_snake_case)]
#![allow(clippy::too_many_arguments, reason = "cuBLAS's own")]

use std::ffi::c_void;

use half::f16;

use crate::element::{Kind, Sum};
use crate::gemm::{Factor, Gemm};
use crate::matrix::Matrix;

type Status = u32;
const SUCCESS: Status = 0;
const INVALID_VALUE: Status = 7;
const NOT_SUPPORTED: Status = 15;

/// `CUBLAS_OP_N` is 0; the other two are the same for real numbers.
type Operation = u32;

/// Writes a handle: an address that is never followed.
///
/// # Safety
/// `handle` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn cublasCreate_v2(handle: *mut *mut c_void) -> Status {
    // SAFETY: the caller's promise.
    unsafe { handle.write(0x3000 as *mut c_void) };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cublasDestroy_v2(_handle: *mut c_void) -> Status {
    SUCCESS
}

/// Does nothing: all work is done when its entry point returns.
#[unsafe(no_mangle)]
extern "C" fn cublasSetStream_v2(_handle: *mut c_void, _stream: *mut c_void) -> Status {
    SUCCESS
}

/// Writes the version that the library stands for.
///
/// # Safety
/// `version` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn cublasGetVersion_v2(_handle: *mut c_void, version: *mut i32) -> Status {
    // SAFETY: the caller's promise.
    unsafe { version.write(130_000) };
    SUCCESS
}

/// The sizes and places of a product as cuBLAS takes them.
struct Call {
    entry: &'static str,
    transa: Operation,
    transb: Operation,
    size: [i32; 3],
    a: (u64, Kind, i32, i64),
    b: (u64, Kind, i32, i64),
    c: (u64, Kind, i32, i64),
    batches: i32,
}

impl Call {
    /// Checks everything and computes.
    ///
    /// # Safety
    /// Nobody else writes the matrices.
    unsafe fn run<T: Sum>(&self, alpha: T, beta: T) -> Status {
        let known = [self.transa, self.transb].iter().all(|&operation| operation <= 2);
        let sizes = self.size.iter().chain([&self.batches]).all(|&size| size >= 0);
        if !known || !sizes {
            return INVALID_VALUE;
        }
        let [m, n, k] = self.size.map(|size| size as usize);
        let a = factor(self.a, self.transa != 0, m, k);
        let b = factor(self.b, self.transb != 0, k, n);
        let c = matrix(self.c, m, n);
        let (Some(a), Some(b), Some(c)) = (a, b, c) else { return INVALID_VALUE };
        let batches = self.batches as usize;
        a.stored.check(self.entry, "A", batches);
        b.stored.check(self.entry, "B", batches);
        c.check(self.entry, "C", batches);
        a.stored.check_written(self.entry, "A", batches);
        b.stored.check_written(self.entry, "B", batches);
        if beta != T::default() {
            c.check_written(self.entry, "C", batches);
        }
        // SAFETY: they were checked; the rest is the caller's promise.
        unsafe { Gemm { m, n, k, alpha, beta, a, b, c, batches }.run() };
        SUCCESS
    }
}

/// None when the leading dimension is too small, which cuBLAS refuses.
fn matrix(
    (address, kind, leading, stride): (u64, Kind, i32, i64),
    rows: usize,
    columns: usize,
) -> Option<Matrix> {
    let (leading, stride) = (usize::try_from(leading).ok()?, usize::try_from(stride).ok()?);
    (leading >= rows.max(1)).then_some(Matrix { address, kind, rows, columns, leading, stride })
}

fn factor(
    place: (u64, Kind, i32, i64),
    transposed: bool,
    rows: usize,
    columns: usize,
) -> Option<Factor> {
    let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
    Some(Factor { stored: matrix(place, rows, columns)?, transposed })
}

macro_rules! typed {
    ($gemm:ident, $batched:ident, $scalar:ty, $kind:expr, $sum:ty, $value:expr) => {
        /// # Safety
        /// As cuBLAS: the scalars are readable, and nobody else writes the matrices.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $gemm(
            handle: *mut c_void,
            transa: Operation,
            transb: Operation,
            m: i32,
            n: i32,
            k: i32,
            alpha: *const $scalar,
            a: u64,
            lda: i32,
            b: u64,
            ldb: i32,
            beta: *const $scalar,
            c: u64,
            ldc: i32,
        ) -> Status {
            // SAFETY: the caller's promise.
            unsafe {
                $batched(
                    handle, transa, transb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0,
                    1,
                )
            }
        }

        /// # Safety
        /// As cuBLAS: the scalars are readable, and nobody else writes the matrices.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $batched(
            _handle: *mut c_void,
            transa: Operation,
            transb: Operation,
            m: i32,
            n: i32,
            k: i32,
            alpha: *const $scalar,
            a: u64,
            lda: i32,
            stride_a: i64,
            b: u64,
            ldb: i32,
            stride_b: i64,
            beta: *const $scalar,
            c: u64,
            ldc: i32,
            stride_c: i64,
            batches: i32,
        ) -> Status {
            let call = Call {
                entry: stringify!($batched),
                transa,
                transb,
                size: [m, n, k],
                a: (a, $kind, lda, stride_a),
                b: (b, $kind, ldb, stride_b),
                c: (c, $kind, ldc, stride_c),
                batches,
            };
            // SAFETY: the caller's promise.
            unsafe { call.run::<$sum>($value(*alpha), $value(*beta)) }
        }
    };
}

typed!(cublasSgemm_v2, cublasSgemmStridedBatched, f32, Kind::F32, f32, f32::from);
typed!(cublasDgemm_v2, cublasDgemmStridedBatched, f64, Kind::F64, f64, f64::from);
typed!(cublasHgemm, cublasHgemmStridedBatched, f16, Kind::F16, f32, f32::from);

/// # Safety
/// As cuBLAS: the scalars are readable, and nobody else writes the matrices.
#[unsafe(no_mangle)]
unsafe extern "C" fn cublasGemmEx(
    handle: *mut c_void,
    transa: Operation,
    transb: Operation,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    a: u64,
    type_a: u32,
    lda: i32,
    b: u64,
    type_b: u32,
    ldb: i32,
    beta: *const c_void,
    c: u64,
    type_c: u32,
    ldc: i32,
    compute: u32,
    algorithm: i32,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        cublasGemmStridedBatchedEx(
            handle, transa, transb, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c,
            type_c, ldc, 0, 1, compute, algorithm,
        )
    }
}

/// # Safety
/// As cuBLAS: the scalars are readable, and nobody else writes the matrices.
#[unsafe(no_mangle)]
unsafe extern "C" fn cublasGemmStridedBatchedEx(
    _handle: *mut c_void,
    transa: Operation,
    transb: Operation,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    a: u64,
    type_a: u32,
    lda: i32,
    stride_a: i64,
    b: u64,
    type_b: u32,
    ldb: i32,
    stride_b: i64,
    beta: *const c_void,
    c: u64,
    type_c: u32,
    ldc: i32,
    stride_c: i64,
    batches: i32,
    compute: u32,
    _algorithm: i32,
) -> Status {
    let kinds = (Kind::numbered(type_a), Kind::numbered(type_b), Kind::numbered(type_c));
    let (Some(kind_a), Some(kind_b), Some(kind_c)) = kinds else { return NOT_SUPPORTED };
    let call = Call {
        entry: "cublasGemmStridedBatchedEx",
        transa,
        transb,
        size: [m, n, k],
        a: (a, kind_a, lda, stride_a),
        b: (b, kind_b, ldb, stride_b),
        c: (c, kind_c, ldc, stride_c),
        batches,
    };
    // Numbers as in `cublasComputeType_t`; the scalars have the type of the sums.
    // SAFETY: the caller's promise.
    unsafe {
        match compute {
            64 | 65 => {
                let scalar = |at: *const c_void| f32::from(at.cast::<f16>().read());
                call.run::<f32>(scalar(alpha), scalar(beta))
            }
            68 | 69 | 74 | 75 | 77 => {
                call.run::<f32>(alpha.cast::<f32>().read(), beta.cast::<f32>().read())
            }
            70 | 71 => call.run::<f64>(alpha.cast::<f64>().read(), beta.cast::<f64>().read()),
            _ => NOT_SUPPORTED,
        }
    }
}

macro_rules! gemv {
    ($gemv:ident, $gemm:ident, $scalar:ty) => {
        /// # Safety
        /// As cuBLAS: the scalars are readable, and nobody else writes the vectors.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $gemv(
            handle: *mut c_void,
            trans: Operation,
            m: i32,
            n: i32,
            alpha: *const $scalar,
            a: u64,
            lda: i32,
            x: u64,
            incx: i32,
            beta: *const $scalar,
            y: u64,
            incy: i32,
        ) -> Status {
            if incx < 1 || incy < 1 {
                return NOT_SUPPORTED;
            }
            // A vector is a row whose columns lie `inc` apart: y^T = x^T op(A)^T.
            let (rows, inner) = if trans == 0 { (m, n) } else { (n, m) };
            let turned = Operation::from(trans == 0);
            // SAFETY: the caller's promise.
            unsafe {
                $gemm(handle, 0, turned, 1, rows, inner, alpha, x, incx, a, lda, beta, y, incy)
            }
        }
    };
}

gemv!(cublasSgemv_v2, cublasSgemm_v2, f32);
gemv!(cublasDgemv_v2, cublasDgemm_v2, f64);
