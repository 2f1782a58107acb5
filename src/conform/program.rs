//! The client under test: a program that takes an instruction a line and tells an event a line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Fault;
use crate::clock;

/// How long a program may take to end once it was told to.
const QUIT_PATIENCE: Duration = Duration::from_millis(100);
/// How often an ending program is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How much of a line that is no event is shown.
const SHOWN_MAX: usize = 120;

/// The running program.
pub(super) struct Program {
    child: Child,
    /// `None` once it was told to end.
    input: Option<ChildStdin>,
    output: Receiver<String>,
    /// Events that came while another one was waited for.
    waiting: VecDeque<Value>,
}

impl Program {
    pub(super) fn start(command: &[String]) -> Result<Self, Fault> {
        let (name, arguments) = command
            .split_first()
            .ok_or_else(|| Fault::Program("no command".into()))?;
        let started = Command::new(name)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started
            .map_err(|error| Fault::Program(format!("{name} cannot be started: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Fault::Program(format!("{name} has no pipes")));
        };
        let (told, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { return };
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            input: Some(input),
            output: lines,
            waiting: VecDeque::new(),
        })
    }

    pub(super) fn tell(&mut self, instruction: &Value) -> Result<(), Fault> {
        let Some(input) = &mut self.input else {
            return Err(Fault::Program("it was told to quit before".into()));
        };
        let written = writeln!(input, "{instruction}").and_then(|()| input.flush());
        written.map_err(|error| Fault::Program(format!("it took no {instruction}: {error}")))
    }

    /// The next event of one of these kinds, the first of which is hoped for. Other events stay for later.
    pub(super) fn event(&mut self, kinds: &[&str], patience: Duration) -> Result<Value, Fault> {
        let is_wanted = |event: &Value| {
            let kind = event["event"].as_str().unwrap_or_default();
            kinds.contains(&kind)
        };
        if let Some(at) = self.waiting.iter().position(is_wanted)
            && let Some(event) = self.waiting.remove(at)
        {
            return Ok(event);
        }
        let until = clock::monotonic() + patience;
        let expected = || format!("the event {}", kinds.first().copied().unwrap_or_default());
        loop {
            let event = self.read(until, patience, &expected)?;
            if is_wanted(&event) {
                return Ok(event);
            }
            self.waiting.push_back(event);
        }
    }

    fn read(
        &self,
        until: Instant,
        patience: Duration,
        expected: &dyn Fn() -> String,
    ) -> Result<Value, Fault> {
        let left = until.saturating_duration_since(clock::monotonic());
        let line = self
            .output
            .recv_timeout(left)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => Fault::Nothing {
                    expected: expected(),
                    patience,
                },
                RecvTimeoutError::Disconnected => Fault::Closed {
                    expected: expected(),
                    who: "the client's program",
                },
            })?;
        serde_json::from_str(&line).map_err(|_| {
            let shown: String = line.chars().take(SHOWN_MAX).collect();
            Fault::Program(format!("a line that is no JSON: {shown}"))
        })
    }

    /// Tells it to end, and ends it if it does not.
    pub(super) fn end(&mut self) {
        let _ = self.tell(&serde_json::json!({"do": "quit"}));
        self.input = None;
        let until = clock::monotonic() + QUIT_PATIENCE;
        while clock::monotonic() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.input.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
