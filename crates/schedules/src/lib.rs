//! Learning-rate and hyper-parameter schedules as pure functions of the step
