use std::time::Instant;
use trickbag_kernels::*;
fn median(v: &mut Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    if v.is_empty() { 0.0 } else { v[v.len() / 2] }
}
struct Set<E> {
    x: Vec<E>,
    dx: Vec<E>,
    y: Vec<E>,
    dy: Vec<E>,
    w: Vec<E>,
    dw: Vec<E>,
}
fn go<E: Element>(
    name: &str,
    reps: usize,
    filter: &str,
    passes: &str,
    batch: usize,
) -> [[f64; 3]; 3] {
    let mut total = [[0.0; 3]; 3];
    // size cin cout k stride count
    let mut layers: Vec<[usize; 6]> = vec![[224, 3, 64, 7, 2, 1]];
    let mut cin = 64;
    for (i, (w, n)) in [(64, 3), (128, 4), (256, 6), (512, 3)].into_iter().enumerate() {
        let size = 56 >> i;
        let big = if i == 0 { 56 } else { size * 2 };
        layers.push([big, cin, w, 1, 1, 1]);
        layers.push([big, w, w, 3, if i == 0 { 1 } else { 2 }, 1]);
        layers.push([size, w, 4 * w, 1, 1, n]);
        layers.push([big, cin, 4 * w, 1, if i == 0 { 1 } else { 2 }, 1]);
        layers.push([size, 4 * w, w, 1, 1, n - 1]);
        layers.push([size, w, w, 3, 1, n - 1]);
        cin = 4 * w;
    }
    for [size, cin, cout, k, s, count] in layers {
        let label = format!("{k}x{k}/{s} {size} {cin}->{cout}");
        if !label.contains(filter) {
            continue;
        }
        let conv = Conv::new(
            ImageShape { batch, height: size, width: size, channels: cin },
            cout,
            Window::square(k).stride(s).padding(k / 2),
            1,
        )
        .unwrap();
        let f = |len: usize, k: usize| -> Vec<E> {
            (0..len).map(|i| E::from_f32(((i + k) * 7919 % 613) as f32 / 613.0 - 0.5)).collect()
        };
        let bytes = (conv.input().len() + conv.output().len()) * 2 * std::mem::size_of::<E>();
        let sets = (200_000_000 / bytes).clamp(2, 8);
        let mut bufs: Vec<Set<E>> = (0..sets)
            .map(|i| Set {
                x: f(conv.input().len(), i),
                dx: f(conv.input().len(), i),
                y: f(conv.output().len(), i),
                dy: f(conv.output().len(), i + 1),
                w: f(conv.weight_len(), i),
                dw: f(conv.weight_len(), i),
            })
            .collect();
        let mut t: [Vec<f64>; 3] = Default::default();
        for r in 0..reps {
            let b = &mut bufs[r % sets];
            if passes.contains('f') {
                let n = Instant::now();
                conv.forward_with_stats(&b.x, &b.w, &mut b.y).unwrap();
                t[0].push(n.elapsed().as_secs_f64());
            }
            if passes.contains('i') {
                let n = Instant::now();
                conv.forward(&b.x, &b.w, &mut b.y).unwrap();
                t[0].push(n.elapsed().as_secs_f64());
            }
            if passes.contains('x') {
                let n = Instant::now();
                conv.backward_input(&b.dy, &b.w, Write::Add, &mut b.dx).unwrap();
                t[1].push(n.elapsed().as_secs_f64());
            }
            if passes.contains('w') {
                let n = Instant::now();
                conv.backward_weight(&b.x, &b.dy, &mut b.dw).unwrap();
                t[2].push(n.elapsed().as_secs_f64());
            }
        }
        let kind = match k {
            1 => 0,
            3 => 1,
            _ => 2,
        };
        print!("{name} {label:22} x{count}");
        for p in 0..3 {
            let m = median(&mut t[p]);
            total[kind][p] += m * count as f64;
            print!(
                " | {:7.3} ms {:5.0} GF",
                m * 1e3,
                if m > 0.0 { 2e-9 * conv.macs() as f64 / m } else { 0.0 }
            );
        }
        println!();
    }
    total
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a.get(6).is_some() {
        return r18(a[2].parse().unwrap(), &a[4]);
    }
    let a: Vec<String> = std::env::args().collect();
    let reps: usize = a[2].parse().unwrap();
    let filter = a.get(3).map(String::as_str).unwrap_or("");
    let passes = a.get(4).map(String::as_str).unwrap_or("fxw");
    let batch: usize = a.get(5).map_or(8, |b| b.parse().unwrap());
    let t = if a[1] == "f32" {
        go::<f32>("f32", reps, filter, passes, batch)
    } else {
        go::<bf16>("bf16", reps, filter, passes, batch)
    };
    let mut sum = 0.0;
    for (k, name) in ["1x1", "3x3", "7x7"].iter().enumerate() {
        let s: f64 = t[k].iter().sum();
        sum += s;
        println!(
            "{name}: f {:.1} x {:.1} w {:.1} all {:.1} ms",
            t[k][0] * 1e3,
            t[k][1] * 1e3,
            t[k][2] * 1e3,
            s * 1e3
        );
    }
    println!("all {:.1} ms", sum * 1e3);
}
fn r18(reps: usize, passes: &str) {
    let mut total = 0.0;
    let only: usize = std::env::var("ONLY").map_or(0, |s| s.parse().unwrap());
    for (i, (size, cin, cout, s, count)) in [
        (32, 64, 64, 1, 4),
        (32, 64, 128, 2, 1),
        (16, 128, 128, 1, 3),
        (16, 128, 256, 2, 1),
        (8, 256, 256, 1, 3),
        (8, 256, 512, 2, 1),
        (4, 512, 512, 1, 3),
        (32, 16, 16, 1, 6),
        (16, 32, 32, 1, 5),
        (8, 64, 64, 1, 5),
        (7, 512, 512, 1, 2),
        (14, 256, 256, 1, 5),
        (28, 128, 128, 1, 3),
        (56, 64, 64, 1, 3),
    ]
    .into_iter()
    .enumerate()
    {
        if only > 0 && i + 1 != only {
            continue;
        }
        let conv = Conv::new(
            ImageShape { batch: 1, height: size, width: size, channels: cin },
            cout,
            Window::square(3).stride(s).padding(1),
            1,
        )
        .unwrap();
        let f = |len: usize, k: usize| -> Vec<f32> {
            (0..len).map(|i| ((i + k) * 7919 % 613) as f32 / 613.0 - 0.5).collect()
        };
        let sets = 6usize.max(60_000_000 / conv.weight_len() / 4).min(12);
        let mut bufs: Vec<_> = (0..sets)
            .map(|i| (f(conv.input().len(), i), f(conv.weight_len(), i), f(conv.output().len(), i)))
            .collect();
        let mut t = vec![];
        let _ = passes;
        for r in 0..reps {
            let b = &mut bufs[r % sets];
            let n = Instant::now();
            conv.forward(&b.0, &b.1, &mut b.2).unwrap();
            t.push(n.elapsed().as_secs_f64());
        }
        let m = median(&mut t);
        total += m * count as f64;
        println!(
            "3x3/{s} {size} {cin}->{cout}: {:.3} ms {:.0} GF, weights {:.1} GB/s",
            m * 1e3,
            2e-9 * conv.macs() as f64 / m,
            4e-9 * conv.weight_len() as f64 / m
        );
    }
    println!("{:.2} ms", total * 1e3);
}
