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
    for (path, old) in report.missing.iter().take(5) {
        printer.warn(&format!("not found: {}, moved there from {}", args.out.join(path).display(), old.display()));
    }
    if report.missing.len() > 5 {
        printer.warn(&format!("and {} more not found", report.missing.len() - 5));
    }
    if !report.missing.is_empty() {
        printer.warn(&format!(
            "{0} still knows where they came from: put them back where they were and run `alike undo {0}` again",
            args.out.display()
        ));
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
    let mut text = format!("{} files removed, {} moved back", report.removed, report.returned);
    for (n, what) in [(report.kept.len(), "kept"), (report.missing.len(), "not found")] {
        if n > 0 {
            text += &format!(", {n} {what}");
        }
    }
    printer.result(&json, &text)?;
    Ok(if report.complete() { Exit::Done } else { Exit::Failed })
}
