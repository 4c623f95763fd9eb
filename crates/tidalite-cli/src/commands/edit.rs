//! `edit`: changes facts about a run without taking part in it.

use crate::args::EditArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use tidalite::ErrorKind;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &EditArgs) -> CliResult {
    if args.is_empty() {
        return Err(CliError::Usage(
            "nothing to edit; `tidalite edit --help` lists what can be changed".into(),
        ));
    }
    let store = context.write(&args.store)?;
    let mut editor = store.edit(&args.run).params(args.params.iter().cloned().collect());
    for name in &args.remove_params {
        editor = editor.remove_param(name);
    }
    for tag in &args.tags {
        editor = editor.tag(tag);
    }
    for tag in &args.remove_tags {
        editor = editor.remove_tag(tag);
    }
    if let Some(name) = &args.name {
        editor = editor.name(set(name));
    }
    if let Some(notes) = &args.notes {
        editor = editor.notes(set(notes));
    }
    if let Some(group) = &args.group {
        editor = editor.group(set(group));
    }
    if let Some(status) = args.status {
        editor = editor.status(status.set());
    }
    if let Some(started) = args.started {
        editor = editor.started_us(started.set());
    }
    if let Some(ended) = args.ended {
        editor = editor.ended_us(ended.set());
    }
    match editor.apply() {
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(CliError::Nothing(e.to_string())),
        done => done?,
    };
    // Once the edit is reported, a power cut must not undo it.
    Ok(store.sync()?)
}

/// The text, or none to remove it.
fn set(text: &str) -> Option<&str> {
    Some(text).filter(|t| !t.is_empty())
}
