//! The `alike` binary: runs the command line and maps its result to an exit code.

/// Keeps the large blocks that networks ask for again and again: a fifth of a training step went into getting them back
/// from the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    alike::cli::main().into()
}
