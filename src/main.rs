//! The `vestibule` binary: hands the command line to the library and maps its answer to an exit status.

fn main() {}
