//! How many connections a crowd makes, and the file descriptors for them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::NeighboursError;

/// Connections beyond those of the crowd.
const SPARE: usize = 512;

/// Lets this process, and those it starts, open as many files as a crowd needs.
///
/// # Errors
/// When the system does not allow it.
pub(super) fn raise(sockets: usize) -> Result<(), NeighboursError> {
    let limit = getrlimit(Resource::Nofile);
    if let Some(raised) = raised(limit, sockets)? {
        setrlimit(Resource::Nofile, raised).map_err(std::io::Error::from)?;
    }
    Ok(())
}

/// Connections of a server with a crowd: sockets that were cut are still closing when they have come anew.
pub(super) const fn connections(sockets: usize) -> usize {
    sockets + sockets / 4 + SPARE
}

/// The limit of descriptors that a crowd needs; `None` when the present one is enough.
fn raised(limit: Rlimit, sockets: usize) -> Result<Option<Rlimit>, NeighboursError> {
    let needed = connections(sockets) as u64;
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(None);
    }
    match limit.maximum {
        Some(hard) if hard < needed => Err(NeighboursError::Descriptors {
            sockets,
            needed,
            hard,
        }),
        maximum => Ok(Some(Rlimit {
            current: Some(needed),
            maximum,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn limit(current: Option<u64>, maximum: Option<u64>) -> Rlimit {
        Rlimit { current, maximum }
    }

    #[test]
    fn the_limit_of_descriptors_is_raised_as_far_as_needed_and_no_further() {
        let needed = Some(13_012);
        for maximum in [None, Some(20_000), needed] {
            let found = raised(limit(Some(1_024), maximum), 10_000);
            assert_eq!(
                found.expect("it can be raised"),
                Some(limit(needed, maximum))
            );
        }
        for enough in [None, needed, Some(1_000_000)] {
            let found = raised(limit(enough, enough), 10_000);
            assert_eq!(found.expect("it is enough"), None);
        }
    }

    #[test]
    fn a_limit_that_cannot_be_raised_is_told_with_the_remedy() {
        let error = raised(limit(Some(1_024), Some(13_011)), 10_000).expect_err("one too few");
        let text = error.to_string();
        for part in [
            "10000 sockets",
            "13012",
            "13011",
            "ulimit -n 13012",
            "--sockets",
        ] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
    }
}
