//! Rules that map a parameter's kind, name and depth to weight decay, learning-rate multiplier and frozen state
