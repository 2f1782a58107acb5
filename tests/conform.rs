//! Clients in other languages, and the runner that tests them.
