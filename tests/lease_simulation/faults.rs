//! Faults begin and end.

use super::plan::{Cables, Fault, Mode, NAMES, NODES};
use super::process::{ALL_TASKS, TASKS};
use super::world::{Call, Event, Happens, World};

impl World {
    pub fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Pause { host, span } => self.pause(host, span),
            Fault::ClockStop { host, span } => {
                if !self.hosts[host].paused {
                    self.pause(host, span);
                    self.hosts[host].stopped = Some(self.now);
                    self.checks.clocks_run = false;
                    self.misled_until = u64::MAX;
                }
            }
            Fault::Crash { host, back, proof } => {
                if let Some(process) = self.hosts[host].process {
                    self.crashes += 1;
                    self.kill(process, proof);
                    self.push(self.now + back, Event::Start(host));
                }
            }
            Fault::Link {
                host,
                cables,
                mode,
                span,
            } => self.cut(host, cables, mode, span),
            Fault::DatabaseFreeze { span } => {
                if !self.frozen {
                    self.frozen = true;
                    self.push(self.now + span, Event::DatabaseThaws);
                }
            }
            Fault::DatabaseRestart { span } => {
                if !self.frozen {
                    self.restart_database();
                    self.push(self.now + span, Event::DatabaseThaws);
                }
            }
            Fault::WallJump { by } => self.wall_jump_ms += by,
            Fault::Twin { of } => {
                if self.hosts[NODES].process.is_none() {
                    self.twins += 1;
                    self.start_as(NODES, NAMES[of]);
                }
            }
        }
    }

    fn pause(&mut self, host: usize, span: u64) {
        let it = &mut self.hosts[host];
        it.paused = true;
        it.generation += 1;
        let generation = it.generation;
        self.pauses += 1;
        self.push(self.now + span, Event::Resume { host, generation });
    }

    pub fn resume(&mut self, host: usize, generation: u64) {
        let it = &mut self.hosts[host];
        if it.generation != generation {
            return;
        }
        it.paused = false;
        if let Some(since) = it.stopped.take() {
            it.clock_lost += self.now - since;
            if self.hosts.iter().all(|host| host.stopped.is_none()) {
                // A belief from before lasts for so long after.
                let ttl = self.terms.ttl().as_nanos() as u64;
                self.misled_until = self.now + ttl * 2;
            }
        }
        self.release_held(host);
    }

    /// Whoever waits for an answer hears that its connection is dead.
    fn restart_database(&mut self) {
        self.frozen = true;
        self.refusing = true;
        for process in 0..self.processes.len() {
            for task in ALL_TASKS {
                let channel = &mut self.processes[process].channels[task as usize];
                channel.connected = false;
                if let Some(number) = channel.call {
                    let call = Call {
                        process,
                        task,
                        number,
                    };
                    self.push(self.now, Event::Of(process, Happens::TimedOut(call)));
                }
            }
        }
    }

    fn cut(&mut self, host: usize, cables: Cables, mode: Mode, span: u64) {
        let links = match cables {
            Cables::All => 0..TASKS,
            Cables::Hearts => 0..2,
        };
        let it = &mut self.hosts[host];
        it.links[links].fill(mode);
        it.link_generation += 1;
        let generation = it.link_generation;
        self.push(self.now + span, Event::LinkHeals { host, generation });
    }

    pub fn link_heals(&mut self, host: usize, generation: u64) {
        let it = &mut self.hosts[host];
        if it.link_generation == generation {
            it.links = [Mode::Good; TASKS];
        }
    }
}
