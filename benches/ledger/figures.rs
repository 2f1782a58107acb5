//! Medians and spreads.

/// The middle of the rounds.
pub fn median(figures: &[f64]) -> f64 {
    quantile(figures, 50)
}

/// What so many percent of the rounds stay below.
pub fn quantile(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() * percent / 100]
}

/// The middle of the ratios of each round.
pub fn median_of_ratios(over: &[f64], under: &[f64]) -> f64 {
    let ratios: Vec<f64> = over.iter().zip(under).map(|(a, b)| a / b).collect();
    median(&ratios)
}

/// Median, smallest and largest.
pub fn spread(figures: &[f64]) -> String {
    let min = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let max = figures.iter().copied().fold(0.0, f64::max);
    format!("{:.1} ({min:.1}..{max:.1})", median(figures))
}
