//! The honest load generator for Souk.
