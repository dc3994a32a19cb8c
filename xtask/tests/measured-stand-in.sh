#!/bin/sh
# Stands in for cargo, which runs Trickbag, and for Python, which runs PyTorch: tells the file TOLD
# what it was given, and says what the program would have measured.
case "$*" in
    *--help*) exit 0 ;;
    *step.py*) program=pytorch ms=30 ;;
    *) program=trickbag ms=20 ;;
esac
case "$*" in
    *channels_last*compile*) echo "Traceback" >&2; echo "RuntimeError: no compiler" >&2; exit 1 ;;
    *nchw*) ms=40 ;;
esac
echo "$program $ONEDNN_MAX_CPU_ISA$TRICKBAG_ISA $*" >> "$TOLD"
cat <<JSON
a warning before the result
{"program": "$program", "version": "9", "work": "step", "model": "resnet20", "image": 32, "batch": 128, "precision": "f32", "threads": 2, "processor": {"name": "Old Iron 5", "family": 25, "model": 1, "features": ["fma"]}, "ms": {"lower": 1, "median": $ms, "upper": 99}, "start_rss_bytes": 1000000, "peak_rss_bytes": ${ms}000000}
JSON
