//! What is kept: the cache, what it remembers, archives, and Intel's cache files.

mod archive;
mod cache;
mod diff;
mod intel_cache;
mod world;
