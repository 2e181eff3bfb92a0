//! The `alike` binary: runs the command line and maps its result to an exit code.

fn main() -> std::process::ExitCode {
    alike::cli::main().into()
}
