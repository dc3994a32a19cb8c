//! Records of a training run and what is written from them: progress lines, metrics.jsonl, summaries
