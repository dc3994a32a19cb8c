use std::time::Instant;
use trickbag_kernels::*;
fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}
fn go<E: Element>(name: &str, rows: usize, ch: usize) {
    let n = rows * ch;
    let sets = (400_000_000 / (n * std::mem::size_of::<E>() * 4)).max(2);
    let fill = |k: usize| -> Vec<E> {
        (0..n).map(|i| E::from_f32(((i * 7 + k) % 13) as f32 - 6.0)).collect()
    };
    let mut bufs: Vec<[Vec<E>; 4]> =
        (0..sets).map(|k| [fill(k), fill(k + 1), fill(k + 2), fill(k + 3)]).collect();
    let stats = batch_norm_stats(&bufs[0][0], ch).unwrap();
    let (scale, shift) = (vec![1.0; ch], vec![0.1; ch]);
    let size = (n * std::mem::size_of::<E>()) as f64;
    let (mut f, mut b, mut f2, mut b2, mut s) = (vec![], vec![], vec![], vec![], vec![]);
    for it in 0..24 {
        let [x, r, dy, dr] = &mut bufs[it % sets];
        let t = Instant::now();
        let y = batch_norm(x, &stats, &scale, &shift, 1e-5, Some(r), Activation::Relu).unwrap();
        f.push(t.elapsed().as_secs_f64());
        let (mut ds, mut dsh) = (vec![0.0; ch], vec![0.0; ch]);
        let t = Instant::now();
        batch_norm_backward(
            x,
            Passed::Output(&y),
            &stats,
            &scale,
            1e-5,
            Activation::Relu,
            Statistics::Batch,
            NormGradients {
                flow: NormFlow::InPlace(dy),
                scale: &mut ds,
                shift: &mut dsh,
                residual: Some((Write::Add, dr)),
            },
        )
        .unwrap();
        b.push(t.elapsed().as_secs_f64());
        drop(y);
        let t = Instant::now();
        let y = batch_norm(x, &stats, &scale, &shift, 1e-5, None, Activation::Relu).unwrap();
        f2.push(t.elapsed().as_secs_f64());
        let t = Instant::now();
        batch_norm_backward(
            x,
            Passed::Shift(&shift),
            &stats,
            &scale,
            1e-5,
            Activation::Relu,
            Statistics::Batch,
            NormGradients {
                flow: NormFlow::InPlace(dy),
                scale: &mut ds,
                shift: &mut dsh,
                residual: None,
            },
        )
        .unwrap();
        b2.push(t.elapsed().as_secs_f64());
        drop(y);
        let t = Instant::now();
        batch_norm_stats(x, ch).unwrap();
        s.push(t.elapsed().as_secs_f64());
    }
    let g = |v: Vec<f64>, k: f64| {
        let m = median(v);
        format!("{:6.2} ms {:5.1} GB/s", m * 1e3, k * size / m / 1e9)
    };
    println!(
        "{name} {rows}x{ch}: fwd+res {} | bwd+res {} | fwd {} | bwd {} | stats {}",
        g(f, 3.0),
        g(b, 8.0),
        g(f2, 2.0),
        g(b2, 5.0),
        g(s, 1.0)
    );
}
fn main() {
    for (r, c) in [
        (8 * 56 * 56, 256),
        (8 * 56 * 56, 64),
        (8 * 28 * 28, 512),
        (8 * 14 * 14, 1024),
        (128 * 32 * 32, 16),
        (128 * 16 * 16, 32),
        (64 * 32 * 32, 64),
    ] {
        go::<bf16>("bf16", r, c);
        go::<f32>("f32", r, c);
    }
}
