//! `souk demo` as somebody sees it who has just cloned it: in a real browser, on a phone and on a desk, until it is stopped.
//! `tests/browser/run.py` drives Debian's chromium; run it by hand for all sizes, schemes and languages.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long the demo may take to say where its console is.
const BEGIN_MAX: Duration = Duration::from_secs(60);

struct Demo {
    child: Child,
    base: String,
    password: String,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_souk"))
            .args([
                "demo",
                "--office",
                "127.0.0.1:0",
                "--for",
                "600s",
                "--rate",
                "200",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        // Read to its end, so that the demo never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let (mut base, mut password) = (None, None);
        while base.is_none() || password.is_none() {
            let line = lines.recv_timeout(BEGIN_MAX).expect("the demo begins");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["console", url, ..] => base = Some(url.trim_end_matches('/').to_owned()),
                ["tenant", "acme", "user", "demo", "password", word] => {
                    password = Some((*word).to_owned());
                }
                _ => {}
            }
        }
        Self {
            child,
            base: base.unwrap(),
            password: password.unwrap(),
        }
    }

    fn journeys(&self, only: &str, more: &[&str]) {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/run.py");
        let output = Command::new("python3")
            .arg(run)
            .args(["--base", &self.base, "--tenant", "acme", "--user", "demo"])
            .args(["--password", &self.password, "--only", only])
            .args(more)
            .output()
            .expect("python3 is missing; remedy: run ./check");
        assert!(
            output.status.success(),
            "{only}:\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn people_see_and_steer_the_demo_in_a_browser() {
    let demo = Demo::start();
    demo.journeys("360-dark-zh", &[]);
    let process = demo.child.id().to_string();
    demo.journeys("1280-light-en", &["--stop", &process]);
}
