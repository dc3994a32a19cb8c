use rayon::prelude::*;
use std::arch::x86_64::*;
use std::time::Instant;
const PF: bool = true;
const MR: usize = 12;
const NR: usize = 32;
// b panels: for each 32 columns: K rows of 32
fn pack_b(b: &[f32], k: usize, n: usize) -> Vec<f32> {
    let mut p = vec![0.0; k * n];
    p.par_chunks_mut(k * NR).enumerate().for_each(|(j, p)| {
        for kk in 0..k {
            p[kk * NR..][..NR].copy_from_slice(&b[kk * n + j * NR..][..NR]);
        }
    });
    p
}
const P: usize = 272;
#[target_feature(enable = "avx512f,fma")]
unsafe fn micro2(kc: usize, a: *const f32, b: *const f32, c: *mut f32, ldc: usize, first: bool) {
    unsafe {
        let mut acc = [[_mm512_setzero_ps(); 2]; MR];
        let mut a = a;
        let mut b = b;
        for _ in 0..kc / 4 {
            macro_rules! step {
                ($u:literal) => {
                    let b0 = _mm512_loadu_ps(b.add($u * NR));
                    let b1 = _mm512_loadu_ps(b.add($u * NR + 16));

                    let x = _mm512_set1_ps(*a.add(0 * P + $u));
                    acc[0][0] = _mm512_fmadd_ps(x, b0, acc[0][0]);
                    acc[0][1] = _mm512_fmadd_ps(x, b1, acc[0][1]);
                    let x = _mm512_set1_ps(*a.add(1 * P + $u));
                    acc[1][0] = _mm512_fmadd_ps(x, b0, acc[1][0]);
                    acc[1][1] = _mm512_fmadd_ps(x, b1, acc[1][1]);
                    let x = _mm512_set1_ps(*a.add(2 * P + $u));
                    acc[2][0] = _mm512_fmadd_ps(x, b0, acc[2][0]);
                    acc[2][1] = _mm512_fmadd_ps(x, b1, acc[2][1]);
                    let x = _mm512_set1_ps(*a.add(3 * P + $u));
                    acc[3][0] = _mm512_fmadd_ps(x, b0, acc[3][0]);
                    acc[3][1] = _mm512_fmadd_ps(x, b1, acc[3][1]);
                    let x = _mm512_set1_ps(*a.add(4 * P + $u));
                    acc[4][0] = _mm512_fmadd_ps(x, b0, acc[4][0]);
                    acc[4][1] = _mm512_fmadd_ps(x, b1, acc[4][1]);
                    let x = _mm512_set1_ps(*a.add(5 * P + $u));
                    acc[5][0] = _mm512_fmadd_ps(x, b0, acc[5][0]);
                    acc[5][1] = _mm512_fmadd_ps(x, b1, acc[5][1]);
                    let x = _mm512_set1_ps(*a.add(6 * P + $u));
                    acc[6][0] = _mm512_fmadd_ps(x, b0, acc[6][0]);
                    acc[6][1] = _mm512_fmadd_ps(x, b1, acc[6][1]);
                    let x = _mm512_set1_ps(*a.add(7 * P + $u));
                    acc[7][0] = _mm512_fmadd_ps(x, b0, acc[7][0]);
                    acc[7][1] = _mm512_fmadd_ps(x, b1, acc[7][1]);
                    let x = _mm512_set1_ps(*a.add(8 * P + $u));
                    acc[8][0] = _mm512_fmadd_ps(x, b0, acc[8][0]);
                    acc[8][1] = _mm512_fmadd_ps(x, b1, acc[8][1]);
                    let x = _mm512_set1_ps(*a.add(9 * P + $u));
                    acc[9][0] = _mm512_fmadd_ps(x, b0, acc[9][0]);
                    acc[9][1] = _mm512_fmadd_ps(x, b1, acc[9][1]);
                    let x = _mm512_set1_ps(*a.add(10 * P + $u));
                    acc[10][0] = _mm512_fmadd_ps(x, b0, acc[10][0]);
                    acc[10][1] = _mm512_fmadd_ps(x, b1, acc[10][1]);
                    let x = _mm512_set1_ps(*a.add(11 * P + $u));
                    acc[11][0] = _mm512_fmadd_ps(x, b0, acc[11][0]);
                    acc[11][1] = _mm512_fmadd_ps(x, b1, acc[11][1]);
                };
            }
            step!(0);
            step!(1);
            step!(2);
            step!(3);
            a = a.add(4);
            b = b.add(4 * NR);
        }
        for i in 0..MR {
            for j in 0..2 {
                let p = c.add(i * ldc + 16 * j);
                let v =
                    if first { acc[i][j] } else { _mm512_add_ps(acc[i][j], _mm512_loadu_ps(p)) };
                _mm512_storeu_ps(p, v);
            }
        }
    }
}
#[target_feature(enable = "avx512f,fma")]
unsafe fn micro3(
    kc: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    ldc: usize,
    rows: usize,
    first: bool,
) {
    unsafe {
        let mut acc = [[_mm512_setzero_ps(); 2]; MR];
        if PF {
            for i in 0..MR {
                for j in 0..2 {
                    _mm_prefetch::<_MM_HINT_T0>(c.wrapping_add(i * ldc + 16 * j).cast());
                }
            }
        }
        let mut a = a;
        let mut b = b;
        for _ in 0..kc / 4 {
            macro_rules! step {
                ($u:literal) => {
                    let b0 = _mm512_loadu_ps(b.add($u * NR));
                    let b1 = _mm512_loadu_ps(b.add($u * NR + 16));
                    let x = _mm512_set1_ps(*a.add($u * MR + 0));
                    acc[0][0] = _mm512_fmadd_ps(x, b0, acc[0][0]);
                    acc[0][1] = _mm512_fmadd_ps(x, b1, acc[0][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 1));
                    acc[1][0] = _mm512_fmadd_ps(x, b0, acc[1][0]);
                    acc[1][1] = _mm512_fmadd_ps(x, b1, acc[1][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 2));
                    acc[2][0] = _mm512_fmadd_ps(x, b0, acc[2][0]);
                    acc[2][1] = _mm512_fmadd_ps(x, b1, acc[2][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 3));
                    acc[3][0] = _mm512_fmadd_ps(x, b0, acc[3][0]);
                    acc[3][1] = _mm512_fmadd_ps(x, b1, acc[3][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 4));
                    acc[4][0] = _mm512_fmadd_ps(x, b0, acc[4][0]);
                    acc[4][1] = _mm512_fmadd_ps(x, b1, acc[4][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 5));
                    acc[5][0] = _mm512_fmadd_ps(x, b0, acc[5][0]);
                    acc[5][1] = _mm512_fmadd_ps(x, b1, acc[5][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 6));
                    acc[6][0] = _mm512_fmadd_ps(x, b0, acc[6][0]);
                    acc[6][1] = _mm512_fmadd_ps(x, b1, acc[6][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 7));
                    acc[7][0] = _mm512_fmadd_ps(x, b0, acc[7][0]);
                    acc[7][1] = _mm512_fmadd_ps(x, b1, acc[7][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 8));
                    acc[8][0] = _mm512_fmadd_ps(x, b0, acc[8][0]);
                    acc[8][1] = _mm512_fmadd_ps(x, b1, acc[8][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 9));
                    acc[9][0] = _mm512_fmadd_ps(x, b0, acc[9][0]);
                    acc[9][1] = _mm512_fmadd_ps(x, b1, acc[9][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 10));
                    acc[10][0] = _mm512_fmadd_ps(x, b0, acc[10][0]);
                    acc[10][1] = _mm512_fmadd_ps(x, b1, acc[10][1]);
                    let x = _mm512_set1_ps(*a.add($u * MR + 11));
                    acc[11][0] = _mm512_fmadd_ps(x, b0, acc[11][0]);
                    acc[11][1] = _mm512_fmadd_ps(x, b1, acc[11][1]);
                };
            }
            if APF {
                _mm_prefetch::<_MM_HINT_T0>(a.wrapping_add(512).cast());
                _mm_prefetch::<_MM_HINT_T0>(a.wrapping_add(512 + 16).cast());
                _mm_prefetch::<_MM_HINT_T0>(a.wrapping_add(512 + 32).cast());
            }
            step!(0);
            step!(1);
            step!(2);
            step!(3);
            a = a.add(4 * MR);
            b = b.add(4 * NR);
        }
        for i in 0..rows {
            for j in 0..2 {
                let p = c.add(i * ldc + 16 * j);
                let v =
                    if first { acc[i][j] } else { _mm512_add_ps(acc[i][j], _mm512_loadu_ps(p)) };
                _mm512_storeu_ps(p, v);
            }
        }
    }
}
const APF: bool = true;
#[target_feature(enable = "avx512f,fma")]
unsafe fn micro(
    kc: usize,
    a: *const f32,
    lda: usize,
    b: *const f32,
    c: *mut f32,
    ldc: usize,
    rows: usize,
    first: bool,
) {
    unsafe {
        let mut acc = [[_mm512_setzero_ps(); 2]; MR];
        if PF {
            for i in 0..MR {
                for j in 0..2 {
                    _mm_prefetch::<_MM_HINT_T0>(c.wrapping_add(i * ldc + 16 * j).cast());
                }
            }
        }
        for k in 0..kc {
            let b0 = _mm512_loadu_ps(b.add(k * NR));
            let b1 = _mm512_loadu_ps(b.add(k * NR + 16));
            macro_rules! row { ($($i:literal)*) => { $(
            let x = _mm512_set1_ps(*a.add($i * lda + k));
            acc[$i][0] = _mm512_fmadd_ps(x, b0, acc[$i][0]);
            acc[$i][1] = _mm512_fmadd_ps(x, b1, acc[$i][1]);
        )* } }
            row!(0 1 2 3 4 5 6 7 8 9 10 11);
        }
        for i in 0..rows {
            for j in 0..2 {
                let p = c.add(i * ldc + 16 * j);
                let v =
                    if first { acc[i][j] } else { _mm512_add_ps(acc[i][j], _mm512_loadu_ps(p)) };
                _mm512_storeu_ps(p, v);
            }
        }
    }
}
fn gemm(
    a: &[f32],
    bp: &[f32],
    c: &mut [f32],
    k: usize,
    n: usize,
    mc: usize,
    kc: usize,
    pack: bool,
) {
    c.par_chunks_mut(mc * n).zip(a.par_chunks(mc * k)).for_each_init(
        Vec::new,
        |buf: &mut Vec<f32>, (c, a)| {
            let m = c.len() / n;
            for k0 in (0..k).step_by(kc) {
                let kc = kc.min(k - k0);
                let lda = if pack {
                    buf.resize((mc + MR) * kc, 0.0);
                    for i0 in (0..m).step_by(MR) {
                        for i in 0..MR.min(m - i0) {
                            let to = &mut buf[i0 * kc..][..MR * kc];
                            for (kk, v) in a[(i0 + i) * k + k0..][..kc].iter().enumerate() {
                                to[kk * MR + i] = *v;
                            }
                        }
                    }
                    kc
                } else {
                    k
                };
                for j in 0..n / NR {
                    let b = &bp[j * k * NR + k0 * NR..];
                    for i in (0..m).step_by(MR) {
                        let rows = MR.min(m - i);
                        let start = if pack { i } else { i.min(m - MR) };
                        #[allow(unused_unsafe)]
                        unsafe {
                            if j == 0 && PF && !pack {
                                for r in 0..MR {
                                    for q in (0..kc).step_by(16) {
                                        _mm_prefetch::<_MM_HINT_T0>(
                                            a.as_ptr()
                                                .wrapping_add((start + MR + r) * k + k0 + q)
                                                .cast(),
                                        );
                                    }
                                }
                            }
                            let src = if pack {
                                buf[start * lda..].as_ptr()
                            } else {
                                a[start * k + k0..].as_ptr()
                            };
                            let rows = if pack { rows } else { MR };
                            if pack {
                                micro3(
                                    kc,
                                    src,
                                    b.as_ptr(),
                                    c[start * n + j * NR..].as_mut_ptr(),
                                    n,
                                    rows,
                                    k0 == 0,
                                )
                            } else {
                                micro(
                                    kc,
                                    src,
                                    lda,
                                    b.as_ptr(),
                                    c[start * n + j * NR..].as_mut_ptr(),
                                    n,
                                    rows,
                                    k0 == 0,
                                )
                            }
                        }
                    }
                }
            }
        },
    );
}
fn main() {
    for (kc, bufs) in [(256usize, 1usize), (256, 8), (256, 64), (64, 1), (1024, 1), (1024, 8)] {
        if kc <= 256 {
            let t = [0, 1]
                .par_iter()
                .map(|_| {
                    let a = vec![0.5f32; 12 * P];
                    let b = vec![0.25f32; bufs * kc * NR];
                    let mut c = vec![0.0f32; MR * NR];
                    let now = Instant::now();
                    let reps = 200_000 * 64 / kc;
                    for r in 0..reps {
                        unsafe {
                            micro2(
                                kc,
                                a.as_ptr(),
                                b[(r % bufs) * kc * NR..].as_ptr(),
                                c.as_mut_ptr(),
                                NR,
                                true,
                            )
                        }
                    }
                    let t = now.elapsed().as_secs_f64();
                    2e-9 * (MR * NR * kc * reps) as f64 / t
                })
                .sum::<f64>();
            println!("L1 micro2 kc {kc} B panels {bufs}: {t:.0} GF");
        }
        for lda in [kc + 16, 1024, 272] {
            let t = [0, 1]
                .par_iter()
                .map(|_| {
                    let a = vec![0.5f32; 12 * lda.max(kc) + kc];
                    let b = vec![0.25f32; bufs * kc * NR];
                    let mut c = vec![0.0f32; MR * NR];
                    let now = Instant::now();
                    let reps = 200_000 * 64 / kc;
                    for r in 0..reps {
                        unsafe {
                            micro(
                                kc,
                                a.as_ptr(),
                                lda,
                                b[(r % bufs) * kc * NR..].as_ptr(),
                                c.as_mut_ptr(),
                                NR,
                                MR,
                                true,
                            )
                        }
                    }
                    let t = now.elapsed().as_secs_f64();
                    2e-9 * (MR * NR * kc * reps) as f64 / t
                })
                .sum::<f64>();
            println!("L1 test kc {kc} B panels {bufs} lda {lda}: {t:.0} GF");
        }
    }

    let args: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    for (m, k, n) in [
        (25088, 64, 256),
        (25088, 256, 64),
        (6272, 128, 512),
        (6272, 512, 128),
        (1568, 256, 1024),
        (1568, 1024, 256),
        (392, 512, 2048),
        (392, 2048, 512),
    ] {
        let sets: usize = std::env::var("SETS")
            .map_or((200_000_000 / (4 * m * (k + n))).clamp(2, 8), |s| s.parse().unwrap());
        let mut bufs: Vec<_> = (0..sets)
            .map(|s| (vec![0.5f32 + s as f32; m * k], vec![0.25f32; k * n], vec![0.0f32; m * n]))
            .collect();
        print!("{m}x{k}x{n}:");
        for (mc, kc, pack) in [
            (args[0], args[1], true),
            (args[0], args[1], false),
            (args[0], 4096, true),
            (args[0], 4096, false),
        ] {
            let mut t = vec![];
            for r in 0..40 {
                let (a, b, c) = &mut bufs[r % sets];
                let now = Instant::now();
                let bp = pack_b(b, k, n);
                gemm(a, &bp, c, k, n, mc, kc, pack);
                t.push(now.elapsed().as_secs_f64());
            }
            t.sort_by(f64::total_cmp);
            print!(
                " | {mc},{kc},{pack} {:6.3} ms {:4.0} GF",
                t[20] * 1e3,
                2e-9 * (m * k * n) as f64 / t[20]
            );
        }
        println!();
    }
}
