//! `alike undo`: an arrangement taken back.

use super::args::UndoArgs;
use super::{Exit, printer::Printer};
use crate::arrange::{Output, undo};
use crate::progress::Reporter;
use serde_json::json;

/// Runs the command.
pub fn run(args: &UndoArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let report = undo(Output::existing(&args.out)?, printer)?;
    for kept in &report.kept {
        printer.warn(&format!("kept {}: {}", args.out.join(&kept.path).display(), kept.reason));
    }
    for path in &report.missing {
        printer.warn(&format!("already gone: {}", args.out.join(path).display()));
    }
    if !report.foreign.is_empty() {
        let (n, out) = (report.foreign.len(), args.out.display());
        printer.warn(&format!("{n} files in {out} are not alike's and stay, {} first", report.foreign[0].display()));
    }
    let json = json!({
        "removed": report.removed, "returned": report.returned, "missing": report.missing.len(),
        "kept": report.kept.iter().map(|k| json!({"path": k.path.to_string_lossy(), "reason": k.reason})).collect::<Vec<_>>(),
        "foreign": report.foreign.len(), "complete": report.complete(), "out": args.out,
    });
    let text = format!("{} files removed, {} moved back", report.removed, report.returned);
    printer.result(&json, &text)?;
    Ok(if report.complete() { Exit::Done } else { Exit::Failed })
}
