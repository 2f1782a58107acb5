//! Sessions, a matcher and a publisher driven by hand, without sockets and threads: nothing happens
//! between two calls, so what waits in a queue is known exactly.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use souk::config::{Config, Overrides};
use souk::gateway::entrance::Entrance;
use souk::gateway::session::{Next, Now, Session};
use souk::handoff::Link;
use souk::partition::PartitionMatcher;
use souk_protocol::*;

use super::{Got, pair, two_tenants};

/// A node with the tenants of [`two_tenants`] and one matcher.
pub struct Node {
    entrance: Arc<Entrance>,
    pub matcher: PartitionMatcher,
    pub now: Now,
}

impl Node {
    /// A node whose queue holds `commands_max`, and whose channel holds `submissions_max`.
    pub fn start(
        head: &str,
        commands_max: u32,
        share_percent: u32,
        submissions_max: usize,
    ) -> Self {
        let mut config = Config::from_toml(&two_tenants(head), &Overrides::default()).unwrap();
        config.journal.durability = souk_protocol::Durability::Memory;
        config.threads.queue_commands_max = commands_max;
        config.threads.tenant_share_percent = share_percent;
        config.threads.queue_submissions_max = submissions_max;
        let parts = souk::node::Node::new(&config, 1, None).unwrap();
        Self {
            entrance: parts.entrance,
            matcher: parts.partition.matchers.into_iter().next().unwrap(),
            now: Now {
                wall_ns: 1_800_000_000_000_000_000,
                instant: Instant::now(),
            },
        }
    }

    /// A session that is logged on.
    pub fn log_on(&self, key: u32) -> ByHand {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut session = Session::new(Arc::clone(&self.entrance), address, [1; 32]);
        let _ = session.receive(&hello().frame(0), self.now);
        let out = std::mem::take(session.out());
        let (frame, _) = split_frame(&out, FRAME_FROM_SERVER_MAX).unwrap().unwrap();
        let Ok(ServerMessage::Challenge(challenge)) = ServerMessage::decode(&frame) else {
            panic!("a hello is challenged")
        };
        let credentials = Credentials {
            key_id: KeyId(key),
            session_number: 0,
            incarnation: 1,
            keepalive_ms: 1_000,
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        let sign = |bytes: &[u8]| <[u8; 64]>::try_from(pair(key).sign(bytes).as_ref()).unwrap();
        let logon = logon(&credentials, &challenge, self.now.wall_ns, sign);
        let (_, next) = session.receive(&logon.frame(0), self.now);
        let Next::Verify(verification) = next else {
            panic!("a logon is verified")
        };
        let next = session.verified(&verification, true, self.now);
        assert!(matches!(next, Next::Read));
        let mut session = ByHand { session };
        assert_eq!(session.answers().len(), 1, "the acknowledgement");
        session
    }

    /// Lets the matcher apply everything that waits, a millisecond later.
    pub fn apply_all(&mut self) {
        self.now.instant += Duration::from_millis(1);
        self.now.wall_ns += 1_000_000;
        while self.matcher.poll(self.now.wall_ns) > 0 {}
    }
}

/// A session without its socket.
pub struct ByHand {
    pub session: Session,
}

impl ByHand {
    /// One read of whole frames.
    pub fn receive(&mut self, node: &Node, frames: &[u8]) {
        let (taken, next) = self.session.receive(frames, node.now);
        assert_eq!(taken, frames.len());
        assert!(matches!(next, Next::Read));
    }

    pub fn link(&mut self) -> Arc<Link> {
        Arc::clone(self.session.established().unwrap().link())
    }

    /// What waits to be written.
    pub fn answers(&mut self) -> Vec<Got> {
        let mut bytes = Vec::new();
        self.link().outbox.take(&mut bytes);
        let mut rest = &bytes[..];
        let mut answers = Vec::new();
        while let Some((_, len)) = split_frame(rest, FRAME_FROM_SERVER_MAX).unwrap() {
            answers.push(Got {
                bytes: rest[..len].to_vec(),
            });
            rest = &rest[len..];
        }
        assert!(rest.is_empty(), "the server writes whole frames");
        answers
    }
}
