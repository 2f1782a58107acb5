//! TLS on the ports of a node: the certificate that it shows, when a peer must use it, and a socket that is the same with it
//! and without.
//!
//! TLS 1.3 alone ([RFC 8446](https://www.rfc-editor.org/rfc/rfc8446)), by rustls. A peer on the machine itself may also speak
//! plainly to the same port; one beyond it is refused then.
//!
//! Must never: let a byte of a peer beyond the machine pass unprotected when there is a certificate, or write the private key
//! anywhere.

mod certificate;
mod port;
mod socket;

pub use certificate::{Certificate, CertificateError};
pub use port::{EnterError, Port};
pub use socket::{Socket, Turn};
