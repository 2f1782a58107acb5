//! The scenarios: what is played, what a client that keeps to the protocol does, and where that is written.

mod ends;
mod frames;
mod logon;
mod market_data;
mod orders;
mod resume;

use super::Fault;
use super::stage::Stage;

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What a client that keeps to the protocol does.
    pub expects: &'static str,
    /// The heading of `protocol/PROTOCOL.md` that says so.
    pub section: &'static str,
    /// Plays it.
    pub(super) play: fn(&mut Stage<'_>) -> Result<(), Fault>,
}

const LOGON: &str = "6-logon";
const CONNECTION: &str = "5-connection";
const NODES: &str = "several-nodes";
const FRAMES: &str = "3-frames";
const COMPATIBILITY: &str = "19-compatibility";
const NUMBERS: &str = "9-numbers-client_seq-and-report_seq";
const ORDERS: &str = "10-orders";
const BATCH: &str = "batch";
const REPORTS: &str = "11-reports";
const FLOW: &str = "12-flow-control";
const MARKET_DATA: &str = "13-market-data";
const MARKETS: &str = "8-markets";
const SESSION_REJECT: &str = "sessionreject";

macro_rules! scenarios {
    ($($name:literal, $play:path, $section:ident, $expects:literal;)*) => {
        /// All of them, in the order in which they are played.
        pub const SCENARIOS: &[Scenario] = &[
            $(Scenario { name: $name, expects: $expects, section: $section, play: $play },)*
        ];
    };
}

scenarios! {
    "logon", logon::accepted, LOGON, "a signed logon under the key, session and keepalive that were asked for";
    "bad-signature", logon::bad_signature, LOGON, "a logon that is refused for good ends the session, with the code";
    "logon-refused", logon::refused_for_now, LOGON, "a logon that is refused for now is tried again, not before retry_after_ms";
    "split-frames", frames::split, FRAMES, "frames that come byte by byte are put together";
    "merged-frames", frames::merged, FRAMES, "frames that come in one piece, and pieces of frames, are told apart";
    "unknown-template", frames::unknown_template, COMPATIBILITY, "a message of an unknown template is skipped";
    "longer-block", frames::longer_block, COMPATIBILITY, "what a later version appended to a block or an entry is skipped";
    "unknown-code", frames::unknown_code, COMPATIBILITY, "a code that is not known is kept as a number";
    "large-ids", frames::large_ids, ORDERS, "an id is a number of 64 bits, kept exactly";
    "market-list", orders::market_list, MARKETS, "the list of markets is told in full";
    "commands", orders::commands, ORDERS, "cancel, replace and mass cancel are numbered and have their fields";
    "batch", orders::batch, BATCH, "a batch is one frame under one number, and each entry's report is told";
    "numbers-go-on", orders::numbers_go_on, NUMBERS, "client_seq goes on after the last that MarketJoined names";
    "sequence-gap", orders::sequence_gap, NUMBERS, "what was not applied for a gap is sent again from the expected number";
    "throttle", orders::throttle, FLOW, "a refused message and all behind it are sent again in order, not before retry_after_us";
    "credits", orders::credits, FLOW, "at most max_inflight messages are unanswered";
    "session-reject", orders::session_reject, SESSION_REJECT, "a message refused before the market uses up no number, and is not sent again";
    "duplicate-cl-ord-id", orders::duplicate_cl_ord_id, REPORTS, "a rejected order is told, uses up its number, and is not sent again";
    "lost-ack", resume::lost_ack, NUMBERS, "an order that was applied is not sent again; its report is told once";
    "lost-order", resume::lost_order, NUMBERS, "an order that was not applied is sent again, the same bytes, under its number";
    "cut-in-a-frame", resume::cut_in_a_frame, FRAMES, "half a frame of a lost connection is forgotten with it";
    "duplicate-report", resume::duplicate_report, NUMBERS, "a report whose number was seen is dropped";
    "reports-lost", resume::reports_lost, NUMBERS, "reports that are not kept any more are told as lost";
    "going-away", ends::going_away, CONNECTION, "a server that drains is come back to, not before retry_after_ms, and resumed";
    "redirect-logon", ends::redirect_at_logon, NODES, "a redirect at logon is followed";
    "redirect-session", ends::redirect_in_session, NODES, "a redirect that ends a session is followed at once, and the session resumed";
    "taken-over", ends::taken_over, CONNECTION, "a session that another logon took over stays away";
    "fatal-refusal", ends::fatal_refusal, CONNECTION, "a client whose bytes were refused does not come back with the same";
    "heartbeat", ends::heartbeat, CONNECTION, "an idle client is heard within every two keepalive intervals";
    "ping", ends::ping, CONNECTION, "a ping is answered at once, with its nonce and time";
    "silent-server", ends::silent_server, CONNECTION, "a server not heard for two keepalive intervals is given up, and logged on to anew";
    "logout", ends::logout, CONNECTION, "a logout comes behind what was entered before it, and ends the session";
    "book", market_data::book, MARKET_DATA, "snapshot and updates make the market's book, and a level at quantity 0 is gone";
    "book-in-two-frames", market_data::two_frames, MARKET_DATA, "a snapshot is complete with its last frame";
    "md-gap", market_data::gap, MARKET_DATA, "a missing md_seq is noticed: the market is subscribed to anew, once";
    "wrong-book-hash", market_data::wrong_hash, MARKET_DATA, "a book that has not the snapshot's book_hash is not used, and subscribed to anew";
    "book-after-a-cut", market_data::after_a_cut, MARKET_DATA, "a subscription is made again on a new connection";
}
