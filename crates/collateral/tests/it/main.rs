//! The client against services, honest and not, on loopback: a stand-in for Intel's PCS, scripted servers, TLS.

mod cases;
mod files;
mod hostile;
mod scripted;
mod services;
mod tls;
