//! What a run leaves behind: text for people, files for tools.

mod hgrm;
mod summary;
mod svg;
mod table;

use std::fs;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;

use crate::report::LoadReport;

pub use hgrm::write_hgrm;
pub use summary::{Environment, parameters as load_parameters, summary};
pub use svg::{Curve, draw};
pub use table::{duration, latency_table, parameters, verdict};

/// Writes summary.json, response.hgrm, service.hgrm, latency.svg and latency.txt.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_files(
    folder: &Path,
    report: &LoadReport,
    environment: &Environment,
) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let at = |name: &str| folder.join(name);
    let failed = |name: &'static str| move || format!("cannot write {name}");
    let text = serde_json::to_string_pretty(&summary(report, environment))?;
    fs::write(at("summary.json"), text + "\n").with_context(failed("summary.json"))?;
    let latency = &report.latency;
    for (name, histogram) in [
        ("response.hgrm", &latency.response),
        ("service.hgrm", &latency.service),
    ] {
        let file = fs::File::create(at(name)).with_context(failed(name))?;
        write_hgrm(histogram, &mut BufWriter::new(file)).with_context(failed(name))?;
    }
    fs::write(at("latency.txt"), latency_table(report)).with_context(failed("latency.txt"))?;
    let title = format!(
        "{}, {:.0} messages/s answered",
        report.config.profile.name,
        report.achieved_rate()
    );
    let curves = [
        Curve {
            name: "response, from the planned send time",
            histogram: &latency.response,
            color: (200, 60, 40),
        },
        Curve {
            name: "service, from the actual send time",
            histogram: &latency.service,
            color: (40, 90, 180),
        },
    ];
    draw(&at("latency.svg"), &title, &curves)
        .map_err(|error| anyhow::anyhow!("cannot write latency.svg: {error}"))
}
