//! `souk-loadgen`: the honest load generator for Souk.

fn main() {}
