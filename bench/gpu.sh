#!/usr/bin/env bash
# Checks and times Trickbag on a machine with a GPU, in one go, and writes one report.
#
# It comes in the folder that `cargo xtask cuda pack` makes, as source/bench/gpu.sh beside all that it
# runs, and needs NVIDIA's driver, cuBLAS (from a CUDA toolkit, or from PyTorch), and neither Rust nor
# a network.
set -uo pipefail

usage="Usage: gpu.sh [FLAGS]

  --python PYTHON  also time PyTorch, with a Python that has it; its cuBLAS serves Trickbag as well
  --report FILE    where to write the report [default: gpu-report.txt]
  --quick          tiny settings that only show that all of this runs"

python='' report=gpu-report.txt quick=''
while [ $# -gt 0 ]; do
    case "$1" in
        --python) python=${2:?$usage}; shift 2 ;;
        --report) report=${2:?$usage}; shift 2 ;;
        --quick) quick=yes; shift ;;
        --help | -h) echo "$usage"; exit 0 ;;
        *) echo "there is no flag $1"; echo "$usage"; exit 2 ;;
    esac >&2
done
case "$report" in /*) ;; *) report=$PWD/$report ;; esac
[ -z "$python" ] || python=$(command -v "$python") || { echo "there is no such Python" >&2; exit 2; }
case "$python" in '' | /*) ;; *) python=$PWD/$python ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$here/build/release/trickbag
[ -x "$program" ] || { echo "run the one in the folder that \`cargo xtask cuda pack\` makes" >&2; exit 2; }

# `cuda pack` built everything here, and programs look here for headers and for each other.
place=/tmp/trickbag-gpu
if [ -e "$place" ] && [ ! -L "$place" ] || ! ln -sfn "$here" "$place"; then
    echo "$place must be a link to $here, and cannot be made one: who owns it?" >&2
    exit 2
fi

# NVRTC is carried; cuBLAS is the one of the system or of PyTorch.
libraries=$here/toolkit/lib64
if [ -n "$python" ]; then
    nvidia=$("$python" -c 'import importlib.util as u; print(*u.find_spec("nvidia").submodule_search_locations)')
    for folder in "$nvidia"/*/lib; do libraries=$libraries:$folder; done
fi
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
summary=$work/summary
exec > >(tee "$report") 2>&1

# section NAME COMMAND...: runs it and remembers how it ended, the speed that it tells in JSON, and how
# much of the GPU's memory was in use at most.
section() {
    local name=$1 status speed peak watch='' started=$SECONDS
    shift
    printf '\n=== %s\n%s\n' "$name" "$*"
    : > "$work/memory"
    if [ -n "$smi" ]; then
        while sleep 0.2; do
            nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits
        done > "$work/memory" 2> "$work/watch" &
        watch=$!
    fi
    "$@" 2>&1 | tee "$work/said"
    status=${PIPESTATUS[0]}
    [ -z "$watch" ] || { kill "$watch" && wait "$watch"; } 2> "$work/watch"
    peak=$(sort -n "$work/memory" | tail -n 1)
    [ "$status" = 0 ] && status=ok || status="FAILED ($status)"
    speed=$(sed -n 's/.*"images_per_second": *\([0-9]*\).*/\1/p' "$work/said")
    status=$status${speed:+, $speed images/s}${peak:+, GPU memory at most $peak MiB}
    echo "$name: $status, $((SECONDS - started)) s" | tee -a "$summary"
}

smi=''
echo "Trickbag on a GPU, $(date -u +%Y-%m-%d)${quick:+, quick: its times mean nothing}"
if nvidia-smi; then smi=yes; else echo "nvidia-smi failed: is there a driver?"; fi
missing=$(ldd "$program" | grep 'not found')
if [ -n "$missing" ]; then
    echo "$missing"
    echo "name the folders of these libraries in LD_LIBRARY_PATH, or give a Python with PyTorch"
    exit 1
fi

section "doctor" "$program" doctor --device cuda "$here"

for test in "$here"/source/crates/*/bin/*; do
    cd "$(dirname "$test")/.."
    name=$(basename "$test")
    section "test: $(basename "$PWD") ${name%-*}" "$test"
done

cd "$work"
steps=50 models=(resnet18-cifar resnet50) batches=(512 128) shape=()
train=("$program" run "$here/source/recipes/mnist.ron" --device cuda)
tricks='LinearScaling(base_batch: 128), Warmup(epochs: 1), CosineAnnealing, LabelSmoothing(0.1), NoBiasDecay, NoNormDecay'
if [ -n "$quick" ]; then
    steps=2 models=(resnet20) batches=(2) shape=(--image 8)
    train+=(--set epochs=1 --set batch_size=16 --set 'model=ResNet(depth: 8, stem: Cifar, width: 4)')
    tricks='Subset(fraction: 0.01, seed: 1)'
fi
section "train: f32" "${train[@]}" --set "tricks=[$tricks]"
section "train: f16" "${train[@]}" --set "tricks=[$tricks, Precision(F16)]"

for index in "${!models[@]}"; do
    for pass in step infer; do
        for precision in f32 f16; do
            flags=(--model "${models[index]}" --batch "${batches[index]}" --precision $precision --steps $steps "${shape[@]}")
            what="${models[index]}, $pass, $precision"
            section "trickbag: $what" "$program" bench $pass --json --device cuda "${flags[@]}"
            [ -z "$python" ] ||
                section "pytorch: $what" "$python" "$here/source/bench/pytorch/step.py" --device cuda --work $pass "${flags[@]}"
        done
    done
done

printf '\n=== summary\n'
cat "$summary"
echo "the report is in $report"
! grep -q FAILED "$summary"
