//! Sort images that look alike.
//!
//! ```text
//! source -> decode -> embed -> reduce -> cluster -> evaluate -> arrange / report
//!                                             \-> model -> assign new images
//! ```
//!
//! Every stage is a folder of this crate, and every folder a stage. Imports run downwards only:
//!
//! ```text
//! cli
//! arrange, report                                   outputs
//! pipeline                                          fit and predict: the stages composed
//! model topology                                    the fitted artefact: save, load, assign; graphs of groups of rows
//! source decode embed reduce cluster raster evaluate synth the stages
//! neighbors nn                                      nearest neighbours; layers of neural networks
//! collection distance device files npy progress     vocabulary
//! ```
//!
//! Invariants: rows, ids and labels travel in one value; noise is [`None`], never -1; an undefined score is
//! [`None`], never NaN; the library never prints and never exits; the same seed gives the same bytes at any
//! thread count; a file appears whole or not at all.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod arrange;
pub mod cli;
pub mod cluster;
pub mod collection;
pub mod decode;
pub mod device;
pub mod distance;
pub mod embed;
pub mod evaluate;
pub mod files;
pub mod model;
pub mod neighbors;
pub mod nn;
pub mod npy;
pub mod pipeline;
pub mod progress;
pub mod raster;
pub mod reduce;
pub mod report;
pub mod source;
pub mod synth;
pub mod topology;
