//! The percentiles as a picture: the latency over the percentile, the last ones stretched out.

use std::error::Error;
use std::path::Path;

use hdrhistogram::Histogram;
use plotters::prelude::{
    ChartBuilder, Color, IntoDrawingArea, IntoFont, IntoLogRange, LineSeries, PathElement,
    RGBColor, SVGBackend, WHITE,
};

const SIZE: (u32, u32) = (900, 500);
/// The last percentile drawn: 99.9999 %.
const ODDS_MAX: f64 = 1e6;

/// One line of the picture.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// What it is.
    pub name: &'a str,
    /// Nanoseconds.
    pub histogram: &'a Histogram<u64>,
    /// Its colour.
    pub color: (u8, u8, u8),
}

/// Draws the curves. Nothing is drawn of empty ones.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(path: &Path, title: &str, curves: &[Curve<'_>]) -> Result<(), Box<dyn Error>> {
    let top = curves
        .iter()
        .map(|curve| micros(curve.histogram.max()))
        .fold(10.0, f64::max);
    let bottom = curves
        .iter()
        .filter(|curve| !curve.histogram.is_empty())
        .map(|curve| micros(curve.histogram.min()))
        .fold(top / 10.0, f64::min)
        .max(0.1);
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18).into_font())
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d((1.0..ODDS_MAX).log_scale(), (bottom..top * 1.1).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("latency in us")
        .x_label_formatter(&|odds: &f64| percent_name(*odds))
        .y_label_formatter(&|value: &f64| format!("{value}"))
        .draw()?;
    for curve in curves {
        let (red, green, blue) = curve.color;
        let style = RGBColor(red, green, blue).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points(curve.histogram), style))?
            .label(curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}

/// (1 / (1 - quantile), microseconds), up to the last quantile that is drawn.
fn points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    histogram
        .iter_quantiles(5)
        .map(|step| {
            let odds = 1.0 / (1.0 - step.quantile_iterated_to()).max(1.0 / ODDS_MAX);
            (odds, micros(step.value_iterated_to()))
        })
        .take_while(|(odds, _)| *odds < ODDS_MAX)
        .collect()
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

fn percent_name(odds: f64) -> String {
    let percent = 100.0 - 100.0 / odds;
    let digits = (odds.log10().round() as usize).saturating_sub(2);
    format!("{percent:.digits$} %")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stats::histogram;

    #[test]
    fn percentiles_are_named_by_their_nines() {
        let names: Vec<_> = [1.0, 10.0, 100.0, 1e3, 1e4].map(percent_name).into();
        assert_eq!(names, ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }

    #[test]
    fn a_picture_has_both_curves_and_an_empty_run_a_frame() {
        let folder = std::env::temp_dir().join(format!("souk-loadgen-svg-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut full = histogram();
        for value in 1..100_000u64 {
            full.record(value * 10).unwrap();
        }
        let empty = histogram();
        for histogram in [&full, &empty] {
            let path = folder.join("latency.svg");
            let curve = Curve {
                name: "response",
                histogram,
                color: (200, 30, 30),
            };
            draw(&path, "title", &[curve]).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains("<svg") && text.contains("response") && text.contains("title"));
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
