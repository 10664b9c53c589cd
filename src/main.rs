//! The `vestibule` binary: hands the command line to the library and maps its answer to an exit status.

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let listen = args.iter().position(|a| a == "--listen").and_then(|i| args.get(i + 1).cloned());
    if let Err(e) = vestibule::cli::demo::run(listen, args.iter().any(|a| a == "--json"), None) {
        eprintln!("{e:#}");
        std::process::exit(1)
    }
}
